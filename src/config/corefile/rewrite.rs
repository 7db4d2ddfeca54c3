//! `rewrite [stop|continue] FIELD …`, where FIELD is `name`, `type`, `class`, `ttl` or `rcode`.

use std::borrow::Cow;
use std::iter;

use super::args::{groups, pattern, value};
use super::lexer::Token;
use super::mnemonics;
use super::parser::Directive;
use super::words;
use crate::config::error::Findings;
use crate::config::table;
use crate::config::{AnswerRule, NameChange, NameTest, Rewrite, RewriteRule, Rewritten};

/// How each rule is written.
const NAME: &str = "rewrite [stop|continue] name [exact|prefix|suffix|substring|regex] FROM TO \
                    [answer name|value FROM TO | answer auto]";
const TYPE: &str = "rewrite [stop|continue] type FROM TO";
const CLASS: &str = "rewrite [stop|continue] class FROM TO";
const TTL: &str = "rewrite [stop|continue] ttl [exact|prefix|suffix|substring|regex] NAME SECONDS";
const RCODE: &str =
    "rewrite [stop|continue] rcode [exact|prefix|suffix|substring|regex] NAME FROM TO";
const FIELDS: &[&str] = &["name", "type", "class", "ttl", "rcode"];
const KINDS: &[&str] = &["exact", "prefix", "suffix", "substring", "regex"];
/// Words behind `rewrite` that make a whole line; where there are fewer, the block goes on with it.
const IN_LINE: usize = 2;
/// The highest number of a group that a replacement may name; CoreDNS looks no further.
const MAX_GROUP: usize = 100;
/// The highest response code that may be written as a number; CoreDNS takes no higher one.
const MAX_NUMBER: u16 = 23;
/// The longest TTL, in seconds (RFC 2181, section 8).
const MAX_RECORD_TTL: u32 = i32::MAX.cast_unsigned();

/// Reads the directive.
pub(super) fn read(directive: &Directive, findings: &mut Findings) -> Option<Rewrite> {
    let in_line = directive.args.len() >= IN_LINE;
    if in_line {
        directive.has_no_block(findings);
    } else {
        directive.options().iter().for_each(|line| line.has_no_block(findings));
    }
    let words = words(directive);
    let (goes_on, rest) = mode(&words);
    let Some((field, rest)) = rest.split_first() else {
        findings.error(directive.name.at, format!("'rewrite' lacks a rule; write '{NAME}'"));
        return None;
    };
    let change = match field.text.to_lowercase().as_str() {
        "name" => RewriteRule::Name(name(field, rest, findings)?),
        "type" => {
            let [from, to] = exactly(field, rest, TYPE, findings)?;
            let (from, to) = (mnemonics::record_type(from, findings), to);
            RewriteRule::Type { from: from?, to: mnemonics::record_type(to, findings)? }
        }
        "class" => {
            let [from, to] = exactly(field, rest, CLASS, findings)?;
            let (from, to) = (mnemonics::class(from, findings), to);
            RewriteRule::Class { from: from?, to: mnemonics::class(to, findings)? }
        }
        "ttl" => {
            let (kind, [of, bounds]) = of_names(field, rest, TTL, findings)?;
            let names = name_test(kind, of, findings);
            let (least, most) = value(bounds, findings, ttl_bounds)?;
            RewriteRule::Ttl { names: names?, least, most }
        }
        "rcode" => {
            let (kind, [of, from, to]) = of_names(field, rest, RCODE, findings)?;
            let names = name_test(kind, of, findings);
            let (from, code) = (rcode(from, findings), rcode(to, findings));
            let to = mnemonics::in_header(code, to, findings);
            RewriteRule::Rcode { names: names?, from: from?, to: to? }
        }
        "answer" => {
            findings.error(field.at, "'answer' stands behind a rule for names; write it there");
            return None;
        }
        // The table says what is to be said of it.
        other if table::option("rewrite", other) != table::Fate::Done => return None,
        _ => {
            findings.error(field.at, words::unknown_option("rewrite", &field.text, FIELDS));
            return None;
        }
    };
    Some(Rewrite { change, goes_on })
}

