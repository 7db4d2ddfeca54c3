//! What upstreams answer, kept: the real binary between clients and an upstream under test control.
#![forbid(unsafe_code)]

#[cfg(test)]
#[allow(dead_code)] // The probes' tests use the rest.
#[path = "../ops/http.rs"]
mod http;
#[cfg(test)]
mod kept;
#[cfg(test)]
#[allow(dead_code)] // The command line's tests use the rest.
#[path = "../cli/run.rs"]
mod run;
#[cfg(test)]
#[allow(dead_code)] // The tests of metrics use the rest.
#[path = "../ops/scrape.rs"]
mod scrape;
#[cfg(test)]
mod stale;
#[cfg(test)]
mod upstream;
#[cfg(test)]
mod world;
