//! The crate as a library.
#![forbid(unsafe_code)]

#[cfg(test)]
mod handler;
