//! Label selectors (`app=db,tier in (a, b),!legacy`), as Kubernetes writes and means them.
//!
//! Grammar and meaning are those of the API server's `labelSelector` parameter, so that a selector
//! chooses the same objects whether it is applied here (manifest files) or there (a watch). Parsed
//! while the configuration is read; matched by the thread that reads objects.

use std::fmt;

/// The longest name part of a label's key, and the longest value, in octets.
const MAX_PART: usize = 63;
/// The longest prefix of a label's key (a DNS subdomain), in octets.
const MAX_PREFIX: usize = 253;

/// A parsed label selector: every requirement must hold; without any, everything is selected.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

/// What one key must be.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Requirement {
    key: Box<str>,
    test: Test,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Test {
    Exists,
    Absent,
    Equals(Box<str>),
    Differs(Box<str>),
    In(Vec<Box<str>>),
    NotIn(Vec<Box<str>>),
    Above(i64),
    Below(i64),
}

/// Why a text is not a label selector.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("'{text}' is not a label selector: {reason}")]
pub struct SelectorError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl LabelSelector {
    /// Reads an expression such as `app=db,tier in (a, b),!legacy`.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let bad = |reason: String| SelectorError { text: text.into(), reason };
        let mut words = Words { rest: text }.peekable();
        let mut requirements = Vec::new();
        if words.peek().is_none() {
            return Ok(Self { requirements });
        }
        loop {
            requirements.push(requirement(&mut words).map_err(bad)?);
            match words.next() {
                None => break,
                Some(",") => {}
                Some(other) => {
                    return Err(bad(format!("found '{other}' where ',' or the end belongs")));
                }
            }
        }
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self { requirements })
    }

    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &[(Box<str>, Box<str>)]) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = labels
                .iter()
                .find(|(key, _)| *key == requirement.key)
                .map(|(_, value)| value.as_ref());
            requirement.test.holds(value)
        })
    }

    /// Whether everything is selected.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
            Self::Equals(wanted) => value == Some(wanted),
            Self::Differs(other) => value != Some(other),
            Self::In(set) => value.is_some_and(|value| set.iter().any(|one| **one == *value)),
            Self::NotIn(set) => value.is_none_or(|value| set.iter().all(|one| **one != *value)),
            Self::Above(bound) => number().is_some_and(|number| number > *bound),
            Self::Below(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

/// Canonical text: requirements ordered by key, values of a set in order, no spaces but those of
/// `in` and `notin`. It parses to the same selector, and an API server takes it.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Requirement { key, test }) in self.requirements.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            match test {
                Test::Exists => f.write_str(key)?,
                Test::Absent => write!(f, "!{key}")?,
                Test::Equals(value) => write!(f, "{key}={value}")?,
                Test::Differs(value) => write!(f, "{key}!={value}")?,
                Test::In(set) => write!(f, "{key} in ({})", listed(set))?,
                Test::NotIn(set) => write!(f, "{key} notin ({})", listed(set))?,
                Test::Above(bound) => write!(f, "{key}>{bound}")?,
                Test::Below(bound) => write!(f, "{key}<{bound}")?,
            }
        }
        Ok(())
    }
}

/// The values of a set; a lone empty value needs a comma to be seen.
fn listed(set: &[Box<str>]) -> String {
    let text = set.join(",");
    if text.is_empty() { ",".into() } else { text }
}

/// The words of a selector: operators, brackets, commas, and what stands between them.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest.trim_start_matches(is_space);
        let first = rest.chars().next()?;
        let len = if is_special(first) {
            ["==", "!="].into_iter().find(|two| rest.starts_with(two)).map_or(1, str::len)
        } else {
            rest.find(|c| is_special(c) || is_space(c)).unwrap_or(rest.len())
        };
        let (word, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some(word)
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_special(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '<' | '>')
}

type Peekable<'a> = std::iter::Peekable<Words<'a>>;

