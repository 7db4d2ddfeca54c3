//! What a line looks like: CoreDNS's placeholders, and its JSON.

use std::fmt::{self, Display, Write};
use std::net::IpAddr;

use serde::Serialize;

use super::entry::{Entry, Said};
use crate::answer::{Cause, UDP_LEAST, rcode_name};
use crate::config;
use crate::name::Name;
use crate::serve::Transport;

/// What stands where there is nothing to say.
const NOTHING: &str = "-";
/// The flags of a response, by octet and bit, in CoreDNS's order.
const FLAGS: [(usize, u8, &str); 8] = [
    (0, 0x80, "qr"),
    (0, 0x04, "aa"),
    (0, 0x02, "tc"),
    (0, 0x01, "rd"),
    (1, 0x80, "ra"),
    (1, 0x40, "z"),
    (1, 0x20, "ad"),
    (1, 0x10, "cd"),
];

/// A format, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Format(Vec<Part>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(String),
    Field(Field),
    /// A label of metadata, which nobody collects.
    Metadata,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Field {
    Type,
    Name,
    Class,
    Proto,
    Size,
    Remote,
    Port,
    Local,
    Rcode,
    ResponseSize,
    Duration,
    Flags,
    Bufsize,
    DnssecOk,
    Id,
    Opcode,
    Cause,
}

impl Field {
    /// The placeholder with this word in its braces.
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "type" => Self::Type,
            "name" => Self::Name,
            "class" => Self::Class,
            "proto" => Self::Proto,
            "size" => Self::Size,
            "remote" => Self::Remote,
            "port" => Self::Port,
            "local" => Self::Local,
            "rcode" => Self::Rcode,
            "rsize" => Self::ResponseSize,
            "duration" => Self::Duration,
            ">rflags" => Self::Flags,
            ">bufsize" => Self::Bufsize,
            ">do" => Self::DnssecOk,
            ">id" => Self::Id,
            ">opcode" => Self::Opcode,
            "cause" => Self::Cause,
            _ => return None,
        })
    }
}

impl Format {
    /// Takes a format apart. What is no placeholder stands as it is.
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        // As CoreDNS has it: of '{ {name} }', only the inner one counts.
        while let Some((before, behind)) = rest.split_once('}') {
            let found = before.rsplit_once('{');
            let part = found.and_then(|(_, word)| match Field::of(word) {
                Some(field) => Some(Part::Field(field)),
                None => word.starts_with('/').then_some(Part::Metadata),
            });
            if let (Some(part), Some((plain, _))) = (part, found) {
                literal.push_str(plain);
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                }
                parts.push(part);
            } else {
                literal.push_str(before);
                literal.push('}');
            }
            rest = behind;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Self(parts)
    }
}

/// The message of an entry, by its format.
pub(super) struct Message<'a>(pub(super) &'a Entry);

impl Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.format.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Metadata => f.write_str(NOTHING),
            Part::Field(field) => self.0.write(*field, f),
        })
    }
}

impl Entry {
    fn write(&self, field: Field, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match field {
            Field::Type => Type(self.qtype).fmt(f),
            Field::Class => Class(self.qclass).fmt(f),
            Field::Name => self.name().fmt(f),
            Field::Proto => f.write_str(self.proto()),
            Field::Size => self.size.fmt(f),
            Field::Remote => write_address(self.client.from.ip(), f),
            Field::Port => self.client.from.port().fmt(f),
            Field::Local => match self.client.local.map(|local| local.ip()) {
                Some(local) => write_address(local, f),
                None => f.write_str(NOTHING),
            },
            Field::Duration => write!(f, "{}s", self.took.as_secs_f64()),
            Field::Bufsize => self.bufsize().fmt(f),
            Field::DnssecOk => self.dnssec_ok().fmt(f),
            Field::Id => self.id.fmt(f),
            Field::Opcode => self.opcode.fmt(f),
            Field::ResponseSize => self.said.map_or(0, |said| said.size).fmt(f),
            Field::Rcode => match self.said {
                Some(said) => Code(said.rcode).fmt(f),
                None => f.write_str(NOTHING),
            },
            Field::Flags => match self.said {
                Some(said) => write_flags(said, f),
                None => f.write_str(NOTHING),
            },
            Field::Cause => f.write_str(self.cause().unwrap_or(NOTHING)),
        }
    }

