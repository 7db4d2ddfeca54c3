//! A record as zone files have it (RFC 1035, section 5.1), read into wire form.
//!
//! The text holds what a client asked, so nothing of it is taken for more than one record: there is
//! no `$INCLUDE`, and what a name escapes stays escaped. Relative names end in the root.

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_server::proto::rr::{RData, RecordType};
use hickory_server::proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};
use hickory_server::proto::serialize::txt::parse_ttl;

use crate::answer::{Record, Section};
use crate::config::{class_number, type_number};
use crate::name::{MAX_LABEL, MAX_NAME};

/// The TTL of a record that says none, in seconds; CoreDNS has the same.
const TTL: u32 = 3_600;
/// The class IN.
const IN: u16 = 1;
/// The longest character string, in octets (RFC 1035, section 3.3).
const STRING_MOST: usize = 255;

/// A word, its escapes as they stand.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Word {
    text: String,
    quoted: bool,
}

/// Reads the first record of the text; `None` where that is none.
pub(in crate::front) fn parse(text: &str, section: Section) -> Option<Record> {
    let words = words(text.trim_start_matches(['\r', '\n']))?;
    let (owner, mut rest) = words.split_first()?;
    if owner.quoted {
        return None;
    }
    let (mut ttl, mut class) = (None, None);
    let rtype = loop {
        let (word, behind) = rest.split_first()?;
        rest = behind;
        if let (None, Ok(seconds)) = (ttl, parse_ttl(&word.text)) {
            ttl = Some(seconds);
            continue;
        }
        let upper = word.text.to_ascii_uppercase();
        match (class, class_number(&upper)) {
            (None, Some(number)) => class = Some(number),
            _ => break type_number(&upper)?,
        }
    };
    Some(Record {
        section,
        owner: name(&owner.text)?,
        rtype,
        class: class.unwrap_or(IN),
        ttl: ttl.unwrap_or(TTL),
        data: data(rtype, rest)?,
    })
}

/// The words of the first line; parentheses make lines one.
fn words(text: &str) -> Option<Vec<Word>> {
    let mut words: Vec<Word> = Vec::new();
    let mut depth = 0_usize;
    let mut chars = text.chars().peekable();
    if chars.peek().is_some_and(char::is_ascii_whitespace) {
        // Such a line belongs to the owner of the one before, and there is none.
        return None;
    }
    while let Some(c) = chars.next() {
        match c {
            '\n' if depth == 0 => break,
            ' ' | '\t' | '\r' | '\n' => {}
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            ';' => while chars.next_if(|c| *c != '\n').is_some() {},
            '"' => {
                let mut held = String::new();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => held.extend(['\\', chars.next()?]),
                        other => held.push(other),
                    }
                }
                words.push(Word { text: held, quoted: true });
            }
            first => {
                let mut held = String::new();
                let mut next = Some(first);
                while let Some(c) = next {
                    held.push(c);
                    if c == '\\' {
                        held.push(chars.next()?);
                    }
                    next = chars.next_if(|c| {
                        !matches!(c, ' ' | '\t' | '\r' | '\n' | '(' | ')' | ';' | '"')
                    });
                }
                words.push(Word { text: held, quoted: false });
            }
        }
    }
    (depth == 0).then_some(words)
}

/// A type's data in wire form.
fn data(rtype: u16, words: &[Word]) -> Option<Vec<u8>> {
    if let [mark, length, hex @ ..] = words
        && mark.text == "\\#"
    {
        return unknown(&length.text, hex);
    }
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    match (RecordType::from(rtype), texts.as_slice()) {
        (RecordType::A, [address]) => Some(address.parse::<Ipv4Addr>().ok()?.octets().to_vec()),
        (RecordType::AAAA, [address]) => Some(address.parse::<Ipv6Addr>().ok()?.octets().to_vec()),
        (RecordType::NS | RecordType::CNAME | RecordType::PTR | RecordType::DNAME, [target]) => {
            name(target)
        }
        (RecordType::MX, [preference, target]) => {
            Some([&short(preference)?[..], &name(target)?].concat())
        }
        (RecordType::SRV, [priority, weight, port, target]) => {
            let numbers = [short(priority)?, short(weight)?, short(port)?];
            Some([numbers.as_flattened(), &name(target)?].concat())
        }
        (RecordType::SOA, [server, mailbox, serial, times @ ..]) if times.len() == 4 => {
            let mut octets = [name(server)?, name(mailbox)?].concat();
            octets.extend(serial.parse::<u32>().ok()?.to_be_bytes());
            for time in times {
                octets.extend(parse_ttl(time).ok()?.to_be_bytes());
            }
            Some(octets)
        }
        (RecordType::TXT | RecordType::Unknown(99), [_, ..]) => strings(&texts),
        // Of these, the right number of words has been dealt with.
        (
            RecordType::A
            | RecordType::AAAA
            | RecordType::NS
            | RecordType::CNAME
            | RecordType::PTR
            | RecordType::DNAME
            | RecordType::MX
            | RecordType::SRV
            | RecordType::SOA
            | RecordType::TXT,
            _,
        ) => None,
        (other, _) => rare(other, words),
    }
}

