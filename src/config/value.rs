//! Values that stand in Corefiles and on the command line alike: durations, networks, zones,
//! addresses, upstreams. Every error text says what is wrong and how it is written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::directives::{Protocol, Upstream};
use crate::cluster::parse_address;
use crate::name::Name;

/// The port of DNS.
pub const DNS_PORT: u16 = 53;
/// The port of DNS over TLS (RFC 7858, section 3.1) and over QUIC (RFC 9250, section 8).
const TLS_PORT: u16 = 853;
/// The port of DNS over HTTPS.
const HTTPS_PORT: u16 = 443;
/// How many upstreams one `forward` may have; CoreDNS has the same limit.
pub const MAX_UPSTREAMS: usize = 15;
/// How much of a resolv.conf is read, in octets: far more than one ever holds.
const MAX_RESOLV_CONF: u64 = 64 * 1_024;

/// A network: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// Reads `10.0.0.0/24` or `fd00::/8`; bits behind the prefix are cleared.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("'{text}' is not a network such as 10.0.0.0/24 or fd00::/8");
        let (address, prefix) = text.split_once('/').ok_or_else(bad)?;
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        if !prefix.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad());
        }
        let prefix: u8 = prefix.parse().map_err(|_| bad())?;
        let address = match address {
            IpAddr::V4(v4) if prefix <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
            }
            IpAddr::V6(v6) if prefix <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
            }
            _ => return Err(bad()),
        };
        Ok(Self { address, prefix })
    }

    /// Whether `address` lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differing = match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            _ => return false,
        };
        differing >= u32::from(self.prefix)
    }

    /// The reverse zones that cover exactly this network (RFC 1035, section 3.5; RFC 3596, section
    /// 2.5): one, or as many as the next octet (IPv4) or hexadecimal digit (IPv6) needs, at most 128.
    pub fn reverse_zones(&self) -> Result<Vec<Name>, String> {
        let (digits, per_digit, base) = match self.address {
            IpAddr::V4(v4) => (v4.octets().to_vec(), 8, "in-addr.arpa"),
            IpAddr::V6(v6) => {
                let octets = v6.octets();
                (octets.iter().flat_map(|o| [o >> 4, o & 15]).collect(), 4, "ip6.arpa")
            }
        };
        let count = usize::from(self.prefix.div_ceil(per_digit));
        let spare = (per_digit - self.prefix % per_digit) % per_digit;
        let mut zones = Vec::new();
        for step in 0..(1_u16 << spare) {
            let mut text = String::new();
            for (at, digit) in digits.iter().enumerate().take(count).rev() {
                // The bits that the prefix leaves open in its last digit are counted through.
                let digit = u16::from(*digit) + if at + 1 == count { step } else { 0 };
                let digit = if per_digit == 8 { format!("{digit}") } else { format!("{digit:x}") };
                text.push_str(&digit);
                text.push('.');
            }
            text.push_str(base);
            zones.push(Name::parse(&text).map_err(|error| format!("{text}: {error}"))?);
        }
        Ok(zones)
    }
}

/// Reads a zone: a name, or a network, which stands for its reverse zones.
pub(super) fn parse_zones(text: &str) -> Result<Vec<Name>, String> {
    if text.contains('/') {
        return Cidr::parse(text)?.reverse_zones();
    }
    match Name::parse(text) {
        Ok(name) => Ok(vec![name]),
        Err(error) => Err(format!("'{text}' is not a zone: {error}")),
    }
}

/// Reads a span of time as Go writes it: `5s`, `1m30s`, `250ms`, `1.5h`, `0`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("'{text}' is not a time such as 5s, 1m30s or 250ms");
    let negative = || format!("'{text}' must not be negative");
    let (minus, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or_default()),
        Some(b'+') => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    };
    if unsigned == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = unsigned;
    let mut nanos = 0_u128;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let len = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let (number, behind) = rest.split_at_checked(len).ok_or_else(bad)?;
        let unit_len =
            behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(unit_len).ok_or_else(bad)?;
        let unit: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60 * 1_000_000_000,
            "h" => 3_600 * 1_000_000_000,
            _ => return Err(bad()),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(bad());
        }
        let whole: u128 =
            if whole.is_empty() { 0 } else { whole.parse::<u64>().map_err(|_| bad())?.into() };
        nanos += whole * unit;
        let mut scale = unit;
        for digit in fraction.bytes() {
            scale /= 10;
            nanos += u128::from(digit - b'0') * scale;
        }
        rest = behind;
    }
    // Go counts in signed nanoseconds of 64 bits.
    let nanos = i64::try_from(nanos).ok().and_then(|n| u64::try_from(n).ok()).ok_or_else(bad)?;
    if minus && nanos != 0 {
        return Err(negative());
    }
    Ok(Duration::from_nanos(nanos))
}