fn requirement(words: &mut Peekable<'_>) -> Result<Requirement, String> {
    let absent = words.next_if_eq(&"!").is_some();
    let key = match words.next() {
        Some(word) if !word.starts_with(is_special) => word,
        Some(other) => return Err(format!("found '{other}' where a label's key belongs")),
        None => return Err("it ends where a label's key belongs".into()),
    };
    check_key(key)?;
    let key = key.into();
    let test = match words.peek().copied() {
        _ if absent => Test::Absent,
        None | Some(",") => Test::Exists,
        Some(operator) => {
            words.next();
            match operator {
                "=" | "==" => Test::Equals(single(words)?.into()),
                "!=" => Test::Differs(single(words)?.into()),
                "in" => Test::In(set(words, operator)?),
                "notin" => Test::NotIn(set(words, operator)?),
                ">" => Test::Above(number(words, operator)?),
                "<" => Test::Below(number(words, operator)?),
                other => {
                    return Err(format!(
                        "found '{other}' where one of =, ==, !=, in, notin, <, > belongs"
                    ));
                }
            }
        }
    };
    Ok(Requirement { key, test })
}

/// The value behind `=`, which may be empty.
fn single<'a>(words: &mut Peekable<'a>) -> Result<&'a str, String> {
    match words.peek().copied() {
        None | Some(",") => Ok(""),
        Some(word) if word.starts_with(is_special) => {
            Err(format!("found '{word}' where a value belongs"))
        }
        Some(word) => {
            words.next();
            check_value(word)?;
            Ok(word)
        }
    }
}

fn number(words: &mut Peekable<'_>, operator: &str) -> Result<i64, String> {
    let word = single(words)?;
    word.parse().map_err(|_| format!("'{operator}' compares with a whole number, not '{word}'"))
}

/// The values in brackets behind `in` and `notin`, in order and each once.
fn set(words: &mut Peekable<'_>, operator: &str) -> Result<Vec<Box<str>>, String> {
    if words.next_if_eq(&"(").is_none() {
        return Err(format!("'(' must follow '{operator}'"));
    }
    if words.peek() == Some(&")") {
        return Err(format!("'{operator}' needs at least one value in its brackets"));
    }
    let mut values: Vec<Box<str>> = Vec::new();
    loop {
        if words.peek() == Some(&")") {
            values.push("".into());
        } else {
            values.push(single(words)?.into());
        }
        match words.next() {
            Some(",") => {}
            Some(")") => break,
            Some(other) => return Err(format!("found '{other}' where ',' or ')' belongs")),
            None => return Err("a ')' is missing at its end".into()),
        }
    }
    values.sort();
    values.dedup();
    Ok(values)
}

fn check_key(key: &str) -> Result<(), String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if let Some(prefix) = prefix
        && !is_subdomain(prefix)
    {
        return Err(format!(
            "the prefix of the key '{key}' is not a DNS subdomain of at most {MAX_PREFIX} octets"
        ));
    }
    if name.is_empty() || !is_part(name) {
        return Err(format!(
            "the key '{key}' must be at most {MAX_PART} letters, digits, '-', '_', '.', \
             with a letter or digit at both ends"
        ));
    }
    Ok(())
}

fn check_value(value: &str) -> Result<(), String> {
    if is_part(value) {
        return Ok(());
    }
    Err(format!(
        "the value '{value}' must be at most {MAX_PART} letters, digits, '-', '_', '.', \
         with a letter or digit at both ends"
    ))
}

/// A label's value or the name part of its key; empty is one too.
fn is_part(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    text.len() <= MAX_PART
        && text.bytes().all(inner)
        && text.bytes().next().is_none_or(|b| b.is_ascii_alphanumeric())
        && text.bytes().next_back().is_none_or(|b| b.is_ascii_alphanumeric())
}

