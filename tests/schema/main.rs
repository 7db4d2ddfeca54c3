//! schema.md, row by row: query octets in, response octets out.
//!
//! Each module is a section of schema.md and each test one of its rows. Objects are written as YAML
//! and read by the manifest source; what the tables say is asked of the library and, where a world
//! is served, of the binary over UDP and TCP too.
#![forbid(unsafe_code)]

#[cfg(test)]
mod bits;
#[cfg(test)]
mod consistency;
#[cfg(test)]
mod corefile;
#[cfg(test)]
mod dig;
#[cfg(test)]
mod ede;
#[cfg(test)]
mod endpoints;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod external_name;
#[cfg(test)]
mod filters;
#[cfg(test)]
mod objects;
#[cfg(test)]
mod outside;
#[cfg(test)]
mod pods;
#[cfg(test)]
mod reply;
#[cfg(test)]
mod reverse;
#[cfg(test)]
mod selectorless;
#[cfg(test)]
mod server;
#[cfg(test)]
mod services;
#[cfg(test)]
mod shape;
#[cfg(test)]
mod sizes;
#[cfg(test)]
mod structure;
#[cfg(test)]
mod table;
#[cfg(test)]
mod upstream;
#[cfg(test)]
mod wire;
#[cfg(test)]
mod world;