/// Reads an address to listen on for DNS: `ADDR:PORT`, an IPv6 address in brackets.
pub(super) fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Some(port) = text.strip_prefix(':')
        && port.bytes().all(|b| b.is_ascii_digit())
    {
        return Err(format!("an address is missing; write 0.0.0.0:{port} or [::]:{port}"));
    }
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => Err(format!("a port is missing; write {v4}:{DNS_PORT}")),
        Ok(IpAddr::V6(v6)) => Err(format!("a port is missing; write [{v6}]:{DNS_PORT}")),
        Err(_) => Err("write ADDR:PORT, such as 127.0.0.1:53 or [::1]:53".into()),
    }
}

/// Reads the address of an HTTP listener: `ADDR:PORT`, or `:PORT` for every address.
pub(super) fn parse_http_listen(text: &str) -> Result<SocketAddr, String> {
    let with_address = match text.rsplit_once(':') {
        Some(("", port)) => format!("[::]:{port}"),
        Some(("localhost", port)) => format!("127.0.0.1:{port}"),
        _ => text.to_owned(),
    };
    with_address
        .parse()
        .map_err(|_| format!("'{text}' is not an address such as :8080 or 127.0.0.1:8080"))
}

/// Reads an upstream: an address with or without a port, behind `tls://` and the like for what is
/// spoken, or a file like resolv.conf, whose `nameserver` lines are taken.
pub(super) fn parse_upstreams(text: &str) -> Result<Vec<Upstream>, String> {
    let (protocol, port, plain) = match text.split_once("://") {
        None => (Protocol::Dns, DNS_PORT, text),
        Some(("dns", rest)) => (Protocol::Dns, DNS_PORT, rest),
        Some(("tls", rest)) => (Protocol::Tls, TLS_PORT, rest),
        Some(("quic", rest)) => (Protocol::Quic, TLS_PORT, rest),
        Some(("https", rest)) => (Protocol::Https, HTTPS_PORT, rest),
        Some((scheme, _)) => {
            return Err(format!(
                "'{scheme}://' is no scheme of an upstream; write ADDR, ADDR:PORT or tls://ADDR"
            ));
        }
    };
    let encrypted = protocol != Protocol::Dns;
    // Behind `%` stands a server's name where there is TLS, and an interface elsewhere.
    let (bare, server_name) = match plain.split_once('%') {
        Some((host, name)) if encrypted => with_name(host, name),
        _ => (plain.to_owned(), None),
    };
    if let Some(address) = upstream_address(&bare, port) {
        if address.port() == 0 {
            return Err(format!(
                "'{text}' has port 0, at which nobody answers; leave it out for {port}"
            ));
        }
        return Ok(vec![Upstream { protocol, server_name, ..Upstream::plain(address) }]);
    }
    if encrypted {
        return Err(format!(
            "'{text}' has no address behind '://'; write one such as tls://9.9.9.9"
        ));
    }
    let (host, _) = plain.split_once('%').unwrap_or((plain, ""));
    if host.trim_start_matches('[').parse::<Ipv6Addr>().is_ok() {
        return Err(format!("'{text}': addresses with an interface are not built yet"));
    }
    read_resolv_conf(Path::new(plain))
}

/// `9.9.9.9` and `dns.quad9.net:853` make `9.9.9.9:853` and the server's name.
fn with_name(host: &str, name: &str) -> (String, Option<String>) {
    let (name, port) = match name.rsplit_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (name, None),
    };
    let host = if host.starts_with('[') { format!("{host}]") } else { host.to_owned() };
    let host = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
    (host, Some(name.trim_end_matches(']').to_owned()))
}

