//! Why a name answers what it answers, for a person who asks.
//!
//! [`explain()`] makes an [`Explanation`] of a registry, its view and a name: what the name answers,
//! which objects that comes from, and what about them looks wrong. It asks the one `answer` function
//! and reads the write model; it keeps nothing and changes nothing. An explanation is told in three
//! forms: as strings of TXT records ([`Explanation::lines`], which [`Explanation::read`] takes back),
//! as text that lines up, and as JSON by its `Serialize`. [`search`] walks a pod's search list.
//!
//! Never run by a query thread: who wants it is on a runtime's thread for blocking work, or a command.
#![forbid(unsafe_code)]

mod classed;
mod explain;
mod facts;
mod findings;
mod lines;
mod near;
mod objects;
mod reason;
pub mod search;
mod text;

/// The label, in wire form, in front of a name that is to be explained.
pub const LABEL: &[u8] = b"\x08_explain";

pub use explain::{Grounds, elsewhere, explain};
pub use facts::{
    EndpointFacts, EndpointState, Explanation, Finding, PortFacts, RecordFacts, ServiceFacts,
    SourceFacts, Status, ViewFacts, ViewState,
};
pub use lines::LineError;
pub use text::{write_text, write_walks};
