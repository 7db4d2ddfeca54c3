//! `cache [TTL] [ZONES…] { … }`.

use std::time::Duration;

use super::args::{number, one_of, value, zones};
use super::lexer::Token;
use super::parser::Directive;
use crate::config::error::Findings;
use crate::config::value::parse_duration;
use crate::config::{Cache, Half, Prefetch, ServeStale};
use crate::name::Name;

/// Answers that a half keeps where nothing is said; CoreDNS has the same.
const CAPACITY: u32 = 9_984;
/// The longest TTL of answers with data where nothing is said, in seconds, and of denials.
const MAX_TTLS: (u32, u32) = (3_600, 1_800);
/// The shortest TTL where nothing is said, in seconds; SERVFAIL is kept as long.
const MIN_TTL: u32 = 5;
/// The longest that SERVFAIL may be kept (RFC 2308, section 7.1).
const MAX_SERVFAIL: Duration = Duration::from_mins(5);

const OPTIONS: &[&str] = &[
    "success",
    "denial",
    "prefetch",
    "serve_stale",
    "serve_stale_policy",
    "servfail",
    "disable",
    "keepttl",
];

/// Reads the directive.
pub(super) fn read(directive: &Directive, of_block: &[Name], findings: &mut Findings) -> Cache {
    let half =
        |max_ttl| Half { capacity: CAPACITY, max_ttl, min_ttl: MIN_TTL, disabled: Vec::new() };
    let mut args = directive.args.as_slice();
    let mut ttls = MAX_TTLS;
    // A first word that is a number is the TTL, any other a zone.
    if let Some((first, behind)) = args.split_first()
        && first.text.parse::<i64>().is_ok()
    {
        args = behind;
        if let Some(ttl) = seconds(first, 1, findings) {
            ttls = (ttl, ttl);
        }
    }
    let mut cache = Cache {
        zones: zones(args, of_block, findings),
        success: half(ttls.0),
        denial: half(ttls.1),
        prefetch: None,
        serve_stale: None,
        servfail: Duration::from_secs(MIN_TTL.into()),
        keep_ttl: false,
    };
    for option in directive.options() {
        apply(&mut cache, option, findings);
    }
    let policy = |option: &&Directive| option.name.text == "serve_stale_policy";
    if let Some(option) = directive.options().iter().find(policy) {
        let positive = option.choice(&[("prefer_positive", true)], findings).unwrap_or_default();
        match &mut cache.serve_stale {
            Some(stale) => stale.prefer_positive = positive,
            None => findings.error(
                option.name.at,
                "'serve_stale_policy' needs a line with 'serve_stale' beside it",
            ),
        }
    }
    cache
}

fn apply(cache: &mut Cache, option: &Directive, findings: &mut Findings) {
    option.has_no_block(findings);
    match option.name.text.as_str() {
        "success" => half(&mut cache.success, option, findings),
        "denial" => half(&mut cache.denial, option, findings),
        "prefetch" => cache.prefetch = prefetch(option, findings),
        "serve_stale" => cache.serve_stale = serve_stale(option, findings),
        // Read once everything else is known.
        "serve_stale_policy" => {}
        "servfail" => {
            let Some(time) = option.duration(findings) else { return };
            if time > MAX_SERVFAIL {
                let message =
                    "SERVFAIL may be kept for five minutes at most (RFC 2308, section 7.1)";
                findings.error(option.args.first().map_or(option.name.at, |arg| arg.at), message);
            }
            cache.servfail = time;
        }
        "disable" => {
            if !option.has_args(1, usize::MAX, "disable success|denial [ZONES…]", findings) {
                return;
            }
            let Some((which, names)) = option.args.split_first() else { return };
            let disabled = zones(names, &[Name::root()], findings);
            match one_of(which, &[("success", true), ("denial", false)], findings) {
                Some(true) => cache.success.disabled = disabled,
                Some(false) => cache.denial.disabled = disabled,
                None => {}
            }
        }
        "keepttl" => cache.keep_ttl = option.alone(findings),
        _ => option.unknown("cache", OPTIONS, findings),
    }
}

