//! Servers as processes of their own, on a core of their own, and the CPU time that they take.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Until a server has read its zone: a million names take some of them a minute.
const PATIENCE: Duration = Duration::from_mins(5);

/// The core that servers run on, and the one for all else; the same where there is but one.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    pub servers: usize,
    pub rest: usize,
}

impl Cores {
    /// Divides the machine; the caller stays on its core from here on.
    pub fn divide() -> Result<Self> {
        let allowed = sched_getaffinity(Pid::from_raw(0))?;
        let mut cores = (0..CpuSet::count()).filter(|at| allowed.is_set(*at).unwrap_or(false));
        let servers = cores.next().ok_or("there is no core")?;
        let cores = Self { servers, rest: cores.next().unwrap_or(servers) };
        stay_on(cores.rest)?;
        Ok(cores)
    }
}

fn stay_on(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// A server. Dropping it ends it.
pub struct Running {
    child: Child,
    pub address: SocketAddr,
}

impl Running {
    /// Starts a server that says on one of its outputs where it listens, behind `addr=`.
    pub fn telling(command: &mut Command, cores: Option<Cores>) -> Result<Self> {
        let mut child = spawn(command.stdin(Stdio::piped()), cores)?;
        let lines: Box<dyn BufRead + Send> = match (child.stdout.take(), child.stderr.take()) {
            (Some(out), _) => Box::new(BufReader::new(out)),
            (_, Some(log)) => Box::new(BufReader::new(log)),
            _ => return Err("neither output is read".into()),
        };
        let mut running = Self { child, address: SocketAddr::from(([0; 4], 0)) };
        let mut lines = lines.lines();
        for line in lines.by_ref() {
            let line = line?;
            if let Some((_, rest)) = line.split_once("addr=") {
                running.address = rest.split(' ').next().unwrap_or_default().parse()?;
                // What is told later is read, so that it never waits for a reader.
                thread::spawn(move || lines.map_while(std::io::Result::ok).for_each(drop));
                return Ok(running);
            }
        }
        Err("the server has ended without listening".into())
    }

    /// Starts a server that was told to listen on `address`; it is there when `query` is answered
    /// with this response code. What it logs goes to the file `log`.
    pub fn told(
        command: &mut Command,
        cores: Cores,
        address: SocketAddr,
        (query, rcode): (&[u8], u8),
        log: &Path,
    ) -> Result<Self> {
        let file = std::fs::File::create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let mut running = Self { child: spawn(command, Some(cores))?, address };
        let deadline = Instant::now() + PATIENCE;
        while exchange(address, query).is_none_or(|reply| self::rcode(&reply) != rcode) {
            let ended = running.child.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(log).unwrap_or_default();
                return Err(format!("it does not answer ({ended:?}): {log}").into());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(running)
    }

    /// The CPU time that it has taken up to now, in nanoseconds: that of all threads of it and of the
    /// processes that it has started.
    pub fn cpu(&self) -> Result<u64> {
        let processes = family(self.child.id())?;
        processes.into_iter().map(cpu_of).sum()
    }

    /// The memory that it has now, in MiB.
    pub fn resident(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()).ok_or("no VmRSS")?;
        Ok(kib.parse::<f64>()? / 1_024.0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // What it has started goes with it; any of them may have ended by itself.
        let members = family(self.child.id()).unwrap_or_default();
        let _ = self.child.kill();
        for id in members.into_iter().filter(|id| *id != self.child.id()) {
            let _ = kill(Pid::from_raw(id.cast_signed()), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

/// Starts it on the core for servers, where there is a choice.
fn spawn(command: &mut Command, cores: Option<Cores>) -> Result<Child> {
    // A child stays where the thread was that started it.
    if let Some(cores) = cores {
        stay_on(cores.servers)?;
    }
    let child = command.spawn();
    if let Some(cores) = cores {
        stay_on(cores.rest)?;
    }
    child.map_err(|fault| format!("{}: {fault}", command.get_program().display()).into())
}

/// A process and all that it has started, by their IDs.
fn family(first: u32) -> Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Ok(id) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        // It may have ended since.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
        // The name stands in parentheses and may hold anything; the state and the parent follow.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
        if let Some(parent) = parent.and_then(|text| text.parse::<u32>().ok()) {
            parents.push((id, parent));
        }
    }
    let mut all = vec![first];
    let mut at = 0;
    while let Some(&parent) = all.get(at) {
        all.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(id, _)| *id));
        at += 1;
    }
    Ok(all)
}

/// The time on a processor of all threads of a process, in nanoseconds.
fn cpu_of(process: u32) -> Result<u64> {
    let mut sum = 0;
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let file = thread?.path().join("schedstat");
        let text = std::fs::read_to_string(&file).map_err(|fault| {
            format!("{}: {fault}; the kernel needs CONFIG_SCHED_INFO", file.display())
        })?;
        sum += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(sum)
}

/// What a server says to a query over UDP; `None` where nothing comes soon.
pub fn exchange(server: SocketAddr, query: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    socket.connect(server).ok()?;
    socket.set_read_timeout(Some(Duration::from_millis(200))).ok()?;
    socket.send(query).ok()?;
    let mut room = vec![0; 4_096];
    let length = socket.recv(&mut room).ok()?;
    room.truncate(length);
    (length >= 12).then_some(room)
}

/// A response's code.
pub fn rcode(reply: &[u8]) -> u8 {
    reply.get(3).map_or(u8::MAX, |octet| octet & 15)
}

/// A port that is free for UDP and for TCP, for a server that cannot say which one it got.
pub fn free() -> Result<SocketAddr> {
    for _ in 0..64 {
        let address = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err("no port is free".into())
}
