//! The records of `template`: what of Go's template language they are written in, taken apart once.
//!
//! Taken are texts, what a query holds, groups of the pattern, `index`, `parseInt` and comments.
//! Go's conditions, loops, pipes and variables are refused where they stand, since a record that
//! needs them would be another one without.

use super::corefile::nearest;

/// What a template may take from the query, behind a dot.
const FIELDS: &[&str] =
    &["Zone", "Name", "Regex", "Match", "Group", "Class", "Type", "Question", "Remote", "Meta"];
/// How deep parentheses may stand in one another; Go's functions here need two.
const DEPTH_MOST: usize = 8;

/// A record as a template, in pieces that are put together for each query.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordTemplate(Vec<Piece>);

/// A piece of a record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Piece {
    /// As it is.
    Text(String),
    /// `.Zone`: the longest of the template's zones that holds the name.
    Zone,
    /// `.Name`: the asked name in lower case, with its trailing dot.
    Name,
    /// `.Regex`: the pattern that fits.
    Regex,
    /// `.Class`: the asked class.
    Class,
    /// `.Type`: the asked type.
    Type,
    /// `.Remote`: the client's address.
    Remote,
    /// `.Question.Name`: the asked name as it was asked.
    AskedName,
    /// `.Question.Qtype`: the number of the asked type.
    AskedType,
    /// `.Question.Qclass`: the number of the asked class.
    AskedClass,
    /// `index .Match N`: a group by its number, where 0 is all that fits.
    Match(usize),
    /// `.Group.NAME`: a group by its name; Go's `<no value>` where there is none.
    Group(String),
    /// `index .Group "NAME"`: a group by its name or number; nothing where there is none.
    IndexedGroup(String),
    /// `parseInt TEXT BASE BITS`: a number in this base, which fits so many bits, as decimal.
    Number {
        /// The digits.
        digits: Box<Piece>,
        /// From 2 to 36.
        base: u32,
        /// From 1 to 64.
        bits: u32,
    },
}

impl RecordTemplate {
    /// Takes a template apart; the fault of one that cannot be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        let mut trims = false;
        while let Some((before, behind)) = rest.split_once("{{") {
            closes_nothing(text, before)?;
            let (action, after) = action(behind)
                .ok_or_else(|| format!("'{text}' has a '{{{{' that is never closed by '}}}}'"))?;
            // Go takes a hyphen for a sign to trim only with white space at its side.
            let opened =
                action.strip_prefix('-').filter(|rest| rest.starts_with(char::is_whitespace));
            let inner = opened.unwrap_or(action);
            let closed = inner.strip_suffix('-').filter(|rest| rest.ends_with(char::is_whitespace));
            push_text(&mut pieces, before, trims, opened.is_some());
            trims = closed.is_some();
            let inner = closed.unwrap_or(inner).trim();
            if !(inner.starts_with("/*") && inner.ends_with("*/")) {
                pieces.push(expression(inner).map_err(|message| format!("'{text}': {message}"))?);
            }
            rest = after;
        }
        closes_nothing(text, rest)?;
        push_text(&mut pieces, rest, trims, false);
        Ok(Self(pieces))
    }

    /// The pieces in their order.
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }
}

fn closes_nothing(text: &str, part: &str) -> Result<(), String> {
    if part.contains("}}") {
        return Err(format!("'{text}' has a '}}}}' that closes nothing"));
    }
    Ok(())
}

fn push_text(pieces: &mut Vec<Piece>, text: &str, trim_start: bool, trim_end: bool) {
    let text = if trim_start { text.trim_start() } else { text };
    let text = if trim_end { text.trim_end() } else { text };
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// Splits what stands up to the `}}` that is not in quotes from what stands behind it.
fn action(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) => {
                if !escaped && c == open {
                    quote = None;
                }
                escaped = !escaped && c == '\\' && open == '"';
            }
            None if matches!(c, '"' | '`') => quote = Some(c),
            None => {
                if let Some(after) = text.get(at..).and_then(|rest| rest.strip_prefix("}}")) {
                    return Some((text.get(..at)?, after));
                }
            }
        }
    }
    None
}

/// A word of an action.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Word {
    Bare(String),
    Quoted(String),
    Open,
    Close,
}

fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '(' => words.push(Word::Open),
            ')' => words.push(Word::Close),
            '"' | '`' => {
                let mut held = String::new();
                loop {
                    match chars.next() {
                        None => return Err("a quoted text does not end".into()),
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => match chars.next() {
                            Some(escaped @ ('"' | '\\')) => held.push(escaped),
                            _ => {
                                return Err(
                                    "of escapes, only '\\\"' and '\\\\' are taken here".into()
                                );
                            }
                        },
                        Some(other) => held.push(other),
                    }
                }
                words.push(Word::Quoted(held));
            }
            c if c.is_whitespace() => {}
            c => {
                let mut held = String::from(c);
                let goes_on = |c: &char| !c.is_whitespace() && !matches!(c, '(' | ')' | '"' | '`');
                while let Some(next) = chars.next_if(goes_on) {
                    held.push(next);
                }
                words.push(Word::Bare(held));
            }
        }
    }
    Ok(words)
}

fn expression(text: &str) -> Result<Piece, String> {
    if text.is_empty() {
        return Err("an action is empty; write one such as {{ .Name }}".into());
    }
    let words = words(text)?;
    let mut rest = words.as_slice();
    let piece = call(&mut rest, 0)?;
    if rest.is_empty() { Ok(piece) } else { Err(unknown(text)) }
}

fn unknown(text: &str) -> String {
    format!(
        "'{text}' is not understood; write a field such as .Name, .Group.NAME, \
         index .Match N or parseInt TEXT BASE BITS"
    )
}

/// One value, or a function with its arguments.
fn call(rest: &mut &[Word], depth: usize) -> Result<Piece, String> {
    match take(rest) {
        Some(Word::Bare(name)) if name == "index" => match (take(rest), take(rest)) {
            (Some(Word::Bare(list)), Some(Word::Bare(number))) if list == ".Match" => {
                let wrong = |_| format!("'{number}' is not the number of a group");
                number.parse().map(Piece::Match).map_err(wrong)
            }
            (Some(Word::Bare(map)), Some(Word::Quoted(name))) if map == ".Group" => {
                Ok(Piece::IndexedGroup(name.clone()))
            }
            _ => Err("'index' is for groups; write index .Match N or index .Group \"NAME\"".into()),
        },
        Some(Word::Bare(name)) if name == "parseInt" => {
            let digits = Box::new(operand(rest, depth)?);
            let base = number(take(rest), 2, 36);
            let bits = number(take(rest), 0, 64).map(|bits| if bits == 0 { 64 } else { bits });
            let (Some(base), Some(bits)) = (base, bits) else {
                return Err("'parseInt' needs a base from 2 to 36 and a number of bits up to 64; \
                            write parseInt TEXT BASE BITS"
                    .into());
            };
            Ok(Piece::Number { digits, base, bits })
        }
        Some(Word::Bare(name)) if name == ".Meta" => match take(rest) {
            // Nothing collects metadata; without any, CoreDNS has an empty text too.
            Some(Word::Quoted(_)) => Ok(Piece::Text(String::new())),
            _ => Err("'.Meta' lacks its label; write .Meta \"LABEL\"".into()),
        },
        Some(word) => value(word, rest, depth),
        None => Err("a value is missing".into()),
    }
}

fn operand(rest: &mut &[Word], depth: usize) -> Result<Piece, String> {
    let word = take(rest).ok_or("a value is missing")?;
    value(word, rest, depth)
}

fn value(word: &Word, rest: &mut &[Word], depth: usize) -> Result<Piece, String> {
    match word {
        Word::Quoted(text) => Ok(Piece::Text(text.clone())),
        Word::Open if depth < DEPTH_MOST => {
            let piece = call(rest, depth + 1)?;
            match take(rest) {
                Some(Word::Close) => Ok(piece),
                _ => Err("a '(' is never closed by ')'".into()),
            }
        }
        Word::Bare(name) => field(name),
        Word::Open | Word::Close => Err("there are too many parentheses".into()),
    }
}

