//! `acl` and `transfer`.

use std::net::{IpAddr, SocketAddr};

use super::args::{value, zones};
use super::lexer::Token;
use super::mnemonics::record_type;
use super::parser::Directive;
use crate::cluster::parse_address;
use crate::config::error::Findings;
use crate::config::{Acl, AclAction, AclRule, Cidr, DNS_PORT, Transfer, TransferTo};
use crate::name::Name;

const ACTIONS: &[(&str, AclAction)] = &[
    ("allow", AclAction::Allow),
    ("block", AclAction::Block),
    ("filter", AclAction::Filter),
    ("drop", AclAction::Drop),
];

/// How a line of `acl` is written.
const RULE: &str = "allow|block|filter|drop [type TYPE…] [net SOURCE…]";

/// `acl [ZONES…] { ACTION [type TYPE…] [net SOURCE…] }`.
pub(super) fn acl(directive: &Directive, of_block: &[Name], findings: &mut Findings) -> Acl {
    let zones = zones(&directive.args, of_block, findings);
    if directive.options().is_empty() {
        findings.warn(
            directive.name.at,
            format_args!("'acl' has no rule and lets everybody in; write lines such as '{RULE}'"),
        );
    }
    let rules = directive.options().iter().filter_map(|rule| acl_rule(rule, findings)).collect();
    Acl { zones, rules }
}

fn acl_rule(rule: &Directive, findings: &mut Findings) -> Option<AclRule> {
    rule.has_no_block(findings);
    let word = rule.name.text.to_lowercase();
    let Some((_, action)) = ACTIONS.iter().find(|(action, _)| *action == word) else {
        let actions: Vec<&str> = ACTIONS.iter().map(|(action, _)| *action).collect();
        rule.unknown("acl", &actions, findings);
        return None;
    };
    let mut found = AclRule { action: *action, types: Vec::new(), sources: Vec::new() };
    let (mut all_types, mut all_sources) = (false, false);
    let is_section = |token: &Token| matches!(&*token.text.to_lowercase(), "type" | "net");
    let mut rest = rule.args.as_slice();
    while let Some((section, behind)) = rest.split_first() {
        if !is_section(section) {
            let text = &section.text;
            findings.error(section.at, format!("'{text}' is neither type nor net; write '{RULE}'"));
            return None;
        }
        let end = behind.iter().position(is_section).unwrap_or(behind.len());
        let (values, next) = behind.split_at_checked(end)?;
        rest = next;
        if values.is_empty() {
            findings.error(
                section.at,
                format!("a value must follow '{}'; write '{RULE}'", section.text),
            );
        }
        let of_types = section.text.eq_ignore_ascii_case("type");
        for token in values {
            match (&*token.text, of_types) {
                ("*", true) => all_types = true,
                ("*", false) => all_sources = true,
                (_, true) => found.types.extend(record_type(token, findings)),
                (_, false) => found.sources.extend(value(token, findings, source)),
            }
        }
    }
    // `*` is everything, as an absent section is, whatever else is named. The type ANY is but one.
    if all_types {
        found.types.clear();
    }
    if all_sources {
        found.sources.clear();
    }
    Some(found)
}

/// A network, or one address.
fn source(text: &str) -> Result<Cidr, String> {
    match parse_address(text) {
        Ok(IpAddr::V4(_)) => Cidr::parse(&format!("{text}/32")),
        Ok(IpAddr::V6(_)) => Cidr::parse(&format!("{text}/128")),
        Err(_) => Cidr::parse(text),
    }
}

/// `transfer [ZONES…] { to ADDRESS…|*; source ADDRESS }`.
pub(super) fn transfer(
    directive: &Directive,
    of_block: &[Name],
    findings: &mut Findings,
) -> Transfer {
    let faults = findings.errors.len();
    let mut found = Transfer {
        zones: zones(&directive.args, of_block, findings),
        to: Vec::new(),
        source: None,
    };
    for option in directive.options() {
        option.has_no_block(findings);
        match option.name.text.as_str() {
            "to" if option.has_args(1, usize::MAX, "to ADDRESS…|*", findings) => {
                for arg in &option.args {
                    found.to.extend(value(arg, findings, transfer_to));
                }
            }
            "to" => {}
            "source" if found.source.is_some() => {
                findings
                    .error(option.name.at, "'source' stands twice in this 'transfer'; keep one");
            }
            "source" => {
                let arg = option.single("source ADDRESS", findings);
                found.source = arg.and_then(|arg| value(arg, findings, address));
            }
            _ => option.unknown("transfer", &["to", "source"], findings),
        }
    }
    if found.to.is_empty() && findings.errors.len() == faults {
        findings.error(directive.name.at, "'transfer' says to nobody; add 'to ADDRESS…' or 'to *'");
    }
    found
}

fn transfer_to(text: &str) -> Result<TransferTo, String> {
    if text == "*" {
        return Ok(TransferTo::Anybody);
    }
    socket(text).map(TransferTo::Address)
}

/// An address, with the port of DNS where it names none.
pub(super) fn socket(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = parse_address(bare)
        .map_err(|_| format!("'{text}' is not an address such as 192.0.2.1 or 192.0.2.1:53"))?;
    Ok(SocketAddr::new(address, DNS_PORT))
}

/// An address without a port.
pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    parse_address(text).map_err(|_| format!("'{text}' is not an IP address"))
}
