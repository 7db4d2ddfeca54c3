//! Names and addresses of a hosts file, as octets of the wire.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::config::HostsEntry;
use crate::name::Name;

/// The most octets of a hosts file that are read: CoreDNS reads as many as there are, but nobody
/// means a larger one.
pub(super) const MAX_FILE: u64 = 16 << 20;

/// What a file and a Corefile say together.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::front) struct Table {
    /// The addresses of a name, in lower case and wire form; IPv4 and IPv6 apart.
    names: HashMap<Box<[u8]>, Addresses>,
    /// The names of an address, in wire form.
    addresses: HashMap<IpAddr, Vec<Box<[u8]>>>,
}

/// Octets of addresses of IPv4, and of IPv6.
type Addresses = [Vec<Box<[u8]>>; 2];

impl Table {
    /// The entries of a Corefile and then the lines of a file, each kept once. Lines that are none
    /// are passed over, as every reader of such files does.
    pub(super) fn new(entries: &[HostsEntry], file: &str, reverse: bool) -> Self {
        let mut table = Self::default();
        let written = entries.iter().flat_map(|entry| {
            entry.names.iter().map(|name| (entry.address, name.as_wire().to_vec()))
        });
        for (address, name) in written.chain(file.lines().flat_map(read_line)) {
            table.add(address, name, reverse);
        }
        table
    }

    fn add(&mut self, address: IpAddr, name: Vec<u8>, reverse: bool) {
        let [v4, v6] = self.names.entry(name.clone().into()).or_default();
        let (set, octets): (_, Box<[u8]>) = match address {
            IpAddr::V4(address) => (v4, address.octets().into()),
            IpAddr::V6(address) => (v6, address.octets().into()),
        };
        if !set.contains(&octets) {
            set.push(octets);
        }
        if reverse {
            let names = self.addresses.entry(address).or_default();
            if !names.iter().any(|known| **known == *name) {
                names.push(name.into());
            }
        }
    }

    /// The addresses of a name, if it is there: of IPv4 and of IPv6.
    pub(super) fn name(&self, name: &[u8]) -> Option<&Addresses> {
        self.names.get(name)
    }

    /// The names of an address.
    pub(super) fn address(&self, address: IpAddr) -> &[Box<[u8]>] {
        self.addresses.get(&address).map_or(&[], Vec::as_slice)
    }
}

/// The names of a line `ADDRESS NAME… # comment`, each with the address. An IPv6 address may have a
/// zone behind `%`, which means nothing to others.
fn read_line(line: &str) -> Vec<(IpAddr, Vec<u8>)> {
    let line = line.split('#').next().unwrap_or_default();
    let mut words = line.split_whitespace();
    let address = words.next().and_then(|word| word.split('%').next()?.parse::<IpAddr>().ok());
    let Some(address) = address else { return Vec::new() };
    let name = |word: &str| {
        let mut wire = Name::parse(word).ok()?.as_wire().to_vec();
        wire.make_ascii_lowercase();
        Some((address.to_canonical(), wire))
    };
    words.filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(name: &str) -> Vec<u8> {
        Name::parse(name).unwrap().as_wire().to_vec()
    }

    #[test]
    fn lines_and_entries_are_joined() {
        let entry = HostsEntry {
            address: "192.0.2.1".parse().unwrap(),
            names: vec![Name::parse("db.example").unwrap()],
        };
        let file = "# a comment\n192.0.2.1\tDB.example db # and more\n192.0.2.2 db.example\n\
                    2001:db8::1%eth0 db.example\nnot an address\n192.0.2.3\n::ffff:192.0.2.9 m\n";
        let table = Table::new(&[entry], file, true);
        let [v4, v6] = table.name(&wire("db.example")).unwrap();
        assert_eq!(
            v4.iter().map(|a| a.to_vec()).collect::<Vec<_>>(),
            [[192, 0, 2, 1], [192, 0, 2, 2]]
        );
        assert_eq!(v6.len(), 1);
        assert_eq!(table.name(&wire("db")).unwrap()[0].len(), 1);
        assert_eq!(table.name(&wire("m")).unwrap()[0], [Box::from([192, 0, 2, 9])]);
        assert!(table.name(&wire("other")).is_none());
        let names = table.address("192.0.2.1".parse().unwrap());
        assert_eq!(
            names.iter().map(|n| n.to_vec()).collect::<Vec<_>>(),
            [wire("db.example"), wire("db")]
        );
        let table = Table::new(&[], file, false);
        assert!(table.address("192.0.2.1".parse().unwrap()).is_empty());
    }
}