fn field(name: &str) -> Result<Piece, String> {
    let Some(path) = name.strip_prefix('.') else { return Err(unknown(name)) };
    Ok(match path.split_once('.').unwrap_or((path, "")) {
        ("Zone", "") => Piece::Zone,
        ("Name", "") => Piece::Name,
        ("Regex", "") => Piece::Regex,
        ("Class", "") => Piece::Class,
        ("Type", "") => Piece::Type,
        ("Remote", "") => Piece::Remote,
        ("Question", "Name") => Piece::AskedName,
        ("Question", "Qtype") => Piece::AskedType,
        ("Question", "Qclass") => Piece::AskedClass,
        ("Group", group) if !group.is_empty() && !group.contains('.') => {
            Piece::Group(group.to_owned())
        }
        ("Group", _) => return Err("'.Group' lacks a name; write .Group.NAME".into()),
        ("Match", _) => return Err("'.Match' is a list; write index .Match N".into()),
        ("Question", _) => {
            return Err(
                "'.Question' has .Question.Name, .Question.Qtype and .Question.Qclass".into()
            );
        }
        ("Message", _) => {
            return Err("'.Message' is not supported; its question is '.Question'".into());
        }
        ("Var", _) => return Err("'.Var' needs 'var', which is not supported".into()),
        (known, _) if FIELDS.contains(&known) => {
            return Err(format!("'.{known}' has nothing below it; write .{known}"));
        }
        (first, _) => {
            let known = nearest(first, FIELDS).map_or_else(
                || format!("known are {}", FIELDS.join(", ")),
                |near| format!("did you mean '.{near}'?"),
            );
            return Err(format!("a query has no '.{first}'; {known}"));
        }
    })
}

fn take<'w>(rest: &mut &'w [Word]) -> Option<&'w Word> {
    let (first, behind) = rest.split_first()?;
    *rest = behind;
    Some(first)
}

fn number(word: Option<&Word>, least: u32, most: u32) -> Option<u32> {
    match word {
        Some(Word::Bare(text)) => text.parse().ok().filter(|n| (least..=most).contains(n)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Piece::{Group, IndexedGroup, Match, Name, Number, Text, Zone};
    use super::*;

    #[test]
    fn templates_in_pieces() {
        let text = |text: &str| Text(text.into());
        for (template, expected) in [
            ("", vec![]),
            ("a 60 IN A 192.0.2.1", vec![text("a 60 IN A 192.0.2.1")]),
            ("{{ .Name }} 60", vec![Name, text(" 60")]),
            (
                "{{.Name}}{{ .Group.a }}{{ index .Match 1 }}",
                vec![Name, Group("a".into()), Match(1)],
            ),
            ("a {{- .Zone -}} b", vec![text("a"), Zone, text("b")]),
            ("{{/* nothing */}}", vec![]),
            ("{{ index .Group \"1\" }}", vec![IndexedGroup("1".into())]),
            ("{{ .Meta \"kubernetes/client\" }}", vec![text("")]),
            ("{{ \"}}\" }}{{ `\\` }}{{ \"\\\"\" }}", vec![text("}}"), text("\\"), text("\"")]),
            (
                "{{ parseInt (index .Match 2) 16 8 }}",
                vec![Number { digits: Box::new(Match(2)), base: 16, bits: 8 }],
            ),
        ] {
            assert_eq!(RecordTemplate::parse(template), Ok(RecordTemplate(expected)), "{template}");
        }
    }

    #[test]
    fn faults() {
        for (text, expected) in [
            ("{{ .Name", "'{{ .Name' has a '{{' that is never closed by '}}'"),
            ("{{ \"}}", "'{{ \"}}' has a '{{' that is never closed by '}}'"),
            (".Name }}", "'.Name }}' has a '}}' that closes nothing"),
            ("{{ }}", "an action is empty; write one such as {{ .Name }}"),
            ("{{ .Nmae }}", "a query has no '.Nmae'; did you mean '.Name'?"),
            ("{{ .Match }}", "'.Match' is a list; write index .Match N"),
            ("{{ .Message.Id }}", "'.Message' is not supported; its question is '.Question'"),
            ("{{ .Name.First }}", "'.Name' has nothing below it; write .Name"),
            ("{{ parseInt .Name 1 8 }}", "'parseInt' needs a base from 2 to 36"),
            ("{{ index .Match -1 }}", "'-1' is not the number of a group"),
            ("{{ if .Name }}x{{ end }}", "'if' is not understood"),
            ("{{ .Name | printf \"%s\" }}", "'.Name | printf \"%s\"' is not understood"),
            ("{{ (.Name }}", "a '(' is never closed by ')'"),
            ("{{ ((((((((( .Name ))))))))) }}", "there are too many parentheses"),
        ] {
            let fault = RecordTemplate::parse(text).expect_err(text);
            assert!(fault.contains(expected), "{text}: {fault}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_soup_makes_it_panic(text in "[{}.\"`\\\\\\-/a()1 ü]{0,40}") {
            let _ = RecordTemplate::parse(&text);
        }
    }
}
