//! The endpoints of one Service, joined from every object that holds some.
//!
//! Which object counts, which endpoint is ready and what it is called: schema.md, section 2.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;

use smallvec::SmallVec;

use super::spec::Spec;
use super::standing::{Standings, is_ready};
use crate::cluster::{
    AddressFamily, Endpoint, EndpointPort, EndpointSlice, Endpoints, ManagedBy, Protocol, Service,
    ServicePort, push_canonical_label,
};
use crate::name::MAX_LABEL;

/// Everything that says something about one Service.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The Service.
    pub service: &'a Service,
    /// The slices that name it by their label.
    pub slices: &'a [EndpointSlice],
    /// The Endpoints object of its name.
    pub endpoints: Option<&'a Endpoints>,
    /// Whether slices can be had at all. Where they cannot, Endpoints count for every Service.
    pub slices_served: bool,
}

/// Why an endpoint's address is not published.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Drop {
    /// `127.0.0.0/8` or `::1`.
    Loopback,
    /// `0.0.0.0` or `::`.
    Unspecified,
    /// `169.254.0.0/16` or `fe80::/10`.
    LinkLocal,
    /// `224.0.0.0/24` or `ff02::/16`.
    LinkLocalMulticast,
}

impl Drop {
    /// The word that the metric uses for it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Unspecified => "unspecified",
            Self::LinkLocal => "link-local",
            Self::LinkLocalMulticast => "link-local-multicast",
        }
    }

    /// Why `address` may not be an endpoint's, if so.
    pub fn of(address: IpAddr) -> Option<Self> {
        let (link_local, multicast) = match address {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                (v4.is_link_local(), (a, b, c) == (224, 0, 0))
            }
            IpAddr::V6(v6) => (v6.is_unicast_link_local(), v6.segments()[0] == 0xff02),
        };
        if address.is_loopback() {
            Some(Self::Loopback)
        } else if address.is_unspecified() {
            Some(Self::Unspecified)
        } else if link_local {
            Some(Self::LinkLocal)
        } else if multicast {
            Some(Self::LinkLocalMulticast)
        } else {
            None
        }
    }
}

/// A port at which endpoints listen: number, where 0 stands for all ports, protocol, and name
/// (empty where it has none).
pub(crate) type Port = (u16, Protocol, Box<str>);

/// The ready endpoints of a Service, and what else was seen on the way.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    /// Every ready address, sorted, each with the index of its ports in `port_sets`.
    pub(crate) addresses: Vec<(IpAddr, u32)>,
    /// Every label, sorted.
    pub(crate) labels: Vec<Labelled>,
    /// For each label its places in `addresses`, one label's behind the other's.
    places: Vec<u32>,
    /// The octets of the rows' labels. They and the places stand together, since a large Service
    /// has thousands of labels, and each allocation costs more than what is done with it.
    texts: Vec<u8>,
    /// The distinct sets of ports, each sorted and without duplicates.
    pub(crate) port_sets: Vec<Vec<Port>>,
    /// How many (address, port) pairs there were before duplicates were taken out, of IPv4 and of
    /// IPv6; an address without a port counts once.
    pub(crate) pairs: [u32; 2],
    /// The same for each named port.
    pub(crate) named_pairs: BTreeMap<(Protocol, Box<str>), [u32; 2]>,
    /// Endpoint addresses seen, ready or not, the dropped ones left out.
    pub(crate) total: u32,
    /// The ready ones of them.
    pub(crate) ready: u32,
    /// The families of the ready addresses that a controller wrote, as their endpoint's
    /// `targetRef` or `nodeName` says.
    pub(crate) managed: BTreeSet<AddressFamily>,
    /// A slice of the EndpointSlice controller's own is among the objects that count.
    pub(crate) controller_slice: bool,
    /// Addresses that are not published, by reason.
    pub(crate) dropped: BTreeMap<Drop, u32>,
    rows: Vec<Row>,
    lists: Vec<Vec<Port>>,
}

