//! Writes the octets of a [`Record`](super::record::Record). Runs on the publisher's thread.

use std::net::IpAddr;

use super::choice::{Choice, PortMismatch};
use super::endpoints::Joined;
use super::record::{
    ANNOTATION_IGNORED, FLAG_ENDPOINTS_ARE_FRONT, FLAG_SELECTORLESS, FRONT, FrontKind,
    QNAME_POINTER, Unusable, V6,
};
use crate::cluster::ServicePort;

/// What is to be encoded.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) kind: FrontKind,
    pub(crate) choice: Option<Choice>,
    pub(crate) mismatch: Option<PortMismatch>,
    pub(crate) annotation_ignored: bool,
    pub(crate) selectorless: bool,
    pub(crate) ttl: u32,
    pub(crate) front: Vec<IpAddr>,
    /// The target of an alias in wire form, or the text of an unusable one.
    pub(crate) target: Vec<u8>,
    pub(crate) unusable: Option<Unusable>,
    pub(crate) ports: &'a [ServicePort],
    pub(crate) cluster_ips: &'a [IpAddr],
    pub(crate) joined: &'a Joined,
}

impl Draft<'_> {
    /// The octets.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let same = {
            let endpoints = self.joined.addresses.iter().map(|at| &at.0);
            endpoints.eq(&self.front)
        };
        let mut flags = 0;
        if same {
            flags |= FLAG_ENDPOINTS_ARE_FRONT;
        }
        if self.selectorless {
            flags |= FLAG_SELECTORLESS;
        }
        let ignored = if self.annotation_ignored { ANNOTATION_IGNORED } else { 0 };
        let mut out = Octets(Vec::with_capacity(96 + 64 * self.joined.addresses.len()));
        out.0.extend_from_slice(&[
            self.kind as u8,
            self.choice.map_or(0, |choice| choice as u8) | ignored,
            flags,
            self.unusable.map_or(0, |reason| reason as u8),
        ]);
        if matches!(self.kind, FrontKind::Alias | FrontKind::Unusable) {
            out.count(self.target.len());
            out.number(0);
            out.count(FRONT + self.target.len());
            out.0.extend_from_slice(&self.target);
        } else {
            out.count(self.front.iter().filter(|ip| ip.is_ipv4()).count());
            out.count(self.front.iter().filter(|ip| ip.is_ipv6()).count());
            let tail = out.later();
            out.addresses(&self.front, self.ttl);
            out.now(tail);
        }
        self.tail(&mut out, same);
        out.0
    }

    fn tail(&self, out: &mut Octets, same: bool) {
        out.number(self.joined.ready);
        out.number(self.joined.total);
        let [mismatch, ports, cluster, endpoints] = [(); 4].map(|()| out.later());
        if let Some(port) = &self.mismatch {
            out.now(mismatch);
            out.port(port.protocol as u8, &port.name, port.service);
            out.0.extend_from_slice(&port.endpoint.to_le_bytes());
        }
        if !self.ports.is_empty() {
            out.now(ports);
            out.count(self.ports.len());
            let mut sorted: Vec<_> = self.ports.iter().collect();
            sorted.sort_by_key(|port| (port.port, port.protocol, &port.name));
            for port in sorted {
                out.port(port.protocol as u8, &port.name, port.port);
            }
        }
        if !self.cluster_ips.is_empty() {
            out.now(cluster);
            out.count(self.cluster_ips.len());
            for ip in self.cluster_ips {
                out.address(*ip);
            }
        }
        if !self.joined.addresses.is_empty() {
            out.now(endpoints);
            self.endpoints(out, same);
        }
    }

    fn endpoints(&self, out: &mut Octets, same: bool) {
        let addresses = &self.joined.addresses;
        let v4 = addresses.iter().filter(|at| at.0.is_ipv4()).count();
        out.count(v4);
        out.count(addresses.len() - v4);
        for pairs in self.joined.pairs {
            out.number(pairs);
        }
        let [records, sets_of, named, sets, labels] = [(); 5].map(|()| out.later());
        if !same {
            out.now(records);
            let ips: Vec<IpAddr> = addresses.iter().map(|at| at.0).collect();
            out.addresses(&ips, self.ttl);
        }
        out.now(sets_of);
        for (_, set) in addresses {
            out.number(*set);
        }
        out.now(named);
        out.count(self.joined.named_pairs.len());
        for ((protocol, name), pairs) in &self.joined.named_pairs {
            for pairs in pairs {
                out.number(*pairs);
            }
            out.port(*protocol as u8, name, 0);
        }
        out.now(sets);
        out.list(&self.joined.port_sets, |out, set| {
            out.count(set.len());
            for (number, protocol, name) in set {
                out.port(*protocol as u8, name, *number);
            }
        });
        out.now(labels);
        // Places count the IPv4 addresses first, as the records stand.
        let place = |index: u32| {
            let index = index as usize;
            if index < v4 { low32(index) } else { low32(index - v4) | V6 }
        };
        out.list(&self.joined.labels, |out, labelled| {
            out.number(labelled.pairs);
            out.number(labelled.port_set);
            let places = self.joined.places(labelled);
            out.count(places.len());
            out.text(self.joined.label(labelled));
            for index in places {
                out.number(place(*index));
            }
        });
    }
}

