//! `template`: answers that the configuration writes itself, as CoreDNS's `template` has them.
//!
//! Runs on the query threads, behind `acl` and before everything that looks a name up. A template
//! without records is answered without a lock and without memory; one with records takes memory for
//! them, each bounded by what a message can hold, and so does a pattern too large for a table.
#![forbid(unsafe_code)]

pub(super) mod record;

use std::fmt::Write;
use std::net::IpAddr;

use super::pattern::{Group, NameText, Pattern};
use crate::answer::{Cause, HEADER, Query, Rcode, Record, Said, Section, is_within};
use crate::config::{Piece, RecordTemplate, ServerBlock, Template, class_mnemonic, type_mnemonic};
use crate::name::Name;
use crate::zone::Fallthrough;

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
/// The class IN.
const IN: u16 = 1;
/// Any class, and any type.
const ANY: u16 = 255;
/// The longest text of a record, in octets: beyond the largest message, whatever is escaped.
const RECORD_MOST: usize = 65_535;
/// What Go writes for a group that does not exist.
const NO_VALUE: &str = "<no value>";
/// The pattern of a template that has none.
const EVERYTHING: &str = ".*";

/// The templates of a block, in their order.
#[derive(Debug)]
pub(super) struct Templates {
    templates: Vec<Compiled>,
    /// Only class IN is meant.
    only_in: bool,
}

#[derive(Debug)]
struct Compiled {
    class: u16,
    record_type: u16,
    zones: Vec<Name>,
    /// `None` is a pattern that could not be compiled, which fits nothing.
    patterns: Vec<Option<Pattern>>,
    records: Vec<(Section, RecordTemplate)>,
    rcode: Rcode,
    error: Option<(u16, String)>,
    fallthrough: Fallthrough,
}

/// What a template says to a query.
#[derive(Debug, PartialEq)]
pub(super) struct Made<'t> {
    rcode: Rcode,
    records: Vec<Record>,
    error: Option<(u16, &'t str)>,
}

impl Made<'_> {
    /// The name that its first alias leads to, where addresses are asked for: CoreDNS looks them up.
    pub(super) fn alias(&self, query: &Query) -> Option<&[u8]> {
        if !matches!(query.qtype(), A | AAAA) {
            return None;
        }
        Some(&self.records.get(self.alias_place()?)?.data)
    }

    /// Puts what the alias leads to behind it.
    pub(super) fn lead_on(&mut self, records: Vec<Record>) {
        if let Some(place) = self.alias_place() {
            let behind = self.records.split_off(place + 1);
            self.records.extend(records);
            self.records.extend(behind);
        }
    }

    fn alias_place(&self) -> Option<usize> {
        self.records.iter().position(|record| {
            (record.section, record.rtype, record.class) == (Section::Answer, CNAME, IN)
        })
    }

    /// SERVFAIL, which CoreDNS says with nothing beside it.
    const FAILED: Self = Self { rcode: Rcode::ServFail, records: Vec::new(), error: None };

    /// As it is written.
    pub(super) fn said(&self) -> Said<'_> {
        Said {
            rcode: self.rcode,
            authoritative: self.rcode != Rcode::ServFail,
            records: &self.records,
            error: self.error,
            cause: Cause::Template,
        }
    }
}

impl Templates {
    /// The templates of a block. As in CoreDNS, other classes than IN get as far as a template only
    /// where the block has `chaos` or `forward`.
    pub(super) fn new(config: &ServerBlock) -> Self {
        let templates = config.template.iter().map(Compiled::new).collect();
        Self { templates, only_in: config.chaos.is_none() && config.forward.is_empty() }
    }

    /// Whether there are none.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }

    /// What the first template that fits says to `query`, which was read from `message`; `None`
    /// where the query goes on to somebody else. `from` tells the client's address.
    ///
    /// As in CoreDNS, a template of another zone, class or type is passed over; one whose patterns
    /// do not fit fails, but for the names that fall through.
    pub(super) fn answer(
        &self,
        message: &[u8],
        query: &Query,
        from: impl Fn() -> IpAddr,
    ) -> Option<Made<'_>> {
        if self.only_in && query.qclass() != IN {
            return None;
        }
        let asked = query.asked().name();
        let mut text = None;
        for template in &self.templates {
            let Some(zone) = template.zone(query) else { continue };
            let fits = match template.patterns.as_slice() {
                [] => Ok(None),
                patterns => {
                    let text = text.get_or_insert_with(|| NameText::of(asked)).as_str();
                    let found = patterns.iter().flatten().find(|pattern| pattern.fits(text));
                    found.map(Some).ok_or(())
                }
            };
            let pattern = match fits {
                Ok(pattern) => pattern,
                Err(()) if template.fallthrough.covers(asked) => continue,
                Err(()) => return Some(Made::FAILED),
            };
            if template.rcode == Rcode::ServFail {
                return Some(Made::FAILED);
            }
            let error = template.error.as_ref().map(|(code, text)| (*code, text.as_str()));
            let mut records = Vec::new();
            if !template.records.is_empty() {
                let text = text.get_or_insert_with(|| NameText::of(asked)).as_str();
                let groups = pattern.map_or_else(|| vec![(None, text)], |found| found.groups(text));
                let regex = pattern.map_or(EVERYTHING, Pattern::source);
                let facts = Facts { template, query, message, zone, text, regex, groups };
                match facts.records(&from) {
                    Some(made) => records = made,
                    None => return Some(Made::FAILED),
                }
            }
            return Some(Made { rcode: template.rcode, records, error });
        }
        None
    }
}

