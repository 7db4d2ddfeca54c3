//! The endpoints of one Service, joined from every object that holds some.
//!
//! Which object counts, which endpoint is ready and what it is called: schema.md, section 2.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use smallvec::SmallVec;

use super::spec::Spec;
use crate::cluster::{
    AddressFamily, Endpoint, EndpointPort, EndpointSlice, Endpoints, ManagedBy, Protocol, Service,
    SliceAddresses, canonical_label,
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

/// What stands behind one endpoint label.
#[derive(Debug)]
pub(crate) struct Labelled {
    pub(crate) label: Box<str>,
    /// Places in `addresses`.
    pub(crate) addresses: Vec<u32>,
    /// The union of their ports: a place in `port_sets`.
    pub(crate) port_set: u32,
    /// How many (address, port) pairs there were before duplicates were taken out.
    pub(crate) pairs: u32,
}

/// One ready address of one endpoint in one object.
#[derive(Debug)]
struct Row {
    address: IpAddr,
    label: Box<str>,
    /// The object's list of ports: a place in `lists`.
    list: u32,
}

/// Joins what counts for the Service.
pub(crate) fn join(inputs: &Inputs<'_>, spec: &Spec) -> Joined {
    let mut joined = Joined::default();
    let service = inputs.service;
    let headless_only = spec.headless_endpoints_only
        && service.has_selector
        && matches!(service.cluster_ips, crate::cluster::ClusterIps::Addresses(_));
    if spec.no_endpoints || headless_only {
        return joined;
    }
    let endpoints = inputs.endpoints.filter(|endpoints| {
        !endpoints.not_for_services && (!service.has_selector || !inputs.slices_served)
    });
    // Slices of names have no meaning to DNS.
    let own = |slice: &&EndpointSlice| slice.address_type != SliceAddresses::Fqdn;
    let wins = |slice: &&EndpointSlice| slice.managed_by != ManagedBy::Mirroring;
    // A mirrored slice gives way to the object that it mirrors; any other slice wins over it.
    let others = inputs.slices.iter().filter(own).any(|slice| wins(&slice));
    for slice in inputs.slices.iter().filter(own) {
        if wins(&slice) || endpoints.is_none() {
            joined.controller_slice |= slice.managed_by == ManagedBy::Controller;
            let all_ready = service.publish_not_ready && slice.managed_by != ManagedBy::Controller;
            joined.take(&slice.endpoints, &slice.ports, all_ready, spec);
        }
    }
    if let (Some(endpoints), false) = (endpoints, others) {
        for subset in &endpoints.subsets {
            joined.take(&subset.endpoints, &subset.ports, service.publish_not_ready, spec);
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
        all_ready: bool,
        spec: &Spec,
    ) {
        let ports: Vec<Port> = ports
            .iter()
            .map(|port| (port.port.unwrap_or(0), port.protocol, port.name.clone()))
            .collect();
        let list = self.lists.iter().position(|list| *list == ports).unwrap_or_else(|| {
            self.lists.push(ports.clone());
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
                if !(endpoint.ready || all_ready) {
                    continue;
                }
                self.ready = self.ready.saturating_add(1);
                let [v4, v6] = &mut taken;
                let family = if address.is_ipv4() { v4 } else { v6 };
                *family = family.saturating_add(1);
                if endpoint.managed {
                    self.managed.insert(AddressFamily::of(address));
                }
                let label = label_of(endpoint, address, spec);
                self.rows.push(Row { address, label, list: count(list) });
            }
        }
        if taken == [0; 2] {
            // Ports at which nobody listens name nothing.
            return;
        }
        // A portless address is one pair, as CoreDNS counts.
        add(&mut self.pairs, taken.map(|taken| taken.saturating_mul(pairs_of(&ports))));
        for (_, protocol, name) in ports.iter().filter(|port| !port.2.is_empty()) {
            add(self.named_pairs.entry((*protocol, name.clone())).or_default(), taken);
        }
    }

    /// Sorts what was taken into addresses and labels.
    fn finish(mut self) -> Self {
        let mut rows = std::mem::take(&mut self.rows);
        let mut sets = PortSets { lists: std::mem::take(&mut self.lists), ..PortSets::default() };
        rows.sort_unstable_by_key(|row| (row.address, row.list));
        for same in rows.chunk_by(|a, b| a.address == b.address) {
            if let Some(first) = same.first() {
                let set = sets.union(same.iter().map(|row| row.list));
                self.addresses.push((first.address, set));
            }
        }
        rows.sort_unstable_by(|a, b| (&a.label, a.address).cmp(&(&b.label, b.address)));
        for same in rows.chunk_by(|a, b| a.label == b.label) {
            let mut addresses: Vec<u32> = same
                .iter()
                .filter_map(|row| self.addresses.binary_search_by_key(&row.address, |a| a.0).ok())
                .map(count)
                .collect();
            addresses.dedup();
            let pairs = same.iter().map(|row| sets.pairs(row.list)).fold(0, u32::saturating_add);
            let port_set = sets.union(same.iter().map(|row| row.list));
            if let Some(first) = same.first() {
                let label = first.label.clone();
                self.labels.push(Labelled { label, addresses, port_set, pairs });
            }
        }
        self.port_sets = sets.unions;
        self
    }
}

/// The unions of lists of ports, each made once.
#[derive(Default)]
struct PortSets {
    lists: Vec<Vec<Port>>,
    unions: Vec<Vec<Port>>,
    known: BTreeMap<SmallVec<[u32; 4]>, u32>,
}

impl PortSets {
    fn union(&mut self, lists: impl Iterator<Item = u32>) -> u32 {
        let mut lists: SmallVec<[u32; 4]> = lists.collect();
        lists.sort_unstable();
        lists.dedup();
        if let Some(&known) = self.known.get(&lists) {
            return known;
        }
        let ports = lists.iter().filter_map(|list| self.lists.get(*list as usize)).flatten();
        let union: BTreeSet<Port> = ports.cloned().collect();
        self.unions.push(union.into_iter().collect());
        let place = count(self.unions.len() - 1);
        self.known.insert(lists, place);
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

fn pairs_of(ports: &[Port]) -> u32 {
    count(ports.len().max(1))
}

/// A count or a place as 32 bits; no object that fits into memory has more.
fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The label of an endpoint at one of its addresses.
fn label_of(endpoint: &Endpoint, address: IpAddr, spec: &Spec) -> Box<str> {
    if let Some(hostname) = &endpoint.hostname {
        return hostname.to_ascii_lowercase().into();
    }
    match &endpoint.target_name {
        Some(name) if spec.endpoint_pod_names && is_label(name) => name.to_ascii_lowercase().into(),
        _ => canonical_label(address).into(),
    }
}

fn is_label(text: &str) -> bool {
    (1..=MAX_LABEL).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}
