//! Running the server: wiring, logs, signals, the one-shot commands.
#![forbid(unsafe_code)]

mod check;
mod cluster;
mod dump;
mod logs;
mod pid;
mod run;

pub use check::check;
pub use dump::dump;
pub use logs::start as start_logs;
pub use run::serve;
