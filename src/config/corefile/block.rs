//! One server block: its zones, and which directive is read by what.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use super::address::{self, ZonePort};
use super::args::number;
use super::lexer::Token;
use super::parser::{Block, Directive};
use super::{
    Surroundings, bind, cache, forward, guard, kubernetes, operate, records, reply, rewrite, words,
};
use crate::config::error::{Findings, Position};
use crate::config::table::{self, Fate};
use crate::config::{Config, Listen, MAX_WORKERS, ServerBlock};
use crate::name::Name;

/// A server block as it stands in the file.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) zones: Vec<ZonePort>,
    /// The addresses to listen on; every one where absent.
    pub(super) bind: Option<Vec<IpAddr>>,
    /// What its directives say; zones and addresses come last.
    pub(super) server: ServerBlock,
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
    let zones: Vec<ZonePort> =
        keys.flat_map(|key| address::read(key, default_port, findings)).collect();
    let names: Vec<Name> = zones.iter().map(|key| key.zone.clone()).collect();
    let mut draft = Draft { zones, bind: None, server: ServerBlock::default() };
    let mut seen: HashMap<&str, Position> = HashMap::new();
    for directive in &block.body {
        let (name, at) = (directive.name.text.as_str(), directive.name.at);
        let Some(known) = table::known(name) else {
            findings.error(at, words::unknown_directive(name));
            continue;
        };
        let first = *seen.entry(name).or_insert(at);
        if first != at && known.fate.is_read() && !known.repeats {
            findings.error(
                at,
                format!(
                    "'{name}' stands twice in this server block, first at {}; keep one",
                    findings.place(first)
                ),
            );
            continue;
        }
        if known.fate.is_read() {
            draft.apply(directive, &names, around, config, findings);
        }
        judge(directive, known.fate, findings);
    }
    draft
}

/// Says what of a directive does not act.
fn judge(directive: &Directive, fate: Fate, findings: &mut Findings) {
    let name = directive.name.text.as_str();
    tell(fate.verdict(&format!("'{name}'")), directive.name.at, findings);
    if !fate.is_read() {
        return;
    }
    let options = directive.options().iter().map(|option| &option.name);
    let options = options.map(|token| (token, Cow::Borrowed(token.text.as_str())));
    let options: Vec<_> = match name {
        // Its block holds no options, but the words of its rule.
        "rewrite" => rewrite::field(directive).into_iter().collect(),
        _ => options.chain(named_by_args(directive)).collect(),
    };
    for (token, word) in options {
        let shown = token.text.as_str();
        let shown = if word.ends_with("://") { &*word } else { shown };
        let verdict = table::option(name, &word).verdict(&format!("'{shown}' of '{name}'"));
        // That nothing of the directive acts has been said.
        let verdict = verdict.filter(|(fault, _)| *fault || fate == Fate::Done);
        tell(verdict, token.at, findings);
    }
}

/// The arguments that name an option. Others are names and addresses, whatever they look like.
fn named_by_args(directive: &Directive) -> Vec<(&Token, Cow<'_, str>)> {
    match directive.name.text.as_str() {
        "forward" => {
            let schemes = directive.args.iter().skip(1).filter_map(|to| {
                let (scheme, _) = to.text.split_once("://")?;
                Some((to, Cow::Owned(format!("{scheme}://"))))
            });
            schemes.collect()
        }
        "loadbalance" => {
            directive.args.first().map(|arg| (arg, arg.text.as_str().into())).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn tell(verdict: Option<(bool, String)>, at: Position, findings: &mut Findings) {
    match verdict {
        Some((true, message)) => findings.error(at, message),
        Some((false, message)) => findings.warn(at, message),
        None => {}
    }
}

impl Draft {
    fn apply(
        &mut self,
        directive: &Directive,
        zones: &[Name],
        around: &Surroundings<'_>,
        config: &mut Config,
        findings: &mut Findings,
    ) {
        let server = &mut self.server;
        match directive.name.text.as_str() {
            "acl" => server.acl.push(guard::acl(directive, zones, findings)),
            "bind" => {
                let bound = self.bind.get_or_insert_default();
                for address in bind::read(directive, around, findings) {
                    if !bound.contains(&address) {
                        bound.push(address);
                    }
                }
            }
            "bufsize" => server.bufsize = reply::bufsize(directive, findings),
            "cache" => server.cache = Some(cache::read(directive, zones, findings)),
            "chaos" => server.chaos = Some(reply::chaos(directive, findings)),
            "debug" => server.debug = directive.alone(findings),
            "errors" => server.errors = Some(operate::errors(directive, findings)),
            "forward" => server.forward.extend(forward::read(directive, findings)),
            "health" => server.health = operate::health(directive, config, findings),
            "hosts" => server.hosts = Some(records::hosts(directive, zones, findings)),
            "kubernetes" => {
                server.kubernetes = kubernetes::read(directive, zones.to_vec(), findings);
            }
            "loadbalance" => server.load_balance = Some(reply::load_balance(directive, findings)),
            "log" => server.log.push(operate::log(directive, findings)),
            "loop" => server.find_loops = directive.alone(findings),
            "minimal" => server.minimal = directive.alone(findings),
            "nsid" => server.nsid = Some(reply::nsid(directive, findings)),
            "prometheus" => server.prometheus = operate::prometheus(directive, config, findings),
            "ready" => server.ready = operate::ready(directive, config, findings),
            "reload" => server.reload = Some(operate::reload(directive, findings)),
            "rewrite" => server.rewrite.extend(rewrite::read(directive, findings)),
            "template" => server.template.extend(records::template(directive, zones, findings)),
            "transfer" => server.transfer.push(guard::transfer(directive, zones, findings)),
            "workers" => workers(directive, config, findings),
            // The table says that it is read, and nobody reads it: a fault of this program.
            name => findings.error(directive.name.at, format!("'{name}' has no reader")),
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
                ServerBlock { block, zones: vec![zone], listen, ..self.server.clone() },
            ));
        }
        servers.into_iter().map(|(_, server)| server).collect()
    }
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