/// The words of the rule. As CoreDNS has it: one that does not stand in the line itself is what the
/// block holds.
fn words(directive: &Directive) -> Vec<&Token> {
    let in_line = directive.args.iter();
    if directive.args.len() >= IN_LINE {
        return in_line.collect();
    }
    let lines = directive.options().iter();
    in_line.chain(lines.flat_map(|line| iter::once(&line.name).chain(&line.args))).collect()
}

/// Whether the rules below are looked at too, and what stands behind the word that says so.
fn mode<'w, 't>(words: &'w [&'t Token]) -> (bool, &'w [&'t Token]) {
    match words.split_first() {
        Some((mode, rest)) if mode.text.eq_ignore_ascii_case("stop") => (false, rest),
        Some((mode, rest)) if mode.text.eq_ignore_ascii_case("continue") => (true, rest),
        _ => (false, words),
    }
}

/// The word that says what the rule is about, and how the table of options has it.
pub(super) fn field(directive: &Directive) -> Option<(&Token, Cow<'_, str>)> {
    let words = words(directive);
    let (field, _) = mode(&words).1.split_first()?;
    Some((field, field.text.to_lowercase().into()))
}

/// The words of a rule that has just so many.
fn exactly<'t, const N: usize>(
    field: &Token,
    rest: &[&'t Token],
    usage: &str,
    findings: &mut Findings,
) -> Option<[&'t Token; N]> {
    if let Some(extra) = rest.get(N) {
        let text = &extra.text;
        findings.error(extra.at, format!("'{text}' is one argument too many; write '{usage}'"));
        return None;
    }
    let words = <[&Token; N]>::try_from(rest);
    let lacks = || format!("'rewrite {}' lacks an argument; write '{usage}'", field.text);
    words.map_err(|_| findings.error(field.at, lacks())).ok()
}

/// The words of a rule about names, and the one in front of them that says how names are compared.
fn of_names<'t, const N: usize>(
    field: &Token,
    rest: &[&'t Token],
    usage: &str,
    findings: &mut Findings,
) -> Option<(Kind, [&'t Token; N])> {
    let (kind, rest) = match rest.split_first() {
        Some((word, behind)) if behind.len() >= N => {
            (kind(word, &format!("rewrite {}", field.text), findings)?, behind)
        }
        _ => (Kind::Exact, rest),
    };
    Some((kind, exactly(field, rest, usage, findings)?))
}

/// How names are compared.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Exact,
    Prefix,
    Suffix,
    Substring,
    Regex,
}

fn kind(word: &Token, of: &str, findings: &mut Findings) -> Option<Kind> {
    Some(match word.text.to_lowercase().as_str() {
        "exact" => Kind::Exact,
        "prefix" => Kind::Prefix,
        "suffix" => Kind::Suffix,
        "substring" => Kind::Substring,
        "regex" => Kind::Regex,
        _ => {
            findings.error(word.at, words::unknown_option(of, &word.text, KINDS));
            return None;
        }
    })
}

fn name_test(kind: Kind, of: &Token, findings: &mut Findings) -> Option<NameTest> {
    let text = written(&of.text);
    Some(match kind {
        Kind::Exact => NameTest::Exact(text),
        Kind::Prefix => NameTest::Prefix(text),
        Kind::Suffix => NameTest::Suffix(text),
        Kind::Substring => NameTest::Substring(text),
        Kind::Regex => NameTest::Regex(pattern(of, findings)?),
    })
}

/// `SECONDS`, `LEAST-MOST`, `LEAST-` or `-MOST`.
fn ttl_bounds(text: &str) -> Result<(u32, u32), String> {
    let bounds = match text.split_once('-') {
        None => text.parse().ok().map(|exact| (exact, exact)),
        Some(("", "")) => None,
        Some((least, most)) => {
            let bound = |text: &str, or| if text.is_empty() { Some(or) } else { text.parse().ok() };
            bound(least, 0).zip(bound(most, MAX_RECORD_TTL))
        }
    };
    bounds.filter(|(least, most)| least <= most && *most <= MAX_RECORD_TTL).ok_or_else(|| {
        format!("'{text}' is no TTL from 0 to {MAX_RECORD_TTL}; write SECONDS or LEAST-MOST")
    })
}

