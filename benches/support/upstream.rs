//! Upstreams: one that answers all names below `test`, and ones that say nothing.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::thread;

use super::contest::asking::Pool;
use super::support::{Numbers, query};

const A: u16 = 1;
const AAAA: u16 = 28;
const SOA: u16 = 6;
const NO_ERROR: u8 = 0;
const NX_DOMAIN: u8 = 3;
/// Seconds: longer than a bench takes.
const TTL: u32 = 3_600;
/// A pointer to the question's name (RFC 1035, section 4.1.4).
const QNAME: [u8; 2] = [0xc0, 12];

/// An upstream that answers until the process ends: `missing…` does not exist, all else has one A
/// record and nothing else.
pub fn answering() -> io::Result<SocketAddr> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let address = socket.local_addr()?;
    thread::spawn(move || {
        let mut room = [0; 4_096];
        while let Ok((len, from)) = socket.recv_from(&mut room) {
            if let Some(reply) = room.get(..len).and_then(reply) {
                // Who is gone does not wait for it.
                let _ = socket.send_to(&reply, from);
            }
        }
    });
    Ok(address)
}

/// The reply to a query with one question.
fn reply(query: &[u8]) -> Option<Vec<u8>> {
    let name_end = 12 + query.get(12..)?.iter().position(|octet| *octet == 0)? + 1;
    let end = name_end + 4;
    let qtype = u16::from_be_bytes(*query.get(name_end..)?.first_chunk()?);
    let missing = query.get(13..20)?.eq_ignore_ascii_case(b"missing");
    let rcode = if missing { NX_DOMAIN } else { NO_ERROR };
    let has_address = !missing && qtype == A;
    let mut reply = query.get(..end)?.to_vec();
    reply[2] = 0x80 | (query[2] & 1);
    reply[3] = 0x80 | (query[3] & 0x10) | rcode;
    let (answers, authorities) = if has_address { (1, 0) } else { (0, 1) };
    reply[4..12].copy_from_slice(&[0, 1, 0, answers, 0, authorities, 0, 0]);
    let mut record = |owner: &[u8], rtype: u16, data: &[u8]| {
        reply.extend_from_slice(owner);
        reply.extend_from_slice(&rtype.to_be_bytes());
        reply.extend_from_slice(&[0, 1]);
        reply.extend_from_slice(&TTL.to_be_bytes());
        reply.extend_from_slice(&u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
        reply.extend_from_slice(data);
    };
    if has_address {
        record(&QNAME, A, &[192, 0, 2, 1]);
    } else {
        let numbers = [1, 7_200, 1_800, 86_400, TTL].map(u32::to_be_bytes).concat();
        let data = [&b"\x02ns\x04test\x00\x04host\x04test\x00"[..], &numbers].concat();
        record(b"\x04test\x00", SOA, &data);
    }
    Some(reply)
}

/// Upstreams that hear and say nothing, for as long as they are held.
pub fn silent(count: usize) -> io::Result<(Vec<UdpSocket>, Vec<SocketAddr>)> {
    let sockets: Vec<UdpSocket> =
        (0..count).map(|_| UdpSocket::bind("127.0.0.1:0")).collect::<io::Result<_>>()?;
    let addresses = sockets.iter().map(UdpSocket::local_addr).collect::<io::Result<_>>()?;
    Ok((sockets, addresses))
}

/// Every question that is asked: half A of a name that has it, a fourth AAAA of one that has not, a
/// fourth names that are missing.
pub fn questions(names: usize) -> Vec<(Vec<u8>, u8)> {
    let of = |at: usize| match at % 4 {
        0 | 1 => (query(&format!("www-{at}.service-{}.test", at % 97), A), NO_ERROR),
        2 => (query(&format!("api-{at}.service-{}.test", at % 97), AAAA), NO_ERROR),
        _ => (query(&format!("missing-{at}.service-{}.test", at % 97), A), NX_DOMAIN),
    };
    (0..names).map(of).collect()
}

/// So many queries, each a random one of these.
pub fn mix(questions: &[(Vec<u8>, u8)], queries: usize) -> Pool {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut pool = Pool::default();
    for _ in 0..queries {
        let (wire, rcode) = &questions[numbers.below(questions.len())];
        pool.push(wire, *rcode);
    }
    pool
}
