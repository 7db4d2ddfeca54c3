//! The resolvers that pods have: programs built with glibc and with musl ask the binary, which serves by
//! kubeadm's Corefile as it is, for names of every kind.
#![forbid(unsafe_code)]

#[cfg(test)]
#[allow(dead_code)] // The outages' tests use the rest.
#[path = "../outage/authority.rs"]
mod authority;
#[cfg(test)]
#[allow(dead_code)] // The neighbours' tests use the rest.
#[path = "../common/cluster.rs"]
mod cluster;
#[cfg(test)]
#[allow(dead_code)] // The watches' tests use the rest.
#[path = "../fake_api/mod.rs"]
mod fake_api;
#[cfg(test)]
#[path = "../common/installed.rs"]
mod installed;
#[cfg(test)]
mod names;
#[cfg(test)]
#[allow(dead_code)] // The watches' tests use the rest.
#[path = "../watch/objects.rs"]
mod objects;
#[cfg(test)]
mod pod;
#[cfg(test)]
mod program;
#[cfg(test)]
#[allow(dead_code)] // The neighbours' tests use the rest.
#[path = "../common/resolver.rs"]
mod resolver;
#[cfg(test)]
#[allow(dead_code)] // The command line's tests use the rest.
#[path = "../cli/run.rs"]
mod run;
