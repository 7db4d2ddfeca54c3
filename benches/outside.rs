//! Names outside.
//!
//! `cargo bench --bench outside -- [--names N] [--rounds N] [--queries N] [--show-config]
//! [--only kept|silent] [--seconds N]`; `-- --smoke` runs all of it once, small.
//!
//! *Kept*: what it costs to say again what an upstream has said. CPU time an answered query of the
//! binary with `cache` and `forward`, of unbound and of CoreDNS's `cache`, beside that of a bare echo,
//! all in the same rounds, each with one worker on one core; the questions come from another. Every
//! question is asked once before, so that all have the answers: half A of a name that has one record, a
//! fourth AAAA of one that has none, a fourth names that do not exist.
//!
//! *Silent*: what it does to the cluster's own names that no upstream answers. The binary with two
//! upstreams that say nothing gets a flood of names outside, each another one, while a name of the
//! cluster is asked for at a steady pace: how many of these answers are lost, how long they take, how
//! much memory and processor time the server has by then.
#![allow(missing_docs, clippy::cast_precision_loss, unreachable_pub)]

#[allow(dead_code)]
#[path = "support/contest/mod.rs"]
mod contest;
#[path = "support/flood.rs"]
mod flood;
#[allow(dead_code)]
#[path = "support/objects.rs"]
mod objects;
#[allow(dead_code)]
#[path = "support/peer.rs"]
mod peer;
#[allow(dead_code)]
mod support;
#[path = "support/upstream.rs"]
mod upstream;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use contest::process::{Cores, Result, Running, exchange, rcode};
use contest::turns::{self, Contender};
use contest::{Effort, echo, number, says};
use peer::{Attempt, RESOLVERS, Source};

/// Questions that are kept: well within the 9,984 answers of each half that `cache` has room for.
const NAMES: usize = 5_000;
/// How long a question may be asked until it is answered for the first time.
const PATIENCE: Duration = Duration::from_secs(20);
/// Queries a second for the name of the cluster.
const STEADY: usize = 500;
/// Queries a second of the floods.
const FLOODS: [usize; 4] = [0, 1_000, 10_000, 50_000];
/// A flood goes on for so long before it is measured: longer than a query may wait for an upstream.
const BEFORE: Duration = Duration::from_secs(5);
/// The name of the cluster, and its manifest.
const OURS: &str = "web.shop.svc.cluster.local";
const MANIFEST: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n\
                        spec: {clusterIP: 10.96.0.10, selector: {app: web}, ports: [{port: 80}]}\n";

fn main() -> Result<()> {
    if let Some(length) = number("--echo")? {
        return Ok(echo::run(length)?);
    }
    let smoke = says("--smoke");
    let cores = Cores::divide()?;
    let only = std::env::args().skip_while(|word| word != "--only").nth(1);
    let wanted = |part: &str| only.as_ref().is_none_or(|only| only == part);
    if wanted("kept") {
        kept(smoke, cores)?;
    }
    if wanted("silent") {
        silent(smoke, cores)?;
    }
    Ok(())
}

fn kept(smoke: bool, cores: Cores) -> Result<()> {
    let mut effort = Effort::new(smoke);
    effort.rounds = number("--rounds")?.unwrap_or(effort.rounds);
    effort.queries = number("--queries")?.unwrap_or(effort.queries);
    let names = number("--names")?.unwrap_or(if smoke { 200 } else { NAMES });
    let upstream = upstream::answering()?;
    let questions = upstream::questions(names);
    let mut pool = upstream::mix(&questions, effort.pool);
    println!("{cores:?}; {} rounds of {} queries", effort.rounds, effort.queries);

    let folder = tempfile::tempdir()?;
    let corefile = format!("  cache\n  forward . {upstream}\n");
    let ours = fingerpost(folder.path(), &corefile, cores)?;
    prime(ours.address, &questions)?;
    let length = contest::asking::ask(ours.address, &mut pool, names, true)?;
    let length = length.octets / length.answers.max(1);
    let mut contenders = vec![
        Contender { name: "echo", running: echo(0, cores)?, answers: false },
        Contender { name: "echo, as long", running: echo(length, cores)?, answers: false },
        Contender { name: "fingerpost", running: ours, answers: true },
    ];
    let source = Source { zone: folder.path(), api: None, upstream: Some(upstream) };
    let mut folders = Vec::new();
    for peer in &RESOLVERS {
        let (attempt, folder) = peer.run(source, pool.entry(0), cores, says("--show-config"))?;
        folders.push(folder);
        match attempt {
            Attempt::Runs(running) => {
                prime(running.address, &questions)?;
                contenders.push(Contender { name: peer.name, running, answers: true });
            }
            Attempt::Not(why) => println!("!!! {} IS NOT MEASURED: {why} !!!", peer.name),
        }
    }
    println!("\n{names} questions about names outside; load {}", turns::load_average());
    let figures = turns::measure(&contenders, &mut pool, effort.rounds, effort.queries)?;
    turns::tell(&contenders, &figures);
    Ok(())
}

