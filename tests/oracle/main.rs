//! Answers held against oracles: hickory as a second decoder, a strict reader of RFC 1035, and a
//! naive model of schema.md; and whatever anybody may send, which must never do harm.
#![forbid(unsafe_code)]

#[cfg(test)]
mod ede;
#[cfg(test)]
mod explained;
#[cfg(test)]
mod garbage;
#[cfg(test)]
mod model;
#[cfg(test)]
mod sizes;
#[cfg(test)]
mod splice;
#[cfg(test)]
mod truth;
#[cfg(test)]
#[path = "../common/universe.rs"]
mod universe;
#[cfg(test)]
mod wire;
#[cfg(test)]
mod world;
