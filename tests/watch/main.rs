//! The API server as a source, held against a fake one with every fault that the way to a real one
//! has. Names are asked all through each scenario; not one wrong answer is allowed.
#![forbid(unsafe_code)]

#[cfg(test)]
mod bench;
#[cfg(test)]
mod binary;
#[cfg(test)]
#[allow(dead_code)] // The outages' tests use the rest.
#[path = "../fake_api/mod.rs"]
mod fake_api;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod objects;
#[cfg(test)]
mod property;
#[cfg(test)]
mod watches;
