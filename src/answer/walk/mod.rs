//! Every record of a zone, one after the other, by asking for every name that the view knows.
//!
//! What is listed is what queries are answered, since the same code answers both. Pod names are
//! not listed: they are as many as there are addresses. A [`Walk`] holds the place where it is and
//! the records of one name and type, so that a zone of any size is walked through in little memory.

mod line;
mod set;
mod told;

use std::net::IpAddr;

pub use line::Line;
pub(crate) use set::WireRecord;
pub use told::{Told, told, transfer_query};

use super::query::Asked;
use super::resolve::locate;
use crate::cluster::Protocol;
use crate::name::{MAX_LABEL, MAX_NAME, Name};
use crate::zone::record::{EndpointsRef, Record};
use crate::zone::{ServicePlace, View, ViewZone};
use set::{RecordSet, types_of};

/// Labels of names that zones have, in wire form.
const SVC: &[u8] = b"\x03svc";
const ENDPOINTS: &[u8] = b"\x09endpoints";

/// Visits every record of a zone, the zone's own first, then sorted by namespace and Service, or by
/// address.
pub fn walk(view: &View, zone: &ViewZone, mut visit: impl FnMut(Line)) {
    let mut walk = Walk::sorted(view, zone);
    while let Some(record) = walk.next(view, zone) {
        let Ok(owner) = Name::from_wire(record.owner) else { continue };
        let WireRecord { rtype, ttl, data, .. } = record;
        visit(Line { owner, rtype, ttl, data: data.into() });
    }
}

/// Visits the records of one name and type, its own alone: an alias is not followed. `buffer` is room
/// to write them into, used again and again.
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
    let mut set = RecordSet::within(std::mem::take(buffer));
    set.take_up(view, &asked, qtype);
    while set.advance() {
        let WireRecord { rtype, ttl, data, .. } = set.record(&[]);
        visit(Line { owner: name.clone(), rtype, ttl, data: data.into() });
    }
    *buffer = set.into_room();
}

/// A way through all records of a zone. Whoever walks it names the same view and zone at each step.
pub(crate) struct Walk {
    services: Services,
    here: Here,
    /// The name that is looked at.
    asked: Asked,
    /// The types that it may have and that have not been looked at.
    types: &'static [u16],
    set: RecordSet,
}

/// Where the Services come from.
enum Services {
    /// From the view's table, as they lie there.
    Lying(ServicePlace),
    /// From a list of their keys, sorted.
    Sorted(std::vec::IntoIter<Box<[u8]>>),
}

/// Which name is looked at, to know the next one by.
enum Here {
    Start,
    Apex,
    NameServer,
    Version,
    Service { key: Box<[u8]>, part: Part },
    Addresses(std::vec::IntoIter<IpAddr>),
    End,
}

/// Which of a Service's names.
#[derive(Clone, Copy)]
enum Part {
    /// `S.N.svc`.
    Own,
    /// `_port._proto.S.N.svc`, of the named port of this number.
    Port(usize),
    /// `_endpoints.S.N.svc`.
    Every,
    /// `S.N.endpoints`.
    Endpoints,
    /// `H.S.N.svc` of the label of this number.
    Label(u32),
    /// `H.S.N.endpoints`.
    EndpointsLabel(u32),
}

impl Walk {
    /// A walk that takes the Services as they come, without a list of them.
    pub(crate) fn new() -> Self {
        Self::through(Services::Lying(ServicePlace::default()))
    }

    /// A walk that is the same for all views of the same contents.
    fn sorted(view: &View, zone: &ViewZone) -> Self {
        let keys = if zone.zone.is_reverse() { Vec::new() } else { view.services() };
        let keys: Vec<Box<[u8]>> = keys.into_iter().map(Into::into).collect();
        Self::through(Services::Sorted(keys.into_iter()))
    }

    fn through(services: Services) -> Self {
        Self {
            services,
            here: Here::Start,
            asked: Asked::default(),
            types: &[],
            set: RecordSet::default(),
        }
    }

