//! `rewrite [stop|continue] name [KIND] FROM TO [answer …]`.

use super::args::{groups, value};
use super::lexer::Token;
use super::parser::Directive;
use super::words;
use crate::config::error::Findings;
use crate::config::{AnswerRule, NameMatch, Rewrite, Rewritten};

/// How it is written.
const USAGE: &str = "rewrite [stop|continue] name [exact|prefix|suffix|substring|regex] FROM TO \
                     [answer name|value FROM TO | answer auto]";
const KINDS: &[&str] = &["exact", "prefix", "suffix", "substring", "regex"];
/// What CoreDNS rewrites beside names.
const OTHER: &[&str] = &["class", "type", "edns0", "ttl", "cname", "rcode"];
/// The highest number of a group that a replacement may name; CoreDNS looks no further.
const MAX_GROUP: usize = 100;

/// Reads the directive.
pub(super) fn read(directive: &Directive, findings: &mut Findings) -> Option<Rewrite> {
    // As CoreDNS has it: a rule that does not stand in the line itself is what the block holds.
    let mut words: Vec<&Token> = directive.args.iter().collect();
    if words.len() < 2 {
        for line in directive.options() {
            line.has_no_block(findings);
            words.push(&line.name);
            words.extend(&line.args);
        }
    } else {
        directive.has_no_block(findings);
    }
    let mut rest = words.as_slice();
    let mut goes_on = false;
    if let Some((mode, behind)) = rest.split_first()
        && let mode @ ("stop" | "continue") = mode.text.to_lowercase().as_str()
    {
        goes_on = mode == "continue";
        rest = behind;
    }
    let Some((field, rest)) = rest.split_first() else {
        findings.error(directive.name.at, format!("'rewrite' lacks a rule; write '{USAGE}'"));
        return None;
    };
    match field.text.to_lowercase().as_str() {
        "name" => {}
        "answer" => {
            findings.error(field.at, "'answer' stands behind a rule for names; write it there");
            return None;
        }
        other if OTHER.contains(&other) => {
            findings.error(
                field.at,
                format!("'rewrite {other}' is not supported; only 'rewrite name' is"),
            );
            return None;
        }
        _ => {
            findings.error(field.at, words::unknown_option("rewrite", &field.text, &["name"]));
            return None;
        }
    }
    let (kind, from, to, rest) = match rest {
        [from, to] => ("exact".to_owned(), *from, *to, &[][..]),
        [kind, from, to, rest @ ..] => {
            let word = kind.text.to_lowercase();
            if !KINDS.contains(&word.as_str()) {
                findings.error(kind.at, words::unknown_option("rewrite name", &kind.text, KINDS));
                return None;
            }
            (word, *from, *to, rest)
        }
        _ => {
            findings.error(field.at, format!("'rewrite name' lacks a name; write '{USAGE}'"));
            return None;
        }
    };
    let matches = name_match(&kind, from, to, findings);
    let (auto, answers) = answers(rest, findings)?;
    // An exact name is turned back in any case.
    Some(Rewrite { matches: matches?, goes_on, auto: auto || kind == "exact", answers })
}

fn name_match(kind: &str, from: &Token, to: &Token, findings: &mut Findings) -> Option<NameMatch> {
    if kind == "regex" {
        let (pattern, count) = groups(from, findings)?;
        let to = replacement(to, count, findings)?;
        return Some(NameMatch::Regex(pattern, to));
    }
    let (from, to) = (written(&from.text), written(&to.text));
    Some(match kind {
        "prefix" => NameMatch::Prefix(from, to),
        "suffix" => NameMatch::Suffix(from, to),
        "substring" => NameMatch::Substring(from, to),
        _ => NameMatch::Exact(from, to),
    })
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
                    format!("'{}' is one argument too many; write '{USAGE}'", word.text),
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
