//! In-process cost of an answer: per kind of query and for the mix of real clusters, one at a time
//! and in batches whose look-ups overlap, beside the cost of parsing and copying alone; on one
//! thread and on two, with and without a thousand changes a second beside it. All that is compared
//! is measured in turn, in the same rounds.
//!
//! `cargo bench --bench answer` prints tables, `-- --services N` at one size; `-- --smoke` runs
//! everything once, small, to see that it works.
#![allow(missing_docs, clippy::cast_precision_loss, unreachable_pub)]

#[path = "support/queries.rs"]
mod queries;
mod support;

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use fingerpost::answer::{Ahead, Desk, Outcome, Query, Settings, Transport, answer, respond};
use fingerpost::cluster::{Change, ClusterIps, Object};
use fingerpost::registry::{Publisher, Registry};
use fingerpost::serve::BATCH;
use fingerpost::zone::View;
use queries::{KINDS, Messages, Part};
use support::{Numbers, median, nanoseconds, view};

/// How often all messages are answered in a round of threads: long enough for changes beside them.
const PASSES: usize = 8;
/// Changes a second beside the answers.
const CHANGES: u32 = 1_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let smoke = arguments.iter().any(|argument| argument == "--smoke");
    let only = arguments.iter().position(|argument| argument == "--services");
    let only = only.and_then(|at| arguments.get(at + 1)?.parse().ok());
    let sizes = match only {
        Some(services) => vec![services],
        None if smoke => vec![1_000],
        None => vec![10_000, 1_000_000],
    };
    let (queries, rounds) = if smoke { (1_000, 3) } else { (1 << 17, 15) };
    for services in sizes {
        let (registry, publisher, view) = view(services, 0);
        kinds(&view, services, queries, rounds);
        threads(&registry, publisher, services, queries, rounds);
    }
}

fn kinds(view: &View, services: usize, queries: usize, rounds: usize) {
    println!("{services} Services, nanoseconds a query, medians of {rounds} interleaved rounds");
    println!("{:<18} {:>12} {:>9} {:>9}", "query", "parse+copy", "single", "batched");
    for kind in &KINDS {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        let messages = Messages::of((0..queries).map(|_| (kind.make)(&mut numbers, services)));
        let mut figures = [const { Vec::new() }; 3];
        for _ in 0..rounds {
            figures[0].push(nanoseconds(queries, || floor(messages.all())));
            figures[1].push(nanoseconds(queries, || single(view, messages.all())));
            figures[2].push(nanoseconds(queries, || batched(view, messages.all())));
        }
        let [floor, single, batched] = figures.each_mut().map(|figures| median(figures));
        println!("{:<18} {floor:>12.1} {single:>9.1} {batched:>9.1}", kind.name);
    }
}

/// The mix on one thread and on two, with and without changes beside them.
fn threads(
    registry: &Arc<Registry>,
    mut publisher: Publisher,
    services: usize,
    queries: usize,
    rounds: usize,
) {
    let mix = &KINDS[KINDS.len() - 1];
    let messages: Vec<Messages> = [1, 2]
        .map(|seed| {
            let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15 * seed);
            Messages::of((0..queries).map(|_| (mix.make)(&mut numbers, services)))
        })
        .into();
    let cases = [(1, false), (2, false), (1, true), (2, true)];
    let mut figures = [const { Vec::new() }; 4];
    let (mut changes_made, mut turn) = (0, 0);
    for _ in 0..rounds {
        for ((count, changes), figures) in cases.into_iter().zip(&mut figures) {
            let stop = AtomicBool::new(false);
            let made = AtomicUsize::new(0);
            figures.push(thread::scope(|scope| {
                if changes {
                    scope.spawn(|| {
                        change(registry, &mut publisher, services, &mut turn, &stop, &made);
                    });
                }
                let rate = together(registry, &messages[..count]);
                stop.store(true, Ordering::Release);
                rate
            }));
            changes_made += made.into_inner();
        }
    }
    let [one, two, one_beside, two_beside] = figures.each_mut().map(|figures| median(figures));
    println!("the mix, batched, {changes_made} changes published beside the last two");
    println!("{:<38} {:>14} {:>7}", "", "million/s", "ratio");
    for (name, rate, base) in [
        ("1 thread", one, one),
        ("2 threads", two, one),
        ("1 thread beside 1,000 changes a second", one_beside, one),
        ("2 threads beside the same", two_beside, two),
    ] {
        println!("{name:<38} {:>14.2} {:>7.2}", rate / 1e6, rate / base);
    }
}

