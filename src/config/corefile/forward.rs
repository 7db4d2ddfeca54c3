//! `forward FROM TO… { … }`.

use super::parser::Directive;
use super::{number, value, words};
use crate::config::error::Findings;
use crate::config::value::{parse_duration, parse_upstreams, parse_zones};
use crate::config::{Forward, MAX_UPSTREAMS};
use crate::name::Name;

/// How it is written.
const USAGE: &str = "forward FROM TO…";

/// What an option of the block takes.
#[derive(Clone, Copy)]
enum Takes {
    Nothing,
    Number,
    Duration,
    OneOf(&'static [&'static str]),
    Words(usize, usize),
}

/// The options that CoreDNS knows. All but `except` have no effect yet.
const OPTIONS: &[(&str, Takes)] = &[
    ("except", Takes::Words(1, usize::MAX)),
    ("force_tcp", Takes::Nothing),
    ("prefer_udp", Takes::Nothing),
    ("expire", Takes::Duration),
    ("max_idle_conns", Takes::Number),
    ("max_fails", Takes::Number),
    ("max_connect_attempts", Takes::Number),
    ("max_age", Takes::Duration),
    ("doh_method", Takes::OneOf(&["GET", "POST"])),
    ("tls", Takes::Words(0, 3)),
    ("tls_servername", Takes::Words(1, 1)),
    ("policy", Takes::OneOf(&["random", "round_robin", "sequential"])),
    ("health_check", Takes::Words(1, 4)),
    ("max_concurrent", Takes::Number),
    ("next", Takes::Words(1, usize::MAX)),
    ("next_on_nodata", Takes::Nothing),
    ("failfast_all_unhealthy_upstreams", Takes::Nothing),
    ("failover", Takes::Words(1, usize::MAX)),
    ("resolver", Takes::Words(1, usize::MAX)),
];

/// Reads the directive.
pub(super) fn read(directive: &Directive, findings: &mut Findings) -> Option<Forward> {
    let except = options(directive, findings);
    if !directive.has_args(2, usize::MAX, USAGE, findings) {
        return None;
    }
    let (from, to) = directive.args.split_first()?;
    let mut zones = value(from, findings, parse_zones)?.into_iter();
    let forward_from = zones.next()?;
    if zones.next().is_some() {
        findings.warn(
            from.at,
            format_args!(
                "'{}' stands for several reverse zones, of which 'forward' takes only the first, \
                 {forward_from}",
                from.text
            ),
        );
    }
    let mut upstreams = Vec::new();
    for word in to {
        upstreams.extend(value(word, findings, parse_upstreams).unwrap_or_default());
    }
    if upstreams.len() > MAX_UPSTREAMS {
        findings.error(
            directive.name.at,
            format!("{} upstreams are more than the {MAX_UPSTREAMS} allowed", upstreams.len()),
        );
    }
    if upstreams.is_empty() {
        return None;
    }
    Some(Forward { from: forward_from, to: upstreams, except })
}

/// Checks the block, and gives back the zones of `except`.
fn options(directive: &Directive, findings: &mut Findings) -> Vec<Name> {
    let known: Vec<&str> = OPTIONS.iter().map(|(name, _)| *name).collect();
    let mut except = Vec::new();
    for option in directive.options() {
        let name = option.name.text.as_str();
        let Some((_, takes)) = OPTIONS.iter().find(|(known, _)| *known == name) else {
            findings.error(option.name.at, words::unknown_option("forward", name, &known));
            continue;
        };
        if !check(option, *takes, findings) {
            continue;
        }
        if name == "except" {
            for arg in &option.args {
                except.extend(value(arg, findings, parse_zones).unwrap_or_default());
            }
        } else {
            findings.warn(
                option.name.at,
                format_args!("'{name}' of 'forward' is not yet in effect in this version"),
            );
        }
    }
    except
}

fn check(option: &Directive, takes: Takes, findings: &mut Findings) -> bool {
    let name = option.name.text.as_str();
    option.has_no_block(findings);
    match takes {
        Takes::Nothing => option.has_args(0, 0, name, findings),
        Takes::Number => option
            .single(&format!("{name} NUMBER"), findings)
            .and_then(|arg| number(arg, 0, u32::MAX.into(), findings))
            .is_some(),
        Takes::Duration => option
            .single(&format!("{name} DURATION"), findings)
            .and_then(|arg| value(arg, findings, parse_duration))
            .is_some(),
        Takes::OneOf(choices) => option
            .single(&format!("{name} {}", choices.join("|")), findings)
            .and_then(|arg| {
                value(arg, findings, |text| {
                    choices
                        .contains(&text)
                        .then_some(())
                        .ok_or_else(|| format!("'{text}' is not one of {}", choices.join(", ")))
                })
            })
            .is_some(),
        Takes::Words(least, most) => {
            let usage = if least == 0 {
                format!("{name} [ARGUMENT…]")
            } else {
                format!("{name} ARGUMENT…")
            };
            option.has_args(least, most, &usage, findings)
                && (name != "health_check" || health_check(option, findings))
        }
    }
}

/// `health_check DURATION [no_rec] [domain NAME]`.
fn health_check(option: &Directive, findings: &mut Findings) -> bool {
    let mut args = option.args.iter();
    let Some(first) = args.next() else { return false };
    if value(first, findings, parse_duration).is_none() {
        return false;
    }
    while let Some(arg) = args.next() {
        match arg.text.as_str() {
            "no_rec" => {}
            "domain" => {
                let Some(name) = args.next() else {
                    findings.error(arg.at, "'domain' lacks a name; write 'domain NAME'");
                    return false;
                };
                let parsed = value(name, findings, |text| {
                    Name::parse(text).map_err(|error| format!("'{text}' is not a name: {error}"))
                });
                if parsed.is_none() {
                    return false;
                }
            }
            other => {
                let known = ["no_rec", "domain"];
                findings.error(arg.at, words::unknown_option("health_check", other, &known));
                return false;
            }
        }
    }
    true
}
