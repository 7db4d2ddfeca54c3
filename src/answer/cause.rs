//! Why an answer is what it is, as a type. Costs nothing where nobody asks: texts are made of it
//! only for those who want them.

use crate::cluster::KindSet;
use crate::zone::Choice;
use crate::zone::record::Unusable;

/// Why nobody told where an alias leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// No upstream answered in time, or could be reached.
    Unreachable,
    /// An upstream answered with an error, or with something that is no answer.
    Unusable,
    /// The configuration has nobody to ask for such a name.
    Nobody,
    /// As many look-ups as may be are under way.
    TooMany,
    /// The client has its share of them under way.
    TooManyOfClient,
}

impl Failure {
    /// Nobody was asked, since others wait already.
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::TooMany | Self::TooManyOfClient)
    }
}

/// Why a zone is not transferred.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoTransfer {
    /// The configuration has no zone at or above the name transferred.
    Unlisted,
    /// The configuration does not name the asker.
    Stranger,
    /// The name is not that of a forward zone.
    NotAZone,
    /// A zone does not fit a datagram.
    Datagram,
    /// It is not said by one SOA record which serial the asker has.
    NoSerial,
    /// As many as may be are under way.
    TooMany,
}

/// In what state a kept answer is handed out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeptAs {
    /// It has been said just now.
    New,
    /// It is still to be believed.
    Fresh,
    /// It has expired, and nobody has said anything newer.
    Stale,
}

/// Why a name answers what it answers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Cause {
    /// Nothing unusual: data.
    #[default]
    Plain,
    /// The name exists and has nothing of the asked type.
    NoData,
    /// Not in any of our zones.
    NotOurs,
    /// Neither `svc`, `pod` nor any other name that zones have.
    NoSuchName,
    /// The namespace does not exist, or is not exposed.
    NoNamespace,
    /// The namespace exists, the Service does not.
    NoService,
    /// The Service exists and no endpoint of this label is ready.
    NoEndpointLabel,
    /// The Service exists and has no port of this name and protocol.
    NoPort,
    /// A headless Service, or one that must not be empty, without a ready endpoint.
    NoneReady {
        /// Ready endpoint addresses.
        ready: u32,
        /// All endpoint addresses.
        total: u32,
    },
    /// Nothing stands below an ExternalName Service.
    BelowAlias,
    /// The `externalName` cannot be a CNAME's target.
    UnusableAlias(Unusable),
    /// Pod names are switched off.
    PodsDisabled,
    /// No live pod of the namespace has the address, or the label is no address.
    NoPod,
    /// Nobody claims the address.
    NoAddress,
    /// A selector-less Service with a cluster IP, answered as this says.
    Chosen(Choice),
    /// The Service's annotation counts for nothing, and it is answered as without.
    AnnotationIgnored,
    /// The first full lists of these kinds are not complete.
    Waiting(KindSet),
    /// The alias leads out of our zones, and nobody may be asked for its target.
    BareAlias,
    /// The alias leads to a name that does not exist.
    TargetMissing,
    /// The alias leads back to itself.
    AliasLoop,
    /// The chain of aliases is longer than is followed.
    AliasChain,
    /// No upstream gave a usable answer about the alias's target.
    Upstream(Failure),
    /// An upstream has said so before.
    Kept(KeptAs),
    /// Who answers was asked, and is told.
    Identity,
    /// A hosts file has it, or the last word on it.
    Hosts,
    /// The access list forbids it.
    Blocked,
    /// The access list lets nothing be told.
    Filtered,
    /// A template of the configuration says so.
    Template,
    /// A rule of the configuration makes of a name what is none.
    BadRewrite,
    /// The asked type or class is not served.
    NotServed,
    /// A zone is handed over, or its SOA record to who is up to date.
    Transfer,
    /// A zone is not handed over.
    NoTransfer(NoTransfer),
    /// The message is malformed, or asks for something unknown.
    Malformed,
}

