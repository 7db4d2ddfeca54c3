//! The mnemonics of classes, record types and response codes, as IANA has them.

use super::args::value;
use super::lexer::Token;
use crate::config::error::Findings;

/// Any class (RFC 1035, section 3.2.5) and any type (section 3.2.3).
const ANY: u16 = 255;

/// The last response code that stands in a header alone (RFC 6895, section 2.3): what is larger has
/// its upper part in an OPT record.
const MAX_RCODE: u16 = 15;

const CLASSES: &[(&str, u16)] = &[("IN", 1), ("CH", 3), ("HS", 4), ("NONE", 254), ("ANY", ANY)];

const TYPES: &[(&str, u16)] = &[
    ("A", 1),
    ("NS", 2),
    ("MD", 3),
    ("MF", 4),
    ("CNAME", 5),
    ("SOA", 6),
    ("MB", 7),
    ("MG", 8),
    ("MR", 9),
    ("NULL", 10),
    ("PTR", 12),
    ("HINFO", 13),
    ("MINFO", 14),
    ("MX", 15),
    ("TXT", 16),
    ("RP", 17),
    ("AFSDB", 18),
    ("X25", 19),
    ("ISDN", 20),
    ("RT", 21),
    ("NSAP-PTR", 23),
    ("SIG", 24),
    ("KEY", 25),
    ("PX", 26),
    ("GPOS", 27),
    ("AAAA", 28),
    ("LOC", 29),
    ("NXT", 30),
    ("EID", 31),
    ("NIMLOC", 32),
    ("SRV", 33),
    ("ATMA", 34),
    ("NAPTR", 35),
    ("KX", 36),
    ("CERT", 37),
    ("DNAME", 39),
    ("OPT", 41),
    ("APL", 42),
    ("DS", 43),
    ("SSHFP", 44),
    ("IPSECKEY", 45),
    ("RRSIG", 46),
    ("NSEC", 47),
    ("DNSKEY", 48),
    ("DHCID", 49),
    ("NSEC3", 50),
    ("NSEC3PARAM", 51),
    ("TLSA", 52),
    ("SMIMEA", 53),
    ("HIP", 55),
    ("NINFO", 56),
    ("RKEY", 57),
    ("TALINK", 58),
    ("CDS", 59),
    ("CDNSKEY", 60),
    ("OPENPGPKEY", 61),
    ("CSYNC", 62),
    ("ZONEMD", 63),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("SPF", 99),
    ("UINFO", 100),
    ("UID", 101),
    ("GID", 102),
    ("UNSPEC", 103),
    ("NID", 104),
    ("L32", 105),
    ("L64", 106),
    ("LP", 107),
    ("EUI48", 108),
    ("EUI64", 109),
    ("NXNAME", 128),
    ("TKEY", 249),
    ("TSIG", 250),
    ("IXFR", 251),
    ("AXFR", 252),
    ("MAILB", 253),
    ("MAILA", 254),
    ("ANY", ANY),
    ("URI", 256),
    ("CAA", 257),
    ("AVC", 258),
    ("AMTRELAY", 260),
    ("RESINFO", 261),
    ("TA", 32_768),
    ("DLV", 32_769),
];

const RCODES: &[(&str, u16)] = &[
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("REFUSED", 5),
    ("YXDOMAIN", 6),
    ("YXRRSET", 7),
    ("NXRRSET", 8),
    ("NOTAUTH", 9),
    ("NOTZONE", 10),
    ("BADSIG", 16),
    ("BADVERS", 16),
    ("BADKEY", 17),
    ("BADTIME", 18),
    ("BADMODE", 19),
    ("BADNAME", 20),
    ("BADALG", 21),
    ("BADTRUNC", 22),
    ("BADCOOKIE", 23),
];

/// The mnemonic of a class; nothing where it has none.
pub fn class_mnemonic(class: u16) -> &'static str {
    class_name(class).unwrap_or("")
}

/// The mnemonic of a record type; nothing where it has none.
pub fn type_mnemonic(record_type: u16) -> &'static str {
    type_name(record_type).unwrap_or("")
}

