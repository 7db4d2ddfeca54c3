//! `chaos`, `nsid`, `loadbalance`, `bufsize`.

use std::path::PathBuf;
use std::time::Duration;

use super::args::{number, value};
use super::parser::Directive;
use crate::config::error::Findings;
use crate::config::{
    Balance, Chaos, Cidr, DEFAULT_BUFSIZE, LoadBalance, MAX_BUFSIZE, MIN_BUFSIZE, Nsid,
};

/// The longest text of a TXT record, in octets (RFC 1035, section 3.3).
const MAX_TEXT: usize = 255;
/// How often a file of weights is looked at where nothing is said.
const WEIGHTS_RELOAD: Duration = Duration::from_secs(30);

/// `chaos [VERSION] [AUTHORS…]`.
pub(super) fn chaos(directive: &Directive, findings: &mut Findings) -> Chaos {
    directive.has_no_block(findings);
    let own = concat!("fingerpost-", env!("CARGO_PKG_VERSION"));
    let mut args = directive.text_args();
    let version = trim(args.next().unwrap_or(own));
    let mut authors: Vec<String> = args.map(trim).collect();
    authors.sort();
    authors.dedup();
    Chaos { version, authors }
}

/// As much of `text` as a TXT record takes.
fn trim(text: &str) -> String {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

/// `nsid [DATA]`.
pub(super) fn nsid(directive: &Directive, findings: &mut Findings) -> Nsid {
    directive.has_no_block(findings);
    let words: Vec<&str> = directive.text_args().collect();
    Nsid { data: (!words.is_empty()).then(|| words.join(" ")) }
}

/// `loadbalance [round_robin | weighted FILE] { reload DURATION; prefer NETWORK… }`.
pub(super) fn load_balance(directive: &Directive, findings: &mut Findings) -> LoadBalance {
    let usage = "loadbalance [round_robin | weighted FILE]";
    let mut found = LoadBalance::default();
    if directive.has_args(0, 2, usage, findings) {
        match directive.args.as_slice() {
            [] => {}
            [policy] if policy.text == "round_robin" => {}
            [policy, file] if policy.text == "weighted" => {
                let file = PathBuf::from(&file.text);
                found.balance = Balance::Weighted { file, reload: WEIGHTS_RELOAD };
            }
            [policy] if policy.text == "weighted" => {
                findings.error(policy.at, format!("'weighted' lacks a file; write '{usage}'"));
            }
            [policy, extra] if policy.text == "round_robin" => findings.error(
                extra.at,
                format!("'{}' is one argument too many; write '{usage}'", extra.text),
            ),
            [policy, ..] => findings
                .error(policy.at, format!("'{}' is not one of round_robin, weighted", policy.text)),
        }
    }
    for option in directive.options() {
        option.has_no_block(findings);
        match (option.name.text.as_str(), &mut found.balance) {
            ("reload", Balance::Weighted { reload, .. }) => {
                if let Some(time) = option.duration(findings) {
                    *reload = time;
                }
            }
            ("reload", Balance::Shuffle) => findings
                .error(option.name.at, "'reload' belongs to 'loadbalance weighted FILE' alone"),
            ("prefer", _) if option.has_args(1, usize::MAX, "prefer NETWORK…", findings) => {
                for arg in &option.args {
                    found.prefer.extend(value(arg, findings, Cidr::parse));
                }
            }
            ("prefer", _) => {}
            _ => option.unknown("loadbalance", &["reload", "prefer"], findings),
        }
    }
    found
}

/// `bufsize [OCTETS]`.
pub(super) fn bufsize(directive: &Directive, findings: &mut Findings) -> u16 {
    directive.has_no_block(findings);
    if !directive.has_args(0, 1, "bufsize [OCTETS]", findings) {
        return DEFAULT_BUFSIZE;
    }
    directive
        .args
        .first()
        .and_then(|arg| number(arg, MIN_BUFSIZE.into(), MAX_BUFSIZE.into(), findings))
        .and_then(|octets| u16::try_from(octets).ok())
        .unwrap_or(DEFAULT_BUFSIZE)
}