fn upstream_address(text: &str, port: u16) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    Some(SocketAddr::new(parse_address(bare).ok()?, port))
}

/// Reads a file like resolv.conf: whom its `nameserver` lines name.
pub(crate) fn read_resolv_conf(path: &Path) -> Result<Vec<Upstream>, String> {
    use std::io::Read;

    let shown = path.display();
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_RESOLV_CONF).read_to_string(&mut text))
        .map_err(|error| {
            format!("'{shown}' is neither an address nor a file that can be read ({error})")
        })?;
    let servers: Vec<Upstream> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("nameserver")).then(|| words.next()).flatten()
        })
        .filter_map(|word| upstream_address(word, DNS_PORT))
        .filter(|address| address.port() != 0)
        .map(|address| Upstream { file: Some(path.into()), ..Upstream::plain(address) })
        .collect();
    if servers.is_empty() {
        return Err(format!("'{shown}' has no usable 'nameserver' line"));
    }
    Ok(servers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_go_writes_them() {
        for (text, millis) in [
            ("5s", 5_000),
            ("1m30s", 90_000),
            ("250ms", 250),
            ("1.5h", 5_400_000),
            (".5s", 500),
            ("1.s", 1_000),
            ("0", 0),
            ("-0", 0),
            ("+5s", 5_000),
            ("1h1ms", 3_600_001),
            ("2000us", 2),
            ("1000000ns", 1),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "s", "5 s", "5x", ".s", "1.2.3s", "5s ", "99999999999h", "-", "٣s"] {
            assert_eq!(
                parse_duration(text),
                Err(format!("'{text}' is not a time such as 5s, 1m30s or 250ms"))
            );
        }
        assert_eq!(parse_duration("-5s"), Err("'-5s' must not be negative".into()));
    }

    #[test]
    fn networks_become_reverse_zones() {
        for (text, expected) in [
            ("10.0.0.0/24", "0.0.10.in-addr.arpa."),
            ("10.1.2.3/8", "10.in-addr.arpa."),
            ("0.0.0.0/0", "in-addr.arpa."),
            ("192.0.2.7/32", "7.2.0.192.in-addr.arpa."),
            ("192.0.2.6/31", "6.2.0.192.in-addr.arpa. 7.2.0.192.in-addr.arpa."),
            ("10.4.0.0/15", "4.10.in-addr.arpa. 5.10.in-addr.arpa."),
            ("fd00::/8", "d.f.ip6.arpa."),
            ("2001:db8::/31", "8.b.d.0.1.0.0.2.ip6.arpa. 9.b.d.0.1.0.0.2.ip6.arpa."),
            ("::/0", "ip6.arpa."),
        ] {
            let zones = parse_zones(text).unwrap();
            let zones: Vec<_> = zones.iter().map(ToString::to_string).collect();
            assert_eq!(zones.join(" "), expected, "{text}");
        }
        assert_eq!(parse_zones("128.0.0.0/1").unwrap().len(), 128);
        for text in
            ["10.0.0/24", "10.0.0.0/33", "fd00::/129", "a/8", "10.0.0.0/+8", "/", "1.2.3.4/"]
        {
            assert!(parse_zones(text).is_err(), "{text}");
        }
        assert_eq!(parse_zones("a..b"), Err("'a..b' is not a zone: a label is empty".into()));
    }

    #[test]
    fn networks_hold_addresses() {
        let net = Cidr::parse("10.4.0.0/15").unwrap();
        assert!(net.contains("10.5.255.255".parse().unwrap()));
        assert!(!net.contains("10.6.0.0".parse().unwrap()));
        assert!(!net.contains("::1".parse().unwrap()));
        assert!(Cidr::parse("::/0").unwrap().contains("::1".parse().unwrap()));
    }

    #[test]
    fn addresses_to_listen_on() {
        assert_eq!(parse_listen("[::1]:0").unwrap().port(), 0);
        for (text, expected) in [
            (":5353", "an address is missing; write 0.0.0.0:5353 or [::]:5353"),
            ("127.0.0.1", "a port is missing; write 127.0.0.1:53"),
            ("::1", "a port is missing; write [::1]:53"),
            ("localhost:53", "write ADDR:PORT, such as 127.0.0.1:53 or [::1]:53"),
            ("127.0.0.1:65536", "write ADDR:PORT, such as 127.0.0.1:53 or [::1]:53"),
        ] {
            assert_eq!(parse_listen(text), Err(expected.into()), "{text}");
        }
        assert_eq!(parse_http_listen(":8080").unwrap().to_string(), "[::]:8080");
        assert_eq!(parse_http_listen("localhost:9153").unwrap().to_string(), "127.0.0.1:9153");
        assert!(parse_http_listen("8080").is_err());
    }

    #[test]
    fn upstreams() {
        for (text, expected) in [
            ("9.9.9.9", "9.9.9.9:53"),
            ("dns://9.9.9.9:5353", "9.9.9.9:5353"),
            ("2620:fe::fe", "[2620:fe::fe]:53"),
            ("[2620:fe::fe]", "[2620:fe::fe]:53"),
            ("[2620:fe::fe]:54", "[2620:fe::fe]:54"),
        ] {
            let expected = Upstream::plain(expected.parse().unwrap());
            assert_eq!(parse_upstreams(text), Ok(vec![expected]), "{text}");
        }
        for (text, protocol, address, server_name) in [
            ("tls://9.9.9.9", Protocol::Tls, "9.9.9.9:853", None),
            ("tls://9.9.9.9:8853", Protocol::Tls, "9.9.9.9:8853", None),
            ("tls://9.9.9.9%dns.quad9.net", Protocol::Tls, "9.9.9.9:853", Some("dns.quad9.net")),
            ("tls://9.9.9.9%dns.quad9.net:85", Protocol::Tls, "9.9.9.9:85", Some("dns.quad9.net")),
            ("tls://[2620:fe::fe%q]:85", Protocol::Tls, "[2620:fe::fe]:85", Some("q")),
            ("tls://2620:fe::fe%q", Protocol::Tls, "[2620:fe::fe]:853", Some("q")),
            ("quic://[2620:fe::fe]", Protocol::Quic, "[2620:fe::fe]:853", None),
            ("https://9.9.9.9", Protocol::Https, "9.9.9.9:443", None),
        ] {
            let expected = Upstream {
                address: address.parse().unwrap(),
                protocol,
                server_name: server_name.map(str::to_owned),
                file: None,
            };
            assert_eq!(parse_upstreams(text), Ok(vec![expected]), "{text}");
        }
        for (text, expected) in [
            (
                "grpc://9.9.9.9",
                "'grpc://' is no scheme of an upstream; write ADDR, ADDR:PORT or tls://ADDR",
            ),
            (
                "tls://dns.quad9.net",
                "'tls://dns.quad9.net' has no address behind '://'; write one such as tls://9.9.9.9",
            ),
            (
                "127.0.0.1:0",
                "'127.0.0.1:0' has port 0, at which nobody answers; leave it out for 53",
            ),
            (
                "tls://[::1%a.example]:0",
                "'tls://[::1%a.example]:0' has port 0, at which nobody answers; leave it out for 853",
            ),
            ("fe80::1%eth0", "'fe80::1%eth0': addresses with an interface are not built yet"),
            (
                "/nowhere/resolv.conf",
                "'/nowhere/resolv.conf' is neither an address nor a file that can be read (No such \
                 file or directory (os error 2))",
            ),
        ] {
            assert_eq!(parse_upstreams(text), Err(expected.into()), "{text}");
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("resolv.conf");
        let text = path.to_str().unwrap();
        std::fs::write(
            &path,
            "search a\n# nameserver 1.1.1.1\nnameserver 10.0.0.10\nnameserver ::1\n",
        )
        .unwrap();
        let of_file = |address: &str| Upstream {
            file: Some(path.clone()),
            ..Upstream::plain(address.parse().unwrap())
        };
        assert_eq!(parse_upstreams(text), Ok(vec![of_file("10.0.0.10:53"), of_file("[::1]:53")]));
        std::fs::write(&path, "search a\n").unwrap();
        assert_eq!(parse_upstreams(text), Err(format!("'{text}' has no usable 'nameserver' line")));
    }
}