/// A DNS subdomain in the sense of RFC 1123, lower case, as Kubernetes wants it.
fn is_subdomain(text: &str) -> bool {
    text.len() <= MAX_PREFIX
        && text.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Vec<(Box<str>, Box<str>)> {
        text.split_whitespace()
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(key, value)| (key.into(), value.into()))
            .collect()
    }

    #[test]
    fn selects_as_kubernetes_does() {
        // Selector, labels, selected.
        for (selector, text, expected) in [
            ("", "", true),
            ("  ", "app=db", true),
            ("app=db", "app=db tier=a", true),
            ("app==db", "app=db", true),
            ("app=db", "app=web", false),
            ("app=db", "", false),
            ("app=", "app=", true),
            ("app=", "", false),
            ("app!=db", "app=web", true),
            ("app!=db", "app=db", false),
            ("app!=db", "", true),
            ("app!=", "app=", false),
            ("app in (db, web)", "app=web", true),
            ("app in(db,web)", "app=web", true),
            ("app in (db)", "", false),
            ("app in (db,)", "app=", true),
            ("app in (,db)", "app=", true),
            ("app in (,)", "app=db", false),
            ("app notin (db,web)", "app=db", false),
            ("app notin (db,web)", "app=x", true),
            ("app notin (db,web)", "", true),
            ("app", "app=", true),
            ("app", "apps=x", false),
            ("!app", "app=x", false),
            ("! app", "tier=x", true),
            ("app=db,tier!=a", "app=db tier=b", true),
            ("app=db,tier!=a", "app=db tier=a", false),
            ("app = db , !old", "app=db", true),
            ("example.com/app=db", "example.com/app=db", true),
            ("in in (in,notin)", "in=notin", true),
            ("notin", "notin=x", true),
            ("size>3", "size=4", true),
            ("size>3", "size=3", false),
            ("size>3", "size=many", false),
            ("size>3", "", false),
            ("size<3", "size=-2", true),
            ("size<3", "size=3", false),
            ("app=db,app=web", "app=db", false),
        ] {
            let parsed = LabelSelector::parse(selector).unwrap();
            assert_eq!(parsed.matches(&labels(text)), expected, "{selector} on {text}");
            let again = LabelSelector::parse(&parsed.to_string()).unwrap();
            assert_eq!(again, parsed, "{selector} as {parsed}");
        }
    }

    #[test]
    fn canonical_text() {
        for (selector, expected) in [
            ("", ""),
            (" b == 2 ,a", "a,b=2"),
            ("a in ( y, x ,y)", "a in (x,y)"),
            ("a notin (x,)", "a notin (,x)"),
            ("!b,a!=c", "a!=c,!b"),
            ("a > 007", "a>7"),
            ("a<5", "a<5"),
        ] {
            assert_eq!(LabelSelector::parse(selector).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn faults_are_named() {
        let long = "a".repeat(64);
        for (selector, reason) in [
            ("a=b,", "it ends where a label's key belongs"),
            (",a", "found ',' where a label's key belongs"),
            ("=b", "found '=' where a label's key belongs"),
            ("!", "it ends where a label's key belongs"),
            ("!a=b", "found '=' where ',' or the end belongs"),
            ("a b", "found 'b' where one of =, ==, !=, in, notin, <, > belongs"),
            ("a=b c", "found 'c' where ',' or the end belongs"),
            ("a===b", "found '=' where a value belongs"),
            ("a in x", "'(' must follow 'in'"),
            ("a in ()", "'in' needs at least one value in its brackets"),
            ("a notin (x", "a ')' is missing at its end"),
            ("a in (x y)", "found 'y' where ',' or ')' belongs"),
            ("a>b", "'>' compares with a whole number, not 'b'"),
            ("a<", "'<' compares with a whole number, not ''"),
            (
                "Example.com/a",
                "the prefix of the key 'Example.com/a' is not a DNS subdomain of at most 253 octets",
            ),
            ("/a", "the prefix of the key '/a' is not a DNS subdomain of at most 253 octets"),
        ] {
            let error = LabelSelector::parse(selector).unwrap_err();
            assert_eq!(error.reason, reason, "{selector}");
            assert_eq!(
                error.to_string(),
                format!("'{selector}' is not a label selector: {reason}")
            );
        }
        let fits = "a".repeat(63);
        assert!(LabelSelector::parse(&format!("{fits}={fits}")).is_ok());
        for wrong in [&long, &format!("a={long}"), "a=-b", "a=b-", "a-=b", "p/", "a/b/c", "a=ü"] {
            assert!(LabelSelector::parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-c=!<>(), /.0-9innot]{0,40}") {
            if let Ok(selector) = LabelSelector::parse(&text) {
                let again = LabelSelector::parse(&selector.to_string());
                proptest::prop_assert_eq!(again, Ok(selector));
            }
        }
    }
}