impl Cause {
    /// One short word for each, but for [`Cause::Plain`], in the order of [`Cause::place`].
    pub const WORDS: [&'static str; 32] = [
        "not-ours",
        "no-such-name",
        "no-namespace",
        "no-service",
        "no-endpoint",
        "no-port",
        "none-ready",
        "below-alias",
        "unusable-alias",
        "pods-disabled",
        "no-pod",
        "no-address",
        "selectorless",
        "waiting",
        "bare-alias",
        "target-missing",
        "alias-loop",
        "alias-chain",
        "upstream-unreachable",
        "upstream-unusable",
        "no-upstream",
        "identity",
        "blocked",
        "filtered",
        "bad-rewrite",
        "not-served",
        "malformed",
        "no-data",
        "annotation-ignored",
        "no-transfer",
        "too-many-waiting",
        "too-many-of-client",
    ];

    /// The place of its word; nothing where there is nothing unusual.
    #[inline]
    pub fn place(self) -> Option<usize> {
        Some(match self {
            // What a template, a hosts file or a cache has is as plain as the cluster's data.
            Self::Plain | Self::Template | Self::Hosts | Self::Kept(_) | Self::Transfer => {
                return None;
            }
            Self::NotOurs => 0,
            Self::NoSuchName => 1,
            Self::NoNamespace => 2,
            Self::NoService => 3,
            Self::NoEndpointLabel => 4,
            Self::NoPort => 5,
            Self::NoneReady { .. } => 6,
            Self::BelowAlias => 7,
            Self::UnusableAlias(_) => 8,
            Self::PodsDisabled => 9,
            Self::NoPod => 10,
            Self::NoAddress => 11,
            Self::Chosen(_) => 12,
            Self::Waiting(_) => 13,
            Self::BareAlias => 14,
            Self::TargetMissing => 15,
            Self::AliasLoop => 16,
            Self::AliasChain => 17,
            Self::Upstream(Failure::Unreachable) => 18,
            Self::Upstream(Failure::Unusable) => 19,
            Self::Upstream(Failure::Nobody) => 20,
            Self::Identity => 21,
            Self::Blocked => 22,
            Self::Filtered => 23,
            Self::BadRewrite => 24,
            Self::NotServed => 25,
            Self::Malformed => 26,
            Self::NoData => 27,
            Self::AnnotationIgnored => 28,
            Self::NoTransfer(_) => 29,
            Self::Upstream(Failure::TooMany) => 30,
            Self::Upstream(Failure::TooManyOfClient) => 31,
        })
    }

    /// One short word for it, for logs and metrics; nothing where there is nothing unusual.
    pub fn word(self) -> Option<&'static str> {
        Self::WORDS.get(self.place()?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_has_the_word_at_its_place() {
        for (cause, word) in [
            (Cause::Plain, None),
            (Cause::NotOurs, Some("not-ours")),
            (Cause::NoneReady { ready: 0, total: 2 }, Some("none-ready")),
            (Cause::Waiting(KindSet::ALL), Some("waiting")),
            (Cause::Upstream(Failure::Nobody), Some("no-upstream")),
            (Cause::Malformed, Some("malformed")),
            (Cause::NoData, Some("no-data")),
            (Cause::AnnotationIgnored, Some("annotation-ignored")),
            (Cause::NoTransfer(NoTransfer::Stranger), Some("no-transfer")),
        ] {
            assert_eq!(cause.word(), word);
        }
        let last = Cause::Upstream(Failure::TooManyOfClient);
        assert_eq!(last.place(), Some(Cause::WORDS.len() - 1));
    }

    #[test]
    fn the_readme_has_every_word_once() {
        let readme = include_str!("../../README.md");
        let table = readme.split("| word | EDE |").nth(1).unwrap().split("\n\n").next().unwrap();
        let cells = table.lines().filter_map(|line| line.split(" | ").next());
        let mut written: Vec<&str> =
            cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        written.sort_unstable();
        let mut known = Cause::WORDS.to_vec();
        known.sort_unstable();
        assert_eq!(written, known);
    }
}
