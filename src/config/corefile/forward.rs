//! `forward FROM TO… { … }`.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::args::{value, zones};
use super::lexer::Token;
use super::parser::Directive;
use super::{guard, mnemonics, words};
use crate::config::error::Findings;
use crate::config::value::{parse_duration, parse_upstreams, parse_zones};
use crate::config::{Carrier, Forward, MAX_UPSTREAMS, Policy, Protocol, Upstream};
use crate::name::Name;

/// How it is written.
const USAGE: &str = "forward FROM TO…";

/// The options that CoreDNS knows.
const OPTIONS: &[&str] = &[
    "except",
    "force_tcp",
    "prefer_udp",
    "expire",
    "max_age",
    "max_idle_conns",
    "max_fails",
    "max_connect_attempts",
    "read_timeout",
    "tls",
    "tls_servername",
    "policy",
    "health_check",
    "max_concurrent",
    "next",
    "next_on_nodata",
    "failfast_all_unhealthy_upstreams",
    "failover",
    "resolver",
    "source_address",
    "doh_method",
];

/// Reads the directive.
pub(super) fn read(directive: &Directive, findings: &mut Findings) -> Option<Forward> {
    let mut forward = Forward::new(Name::root(), Vec::new());
    for option in directive.options() {
        apply(&mut forward, option, findings);
    }
    if let Some(max_age) = forward.max_age
        && !max_age.is_zero()
        && max_age < forward.expire
    {
        findings.error(
            directive.name.at,
            format!("'max_age' ({max_age:?}) is shorter than 'expire' ({:?})", forward.expire),
        );
    }
    if !directive.has_args(2, usize::MAX, USAGE, findings) {
        return None;
    }
    let (from, to) = directive.args.split_first()?;
    let mut names = value(from, findings, parse_zones)?.into_iter();
    forward.from = names.next()?;
    if names.next().is_some() {
        findings.warn(
            from.at,
            format_args!(
                "'{}' stands for several reverse zones, of which 'forward' takes only the first, \
                 {}",
                from.text, forward.from
            ),
        );
    }
    for word in to {
        upstreams(&mut forward, word, findings);
    }
    if forward.to.len() > MAX_UPSTREAMS {
        findings.error(
            directive.name.at,
            format!("{} upstreams are more than the {MAX_UPSTREAMS} allowed", forward.to.len()),
        );
    }
    let speaks_tls = |to: &Upstream| to.protocol != Protocol::Dns;
    if !forward.to.is_empty() && !forward.to.iter().any(speaks_tls) {
        let of_tls = |option: &&Directive| option.name.text.starts_with("tls");
        for option in directive.options().iter().filter(of_tls) {
            let text = format_args!(
                "'{}' has no effect, since no upstream speaks TLS; write tls://ADDR for those that do",
                option.name.text
            );
            findings.warn(option.name.at, text);
        }
    }
    (!forward.to.is_empty()).then_some(forward)
}

/// Adds what one word of `TO…` names; an upstream that is named twice counts once.
fn upstreams(forward: &mut Forward, word: &Token, findings: &mut Findings) {
    for upstream in value(word, findings, parse_upstreams).unwrap_or_default() {
        if upstream.server_name.is_some() && forward.tls.server_name.is_some() {
            findings.error(
                word.at,
                format!("'{}' and 'tls_servername' both name the server; keep one", word.text),
            );
        }
        let same = |other: &Upstream| {
            (other.address, other.protocol) == (upstream.address, upstream.protocol)
        };
        if !forward.to.iter().any(same) {
            forward.to.push(upstream);
        }
    }
}

