//! `rewrite`: queries are answered as if something else had been asked, and answers turned back.

use super::Pattern;

/// A `rewrite` directive; several in a block are tried in their order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rewrite {
    /// What becomes of a query that fits, or of its answer.
    pub change: RewriteRule,
    /// Whether the rules behind it are tried too once it has fitted.
    pub goes_on: bool,
}

/// What becomes of a query, or of its answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RewriteRule {
    /// Another name is asked for.
    Name(NameChange),
    /// This type becomes that.
    Type {
        /// What is asked for.
        from: u16,
        /// What is looked up.
        to: u16,
    },
    /// This class becomes that.
    Class {
        /// What is asked for.
        from: u16,
        /// What is looked up.
        to: u16,
    },
    /// The TTLs of the answer are kept within bounds.
    Ttl {
        /// Of which names.
        names: NameTest,
        /// The least, in seconds.
        least: u32,
        /// The most, in seconds.
        most: u32,
    },
    /// A response code becomes another one.
    Rcode {
        /// Of which names.
        names: NameTest,
        /// What the answer says.
        from: u16,
        /// What is told.
        to: u16,
    },
}

/// Which names become others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NameChange {
    /// Which names fit.
    pub names: NameTest,
    /// What comes in the place of what fits; of a pattern, with `{1}` and so on for what its groups
    /// hold.
    pub to: String,
    /// Names in the answer are turned back by themselves.
    pub auto: bool,
    /// What else becomes of the answer.
    pub answers: Vec<AnswerRule>,
}

/// Which names fit; texts are in lower case and end with a dot, as names are written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NameTest {
    /// This name.
    Exact(String),
    /// Those with this beginning.
    Prefix(String),
    /// Those with this end.
    Suffix(String),
    /// Those that hold this somewhere.
    Substring(String),
    /// Those that this fits.
    Regex(Pattern),
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
