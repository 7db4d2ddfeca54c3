//! Logs: `tracing` to standard error, so that standard output stays with what was asked for.

use std::io::{IsTerminal, stderr};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, LogOptions};

/// Starts logging for the whole process. A second call does nothing.
pub fn start(options: &LogOptions) {
    let base = fmt::layer().with_writer(stderr).with_target(false);
    let layer = match options.format {
        LogFormat::Text => base.with_ansi(stderr().is_terminal()).boxed(),
        LogFormat::Json => base.json().boxed(),
    };
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter(options))).try_init();
}

/// Our own words at the wished level; of libraries only what is grave.
fn filter(options: &LogOptions) -> Targets {
    let level = LevelFilter::from_level(options.level.as_tracing());
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("fingerpost", level)
        // It says every failed request once more, without a word of which; the watches say it once.
        .with_target("kube_client", LevelFilter::OFF)
        // Where it listens and what it answers from, as `target` of those lines.
        .with_target("fingerpost::start", if options.quiet { LevelFilter::WARN } else { level })
}
