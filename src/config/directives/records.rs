//! Answers that a configuration writes itself: `hosts` and `template`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Pattern;
use crate::config::RecordTemplate;
use crate::name::Name;
use crate::zone::Fallthrough;

/// The `hosts` directive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hosts {
    /// A file like /etc/hosts.
    pub file: PathBuf,
    /// Names at or below one of these are answered.
    pub zones: Vec<Name>,
    /// Lines of the Corefile itself, beside those of the file.
    pub entries: Vec<HostsEntry>,
    /// The TTL of answers, in seconds.
    pub ttl: u32,
    /// Whether addresses have names too.
    pub reverse: bool,
    /// How often the file is looked at; never where zero.
    pub reload: Duration,
    /// The names that go on to the next directive where nothing is found.
    pub fallthrough: Fallthrough,
    /// A name that is found goes on too, where the type is not one that a hosts file has.
    pub fallthrough_unsupported: bool,
}

/// An address and its names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostsEntry {
    /// The address.
    pub address: IpAddr,
    /// Its names, at least one.
    pub names: Vec<Name>,
}

/// A `template` directive; several in a block are tried in their order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    /// The class of the queries that it is for; 255 is any.
    pub class: u16,
    /// The type of the queries that it is for; 255 is any.
    pub record_type: u16,
    /// Names at or below one of these are meant.
    pub zones: Vec<Name>,
    /// Names that fit one of these are answered; every name where empty.
    pub matches: Vec<Pattern>,
    /// Records of the answer section.
    pub answer: Vec<RecordTemplate>,
    /// Records of the additional section.
    pub additional: Vec<RecordTemplate>,
    /// Records of the authority section.
    pub authority: Vec<RecordTemplate>,
    /// The response code; one of those that need no EDNS.
    pub rcode: u16,
    /// An extended DNS error (RFC 8914) and its text.
    pub ede: Option<(u16, String)>,
    /// The names that go on to the next template or directive where no pattern fits.
    pub fallthrough: Fallthrough,
}
