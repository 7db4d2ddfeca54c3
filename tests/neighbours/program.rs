//! Another DNS server, run beside the test.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::installed::installed;
use crate::run::{PATIENCE, Room, query};

/// Which program, and how it is run from a folder that holds its configuration.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// Where it is looked for beside the search path.
    pub(crate) places: &'static [&'static str],
    /// What to do where it is missing.
    pub(crate) cure: &'static str,
    pub(crate) arguments: fn(SocketAddr) -> Vec<String>,
}

impl Program {
    /// Runs it; `None` where it is not installed. `configure` is told the address to listen on, and
    /// gives the text of the file `conf`.
    pub(crate) fn run(&self, configure: impl Fn(SocketAddr) -> String) -> Option<Running> {
        let path = installed(self.name, self.places, self.cure)?;
        let room = Room::new();
        let address = free();
        room.write("conf", configure(address));
        let log = std::fs::File::create(room.path("log")).expect("a file");
        let child = Command::new(path)
            .args((self.arguments)(address))
            .current_dir(room.path(""))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("it starts");
        let mut running = Running { room, child, address };
        running.wait();
        Some(running)
    }
}

/// A port that is free for UDP and for TCP.
fn free() -> SocketAddr {
    for _ in 0..64 {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        let address = socket.local_addr().expect("an address");
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port is free");
}

/// A server beside the test; ends with it.
pub(crate) struct Running {
    room: Room,
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Running {
    /// Waits until it answers.
    fn wait(&mut self) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        socket.connect(self.address).expect("connect");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("time-out");
        let limit = Instant::now() + PATIENCE;
        let mut room = [0; 512];
        loop {
            // Nobody listens yet: the kernel may say so at either call.
            if socket.send(&query(1, "mysql.shop.svc.cluster.local.")).is_ok()
                && socket.recv(&mut room).is_ok()
            {
                return;
            }
            let ended = self.child.try_wait().expect("a status");
            let log = self.log();
            assert!(ended.is_none() && Instant::now() < limit, "no answer ({ended:?}): {log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Running {
    /// What it has written so far, to standard output and standard error.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.room.path("log")).expect("a file")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
