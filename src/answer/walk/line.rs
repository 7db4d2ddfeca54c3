//! A record as a line of text.

use std::fmt;

use super::super::query::Asked;
use super::super::write::rtype;
use crate::name::{Name, write_label};

/// One record, names expanded. Displayed, it is a line of a zone file without relative names
/// (RFC 1035, section 5.1).
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Line {
    /// Whose record it is.
    pub owner: Name,
    /// Its type.
    pub rtype: u16,
    /// Its TTL in seconds.
    pub ttl: u32,
    /// Its data in wire form, without compression.
    pub data: Box<[u8]>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rtype = type_name(self.rtype);
        write!(f, "{} {} IN {rtype} ", self.owner, self.ttl)?;
        write_data(f, self.rtype, &self.data).unwrap_or_else(|| write_unknown(f, &self.data))
    }
}

/// The mnemonic of a type that zones hold.
fn type_name(rtype: u16) -> String {
    let name = match rtype {
        rtype::A => "A",
        rtype::NS => "NS",
        rtype::CNAME => "CNAME",
        rtype::SOA => "SOA",
        rtype::PTR => "PTR",
        rtype::TXT => "TXT",
        rtype::AAAA => "AAAA",
        rtype::SRV => "SRV",
        other => return format!("TYPE{other}"),
    };
    name.into()
}

/// Data as text; `None` where they are not of their type's form.
fn write_data(f: &mut fmt::Formatter<'_>, rtype: u16, data: &[u8]) -> Option<fmt::Result> {
    Some(match rtype {
        rtype::A => write!(f, "{}", std::net::Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?)),
        rtype::AAAA => write!(f, "{}", std::net::Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?)),
        rtype::NS | rtype::CNAME | rtype::PTR => write!(f, "{}", Name::from_wire(data).ok()?),
        rtype::SRV => {
            let (numbers, target) = data.split_first_chunk::<6>()?;
            let [priority, weight, port] =
                [0, 2, 4].map(|at| u16::from_be_bytes([numbers[at], numbers[at + 1]]));
            write!(f, "{priority} {weight} {port} {}", Name::from_wire(target).ok()?)
        }
        rtype::TXT => write_strings(f, data),
        rtype::SOA => {
            let (server, rest) = split_name(data)?;
            let (mailbox, rest) = split_name(rest)?;
            let numbers = rest.chunks_exact(4).filter_map(|n| n.first_chunk::<4>());
            let numbers: Vec<String> =
                numbers.map(|n| u32::from_be_bytes(*n).to_string()).collect();
            write!(f, "{server} {mailbox} {}", numbers.join(" "))
        }
        _ => return None,
    })
}

fn split_name(data: &[u8]) -> Option<(Name, &[u8])> {
    let len = Asked::default().read(data)?;
    let (name, rest) = data.split_at_checked(len)?;
    Some((Name::from_wire(name).ok()?, rest))
}

fn write_strings(f: &mut fmt::Formatter<'_>, mut data: &[u8]) -> fmt::Result {
    let mut separator = "";
    // Unlike a label, a string may be empty.
    while let Some((string, behind)) =
        data.split_first().and_then(|(len, rest)| rest.split_at_checked(usize::from(*len)))
    {
        write!(f, "{separator}\"")?;
        (separator, data) = (" ", behind);
        let mut rest = string;
        while let Some((first, behind)) = rest.split_first() {
            match first {
                // Within quotes, only these need an escape.
                b'.' | b' ' | b';' | b'(' | b')' | b'@' | b'$' => {
                    write!(f, "{}", char::from(*first))?;
                }
                _ => write_label(f, &[*first])?,
            }
            rest = behind;
        }
        f.write_str("\"")?;
    }
    Ok(())
}

/// Data of whatever type as text (RFC 3597, section 5).
fn write_unknown(f: &mut fmt::Formatter<'_>, data: &[u8]) -> fmt::Result {
    write!(f, "\\# {}", data.len())?;
    data.iter().try_for_each(|octet| write!(f, " {octet:02x}"))
}
