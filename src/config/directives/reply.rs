//! What a response looks like: `chaos`, `nsid`, `loadbalance`.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::Cidr;

/// The `chaos` directive: `version.bind`, `authors.bind` and their like in the class CH.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chaos {
    /// What `version.bind` and `version.server` say, at most 255 octets.
    pub version: String,
    /// What `authors.bind` says, sorted, each at most 255 octets.
    pub authors: Vec<String>,
}

/// The `nsid` directive (RFC 5001).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Nsid {
    /// The identifier; the name of the host where absent.
    pub data: Option<String>,
}

/// The `loadbalance` directive.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LoadBalance {
    /// How addresses are ordered.
    pub balance: Balance,
    /// Addresses of these networks come first, in the order of the networks.
    pub prefer: Vec<Cidr>,
}

/// How addresses of an answer are ordered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Balance {
    /// At random.
    #[default]
    Shuffle,
    /// At random by the weights of a file.
    Weighted {
        /// The file.
        file: PathBuf,
        /// How often it is looked at; never where zero.
        reload: Duration,
    },
}
