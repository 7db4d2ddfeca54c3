//! How many instructions an answer takes, which does not waver as time does; and that none of them is
//! locked.
//!
//! `cargo bench --bench instructions` runs each kind of query under valgrind's callgrind, on a cluster of
//! 1,000 Services, and compares with `benches/instructions.txt`: more than the margin above fails, less
//! than the margin below asks to be recorded, with `-- --record`. `-- --smoke` compares nothing, since it
//! is for builds that are not optimised as the recorded one was.
//!
//! Callgrind counts from the entry of one function of this file to its return, so that neither filling
//! the cluster nor reading the queries counts. It tells the address of each instruction that was
//! executed, and objdump what stands there: a `lock` prefix or an exchange with memory fails. A control
//! that adds to an atomic has to be found out.
//!
//! `clerk` is the way that a worker takes: a look for a newer view each 32 queries, the choice of the
//! server block, the answer.
#![allow(missing_docs, clippy::cast_precision_loss, unreachable_pub)]

#[path = "support/callgrind.rs"]
mod callgrind;
#[allow(dead_code)]
mod support;

use std::error::Error;
use std::fmt::Write as _;
use std::hint::black_box;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fingerpost::answer::{Desk, Outcome, Query, Rcode, Settings, Transport, answer};
use fingerpost::config::ServerBlock;
use fingerpost::front::{Block, Front};
use fingerpost::name::Name;
use fingerpost::serve::{self, Asker, Clerk, Client, Desk as _, MAX_UDP_RESPONSE, Step};
use support::{NAMESPACES, Numbers, query, view};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The machine that the record is of.
const RECORDED: &str = "x86_64";
/// How far a count may be from the record, in percent: versions of the C library copy differently.
const MARGIN: f64 = 5.0;
/// Services, and endpoints of each.
const SERVICES: usize = 1_000;
const ENDPOINTS: usize = 3;
/// Queries that are counted of each kind.
const QUERIES: usize = 2_000;
/// As many as a worker answers from one look for a newer view.
const BATCH: usize = 32;

const A: u16 = 1;
const PTR: u16 = 12;
const AAAA: u16 = 28;
const SRV: u16 = 33;

/// A kind of query: its name, one of it about a Service of this number, its response code, and how many
/// answers there are.
struct Kind {
    name: &'static str,
    make: fn(usize) -> Vec<u8>,
    rcode: Rcode,
    answers: u16,
}

const KINDS: [Kind; 8] = [
    Kind { name: "A hit", make: |n| query(&front(n), A), rcode: Rcode::NoError, answers: 1 },
    Kind { name: "A hit, EDNS", make: edns, rcode: Rcode::NoError, answers: 1 },
    Kind {
        name: "AAAA NODATA",
        make: |n| query(&front(n), AAAA),
        rcode: Rcode::NoError,
        answers: 0,
    },
    Kind {
        name: "A headless",
        make: |n| query(&service(n / 4 * 4 + 3), A),
        rcode: Rcode::NoError,
        answers: 3,
    },
    Kind { name: "search-list miss", make: miss, rcode: Rcode::NxDomain, answers: 0 },
    Kind {
        name: "no such namespace",
        make: |n| query(&format!("svc-{n}.ns-x{n}.svc.cluster.local"), A),
        rcode: Rcode::NxDomain,
        answers: 0,
    },
    Kind {
        name: "SRV",
        make: |n| query(&format!("_http._tcp.{}", front(n)), SRV),
        rcode: Rcode::NoError,
        answers: 1,
    },
    Kind { name: "PTR", make: pointer, rcode: Rcode::NoError, answers: 1 },
];
/// Every kind, one after the other, by the way that a worker takes.
const CLERK: &str = "clerk";
/// What has to be found out.
const CONTROL: &str = "control";

fn service(n: usize) -> String {
    format!("svc-{n}.ns-{}.svc.cluster.local", n % NAMESPACES)
}