fn apply(forward: &mut Forward, option: &Directive, findings: &mut Findings) {
    option.has_no_block(findings);
    match option.name.text.as_str() {
        "except" if option.has_args(1, usize::MAX, "except ZONE…", findings) => {
            forward.except.extend(zones(&option.args, &[], findings));
        }
        "force_tcp" => {
            option.alone(findings);
            forward.carrier = Carrier::Tcp;
        }
        "prefer_udp" => {
            option.alone(findings);
            // As CoreDNS has it: TCP wins where both are written.
            if forward.carrier == Carrier::AsAsked {
                forward.carrier = Carrier::PreferUdp;
            }
        }
        "next_on_nodata" => forward.next_on_nodata = option.alone(findings),
        "failfast_all_unhealthy_upstreams" => forward.fail_fast = option.alone(findings),
        "expire" => forward.expire = option.duration(findings).unwrap_or(forward.expire),
        "max_age" => forward.max_age = option.duration(findings).filter(|age| !age.is_zero()),
        "read_timeout" => {
            forward.read_timeout = option.duration(findings);
            if forward.read_timeout.is_some_and(|time| time.is_zero()) {
                findings.error(option.name.at, "'read_timeout' must be longer than nothing");
            }
        }
        "max_idle_conns" => {
            forward.max_idle_conns = count(option, findings).filter(|count| *count != 0);
        }
        "max_fails" => forward.max_fails = count(option, findings).unwrap_or(forward.max_fails),
        "max_connect_attempts" => {
            forward.max_connect_attempts = count(option, findings);
        }
        "max_concurrent" => {
            forward.max_concurrent = count(option, findings).filter(|count| *count != 0);
        }
        "policy" => {
            let policies = [
                ("random", Policy::Random),
                ("round_robin", Policy::RoundRobin),
                ("sequential", Policy::Sequential),
            ];
            forward.policy = option.choice(&policies, findings).unwrap_or_default();
        }
        "health_check" => health_check(forward, option, findings),
        "next" => forward.next = rcodes(option, findings),
        "failover" => {
            forward.failover = rcodes(option, findings);
            if forward.failover.contains(&0) {
                findings.error(option.name.at, "'failover' takes no NOERROR; remove it");
            }
        }
        "resolver" if option.has_args(1, usize::MAX, "resolver ADDRESS[:PORT]…", findings) => {
            let servers = option.args.iter().filter_map(|arg| value(arg, findings, guard::socket));
            forward.resolver = servers.collect::<Vec<SocketAddr>>();
        }
        "source_address" => {
            let arg = option.single("source_address ADDRESS", findings);
            forward.source = arg.and_then(|arg| value(arg, findings, guard::address));
        }
        "tls" => tls(forward, option, findings),
        "tls_servername" => {
            let arg = option.single("tls_servername NAME", findings);
            forward.tls.server_name = arg.map(|arg| arg.text.clone());
        }
        "doh_method" => {
            forward.doh_get =
                option.choice(&[("GET", true), ("POST", false)], findings).unwrap_or_default();
        }
        "except" | "resolver" => {}
        _ => option.unknown("forward", OPTIONS, findings),
    }
}

fn count(option: &Directive, findings: &mut Findings) -> Option<u32> {
    option.count(0, u32::MAX, findings)
}

fn rcodes(option: &Directive, findings: &mut Findings) -> Vec<u16> {
    let usage = format!("{} RCODE…", option.name.text);
    if !option.has_args(1, usize::MAX, &usage, findings) {
        return Vec::new();
    }
    option.args.iter().filter_map(|arg| mnemonics::rcode(arg, findings)).collect()
}

/// `tls [CERTIFICATE KEY] [AUTHORITY]`.
fn tls(forward: &mut Forward, option: &Directive, findings: &mut Findings) {
    if !option.has_args(0, 3, "tls [CERTIFICATE KEY] [AUTHORITY]", findings) {
        return;
    }
    let path = |token: &Token| PathBuf::from(&token.text);
    match option.args.as_slice() {
        [authority] => forward.tls.authority = Some(path(authority)),
        [certificate, key] => forward.tls.identity = Some((path(certificate), path(key))),
        [certificate, key, authority] => {
            forward.tls.identity = Some((path(certificate), path(key)));
            forward.tls.authority = Some(path(authority));
        }
        _ => {}
    }
}

/// `health_check DURATION [no_rec] [domain NAME]`.
fn health_check(forward: &mut Forward, option: &Directive, findings: &mut Findings) {
    if !option.has_args(1, 4, "health_check DURATION [no_rec] [domain NAME]", findings) {
        return;
    }
    let check = &mut forward.health_check;
    let mut args = option.args.iter();
    let Some(interval) = args.next().and_then(|arg| value(arg, findings, parse_duration)) else {
        return;
    };
    check.interval = interval;
    while let Some(arg) = args.next() {
        match arg.text.as_str() {
            "no_rec" => check.recursion = false,
            "domain" => {
                let Some(name) = args.next() else {
                    findings.error(arg.at, "'domain' lacks a name; write 'domain NAME'");
                    return;
                };
                let parsed = value(name, findings, |text| {
                    Name::parse(text).map_err(|error| format!("'{text}' is not a name: {error}"))
                });
                check.domain = parsed.unwrap_or_else(Name::root);
            }
            other => {
                let known = ["no_rec", "domain"];
                findings.error(arg.at, words::unknown_option("health_check", other, &known));
                return;
            }
        }
    }
}
