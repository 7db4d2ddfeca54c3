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
}

/// Why a name answers what it answers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Cause {
    /// Nothing unusual: data, or the name's plain lack of the asked type.
    #[default]
    Plain,
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
    /// The first full lists of these kinds are not complete.
    Waiting(KindSet),
    /// The alias leads out of our zones, and nobody may be asked for its target.
    BareAlias,
    /// The alias leads to a name in our zones that does not exist.
    TargetMissing,
    /// The alias leads back to itself.
    AliasLoop,
    /// The chain of aliases is longer than is followed.
    AliasChain,
    /// No upstream gave a usable answer about the alias's target.
    Upstream(Failure),
    /// Who answers was asked, and is told.
    Identity,
    /// The access list forbids it.
    Blocked,
    /// The access list lets nothing be told.
    Filtered,
    /// A template of the configuration says so.
    Template,
    /// The asked type or class is not served.
    NotServed,
    /// The message is malformed, or asks for something unknown.
    Malformed,
}
