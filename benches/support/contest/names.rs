//! A cluster of names and nothing else, as manifests, and the mix of queries that real clusters ask.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use super::asking::Pool;
use crate::objects;
use crate::support::{Numbers, query};

/// How many Services a file holds; all of a million would be near the largest that is read.
const FILE_SERVICES: usize = 100_000;
/// NOERROR and NXDOMAIN.
const NO_ERROR: u8 = 0;
const NX_DOMAIN: u8 = 3;

const A: u16 = 1;
const AAAA: u16 = 28;

/// The `at`th Service that has a cluster IP.
fn numbered(at: usize) -> usize {
    at / 3 * 4 + at % 3
}

/// How many Services there are where `names` of them have a cluster IP: a fourth has none.
pub fn services(names: usize) -> usize {
    numbered(names.saturating_sub(1)) + 1
}

/// Writes namespaces and `names` Services, each with a cluster IP and one port, into `folder`: what
/// DNS needs of them and no more. These are [`objects::service`]'s names and addresses.
pub fn write(folder: &Path, names: usize) -> io::Result<()> {
    let mut text = String::new();
    for at in 0..objects::NAMESPACES {
        let separator = if at == 0 { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            r#"{separator}{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"team-{at}"}}}}"#
        );
    }
    std::fs::write(folder.join("namespaces.json"), list(&text))?;
    for first in (0..names).step_by(FILE_SERVICES) {
        text.clear();
        for at in first..names.min(first + FILE_SERVICES) {
            let at = numbered(at);
            let (name, namespace, _) = objects::place(at);
            let [a, b, c, d] = objects::cluster_ip(at, 0);
            let separator = if text.is_empty() { "" } else { "," };
            let _ = write!(
                text,
                r#"{separator}
{{"apiVersion":"v1","kind":"Service","metadata":{{"namespace":"{namespace}","name":"{name}"}},"spec":{{"clusterIP":"{a}.{b}.{c}.{d}","selector":{{"app":"{name}"}},"ports":[{{"name":"http","port":80}}]}}}}"#
            );
        }
        let mut file = BufWriter::new(File::create(folder.join(format!("services-{first}.json")))?);
        file.write_all(list(&text).as_bytes())?;
        file.flush()?;
    }
    Ok(())
}

fn list(items: &str) -> String {
    format!(r#"{{"apiVersion":"v1","kind":"List","items":[{items}]}}"#)
}

/// So many queries of the mix, each about a random one of the names: a fourth asks for the A record
/// of a Service, a fourth for its AAAA record, which it has not, and half is what a search list makes
/// of a name outside.
pub fn mix(names: usize, queries: usize) -> Pool {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut pool = Pool::default();
    for _ in 0..queries {
        let (wire, rcode) = match numbers.below(4) {
            0 => (query(&service(&mut numbers, names), A), NO_ERROR),
            1 => (query(&service(&mut numbers, names), AAAA), NO_ERROR),
            _ => (miss(&mut numbers), NX_DOMAIN),
        };
        pool.push(&wire, rcode);
    }
    pool
}

fn service(numbers: &mut Numbers, names: usize) -> String {
    let (name, namespace, _) = objects::place(numbered(numbers.below(names)));
    format!("{name}.{namespace}.svc.cluster.local")
}

fn miss(numbers: &mut Numbers) -> Vec<u8> {
    let outside = ["github.com", "api.example.com", "registry.npmjs.org", "s3.amazonaws.com"];
    let outside = outside[numbers.below(outside.len())];
    let suffix = match numbers.below(3) {
        0 => format!("team-{}.svc.cluster.local", numbers.below(objects::NAMESPACES)),
        1 => "svc.cluster.local".to_owned(),
        _ => "cluster.local".to_owned(),
    };
    let qtype = if numbers.below(2) == 0 { A } else { AAAA };
    query(&format!("{outside}.{suffix}"), qtype)
}
