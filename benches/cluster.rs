//! What a live cluster costs: the binary as a process of its own on a large fake API server, so that
//! its memory is its own. Time to ready, memory at rest and at its peak through the first list and a
//! full re-list, and the time from a change at the API server to a changed answer.
//!
//! `cargo bench --bench cluster -- [--services N] [--endpoints N] [--changes N] [--rate N]
//! [--mode streaming|paged|both]`; `-- --smoke` runs all of it once, small, to see that it works.
#![allow(missing_docs, clippy::cast_precision_loss, unreachable_pub)]

#[path = "support/api.rs"]
mod api;
#[allow(dead_code)]
#[path = "support/objects.rs"]
mod objects;

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use api::{Api, SERVICES, SLICES};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// For what must come: a start, a list, an answer.
const PATIENCE: Duration = Duration::from_mins(3);
/// Memory is at rest when it has not changed for so long.
const REST: Duration = Duration::from_secs(2);
/// Between two looks at an answer that is to change.
const LOOK: Duration = Duration::from_micros(200);

struct Sizes {
    services: usize,
    endpoints: usize,
    changes: usize,
    rate: usize,
    mode: String,
}

impl Sizes {
    fn of_arguments() -> Result<Self> {
        let mut sizes = Self {
            services: 10_000,
            endpoints: 150_000,
            changes: 300,
            rate: 1_000,
            mode: "both".into(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
            match argument.as_str() {
                "--smoke" => {
                    (sizes.services, sizes.endpoints, sizes.changes, sizes.rate) =
                        (200, 1_000, 20, 200);
                }
                "--services" => sizes.services = value()?.parse()?,
                "--endpoints" => sizes.endpoints = value()?.parse()?,
                "--changes" => sizes.changes = value()?.parse()?,
                "--rate" => sizes.rate = value()?.parse()?,
                "--mode" => sizes.mode = value()?,
                // What cargo adds.
                "--bench" => {}
                other => return Err(format!("{other} is not known").into()),
            }
        }
        if sizes.services < 16 {
            return Err("there must be 16 Services at least".into());
        }
        Ok(sizes)
    }
}

fn main() -> Result<()> {
    let sizes = Sizes::of_arguments()?;
    println!(
        "{} Services, {} endpoints; load {}",
        sizes.services,
        sizes.endpoints,
        std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim()
    );
    for (mode, minor) in [("streaming", "34"), ("paged", "33")] {
        if [mode, "both"].contains(&sizes.mode.as_str()) {
            measure(mode, minor, &sizes)?;
        }
    }
    Ok(())
}

fn measure(mode: &str, minor: &'static str, sizes: &Sizes) -> Result<()> {
    let each = sizes.endpoints / sizes.services.max(1);
    let api = Api::start(minor, sizes.services, each)?;
    println!(
        "\n{mode} lists, {:.1} MiB of objects as JSON",
        api.octets() as f64 / f64::from(1 << 20)
    );

    let began = Instant::now();
    let served = Served::start(api.address)?;
    let mut asker = Asker::new(served.address)?;
    asker.ready(sizes.services)?;
    println!("  ready after                 {:>9.2} s", began.elapsed().as_secs_f64());
    served.rests()?;
    let (rest, peak) = (served.memory("VmRSS")?, served.memory("VmHWM")?);
    println!("  VmRSS at rest               {rest:>9.1} MiB");
    println!("  VmHWM through first list    {peak:>9.1} MiB  {:.2} of rest", peak / rest);

    served.forget_peak()?;
    let lists = api.lists();
    let began = Instant::now();
    api.gone();
    until("new lists", || Ok(api.lists() >= lists + 4 && api.watches() >= 4))?;
    // What comes now comes behind the new lists.
    asker.change(&api, 0, 1)?;
    let took = began.elapsed().as_secs_f64();
    served.rests()?;
    let (after, peak) = (served.memory("VmRSS")?, served.memory("VmHWM")?);
    println!(
        "  VmHWM through full re-list  {peak:>9.1} MiB  {:.2} of rest, in {took:.2} s",
        peak / rest
    );
    println!("  VmRSS after that            {after:>9.1} MiB");

    let mut idle = Vec::new();
    for turn in 0..sizes.changes {
        sleep(Duration::from_millis(20));
        idle.push(asker.change(&api, 4 * (turn % (sizes.services / 8)), 2 + turn)?);
    }
    tell("idle", &mut idle);

    let stop = AtomicBool::new(false);
    let count = AtomicUsize::new(0);
    let (busy, rate) = thread::scope(|scope| {
        scope.spawn(|| storm(&api, sizes, each, &stop, &count));
        let began = Instant::now();
        let mut busy = Vec::new();
        let mut all = || {
            for turn in 0..sizes.changes {
                sleep(Duration::from_millis(20));
                busy.push(asker.change(&api, 4 * (turn % (sizes.services / 8)), 60 + turn)?);
            }
            Ok::<_, Box<dyn Error>>(())
        };
        let done = all();
        stop.store(true, Ordering::Release);
        let rate = count.load(Ordering::Acquire) as f64 / began.elapsed().as_secs_f64();
        done.map(|()| (busy, rate))
    })?;
    let mut busy = busy;
    tell(&format!("at {rate:.0} changes a second"), &mut busy);
    println!("  VmRSS after all             {:>9.1} MiB", served.memory("VmRSS")?);
    println!("  VmHWM after all             {:>9.1} MiB", served.memory("VmHWM")?);
    Ok(())
}

fn tell(when: &str, latencies: &mut [Duration]) {
    latencies.sort_unstable();
    let of = |percent: usize| {
        let at = (latencies.len() * percent / 100).min(latencies.len().saturating_sub(1));
        latencies.get(at).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    };
    println!(
        "  change to answer, {when}: median {:.2} ms, p99 {:.2} ms, worst {:.2} ms, of {}",
        of(50),
        of(99),
        of(100),
        latencies.len()
    );
}

/// Changes of Services and slices that nobody asks about, evenly spread over time.
fn storm(api: &Api, sizes: &Sizes, each: usize, stop: &AtomicBool, count: &AtomicUsize) {
    let began = Instant::now();
    let half = sizes.services / 2;
    for turn in 0.. {
        if stop.load(Ordering::Acquire) {
            return;
        }
        let due = Duration::from_secs_f64(turn as f64 / sizes.rate.max(1) as f64);
        sleep(due.saturating_sub(began.elapsed()));
        // Strides over the second half; the first half is asked about.
        let at = half + turn * 7 % (sizes.services - half);
        if turn % 3 == 0 {
            api.change(SERVICES, at, |revision| objects::service(at, turn, revision));
        } else {
            let unready = turn % (each + 1);
            api.change(SLICES, at, |revision| objects::slice(at, each, unready, revision));
        }
        count.store(turn + 1, Ordering::Release);
    }
}

/// The binary as a process of its own. Dropping it ends it.
struct Served {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Served {
    fn start(api: SocketAddr) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("kubeconfig");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: fake\n\
             clusters:\n- name: fake\n  cluster: {{ server: \"http://{api}\" }}\n\
             users:\n- name: me\n  user: {{ token: secret }}\n\
             contexts:\n- name: fake\n  context: {{ cluster: fake, user: me }}\n"
        );
        std::fs::write(&config, text)?;
        let child = Command::new(env!("CARGO_BIN_EXE_fingerpost"))
            .args(["serve", "--listen", "127.0.0.1:0", "--kubeconfig"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let nowhere = SocketAddr::from(([0; 4], 0));
        let mut served = Self { child, address: nowhere, _folder: folder };
        let stderr = served.child.stderr.take().ok_or("no standard error")?;
        let mut lines = BufReader::new(stderr).lines();
        for line in lines.by_ref() {
            let line = line?;
            if let Some((_, rest)) = line.split_once("addr=") {
                served.address = rest.split(' ').next().unwrap_or_default().parse()?;
                // What is told later is read, so that it never waits for a reader.
                thread::spawn(move || lines.map_while(std::io::Result::ok).for_each(drop));
                return Ok(served);
            }
        }
        Err("it ended without listening".into())
    }

    /// A line of its status, in MiB.
    fn memory(&self, name: &str) -> Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find(|line| line.starts_with(name)).ok_or("no such line")?;
        let kib: f64 = line.split_whitespace().nth(1).ok_or("no figure")?.parse()?;
        Ok(kib / 1024.0)
    }

    fn forget_peak(&self) -> Result<()> {
        Ok(std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")?)
    }

    /// Waits until its memory does not change any more.
    fn rests(&self) -> Result<()> {
        let mut last = (0.0, Instant::now());
        until("memory at rest", || {
            let now = self.memory("VmRSS")?;
            if (now - last.0).abs() > 0.1 {
                last = (now, Instant::now());
            }
            sleep(Duration::from_millis(50));
            Ok(last.1.elapsed() >= REST)
        })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn until(what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !done()? {
        if Instant::now() > deadline {
            return Err(format!("not within {PATIENCE:?}: {what}").into());
        }
        sleep(LOOK);
    }
    Ok(())
}

struct Asker {
    socket: UdpSocket,
    id: u16,
}

impl Asker {
    fn new(server: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { socket, id: 0 })
    }

    fn ask(&mut self, name: &str) -> Result<Message> {
        self.id = self.id.wrapping_add(1);
        let mut message = Message::query();
        message.metadata.id = self.id;
        message.add_query(Query::query(Name::from_ascii(name)?, RecordType::A));
        self.socket.send(&message.to_vec()?)?;
        let mut room = [0; 4096];
        let length = self.socket.recv(&mut room)?;
        Ok(Message::from_vec(&room[..length])?)
    }

    /// The first address.
    fn address(&mut self, name: &str) -> Result<Option<[u8; 4]>> {
        let message = self.ask(name)?;
        Ok(message.answers.iter().find_map(|record| match &record.data {
            RData::A(address) => Some(address.0.octets()),
            _ => None,
        }))
    }

    /// Waits for all lists: an address that nobody has waits for every one of them.
    fn ready(&mut self, services: usize) -> Result<()> {
        until("all lists", || {
            let message = self.ask("9.9.9.9.in-addr.arpa.")?;
            Ok(message.metadata.response_code == ResponseCode::NXDomain)
        })?;
        for at in [0, services - 1] {
            if self.address(&full(at))?.is_none() {
                return Err(format!("{} has no address", full(at)).into());
            }
        }
        Ok(())
    }

    /// Changes the cluster IP of a Service, and says how long it takes until it is answered.
    fn change(&mut self, api: &Api, at: usize, turn: usize) -> Result<Duration> {
        let wanted = Some(objects::cluster_ip(at, turn));
        let name = full(at);
        let began = Instant::now();
        api.change(SERVICES, at, |revision| objects::service(at, turn, revision));
        until("a changed answer", || Ok(self.address(&name)? == wanted))?;
        Ok(began.elapsed())
    }
}

fn full(at: usize) -> String {
    let (name, namespace, _) = objects::place(at);
    format!("{name}.{namespace}.svc.cluster.local.")
}
