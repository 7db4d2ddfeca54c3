//! `bind`: the addresses to listen on.

use std::net::IpAddr;

use super::args::value;
use super::lexer::Token;
use super::parser::Directive;
use super::{Surroundings, words};
use crate::cluster::parse_address;
use crate::config::Interface;
use crate::config::error::Findings;

/// `bind ADDRESS|INTERFACE… { except ADDRESS|INTERFACE… }`: the addresses to listen on.
pub(super) fn read(
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