/// The class of a mnemonic in capital letters; `CLASS4` (RFC 3597, section 5) is one too.
pub fn class_number(text: &str) -> Option<u16> {
    numbered(text, "CLASS", CLASSES)
}

/// The record type of a mnemonic in capital letters; `TYPE65280` is one too.
pub fn type_number(text: &str) -> Option<u16> {
    numbered(text, "TYPE", TYPES)
}

fn numbered(text: &str, prefix: &str, known: &[(&str, u16)]) -> Option<u16> {
    let number = text.strip_prefix(prefix).and_then(|number| number.parse().ok());
    number.or_else(|| known.iter().find(|known| known.0 == text).map(|known| known.1))
}

/// The mnemonic of a class.
pub fn class_name(class: u16) -> Option<&'static str> {
    name(class, CLASSES)
}

/// The mnemonic of a record type.
pub fn type_name(record_type: u16) -> Option<&'static str> {
    name(record_type, TYPES)
}

fn name(number: u16, known: &[(&'static str, u16)]) -> Option<&'static str> {
    known.iter().find(|(_, of)| *of == number).map(|(name, _)| *name)
}

/// Reads a class.
pub(super) fn class(token: &Token, findings: &mut Findings) -> Option<u16> {
    value(token, findings, |text| find(text, CLASSES, "a class such as IN or ANY"))
}

/// Reads a record type; `TYPE65280` (RFC 3597, section 5) does too.
pub(super) fn record_type(token: &Token, findings: &mut Findings) -> Option<u16> {
    value(token, findings, |text| {
        type_number(text).ok_or_else(|| format!("'{text}' is not a record type such as A or SRV"))
    })
}

/// Reads a response code, in letters of any case.
pub(super) fn rcode(token: &Token, findings: &mut Findings) -> Option<u16> {
    value(token, findings, |text| {
        find(&text.to_uppercase(), RCODES, "a response code such as NXDOMAIN or SERVFAIL")
    })
}

/// A response code that was read, where it can be told to every client.
pub(super) fn in_header(code: Option<u16>, token: &Token, findings: &mut Findings) -> Option<u16> {
    if code? > MAX_RCODE {
        let text = &token.text;
        findings.error(
            token.at,
            format!("'{text}' needs EDNS, which not every client speaks; write another code"),
        );
        return None;
    }
    code
}

fn find(text: &str, known: &[(&str, u16)], what: &str) -> Result<u16, String> {
    let found = known.iter().find(|(mnemonic, _)| *mnemonic == text);
    found.map(|(_, number)| *number).ok_or_else(|| format!("'{text}' is not {what}"))
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use hickory_proto::op::ResponseCode;
    use hickory_proto::rr::RecordType;

    use super::*;

    #[test]
    fn types_have_their_numbers() {
        let mut compared = 0;
        for (index, (name, number)) in TYPES.iter().enumerate() {
            assert!(TYPES.iter().skip(index + 1).all(|(other, _)| other != name), "{name}");
            if let Ok(record_type) = RecordType::from_str(name) {
                assert_eq!(u16::from(record_type), *number, "{name}");
                compared += 1;
            }
        }
        assert!(compared > 30, "{compared} types were compared");
        assert!(TYPES.is_sorted_by_key(|(_, number)| *number));
    }

    #[test]
    fn response_codes_have_their_numbers() {
        for (name, code) in [
            ("FORMERR", ResponseCode::FormErr),
            ("SERVFAIL", ResponseCode::ServFail),
            ("NXDOMAIN", ResponseCode::NXDomain),
            ("NOTIMP", ResponseCode::NotImp),
            ("REFUSED", ResponseCode::Refused),
            ("NOTZONE", ResponseCode::NotZone),
            ("BADCOOKIE", ResponseCode::BADCOOKIE),
        ] {
            assert_eq!(find(name, RCODES, "a response code"), Ok(u16::from(code)), "{name}");
        }
    }
}
