//! `hosts` and `template`.

use std::path::PathBuf;
use std::time::Duration;

use super::args::{number, pattern, value, zones};
use super::lexer::Token;
use super::mnemonics;
use super::parser::Directive;
use crate::cluster::parse_address;
use crate::config::error::Findings;
use crate::config::{Hosts, HostsEntry, RecordTemplate, Template};
use crate::name::Name;
use crate::zone::Fallthrough;

/// The file of `hosts` where none is named.
const HOSTS_FILE: &str = "/etc/hosts";
/// The TTL of `hosts` where nothing is said, in seconds.
const HOSTS_TTL: u32 = 3_600;
/// How often the file of `hosts` is looked at where nothing is said.
const HOSTS_RELOAD: Duration = Duration::from_secs(5);

const HOSTS_OPTIONS: &[&str] =
    &["fallthrough", "fallthrough_unsupported", "no_reverse", "reload", "ttl"];

/// `hosts [FILE [ZONES…]] { ADDRESS NAME…; ttl SECONDS; no_reverse; reload DURATION; fallthrough }`.
pub(super) fn hosts(directive: &Directive, of_block: &[Name], findings: &mut Findings) -> Hosts {
    let (file, names) = match directive.args.split_first() {
        Some((file, names)) => (file.text.as_str(), names),
        None => (HOSTS_FILE, directive.args.as_slice()),
    };
    let mut hosts = Hosts {
        file: PathBuf::from(file),
        zones: zones(names, of_block, findings),
        entries: Vec::new(),
        ttl: HOSTS_TTL,
        reverse: true,
        reload: HOSTS_RELOAD,
        fallthrough: Fallthrough::Never,
        fallthrough_unsupported: false,
    };
    if let Some(named) = directive.args.first() {
        match hosts.file.metadata() {
            Ok(metadata) if metadata.is_dir() => {
                findings.warn(named.at, format_args!("'{file}' is a folder; name a file"));
            }
            Ok(_) => {}
            Err(error) => findings.warn(named.at, format_args!("'{file}' cannot be read: {error}")),
        }
    }
    for option in directive.options() {
        hosts_option(&mut hosts, option, findings);
    }
    if hosts.fallthrough_unsupported && hosts.fallthrough == Fallthrough::Never {
        findings
            .error(directive.name.at, "'fallthrough_unsupported' needs 'fallthrough' beside it");
    }
    hosts
}

fn hosts_option(hosts: &mut Hosts, option: &Directive, findings: &mut Findings) {
    option.has_no_block(findings);
    match option.name.text.as_str() {
        "fallthrough" => hosts.fallthrough = option.fallthrough(findings),
        "fallthrough_unsupported" => hosts.fallthrough_unsupported = option.alone(findings),
        "no_reverse" => hosts.reverse = !option.alone(findings),
        "ttl" => hosts.ttl = option.count(1, 65_535, findings).unwrap_or(HOSTS_TTL),
        "reload" => hosts.reload = option.duration(findings).unwrap_or(HOSTS_RELOAD),
        // CoreDNS takes every other line for an entry, and passes over those that are none.
        word => match parse_address(word) {
            Err(_) => option.unknown("hosts", HOSTS_OPTIONS, findings),
            Ok(_) if hosts.fallthrough != Fallthrough::Never => findings.error(
                option.name.at,
                "an entry stands behind 'fallthrough', where CoreDNS takes none; move it up",
            ),
            Ok(address) => {
                if !option.has_args(1, usize::MAX, "ADDRESS NAME…", findings) {
                    return;
                }
                let names = option.args.iter().filter_map(|arg| host(arg, findings)).collect();
                hosts.entries.push(HostsEntry { address, names });
            }
        },
    }
}

fn host(arg: &Token, findings: &mut Findings) -> Option<Name> {
    value(arg, findings, |text| {
        Name::parse(text).map_err(|error| format!("'{text}' is not a name: {error}"))
    })
}

const TEMPLATE_OPTIONS: &[&str] = &[
    "match",
    "answer",
    "additional",
    "authority",
    "rcode",
    "ederror",
    "fallthrough",
    "var",
    "expr",
    "upstream",
];

/// `template CLASS TYPE [ZONES…] { … }`.
pub(super) fn template(
    directive: &Directive,
    of_block: &[Name],
    findings: &mut Findings,
) -> Option<Template> {
    let mut found = Template {
        class: 1,
        record_type: 1,
        zones: Vec::new(),
        matches: Vec::new(),
        answer: Vec::new(),
        additional: Vec::new(),
        authority: Vec::new(),
        rcode: 0,
        ede: None,
        fallthrough: Fallthrough::Never,
    };
    for option in directive.options() {
        template_option(&mut found, option, findings);
    }
    if !directive.has_args(2, usize::MAX, "template CLASS TYPE [ZONES…]", findings) {
        return None;
    }
    let (class, rest) = directive.args.split_first()?;
    let (record_type, names) = rest.split_first()?;
    let class = mnemonics::class(class, findings);
    let record_type = mnemonics::record_type(record_type, findings);
    found.zones = zones(names, of_block, findings);
    found.class = class?;
    found.record_type = record_type?;
    Some(found)
}

fn template_option(found: &mut Template, option: &Directive, findings: &mut Findings) {
    option.has_no_block(findings);
    let name = option.name.text.as_str();
    match name {
        "match" if option.has_args(1, usize::MAX, "match REGEX…", findings) => {
            found.matches.extend(option.args.iter().filter_map(|arg| pattern(arg, findings)));
        }
        "answer" | "additional" | "authority"
            if option.has_args(1, usize::MAX, &format!("{name} \"RECORD\"…"), findings) =>
        {
            let section = match name {
                "answer" => &mut found.answer,
                "additional" => &mut found.additional,
                _ => &mut found.authority,
            };
            for arg in &option.args {
                section.extend(value(arg, findings, RecordTemplate::parse));
            }
        }
        "rcode" => {
            if let Some(arg) = option.single("rcode CODE", findings) {
                let code = mnemonics::rcode(arg, findings);
                found.rcode = mnemonics::in_header(code, arg, findings).unwrap_or_default();
            }
        }
        "ederror" if option.has_args(1, 2, "ederror CODE [REASON]", findings) => {
            let reason = option.args.get(1).map(|arg| arg.text.clone()).unwrap_or_default();
            let code = option.args.first().and_then(|arg| number(arg, 0, 65_535, findings));
            found.ede = code.and_then(|code| u16::try_from(code).ok()).map(|code| (code, reason));
        }
        "fallthrough" => found.fallthrough = option.fallthrough(findings),
        // CoreDNS still takes it, and does nothing then.
        "upstream" => findings.warn(option.name.at, "'upstream' has no effect; remove the line"),
        "match" | "answer" | "additional" | "authority" | "ederror" | "var" | "expr" => {}
        _ => option.unknown("template", TEMPLATE_OPTIONS, findings),
    }
}