/// The binary with one worker and these directives.
fn fingerpost(folder: &Path, directives: &str, cores: Cores) -> Result<Running> {
    let corefile = folder.join("Corefile");
    let text = format!(".:0 {{\n  bind 127.0.0.1\n  workers 1\n{directives}}}\n");
    std::fs::write(&corefile, text)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_fingerpost"));
    command.args(["serve", "-c"]).arg(corefile);
    Running::telling(command.stdout(Stdio::null()).stderr(Stdio::piped()), Some(cores))
}

/// Has a server learn all answers.
fn prime(server: SocketAddr, questions: &[(Vec<u8>, u8)]) -> Result<()> {
    for (wire, expected) in questions {
        let deadline = Instant::now() + PATIENCE;
        while exchange(server, wire).is_none_or(|reply| rcode(&reply) != *expected) {
            if Instant::now() > deadline {
                return Err(format!("{server} does not answer what its upstream does").into());
            }
        }
    }
    Ok(())
}

fn silent(smoke: bool, cores: Cores) -> Result<()> {
    let seconds = number("--seconds")?.unwrap_or(if smoke { 1 } else { 10 });
    let time = Duration::from_secs(u64::try_from(seconds)?);
    let before = if smoke { Duration::from_millis(200) } else { BEFORE };
    let folder = tempfile::tempdir()?;
    let manifest = folder.path().join("web.yaml");
    std::fs::write(&manifest, MANIFEST)?;
    let (_held, upstreams) = upstream::silent(2)?;
    let to: Vec<String> = upstreams.iter().map(ToString::to_string).collect();
    let directives = format!(
        "  kubernetes cluster.local {{\n    manifests {}\n  }}\n  cache 30\n  forward . {} {{\n    \
         max_concurrent 1000\n  }}\n",
        manifest.display(),
        to.join(" ")
    );
    println!("\nAll upstreams are silent; {STEADY} queries a second for {OURS}");
    println!(
        "{:>10} {:>10} {:>10} | {:>7} {:>7} {:>9} {:>9} {:>9} | {:>8} {:>6}",
        "flood/s",
        "sent/s",
        "answered/s",
        "asked",
        "lost",
        "p50 µs",
        "p99 µs",
        "max µs",
        "RSS MiB",
        "busy"
    );
    for (turn, rate) in FLOODS.into_iter().enumerate() {
        let running = fingerpost(folder.path(), &directives, cores)?;
        let (stop, server) = (AtomicBool::new(false), running.address);
        let began = Instant::now();
        let (flood, steady, cpu) = thread::scope(|scope| -> Result<_> {
            let flood = scope.spawn(|| flood::flood(server, rate, turn, &stop));
            sleep(before);
            let (measured, first) = (Instant::now(), running.cpu());
            let steady = flood::steady(server, OURS, STEADY, time);
            let (took, last) = (measured.elapsed(), running.cpu());
            // Before anything that may fail: the flood has to end.
            stop.store(true, Ordering::Relaxed);
            let flood = flood.join().map_err(|_| "the flood has ended in a panic")?;
            Ok((flood?, steady?, (last? - first?) as f64 / took.as_nanos() as f64))
        })?;
        let took = began.elapsed().as_secs_f64();
        let at = |part: usize| {
            let place = steady.latencies.len().saturating_sub(1) * part / 100;
            steady.latencies.get(place).copied().unwrap_or(f64::NAN)
        };
        println!(
            "{rate:>10} {:>10.0} {:>10.0} | {:>7} {:>7} {:>9.0} {:>9.0} {:>9.0} | {:>8.1} {:>5.0}%",
            flood.sent as f64 / took,
            flood.answered as f64 / took,
            steady.asked,
            steady.asked - steady.latencies.len(),
            at(50),
            at(99),
            at(100),
            running.resident()?,
            cpu * 100.0,
        );
    }
    Ok(())
}
