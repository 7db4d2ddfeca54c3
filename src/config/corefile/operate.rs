//! What operators see and touch: `errors`, `log`, `health`, `ready`, `prometheus`, `reload`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::args::{one_of, pattern, value, zones};
use super::golang;
use super::parser::Directive;
use crate::config::error::Findings;
use crate::config::value::{parse_duration, parse_http_listen};
use crate::config::{
    Config, Consolidate, Errors, Health, Log, LogClass, LogLevel, Monitor, Prometheus, Ready,
    Reload,
};
use crate::name::Name;

/// Where `/health` is served when the directive names no address.
const HEALTH: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 8080);
/// Where `/ready` is served when the directive names no address.
const READY: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 8181);
/// Where `/metrics` is served when the directive names no address.
const METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9153);

/// How often the Corefile is looked at where nothing is said, and how seldom it may be told to be.
const RELOAD: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(2));
/// The jitter where nothing is said, and the smallest one.
const JITTER: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(1));

/// `errors [stdout] { consolidate DURATION REGEX [LEVEL] [show_first]; stacktrace }`.
pub(super) fn errors(directive: &Directive, findings: &mut Findings) -> Errors {
    if directive.has_args(0, 1, "errors", findings)
        && let Some(arg) = directive.args.first()
        && arg.text != "stdout"
    {
        findings.error(arg.at, format!("'{}' is no log file; write 'errors'", arg.text));
    }
    let mut errors = Errors::default();
    for option in directive.options() {
        match option.name.text.as_str() {
            "consolidate" => errors.consolidate.extend(consolidate(option, findings)),
            "stacktrace" => errors.stacktrace = option.alone(findings),
            _ => option.unknown("errors", &["consolidate", "stacktrace"], findings),
        }
    }
    errors
}

fn consolidate(option: &Directive, findings: &mut Findings) -> Option<Consolidate> {
    option.has_no_block(findings);
    let usage = "consolidate DURATION REGEX [warning|error|info|debug] [show_first]";
    if !option.has_args(2, 4, usage, findings) {
        return None;
    }
    let [period, regex, rest @ ..] = option.args.as_slice() else { return None };
    let period = value(period, findings, parse_duration);
    let regex = pattern(regex, findings);
    let (level, show_first) = match rest {
        [] => (None, None),
        [one] if one.text == "show_first" => (None, Some(one)),
        [level] => (Some(level), None),
        [level, first, ..] => (Some(level), Some(first)),
    };
    let levels = [
        ("warning", LogLevel::Warn),
        ("error", LogLevel::Error),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
    ];
    let level = match level {
        Some(level) => one_of(level, &levels, findings)?,
        None => LogLevel::Error,
    };
    if let Some(first) = show_first {
        one_of(first, &[("show_first", ())], findings)?;
    }
    Some(Consolidate { period: period?, pattern: regex?, level, show_first: show_first.is_some() })
}

/// `log [NAMES…] [FORMAT] { class CLASSES… }`.
pub(super) fn log(directive: &Directive, findings: &mut Findings) -> Log {
    let mut names = directive.args.as_slice();
    let mut format = Log::COMMON.to_owned();
    if let Some((last, before)) = names.split_last()
        && last.text.contains('{')
    {
        names = before;
        if before.is_empty() {
            // CoreDNS takes it for a name, which no query has.
            findings
                .error(last.at, "names must stand in front of the format, such as 'log . \"…\"'");
        }
        format = last
            .text
            .replace("{common}", Log::COMMON)
            .replace("{combined}", &format!("{}{}", Log::COMMON, Log::COMBINED));
        if let Some(word) = golang::unknown_placeholder(&format) {
            findings.warn(last.at, format_args!("'{word}' is no placeholder and stands as it is"));
        }
    }
    let mut classes = Vec::new();
    for option in directive.options() {
        if option.name.text != "class" {
            option.unknown("log", &["class"], findings);
            continue;
        }
        option.has_no_block(findings);
        if option.has_args(1, usize::MAX, "class all|success|denial|error…", findings) {
            for arg in &option.args {
                classes.extend(one_of(arg, LOG_CLASSES, findings));
            }
        }
    }
    if classes.is_empty() {
        classes.push(LogClass::All);
    }
    Log { zones: zones(names, &[Name::root()], findings), format, classes }
}

