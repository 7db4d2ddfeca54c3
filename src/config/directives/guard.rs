//! `acl` and `transfer`: who may ask for what.

use std::net::{IpAddr, SocketAddr};

use crate::config::Cidr;
use crate::name::Name;

/// An `acl` directive; several in a block are looked through in their order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Acl {
    /// Names at or below one of these are meant.
    pub zones: Vec<Name>,
    /// The first rule that fits decides; a query that none fits is answered.
    pub rules: Vec<AclRule>,
}

/// One line of an [`Acl`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AclRule {
    /// What becomes of the query.
    pub action: AclAction,
    /// The record types that it fits; every type where empty.
    pub types: Vec<u16>,
    /// The networks that it fits; everybody where empty.
    pub sources: Vec<Cidr>,
}

/// What an [`AclRule`] does with a query.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AclAction {
    /// It is answered.
    Allow,
    /// REFUSED.
    Block,
    /// NOERROR without data.
    Filter,
    /// Silence.
    Drop,
}

/// A `transfer` directive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transfer {
    /// The zones that may be transferred.
    pub zones: Vec<Name>,
    /// To whom; at least one.
    pub to: Vec<TransferTo>,
    /// Notifications leave from this address.
    pub source: Option<IpAddr>,
}

/// Who may transfer a zone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TransferTo {
    /// Whoever asks.
    Anybody,
    /// This address, which is notified at this port.
    Address(SocketAddr),
}
