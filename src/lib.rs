//! An authoritative DNS server for the Kubernetes cluster domain.
//!
//! Data moves in one direction: [`cluster`] says what there is, [`zone`] says what each name
//! answers, [`serve`] carries answers over sockets. `ARCHITECTURE.md` draws the whole house.

pub mod answer;
pub mod cluster;
pub mod config;
pub mod front;
pub mod name;
pub mod ops;
pub mod registry;
pub mod serve;
pub mod zone;
