//! The binary through outages of an API server: restored from disk, killed, cut off, and never
//! without an answer that it could give. Real processes and sockets, a fake API server.
#![forbid(unsafe_code)]

#[cfg(test)]
mod absent;
#[cfg(test)]
mod ask;
#[cfg(test)]
mod authority;
#[cfg(test)]
mod explained;
#[cfg(test)]
#[allow(dead_code)] // The watches' tests use the rest.
#[path = "../fake_api/mod.rs"]
mod fake_api;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod in_cluster;
#[cfg(test)]
#[allow(dead_code)] // The watches' tests use the rest.
#[path = "../watch/objects.rs"]
mod objects;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod restored;
#[cfg(test)]
#[allow(dead_code)] // The command line's tests use the rest.
#[path = "../cli/run.rs"]
mod run;
#[cfg(test)]
mod steady;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod touch;
#[cfg(test)]
mod world;
