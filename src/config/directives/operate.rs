//! What operators see and touch: `errors`, `log`, `health`, `ready`, `prometheus`, `reload`.

use std::net::SocketAddr;
use std::time::Duration;

use super::Pattern;
use crate::config::LogLevel;
use crate::name::Name;

/// The `errors` directive: what goes wrong with a query is logged.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Errors {
    /// Errors that fit one of these are counted instead, the first that fits.
    pub consolidate: Vec<Consolidate>,
    /// A panic is logged with its stack.
    pub stacktrace: bool,
}

/// Errors that are logged once a while, with their number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Consolidate {
    /// How often.
    pub period: Duration,
    /// Which.
    pub pattern: Pattern,
    /// As how serious.
    pub level: LogLevel,
    /// The first is logged at once.
    pub show_first: bool,
}

/// A `log` directive. Of several in a block, the first with a zone that holds the name decides.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Log {
    /// Names at or below one of these are logged.
    pub zones: Vec<Name>,
    /// A line, with CoreDNS's placeholders; `{common}` and `{combined}` are put in already.
    pub format: String,
    /// Responses of one of these classes are logged.
    pub classes: Vec<LogClass>,
}

impl Log {
    /// CoreDNS's common log format, which serves where none is written.
    pub const COMMON: &'static str = "{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} \
                                      {>do} {>bufsize}\" {rcode} {>rflags} {rsize} {duration}";
    /// What `{combined}` has behind `{common}`.
    pub const COMBINED: &'static str = " \"{>opcode}\"";
    /// What a format may hold beside `{/LABEL}`, which is metadata. `{cause}` is ours.
    pub const PLACEHOLDERS: &'static [&'static str] = &[
        "{type}",
        "{name}",
        "{class}",
        "{proto}",
        "{size}",
        "{remote}",
        "{port}",
        "{local}",
        "{rcode}",
        "{rsize}",
        "{duration}",
        "{>rflags}",
        "{>bufsize}",
        "{>do}",
        "{>id}",
        "{>opcode}",
        "{cause}",
    ];
}

/// A class of responses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogClass {
    /// Every response.
    All,
    /// Data.
    Success,
    /// NXDOMAIN and NODATA.
    Denial,
    /// Everything else.
    Error,
}

/// The `health` directive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Health {
    /// Where `/health` is served.
    pub listen: SocketAddr,
    /// How long answers go on after SIGTERM.
    pub lameduck: Duration,
}

/// The `ready` directive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ready {
    /// Where `/ready` is served.
    pub listen: SocketAddr,
    /// How long readiness is asked about.
    pub monitor: Monitor,
}

/// How long readiness is asked about.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Monitor {
    /// What has been ready once counts as ready for good.
    #[default]
    UntilReady,
    /// At every request.
    Continuously,
}

/// The `prometheus` directive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Prometheus {
    /// Where `/metrics` is served.
    pub listen: SocketAddr,
}

/// The `reload` directive: the Corefile is followed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reload {
    /// How often it is looked at.
    pub interval: Duration,
    /// By how much in all that differs from time to time; at most half the interval.
    pub jitter: Duration,
}