/// What stands behind one endpoint label; [`Joined::label`] and [`Joined::places`] say which.
#[derive(Debug)]
pub(crate) struct Labelled {
    label: Label,
    /// Where its places in `addresses` begin and end.
    places: Range<u32>,
    /// The union of their ports: a place in `port_sets`.
    pub(crate) port_set: u32,
    /// How many (address, port) pairs there were before duplicates were taken out.
    pub(crate) pairs: u32,
}

/// Where a label's octets begin and end among the texts.
#[derive(Clone, Copy, Debug)]
struct Label {
    start: u32,
    end: u32,
}

impl Label {
    fn of(self, texts: &[u8]) -> &[u8] {
        texts.get(self.start as usize..self.end as usize).unwrap_or(&[])
    }
}

/// One ready address of one endpoint in one object.
#[derive(Debug)]
struct Row {
    address: IpAddr,
    label: Label,
    /// The object's list of ports: a place in `lists`.
    list: u32,
}

/// A row on its way to its place among the labels.
struct Entry {
    /// The label's first octets, which settle nearly every comparison at once.
    head: u128,
    label: Label,
    /// The address: a place in `addresses`.
    place: u32,
    list: u32,
}

impl Entry {
    fn cmp(&self, other: &Self, texts: &[u8]) -> Ordering {
        let by_label = || self.label.of(texts).cmp(other.label.of(texts));
        self.head.cmp(&other.head).then_with(by_label).then(self.place.cmp(&other.place))
    }

    fn has_label_of(&self, other: &Self, texts: &[u8]) -> bool {
        self.head == other.head && self.label.of(texts) == other.label.of(texts)
    }
}

/// Joins what counts for the Service.
pub(crate) fn join(inputs: &Inputs<'_>, spec: &Spec) -> Joined {
    let mut joined = Joined::default();
    let service = inputs.service;
    let standings = Standings::new(inputs, spec);
    for slice in inputs.slices.iter().filter(|slice| standings.of_slice(slice).counts()) {
        joined.controller_slice |= slice.managed_by == ManagedBy::Controller;
        let ready = |endpoint: &Endpoint| is_ready(service, endpoint, Some(slice.managed_by));
        joined.take(&slice.endpoints, &slice.ports, ready, spec);
    }
    if let Some(endpoints) = inputs.endpoints.filter(|found| standings.of_endpoints(found).counts())
    {
        let ready = |endpoint: &Endpoint| is_ready(service, endpoint, None);
        for subset in &endpoints.subsets {
            joined.take(&subset.endpoints, &subset.ports, ready, spec);
        }
    }
    joined.finish()
}

impl Joined {
    fn drop(&mut self, reason: Drop) {
        let counted = self.dropped.entry(reason).or_default();
        *counted = counted.saturating_add(1);
    }

    fn take(
        &mut self,
        endpoints: &[Endpoint],
        ports: &[EndpointPort],
        is_ready: impl Fn(&Endpoint) -> bool,
        spec: &Spec,
    ) {
        let own = ports.iter().map(|port| (port.port.unwrap_or(0), port.protocol, &port.name));
        let same = |list: &Vec<Port>| {
            list.len() == ports.len()
                && list.iter().zip(own.clone()).all(|(p, own)| (p.0, p.1, &p.2) == own)
        };
        let list = self.lists.iter().position(same).unwrap_or_else(|| {
            self.lists.push(own.clone().map(|p| (p.0, p.1, p.2.clone())).collect());
            self.lists.len() - 1
        });
        let mut taken = [0u32; 2];
        for endpoint in endpoints {
            for &address in &endpoint.addresses {
                if let Some(reason) = Drop::of(address) {
                    self.drop(reason);
                    continue;
                }
                self.total = self.total.saturating_add(1);
                if !is_ready(endpoint) {
                    continue;
                }
                self.ready = self.ready.saturating_add(1);
                let [v4, v6] = &mut taken;
                let family = if address.is_ipv4() { v4 } else { v6 };
                *family = family.saturating_add(1);
                if endpoint.managed {
                    self.managed.insert(AddressFamily::of(address));
                }
                let label = push_label_of(&mut self.texts, endpoint, address, spec);
                self.rows.push(Row { address, label, list: count(list) });
            }
        }
        if taken == [0; 2] {
            // Ports at which nobody listens name nothing.
            return;
        }
        // A portless address is one pair, as CoreDNS counts.
        add(&mut self.pairs, taken.map(|taken| taken.saturating_mul(pairs_of(ports))));
        for port in ports.iter().filter(|port| !port.name.is_empty()) {
            let name = (port.protocol, port.name.clone());
            add(self.named_pairs.entry(name).or_default(), taken);
        }
    }

