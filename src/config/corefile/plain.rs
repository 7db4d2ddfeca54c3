//! The small directives: `bind`, `errors`, `health`, `ready`, `prometheus`, and those that are
//! accepted without effect.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::lexer::Token;
use super::parser::Directive;
use super::{Surroundings, value, words};
use crate::cluster::parse_address;
use crate::config::error::Findings;
use crate::config::value::{parse_duration, parse_http_listen};
use crate::config::{Config, Interface};

/// Where `/health` is served when the directive names no address.
const HEALTH: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 8080);
/// Where `/ready` is served when the directive names no address.
const READY: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 8181);
/// Where `/metrics` is served when the directive names no address.
const METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9153);

/// A directive that is understood and does nothing.
struct Inert {
    name: &'static str,
    most_args: usize,
    options: &'static [&'static str],
}

const fn inert_word(
    name: &'static str,
    most_args: usize,
    options: &'static [&'static str],
) -> Inert {
    Inert { name, most_args, options }
}

/// Known directives without effect in this version; without them answers are as right as with them.
const INERT: &[Inert] = &[
    inert_word(
        "cache",
        usize::MAX,
        &["success", "denial", "prefetch", "serve_stale", "servfail", "disable", "keepttl"],
    ),
    inert_word("chaos", usize::MAX, &[]),
    inert_word("debug", 0, &[]),
    inert_word("loadbalance", usize::MAX, &["reload", "prefer"]),
    inert_word("log", usize::MAX, &["class"]),
    inert_word("loop", 0, &[]),
    inert_word("minimal", 0, &[]),
    inert_word("nsid", usize::MAX, &[]),
    inert_word("reload", 2, &[]),
];

/// Reads a directive that has no effect; says whether it is one.
pub(super) fn inert(directive: &Directive, findings: &mut Findings) -> bool {
    let name = directive.name.text.as_str();
    let Some(known) = INERT.iter().find(|inert| inert.name == name) else { return false };
    let usage =
        if known.most_args == 0 { name.to_owned() } else { format!("{name} [ARGUMENT…]") };
    directive.has_args(0, known.most_args, &usage, findings);
    if known.options.is_empty() {
        directive.has_no_block(findings);
    }
    for option in directive.options() {
        let word = option.name.text.as_str();
        if !known.options.contains(&word) {
            findings.error(option.name.at, words::unknown_option(name, word, known.options));
        }
    }
    findings.warn(directive.name.at, format_args!("'{name}' has no effect in this version"));
    true
}

/// `bind ADDRESS|INTERFACE… { except ADDRESS|INTERFACE… }`: the addresses to listen on.
pub(super) fn bind(
    directive: &Directive,
    around: &Surroundings<'_>,
    findings: &mut Findings,
) -> Vec<IpAddr> {
    if !directive.has_args(1, usize::MAX, "bind ADDRESS|INTERFACE…", findings) {
        return Vec::new();
    }
    let interfaces = (around.interfaces)();
    let faults = findings.errors.len();
    let mut addresses = Vec::new();
    for arg in &directive.args {
        addresses.extend(addresses_of(arg, &interfaces, findings));
    }
    for option in directive.options() {
        if option.name.text != "except" {
            let word = option.name.text.as_str();
            findings.error(option.name.at, words::unknown_option("bind", word, &["except"]));
        } else if option.has_args(1, usize::MAX, "except ADDRESS|INTERFACE…", findings) {
            for arg in &option.args {
                let except = addresses_of(arg, &interfaces, findings);
                addresses.retain(|address| !except.contains(address));
            }
        }
    }
    if addresses.is_empty() && findings.errors.len() == faults {
        findings.error(directive.name.at, "no address is left to listen on");
    }
    addresses
}

fn addresses_of(arg: &Token, interfaces: &[Interface], findings: &mut Findings) -> Vec<IpAddr> {
    let text = arg.text.as_str();
    if interfaces.iter().any(|interface| interface.name == text) {
        let own = interfaces.iter().filter(|interface| interface.name == text);
        return own.map(|one| one.address).filter(|address| !is_link_local(*address)).collect();
    }
    let parsed = value(arg, findings, |text| {
        parse_address(text)
            .map_err(|_| format!("'{text}' is neither an address nor an interface of this machine"))
    });
    parsed.into_iter().collect()
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// `errors [stdout] { consolidate DURATION REGEXP [LEVEL] [show_first]; stacktrace }`.
pub(super) fn errors(directive: &Directive, findings: &mut Findings) {
    if directive.has_args(0, 1, "errors", findings)
        && let Some(arg) = directive.args.first()
        && arg.text != "stdout"
    {
        findings.error(arg.at, format!("'{}' is no log file; write 'errors'", arg.text));
    }
    let known = ["consolidate", "panicRecoveryStacktrace", "stacktrace"];
    for option in directive.options() {
        let word = option.name.text.as_str();
        if !known.contains(&word) {
            findings.error(option.name.at, words::unknown_option("errors", word, &known));
            continue;
        }
        let fits = if word == "consolidate" {
            let usage = "consolidate DURATION REGEXP [LEVEL]";
            option.has_args(2, 4, usage, findings)
                && option
                    .args
                    .first()
                    .is_some_and(|arg| value(arg, findings, parse_duration).is_some())
        } else {
            option.has_args(0, 0, word, findings)
        };
        if fits {
            findings.warn(
                option.name.at,
                format_args!("'{word}' of 'errors' has no effect in this version"),
            );
        }
    }
}

/// `health [ADDRESS] { lameduck DURATION }`.
pub(super) fn health(directive: &Directive, config: &mut Config, findings: &mut Findings) {
    let address = http(directive, HEALTH, findings);
    keep(directive, &mut config.health, address, "/health", findings);
    for option in directive.options() {
        let word = option.name.text.as_str();
        if word != "lameduck" {
            findings.error(option.name.at, words::unknown_option("health", word, &["lameduck"]));
        } else if let Some(arg) = option.single("lameduck DURATION", findings)
            && let Some(duration) = value(arg, findings, parse_duration)
        {
            config.lameduck = config.lameduck.max(duration);
        }
    }
}

/// `ready [ADDRESS] { monitor until-ready|continuously }`.
pub(super) fn ready(directive: &Directive, config: &mut Config, findings: &mut Findings) {
    let address = http(directive, READY, findings);
    keep(directive, &mut config.ready, address, "/ready", findings);
    for option in directive.options() {
        let word = option.name.text.as_str();
        if word != "monitor" {
            findings.error(option.name.at, words::unknown_option("ready", word, &["monitor"]));
        } else if let Some(arg) = option.single("monitor until-ready|continuously", findings)
            && !["until-ready", "continuously"].contains(&arg.text.as_str())
        {
            findings
                .error(arg.at, format!("'{}' is not one of until-ready, continuously", arg.text));
        }
    }
}

/// `prometheus [ADDRESS]`.
pub(super) fn prometheus(directive: &Directive, config: &mut Config, findings: &mut Findings) {
    directive.has_no_block(findings);
    let address = http(directive, METRICS, findings);
    keep(directive, &mut config.metrics, address, "/metrics", findings);
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
    address: Option<SocketAddr>,
    path: &str,
    findings: &mut Findings,
) {
    let Some(address) = address else { return };
    let at = directive.name.at;
    match *slot {
        Some(other) if other != address => findings
            .warn(at, format_args!("'{path}' is served once, on {other}; {address} has no effect")),
        Some(_) => {}
        None => {
            *slot = Some(address);
        }
    }
}
