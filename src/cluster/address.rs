//! IP addresses as Kubernetes objects write them, and the labels made from them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why a text is not an address.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("'{0}' is not an IP address")]
pub struct AddressError(pub Box<str>);

/// Reads an address as Kubernetes does: IPv4 octets may have leading zeros and are decimal all the
/// same (`010.001.002.003` is 10.1.2.3), and an IPv4-mapped IPv6 address is the IPv4 address.
pub fn parse_address(text: &str) -> Result<IpAddr, AddressError> {
    let bad = || AddressError(text.into());
    if !text.contains(':') {
        return decimal_quad(text).map(IpAddr::V4).ok_or_else(bad);
    }
    let (head, tail) = text.rsplit_once(':').ok_or_else(bad)?;
    let address: Ipv6Addr = if tail.contains('.') {
        let quad = decimal_quad(tail).ok_or_else(bad)?;
        format!("{head}:{quad}").parse().map_err(|_| bad())?
    } else {
        text.parse().map_err(|_| bad())?
    };
    Ok(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4))
}

fn decimal_quad(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let digits = part.trim_start_matches('0');
        *octet = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

/// The endpoint label of an address that has no better one: its canonical text (RFC 5952) with `.`
/// and `:` turned into `-`, and a `0` behind a trailing `-`, since no label may end with one.
pub fn canonical_label(address: IpAddr) -> String {
    let mut label = address.to_string().replace(['.', ':'], "-");
    if label.ends_with('-') {
        label.push('0');
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_kubernetes_reads_them() {
        for (text, expected) in [
            ("10.1.2.3", "10.1.2.3"),
            ("010.001.002.003", "10.1.2.3"),
            ("000.0.0.0", "0.0.0.0"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("::ffff:001.02.3.4", "1.2.3.4"),
            ("FD00:0:0::1", "fd00::1"),
            ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
        ] {
            assert_eq!(parse_address(text).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "10.0.0",
            "10.0.0.0.1",
            "10.0.0.256",
            "1.2.3.4/8",
            "10.0.0.-1",
            "a.b.c.d",
            "fd00::1%eth0",
            ":::",
            "::1.2.3",
            "+1.2.3.4",
            "10.0.0.1 ",
            "db.example.com",
            ":",
            "1:",
        ] {
            assert!(parse_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn labels_never_end_with_a_hyphen() {
        for (text, expected) in [
            ("10.0.0.1", "10-0-0-1"),
            ("fd00::", "fd00--0"),
            ("::1", "--1"),
            ("fd00::a:1", "fd00--a-1"),
        ] {
            assert_eq!(canonical_label(parse_address(text).unwrap()), expected);
        }
    }
}