    /// The octets of a label.
    pub(crate) fn label(&self, labelled: &Labelled) -> &[u8] {
        labelled.label.of(&self.texts)
    }

    /// The places in `addresses` of a label.
    pub(crate) fn places(&self, labelled: &Labelled) -> &[u32] {
        let Range { start, end } = labelled.places;
        self.places.get(start as usize..end as usize).unwrap_or(&[])
    }

    /// Gives the ports that stand for all ports the numbers of the Service's own of that name and
    /// protocol: whoever goes to an endpoint directly asks for those.
    pub(crate) fn number_ports(&mut self, of_service: &[ServicePort]) {
        for set in &mut self.port_sets {
            if set.iter().all(|port| port.0 != 0) {
                continue;
            }
            let mut numbered = BTreeSet::new();
            for port in set.drain(..) {
                let same = |own: &&ServicePort| own.protocol == port.1 && own.name == port.2;
                let before = numbered.len();
                if port.0 == 0 {
                    let own = of_service.iter().filter(same);
                    numbered.extend(own.map(|own| (own.port, port.1, port.2.clone())));
                }
                if numbered.len() == before {
                    numbered.insert(port);
                }
            }
            set.extend(numbered);
        }
    }

    /// Sorts what was taken into addresses and labels.
    fn finish(mut self) -> Self {
        let mut rows = std::mem::take(&mut self.rows);
        let mut sets = PortSets { lists: std::mem::take(&mut self.lists), ..PortSets::default() };
        // Slices are often sorted in themselves, which this sort makes use of.
        rows.sort_by_key(|row| (row.address, row.list));
        self.addresses.reserve_exact(rows.len());
        let mut entries = Vec::with_capacity(rows.len());
        for same in rows.chunk_by(|a, b| a.address == b.address) {
            let Some(first) = same.first() else { continue };
            let place = count(self.addresses.len());
            self.addresses.push((first.address, sets.union(same.iter().map(|row| row.list))));
            entries.extend(same.iter().map(|row| Entry {
                head: head(row.label.of(&self.texts)),
                label: row.label,
                place,
                list: row.list,
            }));
        }
        drop(rows);
        self.label_addresses(entries, &mut sets);
        self.port_sets = sets.unions;
        self
    }

    fn label_addresses(&mut self, mut entries: Vec<Entry>, sets: &mut PortSets) {
        let texts = &self.texts;
        entries.sort_by(|a, b| a.cmp(b, texts));
        self.labels.reserve_exact(entries.len());
        self.places.reserve_exact(entries.len());
        for same in entries.chunk_by(|a, b| a.has_label_of(b, texts)) {
            let Some(first) = same.first() else { continue };
            let start = count(self.places.len());
            for one in same.chunk_by(|a, b| a.place == b.place) {
                self.places.extend(one.first().map(|entry| entry.place));
            }
            self.labels.push(Labelled {
                label: first.label,
                places: start..count(self.places.len()),
                port_set: sets.union(same.iter().map(|entry| entry.list)),
                pairs: same.iter().map(|entry| sets.pairs(entry.list)).fold(0, u32::saturating_add),
            });
        }
    }
}