/// The data of a type that is seldom written.
fn rare(rtype: RecordType, words: &[Word]) -> Option<Vec<u8>> {
    let written = |word: &Word| {
        if word.quoted { format!("\"{}\"", word.text) } else { word.text.clone() }
    };
    let line = words.iter().map(written).collect::<Vec<_>>().join(" ");
    let data = RData::try_from_str(rtype, &line).ok()?;
    let mut octets = Vec::new();
    let mut encoder = BinEncoder::new(&mut octets);
    // A pointer would count from the beginning of these octets, not of a message.
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    data.emit(&mut encoder).ok()?;
    Some(octets)
}

/// The data of any type, as hexadecimal digits (RFC 3597, section 5).
fn unknown(length: &str, hex: &[Word]) -> Option<Vec<u8>> {
    let digits: String = hex.iter().map(|word| word.text.as_str()).collect();
    let octet = |pair: &[u8]| {
        let pair =
            str::from_utf8(pair).ok().filter(|pair| pair.len() == 2 && !pair.contains('+'))?;
        u8::from_str_radix(pair, 16).ok()
    };
    let octets = digits.as_bytes().chunks(2).map(octet).collect::<Option<Vec<u8>>>()?;
    (length.parse() == Ok(octets.len())).then_some(octets)
}

fn short(text: &str) -> Option<[u8; 2]> {
    text.parse::<u16>().ok().map(u16::to_be_bytes)
}

/// Character strings, each as many as it needs.
fn strings(texts: &[&str]) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    for text in texts {
        let unescaped: Vec<u8> = Unescaped::of(text).map(|(octet, _)| octet).collect();
        let mut parts = unescaped.chunks(STRING_MOST).collect::<Vec<_>>();
        if parts.is_empty() {
            parts.push(&[]);
        }
        for part in parts {
            octets.push(u8::try_from(part.len()).ok()?);
            octets.extend_from_slice(part);
        }
    }
    Some(octets)
}

/// A name in wire form, in its own case.
fn name(text: &str) -> Option<Vec<u8>> {
    let mut wire = Vec::with_capacity(text.len() + 2);
    let mut label: Vec<u8> = Vec::new();
    let mut end_label = |label: &mut Vec<u8>| {
        let len = u8::try_from(label.len())
            .ok()
            .filter(|len| (1..=MAX_LABEL).contains(&(*len).into()))?;
        wire.push(len);
        wire.append(label);
        Some(())
    };
    if !matches!(text, "@" | ".") {
        for (octet, escaped) in Unescaped::of(text) {
            if octet == b'.' && !escaped {
                end_label(&mut label)?;
            } else {
                label.push(octet);
            }
        }
        if !label.is_empty() || text.is_empty() {
            end_label(&mut label)?;
        }
    }
    wire.push(0);
    (wire.len() <= MAX_NAME).then_some(wire)
}

/// The octets of a text, each with whether it was escaped.
struct Unescaped<'t>(&'t [u8]);

impl<'t> Unescaped<'t> {
    fn of(text: &'t str) -> Self {
        Self(text.as_bytes())
    }
}