    fn name(&self) -> Name {
        Name::from_wire(&self.name).unwrap_or_else(|_| Name::root())
    }

    fn proto(&self) -> &'static str {
        match self.client.transport {
            Transport::Udp => "udp",
            Transport::Stream => "tcp",
        }
    }

    /// How much a response may hold, as CoreDNS reckons: what the asker takes, at least 512 octets; on
    /// a stream what that carries.
    fn bufsize(&self) -> u16 {
        match self.client.transport {
            Transport::Udp => self.edns.map_or(0, |edns| edns.payload).max(UDP_LEAST),
            Transport::Stream => u16::MAX,
        }
    }

    fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }

    fn cause(&self) -> Option<&'static str> {
        match self.said {
            Some(said) => said.cause.and_then(Cause::word),
            None => Some("dropped"),
        }
    }
}

fn write_address(address: IpAddr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // Clients of an IPv6 socket may come as IPv4-mapped addresses.
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.fmt(f),
        IpAddr::V6(v6) => write!(f, "[{v6}]"),
    }
}

fn write_flags(said: Said, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let set =
        |(octet, bit, _): &&(usize, u8, &str)| said.flags.get(*octet).unwrap_or(&0) & bit != 0;
    let mut first = true;
    for (.., name) in FLAGS.iter().filter(set) {
        if !std::mem::take(&mut first) {
            f.write_char(',')?;
        }
        f.write_str(name)?;
    }
    Ok(())
}

/// A type by its mnemonic, else as RFC 3597, section 5 has it.
pub(super) struct Type(pub(super) u16);

impl Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match config::type_name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

struct Class(u16);

impl Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match config::class_name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "CLASS{}", self.0),
        }
    }
}

struct Code(u8);

impl Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match rcode_name(self.0) {
            Some(name) => f.write_str(name),
            None => self.0.fmt(f),
        }
    }
}

/// A line about a query in JSON: CoreDNS's fields in its order, then ours.
#[derive(Serialize)]
pub(super) struct Json {
    time: String,
    level: &'static str,
    msg: String,
    plugin: &'static str,
    client_ip: String,
    client_port: u16,
    qname: String,
    qtype: String,
    qclass: String,
    protocol: &'static str,
    id: u16,
    opcode: u8,
    request_size: usize,
    dnssec_ok: bool,
    bufsize: u16,
    rcode: Option<String>,
    response_size: usize,
    duration_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
}

