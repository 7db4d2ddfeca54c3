//! Running the server: wiring, logs, signals, probes, metrics, the one-shot commands.
#![forbid(unsafe_code)]

mod asking;
mod check;
mod cluster;
mod diff;
mod dump;
mod explain;
mod hand_over;
mod http;
mod logs;
mod metrics;
mod panics;
mod pid;
mod probes;
mod pulse;
mod readiness;
mod records;
mod reload;
mod run;
mod running;

pub use check::check;
pub use diff::diff;
pub use dump::dump;
pub use explain::explain;
pub use logs::start as start_logs;
pub use run::serve;
