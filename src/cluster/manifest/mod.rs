//! Manifest files as a source of objects.
//!
//! [`Manifests`] reads files and folders of YAML and JSON into the stream of changes that every
//! source speaks; [`follow()`] keeps it up with the disk on a thread of its own; [`check`] tells
//! every fault. A file counts as a whole: with a fault anywhere in it, its last good state stays.
//!
//! A text goes through these files in turn: `disk` finds and reads it, `contents` surveys it,
//! `yaml` or `json` makes values with places of it, `document` finds the objects among them,
//! `decode` (with `service` and `endpoints`) reads and checks one object, and `source` with `told`
//! makes the fewest changes of what all files hold.

mod contents;
mod decode;
mod disk;
mod document;
mod endpoints;
mod fault;
mod follow;
mod json;
mod node;
mod service;
mod source;
mod told;
mod yaml;

#[cfg(test)]
mod tests;

pub use fault::{Fault, Grade, LoadError};
pub use follow::{POLL, follow};
pub use source::{Loaded, Manifests, Report, check};
