//! What stands in front of a server block: `dns://cluster.local:1053`, `10.0.0.0/24`, `.`; and
//! which of them cannot stand beside each other.

use std::collections::HashMap;
use std::net::IpAddr;

use super::block::Draft;
use super::lexer::Token;
use crate::config::error::{Findings, Position};
use crate::config::value::parse_zones;
use crate::name::Name;

/// A zone and the port that it is served on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ZonePort {
    pub(super) zone: Name,
    pub(super) port: u16,
    pub(super) at: Position,
}

/// Reads one word in front of a server block; a network stands for its reverse zones.
pub(super) fn read(key: &Token, default_port: u16, findings: &mut Findings) -> Vec<ZonePort> {
    match split(&key.text, default_port) {
        Ok((zones, port)) => {
            zones.into_iter().map(|zone| ZonePort { zone, port, at: key.at }).collect()
        }
        Err(message) => {
            findings.error(key.at, message);
            Vec::new()
        }
    }
}

fn split(text: &str, default_port: u16) -> Result<(Vec<Name>, u16), String> {
    let rest = match text.split_once("://") {
        None => text,
        Some(("dns", rest)) => rest,
        Some((scheme @ ("tls" | "https" | "https3" | "quic" | "grpc"), _)) => {
            return Err(format!(
                "'{scheme}://' server blocks are not built yet; only plain DNS over UDP and TCP is \
                 served"
            ));
        }
        Some((scheme, _)) => return Err(format!("'{scheme}://' is no scheme of a server block")),
    };
    if rest.ends_with('{') {
        return Err(format!("a space must stand in front of the '{{' in '{rest}'"));
    }
    let Some((host, port)) = rest.rsplit_once(':') else {
        return Ok((parse_zones(rest)?, default_port));
    };
    if port.is_empty() {
        return Err(format!("a port must follow the ':' at the end of '{rest}'"));
    }
    if port.contains('/') {
        // The colon belongs to an IPv6 network.
        return Ok((parse_zones(rest)?, default_port));
    }
    let port = port
        .parse()
        .ok()
        .filter(|_| port.bytes().all(|b| b.is_ascii_digit()))
        .ok_or_else(|| format!("'{port}' is not a port; write one number up to 65535"))?;
    Ok((parse_zones(host)?, port))
}

/// An address, or every one, and the line that takes it.
type Place = (Option<IpAddr>, Position);

/// Reports each zone that two blocks would serve on one address, and each that one block serves on
/// every address and another on some, as CoreDNS does.
pub(super) fn check_overlaps(drafts: &[Draft], findings: &mut Findings) {
    let mut seen: HashMap<(&Name, u16), Vec<Place>> = HashMap::new();
    for draft in drafts {
        let addresses: Vec<Option<IpAddr>> = match &draft.bind {
            Some(addresses) => addresses.iter().copied().map(Some).collect(),
            None => vec![None],
        };
        for ZonePort { zone, port, at } in &draft.zones {
            let known = seen.entry((zone, *port)).or_default();
            for address in &addresses {
                let clash = known
                    .iter()
                    .find(|(other, _)| other == address || other.is_none() || address.is_none());
                match clash {
                    Some((other, first)) => {
                        let first = findings.place(*first);
                        let shared = if other == address {
                            String::new()
                        } else {
                            ", there or here on every address: give both a 'bind'".into()
                        };
                        findings.error(
                            *at,
                            format!(
                                "the zone {zone} on port {port} is served by {first} already\
                                 {shared}"
                            ),
                        );
                    }
                    None => known.push((*address, *at)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_and_ports() {
        for (text, zones, port) in [
            (".", ".", 53),
            (".:1053", ".", 1053),
            (":1053", ".", 1053),
            ("cluster.local", "cluster.local.", 53),
            ("Cluster.Local.:1053", "cluster.local.", 1053),
            ("dns://example.org", "example.org.", 53),
            ("10.0.0.0/24", "0.0.10.in-addr.arpa.", 53),
            ("10.0.0.0/24:1053", "0.0.10.in-addr.arpa.", 1053),
            ("fd00::/8", "d.f.ip6.arpa.", 53),
            ("2001:db8::/32:1053", "8.b.d.0.1.0.0.2.ip6.arpa.", 1053),
            ("10.2.0.0/15", "2.10.in-addr.arpa. 3.10.in-addr.arpa.", 53),
            (".:0", ".", 0),
        ] {
            let (names, found) = split(text, 53).unwrap();
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            assert_eq!((names.join(" ").as_str(), found), (zones, port), "{text}");
        }
    }

    #[test]
    fn faults() {
        for (text, expected) in [
            (".:", "a port must follow the ':' at the end of '.:'"),
            (".:65536", "'65536' is not a port; write one number up to 65535"),
            (".:53{", "a space must stand in front of the '{' in '.:53{'"),
            (
                "tls://.",
                "'tls://' server blocks are not built yet; only plain DNS over UDP and TCP is \
                 served",
            ),
            ("http://a", "'http://' is no scheme of a server block"),
            ("a..b", "'a..b' is not a zone: a label is empty"),
            (".:53-55", "'53-55' is not a port; write one number up to 65535"),
            ("10.0.0.0/33", "'10.0.0.0/33' is not a network such as 10.0.0.0/24 or fd00::/8"),
        ] {
            assert_eq!(split(text, 53), Err(expected.into()), "{text}");
        }
    }
}
