//! `forward` of a Corefile: the real binary between clients and upstreams under test control.
#![forbid(unsafe_code)]

#[cfg(test)]
mod crowd;
#[cfg(test)]
mod measured;
#[cfg(test)]
mod replies;
#[cfg(test)]
mod resolv;
#[cfg(test)]
mod several;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod world;

#[cfg(test)]
#[path = "../outage/authority.rs"]
mod authority;
#[cfg(test)]
#[allow(dead_code)] // The probes' tests use the rest.
#[path = "../ops/http.rs"]
mod http;
#[cfg(test)]
#[allow(dead_code)] // The command line's tests use the rest.
#[path = "../cli/run.rs"]
mod run;
#[cfg(test)]
#[allow(dead_code)] // The tests of metrics use the rest.
#[path = "../ops/scrape.rs"]
mod scrape;
#[cfg(test)]
#[allow(dead_code)] // The tests of the cache use the rest.
#[path = "../cache/upstream.rs"]
mod upstream;
