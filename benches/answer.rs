//! In-process cost of an answer: per kind of query and for the mix of real clusters, beside the
//! cost of parsing and copying alone, measured in the same rounds.
//!
//! `cargo bench --bench answer` prints a table; `-- --smoke` runs everything once, small, to see
//! that it works.
#![allow(missing_docs, clippy::cast_precision_loss, unreachable_pub)]

mod support;

use std::hint::black_box;

use fingerpost::answer::{Desk, Outcome, Query, Settings, Transport, answer};
use fingerpost::zone::View;
use support::{NAMESPACES, Numbers, median, nanoseconds, query, view};

const A: u16 = 1;
const AAAA: u16 = 28;

/// A kind of query, and how one of a random Service is made.
struct Kind {
    name: &'static str,
    make: fn(&mut Numbers, usize) -> Vec<u8>,
}

const KINDS: [Kind; 5] = [
    Kind { name: "A hit", make: |numbers, services| query(&service(numbers, services), A) },
    Kind {
        name: "AAAA NODATA",
        make: |numbers, services| query(&service(numbers, services), AAAA),
    },
    Kind { name: "search-list miss", make: miss },
    Kind {
        name: "no such namespace",
        make: |numbers, services| {
            let n = numbers.below(services);
            query(&format!("svc-{n}.ns-x{n}.svc.cluster.local"), A)
        },
    },
    Kind {
        name: "mix",
        make: |numbers, services| match numbers.below(4) {
            0 => query(&service(numbers, services), A),
            1 => query(&service(numbers, services), AAAA),
            _ => miss(numbers, services),
        },
    },
];

fn service(numbers: &mut Numbers, services: usize) -> String {
    // Cluster-IP Services only: three of four.
    let n = numbers.below(services / 4) * 4;
    format!("svc-{n}.ns-{}.svc.cluster.local", n % NAMESPACES)
}

fn miss(numbers: &mut Numbers, services: usize) -> Vec<u8> {
    let outside = ["github.com", "api.example.com", "registry.npmjs.org", "s3.amazonaws.com"];
    let n = numbers.below(services);
    let suffix = match numbers.below(3) {
        0 => format!("ns-{}.svc.cluster.local", n % NAMESPACES),
        1 => "svc.cluster.local".to_owned(),
        _ => "cluster.local".to_owned(),
    };
    let qtype = if numbers.below(2) == 0 { A } else { AAAA };
    query(&format!("{}.{suffix}", outside[numbers.below(outside.len())]), qtype)
}

fn main() {
    let smoke = std::env::args().any(|arg| arg == "--smoke");
    let sizes: &[usize] = if smoke { &[1_000] } else { &[10_000, 1_000_000] };
    let (queries, rounds) = if smoke { (1_000, 3) } else { (1 << 17, 15) };
    println!(
        "{:>9}  {:<18} {:>9} {:>12} {:>7}",
        "services", "query", "ns/query", "parse+copy", "ratio"
    );
    for &services in sizes {
        let (_registry, _publisher, view) = view(services, 0);
        for kind in &KINDS {
            let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
            let messages: Vec<Vec<u8>> =
                (0..queries).map(|_| (kind.make)(&mut numbers, services)).collect();
            let (mut answers, mut floors) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                floors.push(nanoseconds(queries, || floor(&messages)));
                answers.push(nanoseconds(queries, || single(&view, &messages)));
            }
            let (answer, floor) = (median(&mut answers), median(&mut floors));
            let name = kind.name;
            println!(
                "{services:>9}  {name:<18} {answer:>9.1} {floor:>12.1} {:>7.2}",
                answer / floor
            );
        }
    }
}

/// Reads each query and copies it, and nothing else.
fn floor(messages: &[Vec<u8>]) {
    let mut query = Query::default();
    let mut out = vec![0; 4_096];
    for message in messages {
        let read = query.read(black_box(message));
        out[..message.len()].copy_from_slice(message);
        black_box((&read, &out));
    }
}

fn single(view: &View, messages: &[Vec<u8>]) {
    let mut query = Query::default();
    let mut out = vec![0; 4_096];
    let settings = Settings::default();
    for (rotation, message) in (0..).zip(messages) {
        let desk =
            Desk { view: Some(view), settings: &settings, transport: Transport::Udp, rotation };
        let outcome = answer(&desk, black_box(message), &mut query, &mut out);
        assert!(matches!(outcome, Outcome::Reply { .. }), "every query of the bench is answered");
        black_box(&out);
    }
}
