//! Patterns of `template` and `rewrite`, and the text that they are held against.
//!
//! Whether one fits is told by a table made in advance, without a lock and without memory. Its
//! groups, which only an answer with records can need, are found by a machine that takes memory for
//! the time of one search. Both take time that grows with the name's length alone.

use std::fmt::{self, Write};

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson::{self, pikevm::PikeVM};
use regex_automata::util::primitives::PatternID;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

use crate::answer::Expanded;
use crate::name::{MAX_LABEL, MAX_NAME, labels};

/// The longest name as text: 254 octets of labels, each as `\DDD` at most.
const NAME_TEXT_MOST: usize = 4 * 254;
/// The most memory that a pattern's table may take, in octets: patterns for names need a hundredth.
/// One that would need more is searched by the machine that finds groups.
const TABLE_MOST: usize = 1_024 * 1_024;
/// The most memory that making a table may take, in octets.
const MAKING_MOST: usize = 8 * TABLE_MOST;
/// The most memory that the machine may take, in octets; the reader of the configuration has the
/// same limit.
const MACHINE_MOST: usize = 10 * 1_024 * 1_024;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    source: String,
    table: Option<dense::DFA<Vec<u32>>>,
    machine: PikeVM,
}

/// A group of a pattern: its name, if it has one, and what of the text fits it.
pub(super) type Group<'g> = (Option<&'g str>, &'g str);

impl Pattern {
    /// `None` where the pattern is none, or needs more memory than it may take.
    pub(super) fn new(source: &str) -> Option<Self> {
        let machine = PikeVM::builder()
            .thompson(thompson::Config::new().nfa_size_limit(Some(MACHINE_MOST)))
            .build(source)
            .ok()?;
        // Names as text are ASCII, where octets are characters and tables are small.
        let table = dense::Builder::new()
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(MACHINE_MOST)))
            .configure(
                dense::Config::new()
                    .start_kind(StartKind::Unanchored)
                    .dfa_size_limit(Some(TABLE_MOST))
                    .determinize_size_limit(Some(MAKING_MOST)),
            )
            .build(source)
            .ok();
        Some(Self { source: source.to_owned(), table, machine })
    }

    /// As it was written.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Whether it fits a part of the text.
    pub(super) fn fits(&self, text: &str) -> bool {
        let input = Input::new(text).anchored(Anchored::No).earliest(true);
        let told = self.table.as_ref().and_then(|table| table.try_search_fwd(&input).ok());
        match told {
            Some(found) => found.is_some(),
            None => self.machine.is_match(&mut self.machine.create_cache(), text),
        }
    }

    /// Its groups, the first of which is all that fits. A group that has no part in it is empty.
    pub(super) fn groups<'g>(&'g self, text: &'g str) -> Vec<Group<'g>> {
        let mut captures = self.machine.create_captures();
        self.machine.captures(&mut self.machine.create_cache(), text, &mut captures);
        let names = captures.group_info().clone();
        let count = names.group_len(PatternID::ZERO);
        let of_group = |index: usize| {
            let name = self.machine.get_nfa().group_info().to_name(PatternID::ZERO, index);
            let span = captures.get_group(index);
            (name, span.and_then(|span| text.get(span.range())).unwrap_or_default())
        };
        (0..count).map(of_group).collect()
    }
}

/// A name as text in the form that CoreDNS holds against patterns and puts into records, on the
/// stack.
#[derive(Clone)]
pub(super) struct NameText {
    octets: [u8; NAME_TEXT_MOST],
    len: usize,
    /// It was too long to be held, and so for any name.
    cut: bool,
}

impl NameText {
    /// The text of an uncompressed name in wire form, in its own case.
    pub(super) fn of(name: &[u8]) -> Self {
        let mut text = Self::empty();
        // There is room for the longest name, so nothing is cut.
        let _ = text.labels(name);
        text
    }