    /// Goes to the next record and shows it; `None` behind the last.
    pub(crate) fn next(&mut self, view: &View, zone: &ViewZone) -> Option<WireRecord<'_>> {
        while !self.set.advance() {
            if let Some((&rtype, rest)) = self.types.split_first() {
                self.types = rest;
                self.set.take_up(view, &self.asked, rtype);
                continue;
            }
            let name = self.next_name(view, zone)?;
            self.types = self.look_at(view, zone, name.as_slice()).unwrap_or(&[]);
        }
        Some(self.record())
    }

    /// The record that was shown last.
    pub(crate) fn record(&self) -> WireRecord<'_> {
        self.set.record(self.asked.name())
    }

    /// Takes up a name: which types it may have. `None` where it is no name of the zone.
    fn look_at(&mut self, view: &View, zone: &ViewZone, name: &[u8]) -> Option<&'static [u16]> {
        if name.len() > MAX_NAME {
            return None;
        }
        self.asked.read(name)?;
        let located = locate(view, &self.asked)?;
        // A zone within this one has names of its own.
        (located.zone.zone == zone.zone).then(|| types_of(&located.resolve(view, &self.asked)))
    }

    /// The next name, in wire form; it may be longer than a name can be.
    fn next_name(&mut self, view: &View, zone: &ViewZone) -> Option<Vec<u8>> {
        let within = |parts: &[&[u8]]| [&parts.concat(), zone.zone.name.as_wire()].concat();
        loop {
            let here = std::mem::replace(&mut self.here, Here::End);
            let (next, name) = match here {
                Here::Start => (Here::Apex, Some(within(&[]))),
                Here::Apex if zone.zone.is_reverse() => {
                    (Here::Addresses(view.addresses().into_iter()), None)
                }
                Here::Apex => (Here::NameServer, Some(within(&[b"\x02ns\x03dns"]))),
                Here::NameServer => (Here::Version, Some(within(&[b"\x0bdns-version"]))),
                Here::Version => (self.next_service(view)?, None),
                Here::Service { key, part } => {
                    let record = view.service(&key);
                    let name = record.and_then(|record| name_of(&key, record, part));
                    let name = name.map(|name| within(&[&name]));
                    let next = record.and_then(|record| part.next(record));
                    let next = next.map(|part| Here::Service { key, part });
                    (next.or_else(|| self.next_service(view)).unwrap_or(Here::End), name)
                }
                Here::Addresses(mut rest) => {
                    let address = rest.next()?;
                    (Here::Addresses(rest), Some(reverse_name(address)))
                }
                Here::End => return None,
            };
            self.here = next;
            if name.is_some() {
                return name;
            }
        }
    }

    fn next_service(&mut self, view: &View) -> Option<Here> {
        let key = match &mut self.services {
            Services::Lying(place) => view.next_service(place)?.0.into(),
            Services::Sorted(keys) => keys.next()?,
        };
        Some(Here::Service { key, part: Part::Own })
    }
}

impl Part {
    /// The next one of the same Service.
    fn next(self, record: Record<'_>) -> Option<Self> {
        let all = record.endpoints();
        match self {
            Self::Own => Self::port(0, record),
            Self::Port(at) => Self::port(at + 1, record),
            Self::Every => Some(Self::Endpoints),
            Self::Endpoints => all?.label_at(0).map(|_| Self::Label(0)),
            Self::Label(at) => Some(Self::EndpointsLabel(at)),
            Self::EndpointsLabel(at) => all?.label_at(at + 1).map(|_| Self::Label(at + 1)),
        }
    }

    /// The named port of this number, or what comes behind the last.
    fn port(at: usize, record: Record<'_>) -> Option<Self> {
        if at < named_ports(record).len() {
            return Some(Self::Port(at));
        }
        record.endpoints().map(|_| Self::Every)
    }
}

/// The named ports of a Service and of its endpoints, sorted.
fn named_ports(record: Record<'_>) -> Vec<(Protocol, &[u8])> {
    let own = record.ports().map(|port| (port.protocol, port.name));
    let all = record.endpoints().into_iter().flat_map(EndpointsRef::named);
    let mut ports: Vec<_> = own.chain(all.map(|(port, _)| (port.protocol, port.name))).collect();
    ports.retain(|(_, name)| !name.is_empty());
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// The labels of a Service's name in front of the zone, in wire form. `None` where one of them would be
/// too long.
fn name_of(key: &[u8], record: Record<'_>, part: Part) -> Option<Vec<u8>> {
    let label = |at: u32| Some(label(&[record.endpoints()?.label_at(at)?.label])).flatten();
    Some(match part {
        Part::Own => [key, SVC].concat(),
        Part::Port(at) => {
            let (protocol, name) = *named_ports(record).get(at)?;
            let protocol: &[u8] = match protocol {
                Protocol::Tcp => b"\x04_tcp",
                Protocol::Udp => b"\x04_udp",
                Protocol::Sctp => b"\x05_sctp",
            };
            [&self::label(&[b"_", name])?[..], protocol, key, SVC].concat()
        }
        Part::Every => [b"\x0a_endpoints", key, SVC].concat(),
        Part::Endpoints => [key, ENDPOINTS].concat(),
        Part::Label(at) => [&label(at)?[..], key, SVC].concat(),
        Part::EndpointsLabel(at) => [&label(at)?[..], key, ENDPOINTS].concat(),
    })
}

/// A label of these parts with its length in front.
fn label(parts: &[&[u8]]) -> Option<Vec<u8>> {
    let octets = parts.concat();
    let len = u8::try_from(octets.len()).ok().filter(|len| usize::from(*len) <= MAX_LABEL)?;
    Some([&[len], &octets[..]].concat())
}

/// The name under which an address is asked for, in wire form (RFC 1035, section 3.5; RFC 3596,
/// section 2.5).
fn reverse_name(address: IpAddr) -> Vec<u8> {
    let mut name = Vec::new();
    let mut push = |label: &str| {
        name.extend(u8::try_from(label.len()));
        name.extend_from_slice(label.as_bytes());
    };
    match address {
        IpAddr::V4(v4) => {
            v4.octets().iter().rev().for_each(|octet| push(&octet.to_string()));
            push("in-addr");
        }
        IpAddr::V6(v6) => {
            let octets = v6.octets();
            let nibbles = octets.iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
            nibbles.for_each(|nibble| push(&format!("{nibble:x}")));
            push("ip6");
        }
    }
    push("arpa");
    name.push(0);
    name
}
