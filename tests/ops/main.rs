//! Probes and metrics of the binary, over real HTTP connections and beside real queries.
#![forbid(unsafe_code)]

#[cfg(test)]
mod counted;
#[cfg(test)]
#[allow(dead_code)] // The watches' tests use the rest.
#[path = "../fake_api/mod.rs"]
mod fake_api;
#[cfg(test)]
mod hand_over;
#[cfg(test)]
mod http;
#[cfg(test)]
mod known;
#[cfg(test)]
mod load;
#[cfg(test)]
mod log;
#[cfg(test)]
#[allow(dead_code)] // The watches' tests use the rest.
#[path = "../watch/objects.rs"]
mod objects;
#[cfg(test)]
mod probes;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod rough;
#[cfg(test)]
#[allow(dead_code)] // The command line's tests use the rest.
#[path = "../cli/run.rs"]
mod run;
#[cfg(test)]
mod scrape;