fn low32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Octets under construction, with places whose value is known later.
struct Octets(Vec<u8>);

impl Octets {
    fn number(&mut self, n: u32) {
        self.0.extend_from_slice(&n.to_le_bytes());
    }

    fn count(&mut self, n: usize) {
        self.number(low32(n));
    }

    /// Leaves room for an offset and returns where.
    fn later(&mut self) -> usize {
        self.number(0);
        self.0.len() - 4
    }

    /// Sets the offset there to here.
    fn now(&mut self, place: usize) {
        let here = low32(self.0.len()).to_le_bytes();
        if let Some(place) = self.0.get_mut(place..place + 4) {
            place.copy_from_slice(&here);
        }
    }

    /// A text of at most 255 octets, which port names and labels are.
    fn text(&mut self, text: &[u8]) {
        let len = u8::try_from(text.len()).unwrap_or(u8::MAX);
        self.0.push(len);
        self.0.extend_from_slice(&text[..text.len().min(usize::from(len))]);
    }

    fn port(&mut self, protocol: u8, name: &str, number: u16) {
        self.0.push(protocol);
        self.0.extend_from_slice(&number.to_le_bytes());
        let start = self.0.len();
        self.text(name.as_bytes());
        self.0.iter_mut().skip(start + 1).for_each(u8::make_ascii_lowercase);
    }

    fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => {
                self.0.push(4);
                self.0.extend_from_slice(&v4.octets());
            }
            IpAddr::V6(v6) => {
                self.0.push(6);
                self.0.extend_from_slice(&v6.octets());
            }
        }
    }

    /// A and AAAA records, owner a pointer to the question's name.
    fn addresses(&mut self, addresses: &[IpAddr], ttl: u32) {
        for v4 in
            addresses.iter().filter_map(|ip| if let IpAddr::V4(v4) = ip { Some(v4) } else { None })
        {
            self.0.extend_from_slice(&QNAME_POINTER.to_be_bytes());
            self.0.extend_from_slice(&[0, 1, 0, 1]);
            self.0.extend_from_slice(&ttl.to_be_bytes());
            self.0.extend_from_slice(&[0, 4]);
            self.0.extend_from_slice(&v4.octets());
        }
        for v6 in
            addresses.iter().filter_map(|ip| if let IpAddr::V6(v6) = ip { Some(v6) } else { None })
        {
            self.0.extend_from_slice(&QNAME_POINTER.to_be_bytes());
            self.0.extend_from_slice(&[0, 28, 0, 1]);
            self.0.extend_from_slice(&ttl.to_be_bytes());
            self.0.extend_from_slice(&[0, 16]);
            self.0.extend_from_slice(&v6.octets());
        }
    }

    /// A count, an offset for each item, the items.
    fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.count(items.len());
        let start = self.0.len();
        for _ in items {
            self.number(0);
        }
        for (index, item) in items.iter().enumerate() {
            self.now(start + 4 * index);
            write(self, item);
        }
    }
}
