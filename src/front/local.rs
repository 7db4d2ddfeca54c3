//! The addresses that this server answers on: what `ns.dns` resolves to.

use std::net::IpAddr;

use crate::config::{Listen, interfaces};

/// The addresses of these listening addresses: for a wildcard those of all interfaces of its
/// family, without loopback if there is any other. IPv4 first, sorted.
pub fn local_addresses(listen: &[Listen]) -> Vec<IpAddr> {
    let all: Vec<IpAddr> = interfaces().into_iter().map(|interface| interface.address).collect();
    addresses(listen.iter().map(|listen| listen.address.ip()), &all)
}

fn addresses(listen: impl Iterator<Item = IpAddr>, interfaces: &[IpAddr]) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in listen {
        if !address.is_unspecified() {
            addresses.push(address);
            continue;
        }
        let same = |found: &&IpAddr| found.is_ipv4() == address.is_ipv4();
        let family: Vec<IpAddr> = interfaces
            .iter()
            .filter(same)
            .filter(|found| !is_link_local(**found))
            .copied()
            .collect();
        addresses.extend(family);
    }
    let outward = |address: &IpAddr| !address.is_loopback();
    if addresses.iter().any(outward) {
        addresses.retain(outward);
    }
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// Such an address means nothing without the link that it is on.
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(list: &[&str]) -> Vec<IpAddr> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn loopback_gives_way_to_any_other_address() {
        let interfaces = ips(&["127.0.0.1", "10.0.0.5", "::1", "fe80::1", "fd00::5"]);
        for (listen, expected) in [
            (&["0.0.0.0", "::"][..], &["10.0.0.5", "fd00::5"][..]),
            (&["0.0.0.0"], &["10.0.0.5"]),
            (&["127.0.0.1"], &["127.0.0.1"]),
            (&["127.0.0.1", "10.0.0.5"], &["10.0.0.5"]),
            (&["::"], &["fd00::5"]),
        ] {
            assert_eq!(
                addresses(ips(listen).into_iter(), &interfaces),
                ips(expected),
                "{listen:?}"
            );
        }
        assert_eq!(
            addresses(ips(&["0.0.0.0"]).into_iter(), &ips(&["127.0.0.1"])),
            ips(&["127.0.0.1"])
        );
    }
}
