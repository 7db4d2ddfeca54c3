//! Every record of a zone, by asking for every name that the view knows.
//!
//! What is listed is what queries are answered, since the same code answers both. Pod names are
//! not listed: they are as many as there are addresses.

use std::fmt;

use super::message::{Expanded, Found, names_in};
use super::query::{Asked, HEADER, Query};
use super::reply::Reply;
use super::resolve::{Node, locate};
use super::write::{Writer, rtype};
use crate::cluster::Protocol;
use crate::name::{Name, push_label, write_label};
use crate::zone::record::{QNAME_POINTER, Record};
use crate::zone::{View, ViewZone};

/// The types of records that zones hold, in the order in which they are listed.
const TYPES: [u16; 8] = [
    rtype::SOA,
    rtype::NS,
    rtype::A,
    rtype::AAAA,
    rtype::CNAME,
    rtype::SRV,
    rtype::TXT,
    rtype::PTR,
];
/// Octets that the records of most names fit into; the room grows where they do not.
const ROOM: usize = 1 << 16;
/// Octets that no set of records exceeds: 16 million endpoints of one Service.
const ROOM_MOST: usize = 1 << 30;

/// One record, names expanded. Displayed, it is a line of a zone file without relative names
/// (RFC 1035, section 5.1).
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Line {
    /// Whose record it is.
    pub owner: Name,
    /// Its type.
    pub rtype: u16,
    /// Its TTL in seconds.
    pub ttl: u32,
    /// Its data in wire form, without compression.
    pub data: Box<[u8]>,
}

/// Visits every record of a zone, by name: the zone itself first.
pub fn walk(view: &View, zone: &ViewZone, mut visit: impl FnMut(Line)) {
    let mut buffer = Vec::new();
    let mut name = |relative: &[u8]| {
        let Ok(name) = zone.zone.name.prepend(relative) else { return };
        for rtype in TYPES {
            records(view, &name, rtype, &mut buffer, &mut visit);
        }
    };
    name(&[]);
    if zone.zone.is_reverse() {
        let addresses = view.addresses().into_iter();
        for reverse in addresses.filter_map(|address| reverse_name(address).ok()) {
            if reverse.is_within(&zone.zone.name) {
                records(view, &reverse, rtype::PTR, &mut buffer, &mut visit);
            }
        }
        return;
    }
    name(b"\x02ns\x03dns");
    name(b"\x0bdns-version");
    for key in view.services() {
        if let Some(record) = view.service(key) {
            service(key, record, &mut name);
        }
    }
}

/// Visits every name that a Service has.
fn service(key: &[u8], record: Record<'_>, name: &mut impl FnMut(&[u8])) {
    let svc: &[u8] = b"\x03svc";
    name(&[key, svc].concat());
    let mut ports: Vec<(Protocol, &[u8])> = record.ports().map(|p| (p.protocol, p.name)).collect();
    if let Some(all) = record.endpoints() {
        ports.extend(all.named().map(|(port, _)| (port.protocol, port.name)));
    }
    ports.sort_unstable();
    ports.dedup();
    for (protocol, port) in ports.into_iter().filter(|port| !port.1.is_empty()) {
        let protocol: &[u8] = match protocol {
            Protocol::Tcp => b"\x04_tcp",
            Protocol::Udp => b"\x04_udp",
            Protocol::Sctp => b"\x05_sctp",
        };
        name(&[&label(&[b"_", port].concat())[..], protocol, key, svc].concat());
    }
    let Some(all) = record.endpoints() else { return };
    name(&[b"\x0a_endpoints", key, svc].concat());
    name(&[key, b"\x09endpoints"].concat());
    for endpoint in all.labels() {
        let label = label(endpoint.label);
        name(&[&label, key, svc].concat());
        name(&[&label[..], key, b"\x09endpoints"].concat());
    }
}

/// A label with its length in front; nothing if it is too long to be asked for.
fn label(octets: &[u8]) -> Vec<u8> {
    let mut label = Vec::new();
    let _ = push_label(&mut label, &String::from_utf8_lossy(octets));
    label
}

/// Visits the records of one name and type, its own alone: an alias is not followed.
pub fn records(
    view: &View,
    name: &Name,
    qtype: u16,
    buffer: &mut Vec<u8>,
    visit: &mut impl FnMut(Line),
) {
    let mut asked = Asked::default();
    if asked.read(name.as_wire()).is_none() {
        return;
    }
    let Some(located) = locate(view, &asked) else { return };
    let node = located.resolve(view, &asked);
    let question = [&[0; HEADER][..], name.as_wire(), &[0; 4]].concat();
    let query = Query::standing_at(question.len());
    let mut room = buffer.len().max(ROOM);
    let (mut end, mut target) = (question.len(), &[][..]);
    loop {
        buffer.resize(room, 0);
        let mut reply = Reply::new(buffer, &question, &query, room);
        if let Node::Alias(alias) = node {
            target = if qtype == rtype::CNAME { alias.target() } else { &[] };
            break;
        }
        let mut writer = Writer {
            reply: &mut reply,
            view,
            zone: located.zone,
            asked: &asked,
            depth: located.depth,
            owner: QNAME_POINTER,
            original: None,
            rotation: 0,
        };
        writer.answers_only(&node, qtype);
        end = reply.at();
        if !reply.truncated || room >= ROOM_MOST {
            break;
        }
        room *= 4;
    }
    if !target.is_empty() {
        let ttl = view.spec().ttl;
        visit(Line { owner: name.clone(), rtype: rtype::CNAME, ttl, data: target.into() });
    }
    let mut at = question.len();
    while at < end {
        let Some(found) = Found::read(buffer, at) else { return };
        at = found.end;
        if let Some(data) = expanded(buffer, &found) {
            visit(Line { owner: name.clone(), rtype: found.rtype, ttl: found.ttl, data });
        }
    }
}

