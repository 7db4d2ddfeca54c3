//! AXFR and IXFR of the binary: what is handed over is what queries are answered, from one state of the
//! cluster, to whom the Corefile says and nobody else.
#![forbid(unsafe_code)]

#[cfg(test)]
mod client;
#[cfg(test)]
mod counted;
#[cfg(test)]
mod large;
#[cfg(test)]
mod refused;
#[cfg(test)]
#[allow(dead_code)] // The command line's tests use the rest.
#[path = "../cli/run.rs"]
mod run;
#[cfg(test)]
mod serial;
#[cfg(test)]
mod zone;