/// A Service with a cluster IP.
fn front(n: usize) -> String {
    service(n / 4 * 4)
}

fn edns(n: usize) -> Vec<u8> {
    let mut message = query(&front(n), A);
    message[11] = 1;
    message.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    message
}

fn miss(n: usize) -> Vec<u8> {
    let outside = ["github.com", "api.example.com", "registry.npmjs.org", "s3.amazonaws.com"];
    let outside = outside[n % outside.len()];
    match n % 3 {
        0 => query(&format!("{outside}.ns-{}.svc.cluster.local", n % NAMESPACES), A),
        1 => query(&format!("{outside}.svc.cluster.local"), A),
        _ => query(&format!("{outside}.cluster.local"), A),
    }
}

fn pointer(n: usize) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(n / 4 * 4).unwrap_or_default().to_be_bytes();
    query(&format!("{c}.{b}.{a}.10.in-addr.arpa"), PTR)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let says = |word: &str| arguments.iter().any(|argument| argument == word);
    if let [_, word, name] = &arguments[..]
        && word == "--child"
    {
        return child(name);
    }
    for (program, package) in [("valgrind", "valgrind"), ("objdump", "binutils")] {
        if !callgrind::has(program) {
            let missing = format!("{program} is missing (Debian's {package}): NOTHING IS COUNTED");
            if std::env::var("CI").as_deref() == Ok("true") {
                return Err(missing.into());
            }
            println!("!!! {missing} !!!");
            return Ok(());
        }
    }

    if callgrind::run("counted_control", &["--child", CONTROL])?.locked()?.is_empty() {
        return Err(
            "the control's locked instruction was not found; no result can be trusted".into()
        );
    }
    let mut counts = Vec::new();
    for name in KINDS.iter().map(|kind| kind.name).chain([CLERK]) {
        let counted = callgrind::run("counted_answers", &["--child", name])?;
        let locked = counted.locked()?;
        if !locked.is_empty() {
            let list = locked.join("\n");
            return Err(format!("{name}: locked instructions on the query path:\n{list}").into());
        }
        counts.push((name, counted.instructions / QUERIES as u64));
    }
    if says("--record") {
        if cfg!(debug_assertions) || std::env::consts::ARCH != RECORDED {
            return Err(format!("record with `cargo bench`, on {RECORDED}").into());
        }
        return record(&counts);
    }
    compare(&counts, says("--smoke") || cfg!(debug_assertions))
}

fn file() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "benches", "instructions.txt"].iter().collect()
}

fn record(counts: &[(&str, u64)]) -> Result<()> {
    let mut text = String::from(
        "# Instructions an answer takes, compared by `cargo bench --bench instructions`, written by\n\
         # `cargo bench --bench instructions -- --record` on x86_64.\n",
    );
    for (name, count) in counts {
        writeln!(text, "{name}: {count}")?;
    }
    std::fs::write(file(), &text)?;
    print!("{text}");
    Ok(())
}

/// Prints the counts beside the recorded ones; an error where one is worse by more than the margin.
fn compare(counts: &[(&str, u64)], only_shown: bool) -> Result<()> {
    let text = std::fs::read_to_string(file())?;
    let only_shown = only_shown || std::env::consts::ARCH != RECORDED;
    let (mut worse, mut better) = (Vec::new(), Vec::new());
    println!("{:<20} {:>12} {:>9} {:>8}", "query", "instructions", "recorded", "change");
    for (name, count) in counts {
        let recorded = text.lines().filter_map(|line| line.split_once(": "));
        let recorded =
            recorded.filter(|(of, _)| of == name).find_map(|(_, count)| count.parse().ok());
        let recorded: u64 =
            recorded.ok_or_else(|| format!("{name} is not recorded; use --record"))?;
        let change = (*count as f64 / recorded as f64 - 1.0) * 100.0;
        println!("{name:<20} {count:>12} {recorded:>9} {change:>7.1}%");
        if change > MARGIN {
            worse.push(*name);
        } else if change < -MARGIN {
            better.push(*name);
        }
    }
    println!("no locked instruction was executed; the control's was found");
    if only_shown {
        println!("not compared: the record is of an optimised build on {RECORDED}");
        return Ok(());
    }
    if !better.is_empty() {
        println!("better by more than {MARGIN} %: {better:?}; keep it with `-- --record`");
    }
    if !worse.is_empty() {
        let cure = "find out why, or, if it has to be, accept it with `-- --record`";
        return Err(format!("worse by more than {MARGIN} %: {worse:?}; {cure}").into());
    }
    Ok(())
}