/// Answers a second of as many threads as there are messages, which begin together.
fn together(registry: &Registry, messages: &[Messages]) -> f64 {
    let start = Barrier::new(messages.len());
    thread::scope(|scope| {
        let threads: Vec<_> = messages
            .iter()
            .map(|messages| {
                let messages = messages.all();
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    let began = Instant::now();
                    // The newest view for every few batches, as a worker has it.
                    let newest = registry.view();
                    for _ in 0..PASSES {
                        for part in messages.parts(8 * BATCH) {
                            batched(&newest.load(), part);
                        }
                    }
                    (PASSES * messages.len()) as f64 / began.elapsed().as_secs_f64()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(0.0)).sum()
    })
}

/// Changes a cluster IP every millisecond and publishes that, until told to stop.
fn change(
    registry: &Registry,
    publisher: &mut Publisher,
    services: usize,
    turn: &mut u32,
    stop: &AtomicBool,
    made: &AtomicUsize,
) {
    let pause = Duration::from_secs(1) / CHANGES;
    let began = Instant::now();
    for count in 1.. {
        if stop.load(Ordering::Acquire) {
            return;
        }
        // Another address each time, in every round: what is the same is no change.
        *turn += 1;
        let mut service = support::service(*turn as usize * 4 % services);
        let [a, b, c, d] = (0x0a80_0000 + *turn).to_be_bytes();
        service.cluster_ips = ClusterIps::Addresses(smallvec::smallvec![[a, b, c, d].into()]);
        registry.apply([Change::Put(Object::Service(service))]);
        if publisher.publish() {
            made.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep((pause * count).saturating_sub(began.elapsed()));
    }
}

/// Reads each query and copies it, and nothing else.
fn floor(messages: Part<'_>) {
    let mut query = Query::default();
    let mut out = vec![0; 4_096];
    for message in messages.iter() {
        let read = query.read(black_box(message));
        out[..message.len()].copy_from_slice(message);
        black_box((&read, &out));
    }
}

fn single(view: &View, messages: Part<'_>) {
    let mut query = Query::default();
    let mut out = vec![0; 4_096];
    let settings = Settings::default();
    for (rotation, message) in (0..).zip(messages.iter()) {
        let desk =
            Desk { view: Some(view), settings: &settings, transport: Transport::Udp, rotation };
        let outcome = answer(&desk, black_box(message), &mut query, &mut out);
        assert!(matches!(outcome, Outcome::Reply { .. }), "every query of the bench is answered");
        black_box(&out);
    }
}

/// As the desk of a UDP thread does it: reads all of a batch, begins all look-ups, then answers.
fn batched(view: &View, messages: Part<'_>) {
    let mut queries = vec![Query::default(); BATCH];
    let mut aheads: [Option<Ahead>; BATCH] = [None; BATCH];
    let mut out = vec![0; 4_096];
    let settings = Settings::default();
    let mut rotation = 0;
    for part in messages.parts(BATCH) {
        for ((query, ahead), message) in queries.iter_mut().zip(&mut aheads).zip(part.iter()) {
            assert!(query.read(black_box(message)).is_ok(), "every query of the bench is one");
            *ahead = Ahead::of(view, query.asked());
        }
        let aheads = &aheads[..part.len()];
        black_box(aheads.iter().flatten().map(|a| a.reach(view)).fold(0, u32::wrapping_add));
        black_box(
            aheads.iter().flatten().map(|a| a.reach_further(view)).fold(0, u32::wrapping_add),
        );
        for ((query, ahead), message) in queries.iter().zip(aheads).zip(part.iter()) {
            rotation += 1;
            let desk =
                Desk { view: Some(view), settings: &settings, transport: Transport::Udp, rotation };
            let outcome = respond(&desk, message, query, *ahead, &mut out);
            assert!(matches!(outcome, Outcome::Reply { .. }), "every query is answered");
            black_box(&out);
        }
    }
}