/// The first octets of a label as a number that sorts like them.
fn head(label: &[u8]) -> u128 {
    let mut octets = [0; 16];
    octets.iter_mut().zip(label).for_each(|(room, octet)| *room = *octet);
    u128::from_be_bytes(octets)
}

/// The unions of lists of ports, each made once.
#[derive(Default)]
struct PortSets {
    lists: Vec<Vec<Port>>,
    unions: Vec<Vec<Port>>,
    known: BTreeMap<SmallVec<[u32; 4]>, u32>,
    /// The list that was last asked for alone, and its union: mostly that of all rows.
    last: Option<(u32, u32)>,
}

impl PortSets {
    /// The union of these lists: a place in `unions`.
    fn union(&mut self, lists: impl Iterator<Item = u32> + Clone) -> u32 {
        if let Some((list, union)) = self.last
            && lists.clone().all(|other| other == list)
        {
            return union;
        }
        let mut lists: SmallVec<[u32; 4]> = lists.collect();
        lists.sort_unstable();
        lists.dedup();
        let union = self.known_or_new(&lists);
        if let [list] = lists[..] {
            self.last = Some((list, union));
        }
        union
    }

    fn known_or_new(&mut self, lists: &SmallVec<[u32; 4]>) -> u32 {
        if let Some(&known) = self.known.get(lists) {
            return known;
        }
        let ports = lists.iter().filter_map(|list| self.lists.get(*list as usize)).flatten();
        let union: BTreeSet<Port> = ports.cloned().collect();
        self.unions.push(union.into_iter().collect());
        let place = count(self.unions.len() - 1);
        self.known.insert(lists.clone(), place);
        place
    }

    fn pairs(&self, list: u32) -> u32 {
        self.lists.get(list as usize).map_or(1, |ports| pairs_of(ports))
    }
}

fn add(sums: &mut [u32; 2], more: [u32; 2]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum = sum.saturating_add(more);
    }
}

/// The pairs that one address makes with these ports.
fn pairs_of<T>(ports: &[T]) -> u32 {
    count(ports.len().max(1))
}

/// A count or a place as 32 bits; no object that fits into memory has more.
fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The label of an endpoint at one of its addresses.
pub fn endpoint_label(endpoint: &Endpoint, address: IpAddr, spec: &Spec) -> String {
    let mut texts = Vec::new();
    push_label_of(&mut texts, endpoint, address, spec);
    String::from_utf8_lossy(&texts).into_owned()
}

/// Appends the label of an endpoint at one of its addresses to the texts.
fn push_label_of(texts: &mut Vec<u8>, endpoint: &Endpoint, address: IpAddr, spec: &Spec) -> Label {
    let start = count(texts.len());
    let pod_name = || endpoint.target_name.as_deref().filter(|name| is_label(name));
    let given = match &endpoint.hostname {
        None if spec.endpoint_pod_names => pod_name(),
        hostname => hostname.as_deref(),
    };
    match given {
        Some(name) => texts.extend(name.bytes().map(|octet| octet.to_ascii_lowercase())),
        None => push_canonical_label(texts, address),
    }
    Label { start, end: count(texts.len()) }
}