/// What is counted, in a process of its own.
fn child(name: &str) -> Result<()> {
    if name == CONTROL {
        black_box(counted_control(QUERIES));
        return Ok(());
    }
    let (registry, _publisher, view) = view(SERVICES, ENDPOINTS);
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut messages = Vec::with_capacity(QUERIES);
    let settings = Settings::default();
    let desk =
        Desk { view: Some(&view), settings: &settings, transport: Transport::Udp, rotation: 0 };
    let mut room = Query::default();
    let mut out = vec![0; MAX_UDP_RESPONSE];
    let kinds: Vec<&Kind> =
        KINDS.iter().filter(|kind| kind.name == name || name == CLERK).collect();
    for kind in kinds.iter().cycle().take(QUERIES) {
        let message = (kind.make)(numbers.below(SERVICES));
        let outcome = answer(&desk, &message, &mut room, &mut out);
        let rcode = match outcome {
            Outcome::Reply { rcode, .. } => Some(rcode),
            _ => None,
        };
        let answers = u16::from_be_bytes([out[6], out[7]]);
        if rcode != Some(kind.rcode) || answers != kind.answers {
            return Err(format!("{}: {outcome:?} with {answers} answers", kind.name).into());
        }
        messages.push(message);
    }
    if name == CLERK {
        let block = ServerBlock { zones: vec![Name::parse(".")?], ..ServerBlock::default() };
        let front = Front::new(vec![Block::new(&block, Some(registry.view()))]);
        black_box(counted_answers_of_clerk(&mut front.clerk(), &messages, &mut out));
    } else {
        black_box(counted_answers(desk, &messages, &mut room, &mut out));
    }
    Ok(())
}

/// Octets of all answers.
#[inline(never)]
fn counted_answers(
    desk: Desk<'_>,
    messages: &[Vec<u8>],
    room: &mut Query,
    out: &mut [u8],
) -> usize {
    let mut octets = 0;
    for (rotation, message) in (0..).zip(messages) {
        let desk = Desk { rotation, ..desk };
        if let Outcome::Reply { len, .. } = answer(&desk, message, room, out) {
            octets += len;
        }
    }
    octets
}

/// The same by the way that a worker takes.
#[inline(never)]
fn counted_answers_of_clerk(
    clerk: &mut <Front as serve::Desk>::Clerk,
    messages: &[Vec<u8>],
    out: &mut [u8],
) -> usize {
    let from = SocketAddr::from(([192, 0, 2, 9], 5_353));
    let client = Client { from, local: None, transport: Transport::Udp };
    let mut octets = 0;
    for batch in messages.chunks(BATCH) {
        clerk.refresh();
        clerk.read(batch.iter().map(Vec::as_slice));
        for (slot, message) in batch.iter().enumerate() {
            if let Step::Reply(length) = clerk.answer(slot, message, Asker::of(&client), out) {
                octets += length;
            }
        }
        clerk.settle(Duration::from_micros(5));
    }
    octets
}

/// Adds to what another thread might add to.
#[inline(never)]
fn counted_control(times: usize) -> usize {
    let shared = black_box(AtomicUsize::new(0));
    for _ in 0..times {
        black_box(&shared).fetch_add(1, Ordering::Relaxed);
    }
    shared.into_inner()
}
