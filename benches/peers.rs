//! The same zone and the same queries on other DNS servers: CPU time an answered query of each, beside
//! that of a bare echo, all in the same rounds.
//!
//! `cargo bench --bench peers -- [--names N] [--rounds N] [--queries N] [--show-config]` prints a
//! table, for 10,000 names where nothing is said; `-- --smoke` runs it once, small.
//!
//! The names and the mix are those of `floor`. NSD, Knot, BIND and CoreDNS's `file` read the zone as
//! `fingerpost dump` prints it, without reverse zones; CoreDNS's `kubernetes` lists the same Services
//! from a fake API server, up to 100,000 names. Each has one worker on one core, the same one for
//! all; the questions come from another. `--show-config` prints how each is run and its configuration,
//! which `support/peer.rs` has. What is not installed is named and not measured.
//!
//! Before anything is measured, what each answers to a sample of the queries is compared with what we
//! answer: code, flag AA, and answer records. What differs is listed; a wrong code while measuring ends
//! the bench.
#![allow(missing_docs, clippy::cast_precision_loss, unreachable_pub)]

#[allow(dead_code)]
#[path = "support/api.rs"]
mod api;
#[allow(dead_code)]
#[path = "support/contest/mod.rs"]
mod contest;
#[allow(dead_code)]
#[path = "support/objects.rs"]
mod objects;
#[allow(dead_code)]
#[path = "support/peer.rs"]
mod peer;
#[allow(dead_code)]
mod support;

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use api::Api;
use contest::asking::Pool;
use contest::process::{Cores, Result, exchange};
use contest::turns::{self, Contender};
use contest::{Effort, echo, fingerpost, names, number, says};
use hickory_proto::op::Message;
use peer::{Attempt, PEERS, Source};

const BINARY: &str = env!("CARGO_BIN_EXE_fingerpost");
/// Up to so many names there is an API server too; its objects are large.
const API_NAMES: usize = 100_000;
/// How many answers are compared.
const SAMPLE: usize = 300;
/// How many differences are shown of one server.
const SHOWN: usize = 3;

fn main() -> Result<()> {
    if let Some(length) = number("--echo")? {
        return Ok(echo::run(length)?);
    }
    let smoke = says("--smoke");
    let mut effort = Effort::new(smoke);
    effort.rounds = number("--rounds")?.unwrap_or(effort.rounds);
    effort.queries = number("--queries")?.unwrap_or(effort.queries);
    let size = number("--names")?.unwrap_or(if smoke { 1_000 } else { 10_000 });
    let cores = Cores::divide()?;
    println!("{cores:?}; {} rounds of {} queries", effort.rounds, effort.queries);

    let folder = tempfile::tempdir()?;
    let manifests = folder.path().join("manifests");
    std::fs::create_dir(&manifests)?;
    names::write(&manifests, size)?;
    let zone = folder.path().join("zone");
    dump(&manifests, &zone)?;
    let api =
        if size <= API_NAMES { Some(Api::start("33", names::services(size), 0)?) } else { None };
    let mut pool = names::mix(size, effort.pool);

    let mut contenders = vec![
        Contender { name: "echo", running: echo(0, cores)?, answers: false },
        Contender {
            name: "fingerpost",
            running: fingerpost(BINARY, &manifests, cores)?,
            answers: true,
        },
    ];
    let ours = contenders[1].running.address;
    let mut folders = Vec::new();
    for peer in &PEERS {
        let api = api.as_ref().map(|api| api.address);
        let source = Source { zone: &zone, api, upstream: None };
        let (attempt, folder) = peer.run(source, pool.entry(0), cores, says("--show-config"))?;
        folders.push(folder);
        match attempt {
            Attempt::Runs(running) => {
                compare(peer.name, running.address, ours, &pool)?;
                contenders.push(Contender { name: peer.name, running, answers: true });
            }
            Attempt::Not(why) => println!("!!! {} IS NOT MEASURED: {why} !!!", peer.name),
        }
    }
    println!("\n{size} names; load {}", turns::load_average());
    let figures = turns::measure(&contenders, &mut pool, effort.rounds, effort.queries)?;
    turns::tell(&contenders, &figures);
    Ok(())
}

/// Has the binary write the zone into a file.
fn dump(manifests: &Path, zone: &Path) -> Result<()> {
    let status = Command::new(BINARY)
        .args(["dump", "--zone", "cluster.local", "--manifests"])
        .arg(manifests)
        .stdout(File::create(zone)?)
        .status()?;
    if status.success() { Ok(()) } else { Err("the zone cannot be dumped".into()) }
}

/// Says where a peer's answers are not ours.
fn compare(name: &str, theirs: SocketAddr, ours: SocketAddr, pool: &Pool) -> Result<()> {
    let mut differences = Vec::new();
    let sample = SAMPLE.min(pool.len());
    for at in 0..sample {
        let (query, _) = pool.entry(at);
        let (own, other) = (told(ours, query)?, told(theirs, query)?);
        if own != other {
            let question = Message::from_vec(query)?.queries.first().map(ToString::to_string);
            let question = question.unwrap_or_default();
            differences.push(format!("    {question}: theirs {other}, ours {own}"));
        }
    }
    println!("{name}: {} of {sample} answers differ from ours", differences.len());
    differences.iter().take(SHOWN).for_each(|line| println!("{line}"));
    Ok(())
}

/// What has to be the same in an answer, as text.
fn told(server: SocketAddr, query: &[u8]) -> Result<String> {
    let reply = (0..5).find_map(|_| exchange(server, query)).ok_or("no answer")?;
    let message = Message::from_vec(&reply)?;
    let mut records: Vec<String> = message.answers.iter().map(ToString::to_string).collect();
    records.sort();
    let (code, metadata) = (message.metadata.response_code, &message.metadata);
    Ok(format!("{code}, AA {}, {records:?}", metadata.authoritative))
}