/// A record's data with its names expanded.
pub(super) fn expanded(message: &[u8], found: &Found) -> Option<Box<[u8]>> {
    let data = message.get(found.data..found.end)?;
    let Some((prefix, names)) = names_in(found.rtype, data) else { return Some(data.into()) };
    let mut whole = data.get(..prefix)?.to_vec();
    let mut at = found.data + prefix;
    for _ in 0..names {
        let mut name = Expanded::default();
        at = name.expand(message, at)?;
        whole.extend_from_slice(name.as_slice());
    }
    whole.extend_from_slice(message.get(at..found.end)?);
    Some(whole.into())
}

/// The name under which an address is asked for (RFC 1035, section 3.5; RFC 3596, section 2.5).
fn reverse_name(address: std::net::IpAddr) -> Result<Name, crate::name::NameError> {
    use std::fmt::Write;
    use std::net::IpAddr;
    let mut text = String::new();
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            let _ = write!(text, "{d}.{c}.{b}.{a}.in-addr.arpa");
        }
        IpAddr::V6(v6) => {
            for octet in v6.octets().iter().rev() {
                let _ = write!(text, "{:x}.{:x}.", octet & 15, octet >> 4);
            }
            text.push_str("ip6.arpa");
        }
    }
    Name::parse(&text)
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rtype = type_name(self.rtype);
        write!(f, "{} {} IN {rtype} ", self.owner, self.ttl)?;
        write_data(f, self.rtype, &self.data).unwrap_or_else(|| write_unknown(f, &self.data))
    }
}

/// The mnemonic of a type that zones hold.
fn type_name(rtype: u16) -> String {
    let name = match rtype {
        rtype::A => "A",
        rtype::NS => "NS",
        rtype::CNAME => "CNAME",
        rtype::SOA => "SOA",
        rtype::PTR => "PTR",
        rtype::TXT => "TXT",
        rtype::AAAA => "AAAA",
        rtype::SRV => "SRV",
        other => return format!("TYPE{other}"),
    };
    name.into()
}

/// Data as text; `None` where they are not of their type's form.
fn write_data(f: &mut fmt::Formatter<'_>, rtype: u16, data: &[u8]) -> Option<fmt::Result> {
    Some(match rtype {
        rtype::A => write!(f, "{}", std::net::Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?)),
        rtype::AAAA => write!(f, "{}", std::net::Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?)),
        rtype::NS | rtype::CNAME | rtype::PTR => write!(f, "{}", Name::from_wire(data).ok()?),
        rtype::SRV => {
            let (numbers, target) = data.split_first_chunk::<6>()?;
            let [priority, weight, port] =
                [0, 2, 4].map(|at| u16::from_be_bytes([numbers[at], numbers[at + 1]]));
            write!(f, "{priority} {weight} {port} {}", Name::from_wire(target).ok()?)
        }
        rtype::TXT => write_strings(f, data),
        rtype::SOA => {
            let (server, rest) = split_name(data)?;
            let (mailbox, rest) = split_name(rest)?;
            let numbers = rest.chunks_exact(4).filter_map(|n| n.first_chunk::<4>());
            let numbers: Vec<String> =
                numbers.map(|n| u32::from_be_bytes(*n).to_string()).collect();
            write!(f, "{server} {mailbox} {}", numbers.join(" "))
        }
        _ => return None,
    })
}

fn split_name(data: &[u8]) -> Option<(Name, &[u8])> {
    let len = Asked::default().read(data)?;
    let (name, rest) = data.split_at_checked(len)?;
    Some((Name::from_wire(name).ok()?, rest))
}

fn write_strings(f: &mut fmt::Formatter<'_>, data: &[u8]) -> fmt::Result {
    for (index, string) in crate::name::labels(data).enumerate() {
        f.write_str(if index == 0 { "\"" } else { " \"" })?;
        let mut rest = string;
        while let Some((first, behind)) = rest.split_first() {
            match first {
                // Within quotes, only these need an escape.
                b'.' | b' ' | b';' | b'(' | b')' | b'@' | b'$' => {
                    write!(f, "{}", char::from(*first))?;
                }
                _ => write_label(f, &[*first])?,
            }
            rest = behind;
        }
        f.write_str("\"")?;
    }
    Ok(())
}

/// Data of whatever type as text (RFC 3597, section 5).
fn write_unknown(f: &mut fmt::Formatter<'_>, data: &[u8]) -> fmt::Result {
    write!(f, "\\# {}", data.len())?;
    data.iter().try_for_each(|octet| write!(f, " {octet:02x}"))
}
