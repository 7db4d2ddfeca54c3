//! The real binary on ports of its own, and clients for it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Long enough for a busy machine: nothing waits for it unless a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// After this a datagram is taken for lost and sent again.
const LOST: Duration = Duration::from_secs(5);

/// A running server; dropping it ends it.
pub(crate) struct Running {
    child: Child,
    pub(crate) v4: SocketAddr,
    pub(crate) v6: SocketAddr,
    udp: UdpSocket,
    tcp: Mutex<Option<TcpStream>>,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts the binary with these arguments, `--listen 127.0.0.1:0 --listen [::1]:0` among them,
    /// and learns its ports from its log.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fingerpost"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stderr = child.stderr.take().expect("its log");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (said, listening) = channel();
        let kept = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(address) = address_in(&line) {
                    let _ = said.send(address);
                }
                kept.lock().expect("the log").push(line);
            }
        });
        let [one, other] = [(); 2].map(|()| next(&listening, &log, &mut child));
        let (v4, v6) = if one.is_ipv4() { (one, other) } else { (other, one) };
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        udp.connect(v4).expect("a server");
        udp.set_read_timeout(Some(LOST)).expect("a time-out");
        Self { child, v4, v6, udp, tcp: Mutex::new(None), log, reader: Some(reader) }
    }

    /// What it has logged until now.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("the log").join("\n")
    }

    /// The response to a message: over UDP and IPv4, or over TCP and IPv6.
    pub(crate) fn exchange(&self, message: &[u8], stream: bool) -> Vec<u8> {
        if stream { self.over_tcp(message) } else { self.over_udp(message) }
    }

    fn over_udp(&self, message: &[u8]) -> Vec<u8> {
        let end = Instant::now() + PATIENCE;
        let mut buffer = [0; 8_192];
        while Instant::now() < end {
            self.udp.send(message).expect("sent");
            match self.udp.recv(&mut buffer) {
                Ok(len) => return buffer[..len].to_vec(),
                Err(error) => eprintln!("{error}; sending again"),
            }
        }
        panic!("no response to {message:02x?}:\n{}", self.log());
    }

    /// Sends what must not be answered, then `next`: the first response must be to that.
    pub(crate) fn silent(&self, message: &[u8], next: &[u8]) -> Vec<u8> {
        self.udp.send(message).expect("sent");
        self.over_udp(next)
    }

    fn over_tcp(&self, message: &[u8]) -> Vec<u8> {
        let mut kept = self.tcp.lock().expect("the connection");
        if let Some(stream) = kept.as_mut()
            && let Ok(reply) = framed(stream, message)
        {
            return reply;
        }
        // The server may have closed what was idle for long.
        let mut stream = TcpStream::connect_timeout(&self.v6, PATIENCE).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream.set_nodelay(true).expect("no delay");
        let reply = framed(&mut stream, message).expect("a response over TCP");
        *kept = Some(stream);
        reply
    }
}

fn framed(stream: &mut TcpStream, message: &[u8]) -> std::io::Result<Vec<u8>> {
    let len = u16::try_from(message.len()).expect("a message");
    stream.write_all(&[&len.to_be_bytes()[..], message].concat())?;
    let mut len = [0; 2];
    stream.read_exact(&mut len)?;
    let mut reply = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut reply)?;
    Ok(reply)
}

/// The address of a log line that says where the server listens.
fn address_in(line: &str) -> Option<SocketAddr> {
    let rest = line.split_once("listening addr=")?.1;
    rest.split_whitespace().next()?.parse().ok()
}

fn next(
    listening: &Receiver<SocketAddr>,
    log: &Mutex<Vec<String>>,
    child: &mut Child,
) -> SocketAddr {
    listening.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let _ = child.kill();
        panic!("the server does not listen:\n{}", log.lock().expect("the log").join("\n"))
    })
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