/// `success|denial CAPACITY [TTL] [MINTTL]`.
fn half(half: &mut Half, option: &Directive, findings: &mut Findings) {
    let usage = format!("{} CAPACITY [TTL] [MINTTL]", option.name.text);
    if !option.has_args(1, 3, &usage, findings) {
        return;
    }
    let mut args = option.args.iter();
    let mut next =
        |least, findings: &mut Findings| args.next().and_then(|arg| seconds(arg, least, findings));
    if let Some(capacity) = next(0, findings) {
        half.capacity = capacity;
    }
    if let Some(ttl) = next(1, findings) {
        half.max_ttl = ttl;
    }
    if let Some(ttl) = next(0, findings) {
        half.min_ttl = ttl;
    }
}

/// `prefetch AMOUNT [DURATION] [PERCENTAGE%]`.
fn prefetch(option: &Directive, findings: &mut Findings) -> Option<Prefetch> {
    if !option.has_args(1, 3, "prefetch AMOUNT [DURATION] [PERCENTAGE%]", findings) {
        return None;
    }
    let mut args = option.args.iter();
    let amount = seconds(args.next()?, 0, findings)?;
    let duration = match args.next() {
        Some(arg) => value(arg, findings, parse_duration)?,
        None => Duration::from_mins(1),
    };
    let percentage = match args.next() {
        Some(arg) => value(arg, findings, |text| {
            let number = text.strip_suffix('%').and_then(|number| number.parse().ok());
            number
                .filter(|number| (10..=90).contains(number))
                .ok_or_else(|| format!("'{text}' is not a percentage from 10% to 90%"))
        })?,
        None => 10,
    };
    Some(Prefetch { amount, duration, percentage })
}

/// `serve_stale [DURATION] [immediate [TTL [RECHECK]] | verify [TIMEOUT [TTL [RECHECK]]]]`.
fn serve_stale(option: &Directive, findings: &mut Findings) -> Option<ServeStale> {
    let mut stale = ServeStale {
        up_to: Duration::from_hours(1),
        verify: None,
        ttl: 0,
        recheck: Duration::ZERO,
        prefer_positive: false,
    };
    let mode = option.args.get(1).map(|arg| arg.text.to_lowercase());
    let verify = mode.as_deref() == Some("verify");
    let usage =
        "serve_stale [DURATION] [immediate [TTL [RECHECK]] | verify [TIMEOUT [TTL [RECHECK]]]]";
    if !option.has_args(0, if verify { 5 } else { 4 }, usage, findings) {
        return None;
    }
    let mut args = option.args.iter();
    let Some(first) = args.next() else { return Some(stale) };
    stale.up_to = value(first, findings, parse_duration)?;
    if let Some(arg) = args.next()
        && !matches!(mode.as_deref(), Some("immediate" | "verify"))
    {
        findings.error(arg.at, format!("'{}' is not one of immediate, verify", arg.text));
        return None;
    }
    if verify {
        let timeout = args.next();
        stale.verify = Some(match timeout {
            Some(arg) => value(arg, findings, parse_duration)?,
            None => Duration::ZERO,
        });
    }
    if let Some(arg) = args.next() {
        stale.ttl = value(arg, findings, |text| {
            let ttl = parse_duration(text)?;
            let whole = u32::try_from(ttl.as_secs()).ok().filter(|_| ttl.subsec_nanos() == 0);
            whole.ok_or_else(|| format!("'{text}' is not a TTL of whole seconds"))
        })?;
    }
    if let Some(arg) = args.next() {
        stale.recheck = value(arg, findings, |text| {
            let recheck = Some(parse_duration(text)?).filter(|recheck| *recheck <= MAX_SERVFAIL);
            recheck.ok_or_else(|| format!("'{text}' is longer than five minutes"))
        })?;
    }
    Some(stale)
}

fn seconds(arg: &Token, least: u64, findings: &mut Findings) -> Option<u32> {
    // As far as Go's and DNS's numbers go alike.
    let most = u64::from(u32::MAX >> 1);
    number(arg, least, most, findings).and_then(|n| u32::try_from(n).ok())
}
