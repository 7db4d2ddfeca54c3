//! What the directives of a server block say, one type each, in CoreDNS's meaning.
//!
//! Values only: `corefile` reads and checks them, and whoever acts on one takes it from the
//! [`ServerBlock`](super::ServerBlock). What of it acts already stands in `table`.

mod cache;
mod forward;
mod guard;
mod operate;
mod records;
mod reply;
mod rewrite;

pub use cache::{Cache, Half, Prefetch, ServeStale};
pub use forward::{Carrier, Forward, HealthCheck, Policy, Protocol, Tls, Upstream};
pub use guard::{Acl, AclAction, AclRule, Transfer, TransferTo};
pub use operate::{Consolidate, Errors, Health, Log, LogClass, Monitor, Prometheus, Ready, Reload};
pub use records::{Hosts, HostsEntry, Template};
pub use reply::{Balance, Chaos, LoadBalance, Nsid};
pub use rewrite::{AnswerRule, NameChange, NameTest, Rewrite, RewriteRule, Rewritten};

/// A regular expression that compiles, as its source.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern(pub(super) String);

/// The most memory that a compiled regular expression may take, in octets: Go's engine has no such
/// limit, and patterns for names need a hundredth of it.
const MAX_COMPILED_PATTERN: usize = 10 * 1_024 * 1_024;

impl Pattern {
    /// Takes a text that compiles.
    pub fn new(text: &str) -> Result<Self, regex::Error> {
        compile(text).map(|_| Self(text.to_owned()))
    }

    /// Compiles it, which has succeeded before.
    pub fn compile(&self) -> Result<regex::Regex, regex::Error> {
        compile(&self.0)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Compiles a regular expression within the limits of a Corefile.
pub(super) fn compile(text: &str) -> Result<regex::Regex, regex::Error> {
    regex::RegexBuilder::new(text).size_limit(MAX_COMPILED_PATTERN).build()
}
