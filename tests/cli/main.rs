//! The binary as people and scripts hold on to it: exit status, standard output, standard error,
//! signals, and manifests that change while it runs.
#![forbid(unsafe_code)]

#[cfg(test)]
mod check;
#[cfg(test)]
mod coredns;
#[cfg(test)]
mod corefiles;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod descriptors;
#[cfg(test)]
mod diff;
#[cfg(test)]
mod directives;
#[cfg(test)]
mod dump;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod follow;
#[cfg(test)]
mod line;
#[cfg(test)]
mod log;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod run;
#[cfg(test)]
mod serve;
