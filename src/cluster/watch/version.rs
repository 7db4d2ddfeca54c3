//! `resourceVersion`: opaque by the letter, a growing number in every server there is. Two that are
//! numbers are compared; of others nothing is concluded.

use std::fmt;

/// A `resourceVersion`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Version(Box<str>);

impl Version {
    /// A version as it is written.
    pub(super) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// As it is written; empty where there is none.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Its number.
    pub(super) fn number(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// Whether this is older than `other` for certain.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        matches!((self.number(), other.number()), (Some(this), Some(other)) if this < other)
    }

    /// Goes on to a version that was just seen, unless that is older.
    pub(super) fn advance(&mut self, seen: &str) {
        let seen = Self::new(seen);
        if !seen.0.is_empty() && !seen.is_before(self) {
            *self = seen;
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_and_nothing_else() {
        let version = Version::new;
        assert!(version("9").is_before(&version("10")));
        assert!(!version("10").is_before(&version("10")));
        assert!(!version("a").is_before(&version("b")));
        assert!(!version("").is_before(&version("1")));
        let mut at = version("9");
        at.advance("8");
        at.advance("");
        assert_eq!(at, version("9"));
        at.advance("11");
        assert_eq!(at, version("11"));
    }
}
