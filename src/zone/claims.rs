//! A Service's claims on addresses: whom a reverse name leads back to.
//!
//! Runs on the publisher's thread, for each record that changes. Of thousands of claims a change
//! usually touches a few, so only those are given names of their own.

use std::net::IpAddr;

use super::record::{A_LEN, AAAA_LEN, Record, address_in};

/// An address's way back to a Service.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Claim {
    /// It is a cluster IP; such claims win over endpoints.
    pub cluster: bool,
    /// `S.N` or `H.S.N` in wire form, without what follows.
    pub name: Box<[u8]>,
}

/// What of a Service an address belongs to.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Holder<'a> {
    Cluster,
    /// The endpoints of this label.
    Endpoint(&'a [u8]),
}

impl Holder<'_> {
    /// The claim of the Service with this key.
    fn claim(self, key: &[u8]) -> Claim {
        match self {
            Self::Cluster => Claim { cluster: true, name: key.into() },
            Self::Endpoint(label) => {
                let len = u8::try_from(label.len()).unwrap_or(u8::MAX);
                Claim { cluster: false, name: [&[len], label, key].concat().into() }
            }
        }
    }
}

/// The addresses on which the Service with this key (`S.N` in wire form) makes another claim by its
/// new record than by its old one, sorted, each with the new claim or none.
pub(super) fn differences(
    key: &[u8],
    old: Option<Record<'_>>,
    new: Option<Record<'_>>,
) -> Vec<(IpAddr, Option<Claim>)> {
    let mut differences = Vec::new();
    let mut old = holders(old).into_iter().peekable();
    let mut new = holders(new).into_iter().peekable();
    loop {
        let address = match (old.peek(), new.peek()) {
            (Some(old), Some(new)) => old.0.min(new.0),
            (Some(one), None) | (None, Some(one)) => one.0,
            (None, None) => return differences,
        };
        let before = old.next_if(|one| one.0 == address);
        let after = new.next_if(|one| one.0 == address);
        if before != after {
            differences.push((address, after.map(|(_, holder)| holder.claim(key))));
        }
    }
}

/// Each address of a record, sorted, with the one that claims it: before all endpoints the cluster
/// IP, then the first label.
fn holders(record: Option<Record<'_>>) -> Vec<(IpAddr, Holder<'_>)> {
    let Some(record) = record else { return Vec::new() };
    let mut holders: Vec<_> = record.cluster_ips().map(|ip| (ip, Holder::Cluster)).collect();
    if let Some(endpoints) = record.endpoints() {
        let (a, aaaa) =
            (endpoints.a().chunks_exact(A_LEN), endpoints.aaaa().chunks_exact(AAAA_LEN));
        let mut labels: Vec<Option<&[u8]>> = vec![None; a.len() + aaaa.len()];
        for label in endpoints.labels() {
            for position in label.positions() {
                if let Some(first) = labels.get_mut(position) {
                    first.get_or_insert(label.label);
                }
            }
        }
        let addresses = a.chain(aaaa).zip(labels);
        holders.extend(
            addresses.filter_map(|(record, label)| {
                Some((address_in(record)?, Holder::Endpoint(label?)))
            }),
        );
    }
    // The endpoints stand sorted, and the sort keeps the cluster IPs in front of their like.
    holders.sort_by_key(|holder| holder.0);
    holders.dedup_by_key(|holder| holder.0);
    holders
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::cluster::{
        ClusterIps, Endpoint, EndpointSlice, ManagedBy, Meta, Service, SliceAddresses,
    };
    use crate::zone::{Inputs, Spec, compile};

    const KEY: &[u8] = b"\x03web\x04shop";

    /// Cluster IPs, and endpoints of one address and a hostname.
    type World = (Vec<IpAddr>, Vec<(IpAddr, &'static str)>);

    fn record((cluster_ips, endpoints): &World) -> Vec<u8> {
        let service = Service {
            cluster_ips: match &cluster_ips[..] {
                [] => ClusterIps::Headless,
                some => ClusterIps::Addresses(some.iter().copied().collect()),
            },
            has_selector: true,
            ..Service::new("shop", "web")
        };
        let slice = EndpointSlice {
            meta: Meta::new("shop", "web-1"),
            service: Some("web".into()),
            managed_by: ManagedBy::Controller,
            address_type: SliceAddresses::V4,
            endpoints: endpoints
                .iter()
                .map(|(address, hostname)| Endpoint {
                    addresses: std::iter::once(*address).collect(),
                    ready: true,
                    hostname: Some((*hostname).into()),
                    target_name: None,
                    managed: true,
                })
                .collect(),
            ports: Vec::new(),
        };
        let (service, slices) = (&service, &[slice][..]);
        let inputs = Inputs { service, slices, endpoints: None, slices_served: true };
        compile(&inputs, &Spec::default()).record
    }

    /// The claims by the words of schema.md alone.
    fn claims(world: Option<&World>) -> BTreeMap<IpAddr, Claim> {
        let mut claims = BTreeMap::new();
        let Some((cluster_ips, endpoints)) = world else { return claims };
        let mut endpoints = endpoints.clone();
        endpoints.sort_by_key(|endpoint| endpoint.1);
        for (address, label) in endpoints {
            let name = crate::name::Name::parse(&format!("{label}.web.shop")).unwrap();
            let name = name.as_wire().strip_suffix(&[0]).unwrap().into();
            claims.entry(address).or_insert(Claim { cluster: false, name });
        }
        for address in cluster_ips {
            claims.insert(*address, Claim { cluster: true, name: KEY.into() });
        }
        claims
    }

    fn addresses() -> impl Strategy<Value = IpAddr> {
        let v4 = (1..12u8).prop_map(|last| IpAddr::from([10, 0, 0, last]));
        let v6 = (1..12u16).prop_map(|last| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, last]));
        prop_oneof![v4, v6]
    }

    fn worlds() -> impl Strategy<Value = Option<World>> {
        let labels = prop::sample::select(vec!["a", "a0", "b", "web-0", "web-1"]);
        let cluster_ips = prop::collection::vec(addresses(), 0..3);
        let endpoints = prop::collection::vec((addresses(), labels), 0..16);
        prop::option::weighted(0.9, (cluster_ips, endpoints))
    }

    proptest! {
        #[test]
        fn what_differs_is_what_two_maps_differ_in((old, new) in (worlds(), worlds())) {
            let (before, after) = (claims(old.as_ref()), claims(new.as_ref()));
            let mut expected: BTreeMap<IpAddr, Option<Claim>> =
                before.keys().map(|address| (*address, None)).collect();
            expected.extend(after.iter().map(|(address, claim)| (*address, Some(claim.clone()))));
            expected.retain(|address, claim| before.get(address) != claim.as_ref());
            let (old, new) = (old.as_ref().map(record), new.as_ref().map(record));
            let [old, new] = [&old, &new].map(|octets| octets.as_deref().and_then(Record::new));
            let expected: Vec<_> = expected.into_iter().collect();
            prop_assert_eq!(differences(KEY, old, new), expected);
        }
    }
}
