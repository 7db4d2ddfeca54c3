//! Queries about the bench's cluster: of each kind, and the mix of real clusters.

use crate::support::{NAMESPACES, Numbers, query};

const A: u16 = 1;
const AAAA: u16 = 28;

/// A kind of query, and how one about a random Service is made.
pub struct Kind {
    pub name: &'static str,
    pub make: fn(&mut Numbers, usize) -> Vec<u8>,
}

/// Every kind; the last is the mix.
pub const KINDS: [Kind; 5] = [
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
    Kind { name: "mix", make: mix },
];

/// A pod's queries: one of four for a Service's A records, one for its AAAA records, the others the
/// misses of search lists.
fn mix(numbers: &mut Numbers, services: usize) -> Vec<u8> {
    match numbers.below(4) {
        0 => query(&service(numbers, services), A),
        1 => query(&service(numbers, services), AAAA),
        _ => miss(numbers, services),
    }
}

fn service(numbers: &mut Numbers, services: usize) -> String {
    // Cluster-IP Services only: three of four.
    let n = numbers.below(services);
    let n = if n % 4 == 3 { n - 1 } else { n };
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

/// Queries one behind the other in memory: what is measured is the answer, not the fetching of a
/// query from wherever an allocator has put it, which a server's receive buffers know nothing of.
pub struct Messages {
    octets: Vec<u8>,
    /// Where each ends, behind a 0.
    ends: Vec<usize>,
}

/// Some of the messages.
#[derive(Clone, Copy)]
pub struct Part<'m> {
    octets: &'m [u8],
    ends: &'m [usize],
}

impl Messages {
    pub fn of(messages: impl Iterator<Item = Vec<u8>>) -> Self {
        let (mut octets, mut ends) = (Vec::new(), vec![0]);
        for message in messages {
            octets.extend_from_slice(&message);
            ends.push(octets.len());
        }
        Self { octets, ends }
    }

    pub fn all(&self) -> Part<'_> {
        Part { octets: &self.octets, ends: &self.ends }
    }
}

impl<'m> Part<'m> {
    pub fn len(self) -> usize {
        self.ends.len() - 1
    }

    pub fn iter(self) -> impl Iterator<Item = &'m [u8]> {
        self.ends.windows(2).map(move |ends| &self.octets[ends[0]..ends[1]])
    }

    /// The same in parts of so many.
    pub fn parts(self, each: usize) -> impl Iterator<Item = Self> {
        (0..self.len()).step_by(each).map(move |start| {
            let end = (start + each).min(self.len());
            Self { octets: self.octets, ends: &self.ends[start..=end] }
        })
    }
}
