//! The last known good state on disk: written soon after every change, read at start.
//!
//! A file is a header and a body. The header says which version of the format it is, where the
//! objects come from, how many there are, and how long the body is and what its checksum must be;
//! it has a checksum of its own. The body is the objects, one behind the other, without what DNS
//! does not need: the registry has no labels, so there are none here, and a Namespace that is in
//! the file is one that was exposed.
//!
//! The rule of this room (schema.md, section 9): what is read is whole and ours, or it is nothing.
//! No object is handed over before the whole file has been checked and decoded once.

mod decode;
mod encode;
mod file;
mod origin;
mod pace;
#[cfg(test)]
mod tests;
mod writer;

use super::KindSet;

pub use super::packed::Stored;
pub use encode::{Packed, pack};
pub use file::{Loaded, LookError, Place, StoreError, clean, is_one, load, look, store};
pub use origin::Origin;
pub use writer::{Notifier, Tally, Writer};

/// The format written here. A file of any other is foreign.
pub const VERSION: u32 = 2;

/// What a file says about its objects.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Header {
    /// Where the objects come from and what chose them.
    pub origin: Origin,
    /// The state that the objects are of.
    pub state: State,
    /// When the file was written, in seconds of Unix time.
    pub written: u64,
}

/// What is known of a state besides its objects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct State {
    /// The SOA serial under which it was last published.
    pub serial: u32,
    /// The kinds that had been listed in full. Of any other kind the file holds nothing, and says
    /// nothing.
    pub kinds: KindSet,
}
