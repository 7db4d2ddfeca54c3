//! What an address answers: the Services that claim it, and how many known addresses share its
//! leading octets or nibbles, since the ancestors of a known reverse name exist too (RFC 8020).

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::claims::Claim;
use crate::name::labels;

/// First octet of the key of an IPv4 address; no label is so long, so no name's key begins thus.
const KEY_V4: u8 = 0x84;
/// First octet of the key of an IPv6 address.
const KEY_V6: u8 = 0x86;
/// First octet of the key of leading octets of IPv4 addresses.
const KEY_PREFIX_V4: u8 = 0x94;
/// First octet of the key of leading nibbles of IPv6 addresses.
const KEY_PREFIX_V6: u8 = 0x96;
/// First octet of the key of a live pod's address in its namespace.
const KEY_POD: u8 = 0xa0;

/// A key of at most so many octets, on the stack.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    octets: [u8; 96],
    len: u8,
}

impl Key {
    fn new(first: u8) -> Self {
        let mut octets = [0; 96];
        octets[0] = first;
        Self { octets, len: 1 }
    }

    fn push(mut self, more: &[u8]) -> Self {
        let start = usize::from(self.len);
        let end = start + more.len();
        if let (Some(room), Ok(len)) = (self.octets.get_mut(start..end), u8::try_from(end)) {
            room.copy_from_slice(more);
            self.len = len;
        }
        self
    }

    /// The octets.
    pub fn as_slice(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }
}

/// The key of an address.
pub fn address_key(address: IpAddr) -> Key {
    match address {
        IpAddr::V4(v4) => Key::new(KEY_V4).push(&v4.octets()),
        IpAddr::V6(v6) => Key::new(KEY_V6).push(&v6.octets()),
    }
}

/// The key of the first `len` octets of an IPv4 address, or nibbles of an IPv6 one; `parts` holds
/// one octet for each, octet or nibble.
pub fn prefix_key(v6: bool, parts: &[u8]) -> Key {
    Key::new(if v6 { KEY_PREFIX_V6 } else { KEY_PREFIX_V4 }).push(parts)
}

/// The key of a live pod's address in a namespace (its label in wire form).
pub fn pod_key(namespace: &[u8], address: IpAddr) -> Key {
    let key = Key::new(KEY_POD);
    let key = match address {
        IpAddr::V4(v4) => key.push(&v4.octets()),
        IpAddr::V6(v6) => key.push(&v6.octets()),
    };
    key.push(namespace)
}

/// The address of a key that [`address_key`] made.
pub fn address_of(key: &[u8]) -> Option<IpAddr> {
    match key.split_first()? {
        (&KEY_V4, rest) => <[u8; 4]>::try_from(rest).ok().map(IpAddr::from),
        (&KEY_V6, rest) => <[u8; 16]>::try_from(rest).ok().map(IpAddr::from),
        _ => None,
    }
}

/// All proper ancestors of an address, as keys: 3 for IPv4, 31 for IPv6.
pub fn ancestors(address: IpAddr) -> impl Iterator<Item = Key> {
    let mut parts = [0u8; 32];
    let (v6, count) = match address {
        IpAddr::V4(v4) => {
            parts[..4].copy_from_slice(&v4.octets());
            (false, 4)
        }
        IpAddr::V6(v6) => {
            for (pair, octet) in parts.chunks_exact_mut(2).zip(v6.octets()) {
                pair.copy_from_slice(&[octet >> 4, octet & 15]);
            }
            (true, 32)
        }
    };
    (1..count).map(move |len| prefix_key(v6, &parts[..len]))
}

/// Reads the claims on an address.
pub fn claims_in(body: &[u8]) -> impl Iterator<Item = (bool, &[u8])> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let (head, behind) = rest.split_first_chunk::<2>()?;
        let (name, behind) = behind.split_at_checked(usize::from(head[1]))?;
        rest = behind;
        Some((head[0] != 0, name))
    })
}

/// Merges what happened to the claims on an address: `changes` has, for each Service's key, its new
/// claim or none. `None` where nobody claims the address any more.
pub fn merge_claims(
    old: Option<&[u8]>,
    changes: &BTreeMap<&[u8], Option<&Claim>>,
) -> Option<Vec<u8>> {
    let kept = claims_in(old.unwrap_or(&[]))
        .filter(|(cluster, name)| !changes.contains_key(service_of(*cluster, name)))
        .map(|(cluster, name)| (!cluster, name));
    let new = changes.values().flatten().map(|claim| (!claim.cluster, &*claim.name));
    let mut all: Vec<(bool, &[u8])> = kept.chain(new).collect();
    // Cluster IPs first, then by name, label by label as one reads it.
    all.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| labels(a.1).cmp(labels(b.1))));
    let mut body = Vec::new();
    for (endpoint, name) in &all {
        body.push(u8::from(!endpoint));
        body.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        body.extend_from_slice(name);
    }
    (!all.is_empty()).then_some(body)
}

/// The Service's key in a claim's name: behind the endpoint's label, if there is one.
pub fn service_of(cluster: bool, name: &[u8]) -> &[u8] {
    let skip = if cluster { 0 } else { name.first().map_or(0, |len| 1 + usize::from(*len)) };
    name.get(skip..).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(cluster: bool, name: &[u8]) -> Claim {
        Claim { cluster, name: name.into() }
    }

    #[test]
    fn claims_are_merged_by_service() {
        let b = claim(false, b"\x01h\x01b\x01n");
        let a = claim(false, b"\x01h\x01a\x01n");
        let both = merge_claims(
            None,
            &BTreeMap::from([(&b"\x01b\x01n"[..], Some(&b)), (&b"\x01a\x01n"[..], Some(&a))]),
        )
        .unwrap();
        let names: Vec<_> = claims_in(&both).collect();
        assert_eq!(names, [(false, &*a.name), (false, &*b.name)], "sorted by name");
        let c = claim(true, b"\x01c\x01n");
        let three =
            merge_claims(Some(&both), &BTreeMap::from([(&b"\x01c\x01n"[..], Some(&c))])).unwrap();
        assert_eq!(claims_in(&three).next(), Some((true, &*c.name)), "cluster IPs first");
        let one = merge_claims(
            Some(&three),
            &BTreeMap::from([(&b"\x01c\x01n"[..], None), (&b"\x01a\x01n"[..], None)]),
        )
        .unwrap();
        assert_eq!(claims_in(&one).collect::<Vec<_>>(), [(false, &*b.name)]);
        assert_eq!(merge_claims(Some(&one), &BTreeMap::from([(&b"\x01b\x01n"[..], None)])), None);
    }

    #[test]
    fn ancestors_stop_short_of_the_address() {
        let v4: Vec<_> = ancestors("10.1.2.3".parse().unwrap()).collect();
        assert_eq!(v4.len(), 3);
        assert_eq!(v4[2].as_slice(), &[KEY_PREFIX_V4, 10, 1, 2]);
        assert_eq!(ancestors("fd00::1".parse().unwrap()).count(), 31);
    }
}
