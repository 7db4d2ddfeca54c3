//! What the real server adds to the kernel's own cost of UDP: CPU time an answered query, beside that
//! of a bare echo of the same batch shape, asked the same in the same rounds.
//!
//! `cargo bench --bench floor -- [--names N] [--rounds N] [--queries N]` prints a table for 10,000 and
//! for 1,000,000 names, asked at random; `-- --smoke` runs it once, small, to see that it works.
//!
//! The server is the binary with `--workers 1`, as a process of its own on one core; the questions
//! come from this process on another one, where there is one. They are the mix of real clusters: a
//! fourth A of a Service, a fourth AAAA of one that has none, half misses of a search list. The names
//! are Services with a cluster IP from manifests.
//!
//! There are two floors. `echo` sends back what came: the least that a server could do. `echo, as long`
//! sends as many octets as the server does on the average: what part of the difference is the kernel
//! copying a longer response. Ratios are to the first; each is of two figures of one round, and the
//! last one of the least figures of all rounds. `busy` is the share of its core that a server takes: well
//! below 100 % somebody else has the core of the questions, so that batches are smaller and the ratios
//! waver.
#![allow(missing_docs, clippy::cast_precision_loss, unreachable_pub)]

#[allow(dead_code)]
#[path = "support/contest/mod.rs"]
mod contest;
#[allow(dead_code)]
#[path = "support/objects.rs"]
mod objects;
#[allow(dead_code)]
mod support;

use contest::asking::ask;
use contest::process::{Cores, Result};
use contest::turns::{self, Contender};
use contest::{Effort, echo, fingerpost, names, number, says};

fn main() -> Result<()> {
    if let Some(length) = number("--echo")? {
        return Ok(echo::run(length)?);
    }
    let smoke = says("--smoke");
    let mut effort = Effort::new(smoke);
    effort.rounds = number("--rounds")?.unwrap_or(effort.rounds);
    effort.queries = number("--queries")?.unwrap_or(effort.queries);
    let sizes = match number("--names")? {
        Some(names) => vec![names],
        None if smoke => vec![1_000],
        None => vec![10_000, 1_000_000],
    };
    let cores = Cores::divide()?;
    println!("{cores:?}; {} rounds of {} queries", effort.rounds, effort.queries);
    for size in sizes {
        measure(size, &effort, cores)?;
    }
    Ok(())
}

fn measure(size: usize, effort: &Effort, cores: Cores) -> Result<()> {
    let folder = tempfile::tempdir()?;
    names::write(folder.path(), size)?;
    let mut pool = names::mix(size, effort.pool);
    let server = fingerpost(env!("CARGO_BIN_EXE_fingerpost"), folder.path(), cores)?;
    let heard = ask(server.address, &mut pool, effort.pool.min(effort.queries), true)?;
    let length = heard.octets / heard.answers.max(1);
    let contenders = [
        Contender { name: "echo", running: echo(0, cores)?, answers: false },
        Contender { name: "echo, as long", running: echo(length, cores)?, answers: false },
        Contender { name: "fingerpost", running: server, answers: true },
    ];
    println!("\n{size} names; load {}", turns::load_average());
    let figures = turns::measure(&contenders, &mut pool, effort.rounds, effort.queries)?;
    turns::tell(&contenders, &figures);
    Ok(())
}