    /// These texts one behind the other, which may be no name.
    pub(super) fn joined<'p>(parts: impl IntoIterator<Item = &'p str>) -> Self {
        let mut text = Self::empty();
        text.cut = parts.into_iter().try_for_each(|part| text.write_str(part)).is_err();
        text
    }

    fn empty() -> Self {
        Self { octets: [0; NAME_TEXT_MOST], len: 0, cut: false }
    }

    /// The name in wire form, in the case of the text; `None` where it is none.
    pub(super) fn wire(&self) -> Option<Expanded> {
        let mut wire = [0; MAX_NAME];
        let (mut label, mut at) = (0, 1);
        let mut octets =
            self.octets.get(..self.len).filter(|text| !text.is_empty() && !self.cut)?;
        if octets == b"." {
            octets = &[];
        }
        while let Some((&octet, rest)) = octets.split_first() {
            octets = rest;
            let octet = match octet {
                b'.' => {
                    let len = u8::try_from(at - label - 1).ok()?;
                    if len == 0 || usize::from(len) > MAX_LABEL {
                        return None;
                    }
                    *wire.get_mut(label)? = len;
                    (label, at) = (at, at + 1);
                    continue;
                }
                b'\\' => {
                    let escaped = decimal(rest)
                        .or_else(|| rest.split_first().map(|(octet, behind)| (*octet, behind)));
                    let (octet, behind) = escaped?;
                    octets = behind;
                    octet
                }
                octet => octet,
            };
            *wire.get_mut(at)? = octet;
            at += 1;
        }
        // Each text of a name ends with the dot of its last label.
        let whole = at == label + 1;
        let mut name = Expanded::default();
        name.set(wire.get(..at).filter(|_| whole)?);
        Some(name)
    }

    fn labels(&mut self, name: &[u8]) -> fmt::Result {
        for label in labels(name) {
            for &octet in label {
                match octet {
                    b'.' | b' ' | b'\'' | b'@' | b';' | b'(' | b')' | b'"' | b'\\' => {
                        write!(self, "\\{}", char::from(octet))?;
                    }
                    b' '..=b'~' => self.write_char(char::from(octet))?,
                    _ => write!(self, "\\{octet:03}")?,
                }
            }
            self.write_char('.')?;
        }
        if self.len == 0 { self.write_char('.') } else { Ok(()) }
    }

    pub(super) fn as_str(&self) -> &str {
        let octets = self.octets.get(..self.len).unwrap_or(&[]);
        str::from_utf8(octets).unwrap_or_default()
    }
}

/// The octet that three digits in front of a text stand for (RFC 1035, section 5.1).
fn decimal(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, behind) = text.split_first_chunk::<3>()?;
    let number = str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_digit))?;
    Some((number.parse().ok()?, behind))
}

impl PartialEq for NameText {
    fn eq(&self, other: &Self) -> bool {
        (self.as_str(), self.cut) == (other.as_str(), other.cut)
    }
}

impl fmt::Debug for NameText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Write for NameText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.octets.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_text() {
        let longest: Vec<u8> = [63, 63, 63, 61]
            .into_iter()
            .flat_map(|len: u8| std::iter::once(len).chain(std::iter::repeat_n(0xff, len.into())))
            .chain([0])
            .collect();
        let label = |len: usize| format!("{}.", "\\255".repeat(len));
        for (wire, expected) in [
            (&b"\0"[..], ".".to_owned()),
            (b"\x01a\x07example\0", "a.example.".into()),
            (b"\x09a.b'$\x00 \x7f;\0", "a\\.b\\'$\\000\\ \\127\\;.".into()),
            (&longest, [63, 63, 63, 61].map(label).concat()),
        ] {
            let text = NameText::of(wire);
            assert_eq!(text.as_str(), expected);
            assert_eq!(text.wire().unwrap().as_slice(), wire, "{expected}");
        }
    }

    #[test]
    fn texts_that_are_no_names() {
        let label = "a".repeat(63);
        let longest =
            [&label, &label, &label, &label[..61]].map(|label| format!("{label}.")).concat();
        let wire = |parts: &[&str]| {
            NameText::joined(parts.iter().copied()).wire().map(|wire| wire.as_slice().to_vec())
        };
        assert_eq!(wire(&["A\\", "065.b", "."]).unwrap(), b"\x02AA\x01b\0");
        assert_eq!(wire(&[&longest]).unwrap().len(), 255);
        for text in [
            "",
            "a",
            "a.b",
            "..",
            ".a.",
            "a..",
            "a..b.",
            "a\\",
            "a\\.",
            &"b".repeat(2_000),
            &format!("{label}a."),
            &format!("b{longest}"),
            &format!("b.{longest}"),
        ] {
            assert_eq!(wire(&[text]), None, "{text}");
        }
    }

    /// The table and the machine say the same, and the groups are Go's.
    #[test]
    fn what_fits() {
        let aks = r"^(?:[^.]+\.){4,}internal\.cloudapp\.net\.$";
        for (source, text, expected) in [
            (aks, "a.b.c.d.internal.cloudapp.net.", Some(vec!["a.b.c.d.internal.cloudapp.net."])),
            (aks, "a.b.c.internal.cloudapp.net.", None),
            ("b", "abc.", Some(vec!["b"])),
            ("(?i)B", "abc.", Some(vec!["b"])),
            ("(a|ab)(c|bcd)?", "abcd.", Some(vec!["abcd", "a", "bcd"])),
            (r"(x)?\b(\w+)\.", "ab.", Some(vec!["ab.", "", "ab"])),
            (r"\pL\d", "a1.", Some(vec!["a1"])),
            ("a.{300}b|c", "c.", Some(vec!["c"])),
        ] {
            let pattern = Pattern::new(source).unwrap();
            assert_eq!(pattern.fits(text), expected.is_some(), "{source} {text}");
            if let Some(expected) = expected {
                let groups: Vec<&str> = pattern.groups(text).iter().map(|group| group.1).collect();
                assert_eq!(groups, expected, "{source} {text}");
            }
        }
        assert!(Pattern::new(aks).unwrap().table.is_some());
        assert!(Pattern::new("[ab]*a[ab]{40}c").unwrap().table.is_none(), "too large a table");
    }
}
