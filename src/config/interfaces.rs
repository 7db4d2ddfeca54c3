//! The addresses of this machine's interfaces, for `bind eth0`.

use std::net::IpAddr;

/// An address of an interface; one with several addresses is there several times.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Interface {
    /// The interface's name.
    pub name: String,
    /// One of its addresses.
    pub address: IpAddr,
}

/// Every address of every interface, as the kernel lists them; none where it refuses.
pub fn interfaces() -> Vec<Interface> {
    let Ok(list) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    list.filter_map(|entry| {
        let address = entry.address?;
        let address = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
            (Some(v4), _) => IpAddr::V4(v4.ip()),
            (_, Some(v6)) => IpAddr::V6(v6.ip()),
            _ => return None,
        };
        Some(Interface { name: entry.interface_name, address })
    })
    .collect()
}

/// The name of this host, in a cluster the pod's; empty where it has none.
pub fn host_name() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_there() {
        assert!(interfaces().iter().any(|one| one.address == IpAddr::from([127, 0, 0, 1])));
    }
}
