//! The registry: whatever comes in whatever order, a view is what its objects say, and no view is
//! half of a change.
#![forbid(unsafe_code)]

#[cfg(test)]
mod lists;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod sequences;
#[cfg(test)]
#[path = "../common/universe.rs"]
mod universe;
#[cfg(test)]
mod whole;
