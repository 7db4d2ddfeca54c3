//! The binary behind other DNS servers, each with the configuration that
//! `deploy/forward-target/README.md` shows for it: every record of the examples must come through.
//! Secondaries that take its zone. And beside CoreDNS, which must read what is read here.
#![forbid(unsafe_code)]

#[cfg(test)]
mod behind;
#[cfg(test)]
mod beside;
#[cfg(test)]
mod cache;
#[cfg(test)]
#[allow(dead_code)] // The libcs' tests use the rest.
#[path = "../common/cluster.rs"]
mod cluster;
#[cfg(test)]
mod corefile;
#[cfg(test)]
#[allow(dead_code)] // The watches' tests use the rest.
#[path = "../fake_api/mod.rs"]
mod fake_api;
#[cfg(test)]
#[path = "../common/installed.rs"]
mod installed;
#[cfg(test)]
mod log;
#[cfg(test)]
#[allow(dead_code)] // The watches' tests use the rest.
#[path = "../watch/objects.rs"]
mod objects;
#[cfg(test)]
mod program;
#[cfg(test)]
#[allow(dead_code)] // The libcs' tests use the rest.
#[path = "../common/resolver.rs"]
mod resolver;
#[cfg(test)]
mod rewrite;
#[cfg(test)]
#[allow(dead_code)] // The command line's tests use the rest.
#[path = "../cli/run.rs"]
mod run;
#[cfg(test)]
mod secondary;
#[cfg(test)]
mod template;
#[cfg(test)]
#[allow(dead_code)] // The cache's tests use the rest.
#[path = "../cache/upstream.rs"]
mod upstream;