fn is_label(text: &str) -> bool {
    (1..=MAX_LABEL).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::{ClusterIps, Meta, SliceAddresses};

    /// What a label or an address comes to: addresses, ports, pairs.
    type Sum = (BTreeSet<IpAddr>, BTreeSet<Port>, u32);

    fn slice(name: &str, rows: &[(IpAddr, &str)], ports: &[u16]) -> EndpointSlice {
        let endpoint = |&(address, hostname): &(IpAddr, &str)| Endpoint {
            addresses: std::iter::once(address).collect(),
            ready: true,
            hostname: (!hostname.is_empty()).then(|| hostname.into()),
            target_name: None,
            managed: true,
        };
        let port = |&number: &u16| EndpointPort {
            name: "".into(),
            protocol: Protocol::Tcp,
            port: Some(number),
        };
        EndpointSlice {
            meta: Meta::new("shop", name),
            service: Some("web".into()),
            managed_by: ManagedBy::Controller,
            address_type: SliceAddresses::V4,
            endpoints: rows.iter().map(endpoint).collect(),
            ports: ports.iter().map(port).collect(),
        }
    }

    fn addresses() -> impl Strategy<Value = IpAddr> {
        let v4 = (1..9u8).prop_map(|last| IpAddr::from([10, 0, 0, last]));
        let v6 = (1..9u16).prop_map(|last| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, last]));
        prop_oneof![v4, v6]
    }

    /// An endpoint's address and hostname; some hostnames differ only behind their first octets.
    fn rows() -> impl Strategy<Value = Vec<(IpAddr, &'static str)>> {
        let hostnames = [
            "",
            "a",
            "A",
            "a0",
            "web-0",
            "sixteen-octets-0",
            "sixteen-octets-0-1",
            "sixteen-octets-0-10",
            "sixteen-octets-0-2",
        ];
        prop::collection::vec((addresses(), prop::sample::select(hostnames.to_vec())), 0..12)
    }

    proptest! {
        #[test]
        fn rows_are_joined_by_address_and_by_label(
            slices in prop::collection::vec(
                (rows(), prop::sample::subsequence(vec![80, 443, 8080], 0..=3).prop_shuffle()), 0..5),
        ) {
            let mut service = Service::new("shop", "web");
            service.cluster_ips = ClusterIps::Headless;
            let named = slices.iter().enumerate();
            let objects: Vec<_> =
                named.map(|(at, (rows, ports))| slice(&at.to_string(), rows, ports)).collect();
            let (service, slices_served) = (&service, true);
            let inputs =
                Inputs { service, slices: &objects, endpoints: None, slices_served };
            let joined = join(&inputs, &Spec::default());

            let mut by_address: BTreeMap<IpAddr, Sum> = BTreeMap::new();
            let mut by_label: BTreeMap<String, Sum> = BTreeMap::new();
            for ((address, hostname), ports) in
                slices.iter().flat_map(|(rows, ports)| rows.iter().map(move |row| (row, ports)))
            {
                let label = match *hostname {
                    "" => address.to_string().replace(['.', ':'], "-"),
                    hostname => hostname.to_lowercase(),
                };
                for sum in
                    [by_address.entry(*address).or_default(), by_label.entry(label).or_default()]
                {
                    sum.0.insert(*address);
                    sum.1.extend(ports.iter().map(|port| (*port, Protocol::Tcp, "".into())));
                    sum.2 += u32::try_from(ports.len().max(1)).unwrap();
                }
            }
            let set = |place: u32| joined.port_sets[place as usize].clone();
            let addresses: Vec<_> =
                joined.addresses.iter().map(|(address, ports)| (*address, set(*ports))).collect();
            let expected: Vec<_> = by_address
                .into_iter()
                .map(|(address, (_, ports, _))| (address, ports.into_iter().collect::<Vec<_>>()))
                .collect();
            prop_assert_eq!(addresses, expected);
            let labels: Vec<_> = joined
                .labels
                .iter()
                .map(|labelled| {
                    let places = joined.places(labelled).iter();
                    let ips: Vec<_> =
                        places.map(|place| joined.addresses[*place as usize].0).collect();
                    let label = String::from_utf8(joined.label(labelled).to_vec()).unwrap();
                    (label, ips, set(labelled.port_set), labelled.pairs)
                })
                .collect();
            let expected: Vec<_> = by_label
                .into_iter()
                .map(|(label, (ips, ports, pairs))| {
                    (label, ips.into_iter().collect(), ports.into_iter().collect(), pairs)
                })
                .collect();
            prop_assert_eq!(labels, expected);
        }
    }
}
