//! Logs: `tracing` to standard error, so that standard output stays with what was asked for.

use std::io::{IsTerminal, stderr};

use tracing::level_filters::LevelFilter;

use crate::config::{LogFormat, LogOptions};

/// Starts logging for the whole process. A second call does nothing.
pub fn start(options: &LogOptions) {
    let base = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::from_level(options.level.as_tracing()))
        .with_writer(stderr)
        .with_target(false);
    let _ = match options.format {
        LogFormat::Text => {
            tracing::subscriber::set_global_default(base.with_ansi(stderr().is_terminal()).finish())
        }
        LogFormat::Json => tracing::subscriber::set_global_default(base.json().finish()),
    };
}