const LOG_CLASSES: &[(&str, LogClass)] = &[
    ("all", LogClass::All),
    ("success", LogClass::Success),
    ("denial", LogClass::Denial),
    ("error", LogClass::Error),
];

/// `health [ADDRESS] { lameduck DURATION }`.
pub(super) fn health(
    directive: &Directive,
    config: &mut Config,
    findings: &mut Findings,
) -> Option<Health> {
    let listen = http(directive, HEALTH, findings);
    let mut lameduck = Duration::ZERO;
    for option in directive.options() {
        if option.name.text == "lameduck" {
            lameduck = option.duration(findings).unwrap_or_default();
        } else {
            option.unknown("health", &["lameduck"], findings);
        }
    }
    config.lameduck = config.lameduck.max(lameduck);
    let listen = listen?;
    keep(directive, &mut config.health, listen, "/health", findings);
    Some(Health { listen, lameduck })
}

/// `ready [ADDRESS] { monitor until-ready|continuously }`.
pub(super) fn ready(
    directive: &Directive,
    config: &mut Config,
    findings: &mut Findings,
) -> Option<Ready> {
    let listen = http(directive, READY, findings);
    let mut monitor = Monitor::default();
    for option in directive.options() {
        if option.name.text == "monitor" {
            let modes =
                [("until-ready", Monitor::UntilReady), ("continuously", Monitor::Continuously)];
            monitor = option.choice(&modes, findings).unwrap_or_default();
        } else {
            option.unknown("ready", &["monitor"], findings);
        }
    }
    let listen = listen?;
    keep(directive, &mut config.ready, listen, "/ready", findings);
    Some(Ready { listen, monitor })
}

/// `prometheus [ADDRESS] { runtime_metrics; tls FILE }`.
pub(super) fn prometheus(
    directive: &Directive,
    config: &mut Config,
    findings: &mut Findings,
) -> Option<Prometheus> {
    let listen = http(directive, METRICS, findings);
    for option in directive.options() {
        match option.name.text.as_str() {
            "runtime_metrics" => _ = option.alone(findings),
            "tls" => _ = option.single("tls FILE", findings),
            _ => option.unknown("prometheus", &["runtime_metrics", "tls"], findings),
        }
    }
    let listen = listen?;
    keep(directive, &mut config.metrics, listen, "/metrics", findings);
    Some(Prometheus { listen })
}

fn http(directive: &Directive, default: SocketAddr, findings: &mut Findings) -> Option<SocketAddr> {
    let usage = format!("{} [ADDRESS:PORT]", directive.name.text);
    if !directive.has_args(0, 1, &usage, findings) {
        return None;
    }
    match directive.args.first() {
        Some(arg) => value(arg, findings, parse_http_listen),
        None => Some(default),
    }
}

/// Notes where something is served; all server blocks share one address for it.
fn keep(
    directive: &Directive,
    slot: &mut Option<SocketAddr>,
    address: SocketAddr,
    path: &str,
    findings: &mut Findings,
) {
    match *slot {
        Some(other) if other != address => findings.warn(
            directive.name.at,
            format_args!("'{path}' is served once, on {other}; {address} has no effect"),
        ),
        _ => *slot = Some(address),
    }
}

/// `reload [INTERVAL] [JITTER]`.
pub(super) fn reload(directive: &Directive, findings: &mut Findings) -> Reload {
    directive.has_no_block(findings);
    let mut reload = Reload { interval: RELOAD.0, jitter: JITTER.0 };
    if !directive.has_args(0, 2, "reload [INTERVAL] [JITTER]", findings) {
        return reload;
    }
    let mut args = directive.args.iter();
    if let Some(arg) = args.next() {
        let interval = value(arg, findings, |text| {
            Some(parse_duration(text)?)
                .filter(|interval| *interval >= RELOAD.1)
                .ok_or_else(|| format!("'{text}' is shorter than the shortest interval, 2s"))
        });
        reload.interval = interval.unwrap_or(RELOAD.0);
    }
    if let Some(arg) = args.next() {
        let jitter = value(arg, findings, |text| {
            Some(parse_duration(text)?)
                .filter(|jitter| jitter.is_zero() || *jitter >= JITTER.1)
                .ok_or_else(|| format!("'{text}' is neither 0s nor at least 1s"))
        });
        reload.jitter = jitter.unwrap_or(JITTER.0);
    }
    reload.jitter = reload.jitter.min(reload.interval / 2);
    reload
}
