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

/// Appends the endpoint label of an address that has no better one: its canonical text (RFC 5952)
/// with `.` and `:` turned into `-`, and a `0` behind a trailing `-`, since no label may end with
/// one.
pub fn push_canonical_label(label: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            let [first, rest @ ..] = v4.octets();
            push_decimal(label, first);
            for octet in rest {
                label.push(b'-');
                push_decimal(label, octet);
            }
        }
        IpAddr::V6(v6) => {
            let start = label.len();
            label.extend_from_slice(v6.to_string().as_bytes());
            let text = label.iter_mut().skip(start);
            text.filter(|octet| matches!(octet, b'.' | b':')).for_each(|octet| *octet = b'-');
            if label.ends_with(b"-") {
                label.push(b'0');
            }
        }
    }
}

/// Appends the digits of a number. There are thousands of them in a large Service's labels, and the
/// way of the format macros is several times as long.
fn push_decimal(text: &mut Vec<u8>, number: u8) {
    if number >= 100 {
        text.push(b'0' + number / 100);
    }
    if number >= 10 {
        text.push(b'0' + number / 10 % 10);
    }
    text.push(b'0' + number % 10);
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
            assert_eq!(canonical_label(parse_address(text).unwrap()), expected.as_bytes());
        }
    }

    fn canonical_label(address: IpAddr) -> Vec<u8> {
        let mut label = b"-".to_vec();
        push_canonical_label(&mut label, address);
        label.split_off(1)
    }

    #[test]
    fn labels_of_ipv4_are_their_text() {
        for number in 0..=u8::MAX {
            let v4 = Ipv4Addr::from([number, 10, number / 2, 255 - number]);
            let expected = v4.to_string().replace('.', "-");
            assert_eq!(canonical_label(v4.into()), expected.as_bytes(), "{v4}");
        }
    }
}
