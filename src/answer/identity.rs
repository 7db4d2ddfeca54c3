//! Who answers: the names of class CH (RFC 4892) and the name server identifier (RFC 5001).

use super::query::{Query, Rcode};
use super::reply::{Full, Reply};
use super::write::rtype;
use super::{Cause, Outcome, Settings};
use crate::zone::record::QNAME_POINTER;

/// The class CH.
pub(super) const CLASS_CH: u16 = 3;
/// The number of the option NSID (RFC 5001, section 2.3).
pub(super) const NSID: u16 = 3;
/// The longest character string (RFC 1035, section 3.3), and the longest identifier that is sent:
/// a host's name fits.
pub const IDENTITY_MOST: usize = 255;

/// What a server says of itself to whoever asks. What is absent is not told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Identity {
    /// `version.bind` and `version.server`.
    pub version: Option<Box<str>>,
    /// `hostname.bind` and `id.server`.
    pub host: Option<Box<str>>,
    /// `authors.bind`, a record each.
    pub authors: Vec<Box<str>>,
    /// The octets of the option NSID.
    pub nsid: Option<Box<[u8]>>,
}

impl Identity {
    /// The identity of a server that says nothing of itself.
    pub const NONE: Self = Self { version: None, host: None, authors: Vec::new(), nsid: None };

    /// What a name of class CH answers; `None` where it is none of ours.
    fn texts(&self, name: &[u8]) -> Option<&[Box<str>]> {
        let one = std::slice::from_ref;
        match name {
            b"\x07version\x04bind\0" | b"\x07version\x06server\0" => self.version.as_ref().map(one),
            b"\x08hostname\x04bind\0" | b"\x02id\x06server\0" => self.host.as_ref().map(one),
            b"\x07authors\x04bind\0" if !self.authors.is_empty() => Some(&self.authors),
            _ => None,
        }
    }

    /// The identifier as it is sent.
    pub(super) fn identifier(&self) -> Option<&[u8]> {
        let octets = self.nsid.as_deref()?;
        Some(octets.get(..IDENTITY_MOST).unwrap_or(octets))
    }
}

/// Whether there is something to say to a query of class CH.
pub(super) fn answers(settings: &Settings, query: &Query) -> bool {
    settings.identity.texts(query.asked.name()).is_some()
        && matches!(query.qtype, rtype::TXT | rtype::ANY)
}

/// Answers a query of class CH; `None` where there is nothing to say.
pub(super) fn answer(settings: &Settings, query: &Query, mut reply: Reply<'_>) -> Option<Outcome> {
    let texts = settings.identity.texts(query.asked.name())?;
    if !answers(settings, query) {
        return None;
    }
    for text in texts {
        let text = text.as_bytes();
        let text = text.get(..IDENTITY_MOST).unwrap_or(text);
        if reply.record(|reply| write(reply, text)).is_err() {
            break;
        }
    }
    let (rcode, cause) = (Rcode::NoError, Cause::Identity);
    Some(Outcome::Reply { len: reply.finish(query, rcode, false, settings, None), rcode, cause })
}

/// One TXT record of the asked name, TTL 0.
fn write(reply: &mut Reply<'_>, text: &[u8]) -> Result<(), Full> {
    let len = u8::try_from(text.len()).map_err(|_| Full)?;
    reply.raw(&QNAME_POINTER.to_be_bytes())?;
    reply.raw(&rtype::TXT.to_be_bytes())?;
    reply.raw(&CLASS_CH.to_be_bytes())?;
    reply.raw(&[0; 4])?;
    reply.raw(&(u16::from(len) + 1).to_be_bytes())?;
    reply.raw(&[len])?;
    reply.raw(text)
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Message, ResponseCode};
    use hickory_proto::rr::{DNSClass, Name, RecordType};

    use super::super::{Desk, Transport, answer};
    use super::*;

    fn identity() -> Identity {
        Identity {
            version: Some("fingerpost-1.2.3".into()),
            host: Some("dns-7c9f".into()),
            authors: vec!["Ada".into(), "Grace".into()],
            nsid: Some("dns-7c9f".as_bytes().into()),
        }
    }

    /// What a query of class CH, or of class IN with these options, is answered.
    fn ask(name: &str, qtype: u16, class: u16, options: &[u8]) -> Vec<u8> {
        let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        for label in name.split('.') {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend_from_slice(label.as_bytes());
        }
        message.push(0);
        message.extend_from_slice(&qtype.to_be_bytes());
        message.extend_from_slice(&class.to_be_bytes());
        message.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0]);
        message.extend_from_slice(&u16::try_from(options.len()).unwrap().to_be_bytes());
        message.extend_from_slice(options);
        let settings = Settings { identity: identity(), ede: false, ..Settings::DEFAULT };
        let desk = Desk { view: None, settings: &settings, transport: Transport::Udp, rotation: 0 };
        let mut out = vec![0; 4_096];
        match answer(&desk, &message, &mut Query::default(), &mut out) {
            Outcome::Reply { len, .. } => out[..len].to_vec(),
            other => panic!("{other:?}"),
        }
    }

    fn texts(octets: &[u8]) -> (ResponseCode, Vec<String>) {
        let message = Message::from_vec(octets).unwrap();
        for record in &message.answers {
            assert_eq!((record.dns_class, record.ttl), (DNSClass::CH, 0));
            assert_eq!(record.record_type(), RecordType::TXT);
            assert!(Name::is_fqdn(&record.name));
        }
        let texts = message.answers.iter().map(|record| record.data.to_string()).collect();
        (message.metadata.response_code, texts)
    }

    #[test]
    fn names_of_class_ch_tell_who_answers() {
        for (name, expected) in [
            ("version.bind", vec!["fingerpost-1.2.3"]),
            ("VERSION.SERVER", vec!["fingerpost-1.2.3"]),
            ("hostname.bind", vec!["dns-7c9f"]),
            ("id.server", vec!["dns-7c9f"]),
            ("authors.bind", vec!["Ada", "Grace"]),
        ] {
            let (rcode, found) = texts(&ask(name, 16, 3, &[]));
            let found: Vec<&str> = found.iter().map(|text| text.trim_matches('"')).collect();
            assert_eq!((rcode, found), (ResponseCode::NoError, expected), "{name}");
        }
        for (name, qtype) in [("version.bind", 1), ("other.bind", 16), ("bind", 16)] {
            let refused = (ResponseCode::Refused, Vec::new());
            assert_eq!(texts(&ask(name, qtype, 3, &[])), refused, "{name} {qtype}");
        }
    }

    #[test]
    fn the_identifier_is_sent_to_whoever_asks_for_it() {
        let option = b"\0\x03\0\x08dns-7c9f";
        let asked = ask("db.example", 1, 1, &[0, 3, 0, 0]);
        assert!(asked.ends_with(option), "{asked:?}");
        // Another option, and none.
        for options in [&[0, 10, 0, 1, 9][..], &[]] {
            let plain = ask("db.example", 1, 1, options);
            assert!(plain.ends_with(&[0, 0]) && !plain.ends_with(option), "{plain:?}");
        }
    }
}
