//! What every reader of a directive needs: how many words there are, and what each says. A wrong
//! word is reported at its place.

use std::time::Duration;

use super::lexer::Token;
use super::parser::Directive;
use super::words;
use crate::config::Pattern;
use crate::config::directives::compile;
use crate::config::error::Findings;
use crate::config::value::{parse_duration, parse_zones};
use crate::name::Name;
use crate::zone::Fallthrough;

/// The longest regular expression, in octets; CoreDNS has the same limit.
const MAX_PATTERN: usize = 10_000;

impl Directive {
    /// Whether there are neither too few nor too many arguments; `usage` is how it is written.
    pub(super) fn has_args(
        &self,
        least: usize,
        most: usize,
        usage: &str,
        findings: &mut Findings,
    ) -> bool {
        let name = &self.name.text;
        if self.args.len() < least {
            findings.error(self.name.at, format!("'{name}' lacks an argument; write '{usage}'"));
            return false;
        }
        if let Some(extra) = self.args.get(most) {
            findings.error(
                extra.at,
                format!("'{}' is one argument too many for '{name}'; write '{usage}'", extra.text),
            );
            return false;
        }
        true
    }

    /// The one argument that must be there, and no block.
    pub(super) fn single(&self, usage: &str, findings: &mut Findings) -> Option<&Token> {
        self.has_no_block(findings);
        if self.has_args(1, 1, usage, findings) { self.args.first() } else { None }
    }

    /// A word that stands alone; says whether it does.
    pub(super) fn alone(&self, findings: &mut Findings) -> bool {
        self.has_no_block(findings);
        self.has_args(0, 0, &self.name.text, findings)
    }

    pub(super) fn has_no_block(&self, findings: &mut Findings) {
        if self.body.is_some() {
            findings.error(self.name.at, format!("'{}' takes no block", self.name.text));
        }
    }

    pub(super) fn options(&self) -> &[Self] {
        self.body.as_deref().unwrap_or_default()
    }

    pub(super) fn text_args(&self) -> impl Iterator<Item = &str> {
        self.args.iter().map(|arg| arg.text.as_str())
    }

    /// Reports that this is no option of the directive `of`, which has the options `known`.
    pub(super) fn unknown(&self, of: &str, known: &[&str], findings: &mut Findings) {
        findings.error(self.name.at, words::unknown_option(of, &self.name.text, known));
    }

    /// The one argument, as a span of time.
    pub(super) fn duration(&self, findings: &mut Findings) -> Option<Duration> {
        let usage = format!("{} DURATION", self.name.text);
        let arg = self.single(&usage, findings)?;
        value(arg, findings, parse_duration)
    }

    /// The one argument, as a whole number.
    pub(super) fn count(&self, least: u32, most: u32, findings: &mut Findings) -> Option<u32> {
        let usage = format!("{} NUMBER", self.name.text);
        let arg = self.single(&usage, findings)?;
        number(arg, least.into(), most.into(), findings).and_then(|n| u32::try_from(n).ok())
    }

    /// The one argument, out of a few words.
    pub(super) fn choice<T: Copy>(
        &self,
        choices: &[(&str, T)],
        findings: &mut Findings,
    ) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let usage = format!("{} {}", self.name.text, words.join("|"));
        let arg = self.single(&usage, findings)?;
        one_of(arg, choices, findings)
    }

    /// `fallthrough [ZONE…]`.
    pub(super) fn fallthrough(&self, findings: &mut Findings) -> Fallthrough {
        self.has_no_block(findings);
        if self.args.is_empty() {
            return Fallthrough::Always;
        }
        Fallthrough::Within(zones(&self.args, &[], findings))
    }
}

/// Reads `token` with `parse`; what is wrong with it is reported at its place.
pub(super) fn value<T>(
    token: &Token,
    findings: &mut Findings,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    parse(&token.text).map_err(|message| findings.error(token.at, message)).ok()
}

/// Reads a whole number from `least` to `most`.
pub(super) fn number(token: &Token, least: u64, most: u64, findings: &mut Findings) -> Option<u64> {
    value(token, findings, |text| {
        text.parse().ok().filter(|n| (least..=most).contains(n)).ok_or_else(|| match most {
            u64::MAX => format!("'{text}' is not a whole number of at least {least}"),
            _ => format!("'{text}' is not a whole number from {least} to {most}"),
        })
    })
}

/// Reads one of a few words.
pub(super) fn one_of<T: Copy>(
    token: &Token,
    choices: &[(&str, T)],
    findings: &mut Findings,
) -> Option<T> {
    value(token, findings, |text| {
        let found = choices.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            format!("'{text}' is not one of {}", words.join(", "))
        })
    })
}

/// Reads zones, or takes those of the server block where there is none.
pub(super) fn zones(tokens: &[Token], of_block: &[Name], findings: &mut Findings) -> Vec<Name> {
    if tokens.is_empty() {
        return of_block.to_vec();
    }
    let mut zones = Vec::new();
    for token in tokens {
        for zone in value(token, findings, parse_zones).unwrap_or_default() {
            if !zones.contains(&zone) {
                zones.push(zone);
            }
        }
    }
    zones
}

/// Reads a regular expression.
pub(super) fn pattern(token: &Token, findings: &mut Findings) -> Option<Pattern> {
    groups(token, findings).map(|(pattern, _)| pattern)
}

/// Reads a regular expression, and says how many groups it has.
pub(super) fn groups(token: &Token, findings: &mut Findings) -> Option<(Pattern, usize)> {
    value(token, findings, |text| {
        if text.len() > MAX_PATTERN {
            return Err(format!("the pattern is longer than {MAX_PATTERN} octets"));
        }
        let compiled = compile(text).map_err(|error| {
            // The report draws the pattern over lines; the last one says what is wrong.
            let report = error.to_string();
            let last = report.lines().last().unwrap_or_default();
            let cause = last.strip_prefix("error: ").unwrap_or(last);
            format!("'{text}' is no regular expression: {cause}")
        })?;
        Ok((Pattern(text.to_owned()), compiled.captures_len().saturating_sub(1)))
    })
}