impl Iterator for Unescaped<'_> {
    type Item = (u8, bool);

    fn next(&mut self) -> Option<(u8, bool)> {
        let (octet, escaped, rest) = match *self.0 {
            [b'\\', a @ b'0'..=b'2', b @ b'0'..=b'9', c @ b'0'..=b'9', ref rest @ ..]
                if (a, b, c) <= (b'2', b'5', b'5') =>
            {
                let digits = [a, b, c].map(|digit| digit - b'0');
                let number = digits.iter().fold(0, |n: u16, digit| n * 10 + u16::from(*digit));
                (u8::try_from(number).ok()?, true, rest)
            }
            [b'\\', octet, ref rest @ ..] => (octet, true, rest),
            [octet, ref rest @ ..] => (octet, false, rest),
            [] => return None,
        };
        self.0 = rest;
        Some((octet, escaped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Record> {
        parse(text, Section::Answer)
    }

    #[test]
    fn records() {
        let a = b"\x01a\0".to_vec();
        let soa =
            b"\x02ns\x01a\0\x01h\0\0\0\0\x01\0\0\0\x3c\0\0\0\x3c\0\0\0\x3c\0\0\x0e\x10".to_vec();
        for (text, rtype, class, ttl, data) in [
            ("a 60 IN A 192.0.2.1", 1, 1, 60, vec![192, 0, 2, 1]),
            ("a. IN 1m A 192.0.2.1 ; why", 1, 1, 60, vec![192, 0, 2, 1]),
            ("a A 192.0.2.1\n$INCLUDE /etc/passwd", 1, 1, 3_600, vec![192, 0, 2, 1]),
            ("a ch a 192.0.2.1", 1, 3, 3_600, vec![192, 0, 2, 1]),
            ("a 5 AAAA ::1", 28, 1, 5, [&[0; 15][..], &[1]].concat()),
            ("a 5 CNAME B.c", 5, 1, 5, b"\x01B\x01c\0".to_vec()),
            ("a 5 PTR b\\.c\\032\\;d.", 12, 1, 5, b"\x06b.c ;d\0".to_vec()),
            ("a 5 NS @", 2, 1, 5, vec![0]),
            ("a 5 MX 10 b", 15, 1, 5, b"\0\x0a\x01b\0".to_vec()),
            ("a 5 SRV 1 2 53 b", 33, 1, 5, b"\0\x01\0\x02\0\x35\x01b\0".to_vec()),
            ("a 5 SOA ns.a h (1 60 60 ; here\n 60 1h)", 6, 1, 5, soa),
            ("a 5 TXT b \"c; \\\"d\\200\" \"\"", 16, 1, 5, b"\x01b\x06c; \"d\xc8\0".to_vec()),
            ("a 5 TYPE65280 \\# 3 0a 0b0c", 65_280, 1, 5, vec![10, 11, 12]),
            ("a 5 CAA 0 issue \"b\"", 257, 1, 5, b"\0\x05issueb".to_vec()),
            ("a 5 HTTPS 1 . alpn=h2", 65, 1, 5, b"\0\x01\0\0\x01\0\x03\x02h2".to_vec()),
        ] {
            let section = Section::Answer;
            let expected = Record { section, owner: a.clone(), rtype, class, ttl, data };
            assert_eq!(read(text), Some(expected), "{text}");
        }
        let long = format!("a 5 TXT {}", "b".repeat(300));
        let data = read(&long).unwrap().data;
        assert_eq!((data[0], data[256], data.len()), (255, 45, 302));
    }

    #[test]
    fn what_is_no_record() {
        let label = "b".repeat(64);
        for text in [
            "",
            "a",
            "a 60 IN",
            "a 60 IN A",
            "a 60 IN A 192.0.2",
            "a 60 IN A 192.0.2.1 192.0.2.2",
            "a 60 IN A 192.0.2.1 (",
            "a 60 IN A 192.0.2.1)",
            " a 60 IN A 192.0.2.1",
            "\"a\" 60 IN A 192.0.2.1",
            "a..b 60 IN A 192.0.2.1",
            "a 60 60 A 192.0.2.1",
            "a 60 IN IN A 192.0.2.1",
            "a 60 IN MX b",
            "a 60 IN MX 65536 b",
            "a 60 IN TXT",
            "a 60 IN TXT \"b",
            "a 60 IN SOA b c 1 2 3 4",
            "a 60 IN TYPE65280 \\# 2 0a",
            "a 60 IN NOTHING b",
            "$INCLUDE /etc/passwd",
            "$TTL 60",
            &format!("a 60 IN NS {label}"),
            &format!("a 60 IN NS {}", "b.".repeat(128)),
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_soup_makes_it_panic(
            kind in "A|AAAA|NS|MX|SRV|SOA|TXT|CAA|HTTPS|NAPTR|TLSA|SSHFP|CERT|HINFO|OPT|ANY|TYPE9",
            text in "[a1.\\\\\"();@$ \\-=#\nü]{0,30}",
        ) {
            let _ = parse(&text, Section::Answer);
            let _ = parse(&format!("a {kind} {text}"), Section::Answer);
        }
    }
}
