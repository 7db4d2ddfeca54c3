//! One server block: its zones, and which directive is read by what.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use super::address::{self, ZonePort};
use super::parser::{Block, Directive};
use super::{Surroundings, forward, kubernetes, number, plain, words};
use crate::config::error::{Findings, Position};
use crate::config::{
    Config, DEFAULT_BUFSIZE, Forward, Kubernetes, Listen, MAX_BUFSIZE, MAX_WORKERS, MIN_BUFSIZE,
    ServerBlock,
};

/// Directives that may stand several times in a block and then add up.
const REPEATABLE: &[&str] =
    &["acl", "bind", "forward", "hosts", "log", "rewrite", "template", "transfer"];

/// Known directives that would change answers or protection, and are not built yet.
const UNBUILT: &[&str] = &["acl", "hosts", "rewrite", "template", "transfer"];

/// A server block as it stands in the file.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) zones: Vec<ZonePort>,
    /// The addresses to listen on; every one where absent.
    pub(super) bind: Option<Vec<IpAddr>>,
    errors: bool,
    bufsize: u16,
    kubernetes: Option<Kubernetes>,
    forward: Option<Forward>,
}

/// Reads one block. What concerns the whole server goes into `config`.
pub(super) fn read(
    block: &Block,
    default_port: u16,
    around: &Surroundings<'_>,
    config: &mut Config,
    findings: &mut Findings,
) -> Draft {
    let keys = block.keys.iter();
    let mut draft = Draft {
        zones: keys.flat_map(|key| address::read(key, default_port, findings)).collect(),
        bind: None,
        errors: false,
        bufsize: DEFAULT_BUFSIZE,
        kubernetes: None,
        forward: None,
    };
    let mut seen: HashMap<&str, Position> = HashMap::new();
    for directive in &block.body {
        let (name, at) = (directive.name.text.as_str(), directive.name.at);
        let first = *seen.entry(name).or_insert(at);
        if first != at && !REPEATABLE.contains(&name) && words::DIRECTIVES.contains(&name) {
            findings.error(
                at,
                format!(
                    "'{name}' stands twice in this server block, first at {}; keep one",
                    findings.place(first)
                ),
            );
            continue;
        }
        draft.apply(directive, around, config, findings);
    }
    draft
}

impl Draft {
    fn apply(
        &mut self,
        directive: &Directive,
        around: &Surroundings<'_>,
        config: &mut Config,
        findings: &mut Findings,
    ) {
        let at = directive.name.at;
        match directive.name.text.as_str() {
            "bind" => {
                let bound = self.bind.get_or_insert_default();
                for address in plain::bind(directive, around, findings) {
                    if !bound.contains(&address) {
                        bound.push(address);
                    }
                }
            }
            "errors" => {
                plain::errors(directive, findings);
                self.errors = true;
            }
            "bufsize" => self.bufsize = bufsize(directive, findings),
            "kubernetes" => {
                let zones = self.zones.iter().map(|key| key.zone.clone()).collect();
                self.kubernetes = kubernetes::read(directive, zones, findings);
            }
            "forward" if self.forward.is_some() => {
                findings.error(at, "a second 'forward' in one server block is not built yet");
            }
            "forward" => self.forward = forward::read(directive, findings),
            "workers" => workers(directive, config, findings),
            "health" => plain::health(directive, config, findings),
            "ready" => plain::ready(directive, config, findings),
            "prometheus" => plain::prometheus(directive, config, findings),
            name if UNBUILT.contains(&name) => {
                findings.error(at, format!("the directive '{name}' is not built yet"));
            }
            name => {
                if !plain::inert(directive, findings) {
                    findings.error(at, words::unknown_directive(name));
                }
            }
        }
    }

    /// The server blocks of this block, one a port, in the order in which the ports are named.
    pub(super) fn into_servers(self, block: usize) -> Vec<ServerBlock> {
        let mut servers: Vec<(u16, ServerBlock)> = Vec::new();
        for ZonePort { zone, port, .. } in self.zones {
            if let Some((_, server)) = servers.iter_mut().find(|(other, _)| *other == port) {
                server.zones.push(zone);
                continue;
            }
            let listen = match &self.bind {
                None => Listen::everywhere(port),
                Some(addresses) => addresses
                    .iter()
                    .map(|address| Listen::written(SocketAddr::new(*address, port)))
                    .collect(),
            };
            servers.push((
                port,
                ServerBlock {
                    block,
                    zones: vec![zone],
                    listen,
                    kubernetes: self.kubernetes.clone(),
                    forward: self.forward.clone(),
                    errors: self.errors,
                    bufsize: self.bufsize,
                },
            ));
        }
        servers.into_iter().map(|(_, server)| server).collect()
    }
}

fn bufsize(directive: &Directive, findings: &mut Findings) -> u16 {
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

fn workers(directive: &Directive, config: &mut Config, findings: &mut Findings) {
    let Some(arg) = directive.single("workers NUMBER", findings) else { return };
    let count = number(arg, 1, MAX_WORKERS as u64, findings).and_then(|n| usize::try_from(n).ok());
    match (count, config.workers) {
        (Some(count), Some(other)) if count != other => findings.error(
            arg.at,
            format!("'workers' is for the whole server, and another block says {other}; keep one"),
        ),
        (Some(count), _) => config.workers = Some(count),
        (None, _) => {}
    }
}