/// A response code by its mnemonic or its number.
fn rcode(word: &Token, findings: &mut Findings) -> Option<u16> {
    match word.text.parse() {
        Ok(number @ 0..=MAX_NUMBER) => Some(number),
        _ => mnemonics::rcode(word, findings),
    }
}

fn name(field: &Token, rest: &[&Token], findings: &mut Findings) -> Option<NameChange> {
    let (kind, from, to, rest) = match rest {
        [from, to] => (Kind::Exact, *from, *to, &[][..]),
        [word, from, to, rest @ ..] => (kind(word, "rewrite name", findings)?, *from, *to, rest),
        _ => {
            findings.error(field.at, format!("'rewrite name' lacks a name; write '{NAME}'"));
            return None;
        }
    };
    let change = name_change(kind, from, to, findings);
    let (auto, answers) = answers(rest, findings)?;
    let (names, to) = change?;
    // An exact name is turned back in any case.
    Some(NameChange { names, to, auto: auto || kind == Kind::Exact, answers })
}

fn name_change(
    kind: Kind,
    from: &Token,
    to: &Token,
    findings: &mut Findings,
) -> Option<(NameTest, String)> {
    if kind == Kind::Regex {
        let (pattern, count) = groups(from, findings)?;
        return Some((NameTest::Regex(pattern), replacement(to, count, findings)?));
    }
    Some((name_test(kind, from, findings)?, written(&to.text)))
}

/// A name, or a part of one, as CoreDNS compares it.
fn written(text: &str) -> String {
    let mut text = text.to_lowercase();
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}

/// What a pattern with `count` groups is replaced by.
fn replacement(to: &Token, count: usize, findings: &mut Findings) -> Option<String> {
    value(to, findings, |text| {
        match (count + 1..=MAX_GROUP).find(|group| text.contains(&format!("{{{group}}}"))) {
            Some(group) => Err(format!("'{text}' names the group {group} of {count}")),
            None => Ok(written(text)),
        }
    })
}

/// `answer auto`, `answer name FROM TO`, `answer value FROM TO`, one behind the other.
fn answers(mut rest: &[&Token], findings: &mut Findings) -> Option<(bool, Vec<AnswerRule>)> {
    let (mut auto, mut rules) = (None, Vec::new());
    let mut first = true;
    while let Some((word, behind)) = rest.split_first() {
        let (part, behind) = match (word.text.as_str(), behind.split_first()) {
            ("answer", Some((part, behind))) => (*part, behind),
            ("answer", None) => {
                findings.error(word.at, "'answer' lacks a kind; write 'answer auto|name|value'");
                return None;
            }
            _ if first => {
                findings.error(
                    word.at,
                    format!("'{}' is one argument too many; write '{NAME}'", word.text),
                );
                return None;
            }
            _ => (*word, behind),
        };
        first = false;
        let rewritten = match part.text.as_str() {
            "auto" => {
                auto = Some(part.at);
                rest = behind;
                continue;
            }
            "name" => Rewritten::Name,
            "value" => Rewritten::Value,
            other => {
                let known = ["auto", "name", "value"];
                findings.error(part.at, words::unknown_option("rewrite … answer", other, &known));
                return None;
            }
        };
        let [from, to, behind @ ..] = behind else {
            findings.error(
                part.at,
                format!(
                    "'answer {0}' takes a pattern and a name; write 'answer {0} FROM TO'",
                    part.text
                ),
            );
            return None;
        };
        let (from, count) = groups(from, findings)?;
        rules.push(AnswerRule { part: rewritten, from, to: replacement(to, count, findings)? });
        rest = behind;
    }
    if let Some(at) = auto
        && rules.iter().any(|rule| rule.part == Rewritten::Name)
    {
        findings.error(at, "'answer auto' and 'answer name' cannot stand together; keep one");
    }
    Some((auto.is_some(), rules))
}
