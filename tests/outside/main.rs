//! Names outside: what is rewritten, where aliases lead, what falls through, and what leads back.
//! Each test runs the binary with a Corefile of its own, before an upstream of its own, and asks over
//! UDP and TCP.
#![forbid(unsafe_code)]

#[cfg(test)]
mod alias;
#[cfg(test)]
mod fallthrough;
#[cfg(test)]
mod loops;
#[cfg(test)]
mod rewrite;
#[cfg(test)]
#[allow(dead_code)] // The command line's tests use the rest.
#[path = "../cli/run.rs"]
mod run;
#[cfg(test)]
mod template;
#[cfg(test)]
#[allow(dead_code)] // The cache's tests use the rest.
#[path = "../cache/upstream.rs"]
mod upstream;
#[cfg(test)]
mod world;
