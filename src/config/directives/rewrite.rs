//! `rewrite name`: queries are looked up under another name.

use super::Pattern;

/// A `rewrite name` directive; several in a block are tried in their order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rewrite {
    /// Which names, and what becomes of them.
    pub matches: NameMatch,
    /// Whether the rules behind it are tried too once it has fitted.
    pub goes_on: bool,
    /// Names in the answer are turned back by themselves.
    pub auto: bool,
    /// What else becomes of the answer.
    pub answers: Vec<AnswerRule>,
}

/// Which names fit; texts are in lower case and end with a dot, as names are written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NameMatch {
    /// This name becomes that.
    Exact(String, String),
    /// This beginning becomes that.
    Prefix(String, String),
    /// This end becomes that.
    Suffix(String, String),
    /// This becomes that wherever it stands.
    Substring(String, String),
    /// What fits becomes that, with `{1}` and so on for what the groups hold.
    Regex(Pattern, String),
}

/// What is rewritten in an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AnswerRule {
    /// Where.
    pub part: Rewritten,
    /// What fits this…
    pub from: Pattern,
    /// …becomes this, with `{1}` and so on for what the groups hold.
    pub to: String,
}

/// A part of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rewritten {
    /// Its owner.
    Name,
    /// The name in its data.
    Value,
}
