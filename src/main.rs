//! The `fingerpost` binary: reads the configuration and wires the rooms.
#![forbid(unsafe_code)]

fn main() {}