impl Json {
    pub(super) fn new(entry: &Entry) -> Self {
        Self {
            time: super::writer::stamp(entry.at),
            level: "INFO",
            msg: Message(entry).to_string(),
            plugin: "log",
            client_ip: entry.client.from.ip().to_canonical().to_string(),
            client_port: entry.client.from.port(),
            qname: entry.name().to_string(),
            qtype: Type(entry.qtype).to_string(),
            qclass: Class(entry.qclass).to_string(),
            protocol: entry.proto(),
            id: entry.id,
            opcode: entry.opcode,
            request_size: entry.size,
            dnssec_ok: entry.dnssec_ok(),
            bufsize: entry.bufsize(),
            rcode: entry.said.map(|said| Code(said.rcode).to_string()),
            response_size: entry.said.map_or(0, |said| said.size),
            duration_seconds: entry.took.as_secs_f64(),
            cause: entry.cause(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::answer::Query;
    use crate::front::journal::Answer;
    use crate::serve::Client;

    /// `A.example.`, AAAA, class IN, ID 4660, RD, and an OPT record with DO and 1,400 octets.
    const QUERY: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x01A\x07example\0\0\x1c\0\x01\
                           \0\0\x29\x05\x78\0\0\x80\0\0\0";
    const REFUSED: &[u8] = b"\x12\x34\x81\x95\0\x01\0\0\0\0\0\0\x01A\x07example\0\0\x1c\0\x01";

    fn entry(format: &str, message: &[u8], from: &str, answer: Option<&Answer<'_>>) -> Entry {
        let mut query = Query::default();
        let _ = query.read(message);
        let transport = if from.starts_with('[') { Transport::Stream } else { Transport::Udp };
        let local = Some("[::ffff:192.0.2.53]:53".parse().unwrap());
        let client = Client { from: from.parse().unwrap(), local, transport };
        let format = Arc::new(Format::parse(format));
        let mut entry = Entry::new(&format, message, &query, client, answer);
        entry.settle(SystemTime::UNIX_EPOCH, Duration::from_nanos(37_500));
        entry
    }

    #[test]
    fn every_placeholder_has_its_value() {
        let answer = Answer {
            response: REFUSED,
            octets: REFUSED.len(),
            rcode: 5,
            cause: Some(Cause::Blocked),
        };
        let mut known = 0;
        for (placeholder, over_udp, over_tcp) in [
            ("{type}", "AAAA", "AAAA"),
            ("{name}", "a.example.", "a.example."),
            ("{class}", "IN", "IN"),
            ("{proto}", "udp", "tcp"),
            ("{size}", "38", "38"),
            ("{remote}", "192.0.2.1", "[2001:db8::1]"),
            ("{port}", "4000", "4001"),
            ("{local}", "192.0.2.53", "192.0.2.53"),
            ("{rcode}", "REFUSED", "REFUSED"),
            ("{rsize}", "27", "27"),
            ("{duration}", "0.0000375s", "0.0000375s"),
            ("{>rflags}", "qr,rd,ra,cd", "qr,rd,ra,cd"),
            ("{>bufsize}", "1400", "65535"),
            ("{>do}", "true", "true"),
            ("{>id}", "4660", "4660"),
            ("{>opcode}", "0", "0"),
            ("{cause}", "blocked", "blocked"),
            ("{/log/class}", "-", "-"),
        ] {
            let udp = entry(placeholder, QUERY, "192.0.2.1:4000", Some(&answer));
            assert_eq!(Message(&udp).to_string(), over_udp, "{placeholder}");
            let tcp = entry(placeholder, QUERY, "[2001:db8::1]:4001", Some(&answer));
            assert_eq!(Message(&tcp).to_string(), over_tcp, "{placeholder}");
            known += usize::from(config::Log::PLACEHOLDERS.contains(&placeholder));
        }
        assert_eq!(known, config::Log::PLACEHOLDERS.len(), "all that are read are written");
    }

    #[test]
    fn what_is_no_placeholder_stands_as_it_is() {
        let answer = Answer { response: REFUSED, octets: REFUSED.len(), rcode: 11, cause: None };
        for (format, line) in [
            ("", ""),
            ("plain", "plain"),
            ("{ {type} }", "{ AAAA }"),
            ("A } {type}", "A } AAAA"),
            ("{X} {type", "{X} {type"),
            ("{{rcode}}{/a/b}", "{11}-"),
            ("{>nothing}{cause}é", "{>nothing}-é"),
        ] {
            let entry = entry(format, QUERY, "192.0.2.1:4000", Some(&answer));
            assert_eq!(Message(&entry).to_string(), line, "{format}");
        }
    }

    #[test]
    fn a_query_that_was_dropped_has_no_response() {
        let format = format!("{}{} {{cause}}", config::Log::COMMON, config::Log::COMBINED);
        let plain = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x03a\"b\0\xff\0\0\x63";
        let entry = entry(&format, plain, "192.0.2.1:4000", None);
        let line = "192.0.2.1:4000 - 1 \"TYPE65280 CLASS99 a\\\"b. udp 21 false 512\" - - 0 \
                    0.0000375s \"0\" dropped";
        assert_eq!(Message(&entry).to_string(), line);
        let json = serde_json::to_value(Json::new(&entry)).unwrap();
        assert_eq!(json["rcode"], serde_json::Value::Null);
        assert_eq!(json["time"], "1970-01-01T00:00:00Z");
        assert_eq!(json["msg"], line);
    }

    proptest::proptest! {
        #[test]
        fn no_soup_of_a_format_is_lost(text in "[{}>/a-z é]{0,30}") {
            proptest::prop_assume!(!config::Log::PLACEHOLDERS.iter().any(|p| text.contains(p)));
            proptest::prop_assume!(!text.contains("{/"));
            let entry = entry(&text, QUERY, "192.0.2.1:4000", None);
            proptest::prop_assert_eq!(Message(&entry).to_string(), text);
        }
    }
}
