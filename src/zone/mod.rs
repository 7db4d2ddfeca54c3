//! What each name answers: schema.md as pure functions, and the immutable view that holds the
//! results wire-ready.
//!
//! The publisher's thread runs [`compile()`] and [`View::with`]; query threads only read.
//!
#![cfg_attr(doc, doc = include_str!("schema.md"))]
#![forbid(unsafe_code)]

mod choice;
mod claims;
mod compile;
mod draft;
mod endpoints;
pub mod record;
pub mod reverse;
mod spec;
mod standing;
pub mod table;
mod view;

pub use choice::{Choice, PortMismatch};
pub use claims::Claim;
pub use compile::{Compiled, compile, unusable};
pub use endpoints::{Drop, Inputs, endpoint_label};
pub use spec::{
    DEFAULT_TTL, Fallthrough, MAX_TTL, NamespaceFilter, Pods, Selectorless, Spec, Zone, ZoneKind,
};
pub use standing::{Standing, Standings, is_ready};
pub use view::{Delta, Falls, SOA_LEN, SOA_POINTERS, ServicePlace, State, View, ViewZone};