impl Compiled {
    fn new(template: &Template) -> Self {
        let sections = [
            (Section::Answer, &template.answer),
            (Section::Authority, &template.authority),
            (Section::Additional, &template.additional),
        ];
        let records = sections.into_iter().flat_map(|(section, records)| {
            records.iter().map(move |record| (section, record.clone()))
        });
        Self {
            class: template.class,
            record_type: template.record_type,
            zones: template.zones.clone(),
            patterns: template.matches.iter().map(|source| Pattern::new(source.as_str())).collect(),
            records: records.collect(),
            rcode: Rcode::of(template.rcode).unwrap_or(Rcode::ServFail),
            error: template.ede.clone(),
            fallthrough: template.fallthrough.clone(),
        }
    }

    /// The longest zone that holds the name, where class and type are meant too.
    fn zone(&self, query: &Query) -> Option<&Name> {
        let is_meant = |mine: u16, asked: u16| mine == ANY || asked == ANY || mine == asked;
        if !is_meant(self.class, query.qclass()) || !is_meant(self.record_type, query.qtype()) {
            return None;
        }
        let holds = |zone: &&Name| is_within(query.asked().name(), zone.as_wire());
        self.zones.iter().filter(holds).max_by_key(|zone| zone.as_wire().len())
    }
}

/// What a record may be made of.
struct Facts<'f> {
    template: &'f Compiled,
    query: &'f Query,
    message: &'f [u8],
    zone: &'f Name,
    /// The asked name, in lower case.
    text: &'f str,
    regex: &'f str,
    groups: Vec<Group<'f>>,
}

impl Facts<'_> {
    /// The records; `None` where one of them is none.
    fn records(&self, from: &impl Fn() -> IpAddr) -> Option<Vec<Record>> {
        let mut text = String::new();
        let record = |(section, record): &(Section, RecordTemplate)| {
            text.clear();
            for piece in record.pieces() {
                self.write(&mut text, piece, from)?;
                if text.len() > RECORD_MOST {
                    return None;
                }
            }
            record::parse(&text, *section)
        };
        self.template.records.iter().map(record).collect()
    }

    /// Appends what a piece stands for; `None` where it stands for nothing.
    fn write(&self, out: &mut String, piece: &Piece, from: &impl Fn() -> IpAddr) -> Option<()> {
        let or = |asked: u16, mine: u16| if asked == ANY { mine } else { asked };
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Zone => return write!(out, "{}", self.zone).ok(),
            Piece::Name => out.push_str(self.text),
            Piece::Regex => out.push_str(self.regex),
            Piece::Class => {
                out.push_str(class_mnemonic(or(self.query.qclass(), self.template.class)));
            }
            Piece::Type => {
                out.push_str(type_mnemonic(or(self.query.qtype(), self.template.record_type)));
            }
            Piece::Remote => return write!(out, "{}", from().to_canonical()).ok(),
            Piece::AskedName => {
                let end = HEADER + self.query.asked().name().len();
                out.push_str(NameText::of(self.message.get(HEADER..end)?).as_str());
            }
            Piece::AskedType => return write!(out, "{}", self.query.qtype()).ok(),
            Piece::AskedClass => return write!(out, "{}", self.query.qclass()).ok(),
            Piece::Match(number) => out.push_str(self.groups.get(*number)?.1),
            Piece::Group(name) => out.push_str(self.group(name).unwrap_or(NO_VALUE)),
            Piece::IndexedGroup(name) => out.push_str(self.group(name).unwrap_or_default()),
            Piece::Number { digits, base, bits } => {
                let mut text = String::new();
                self.write(&mut text, digits, from)?;
                // Go takes no sign here.
                let unsigned = text.chars().all(|c| c.is_ascii_alphanumeric());
                let number = unsigned.then(|| u64::from_str_radix(&text, *base).ok())??;
                let fits = number <= u64::MAX >> (64 - (*bits).clamp(1, 64));
                return if fits { write!(out, "{number}").ok() } else { None };
            }
        }
        Some(())
    }

    /// A group by its name, the last of several, or by its number.
    fn group(&self, wanted: &str) -> Option<&str> {
        let named = self.groups.iter().rev().find(|(name, _)| *name == Some(wanted));
        let numbered = || self.groups.get(wanted.parse::<usize>().ok()?);
        named.or_else(numbered).map(|group| group.1)
    }
}

#[cfg(test)]
mod tests;
