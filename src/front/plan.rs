//! Which blocks there are, which names go to which of them, and the labels that they are counted
//! under. A plan never changes; a configuration that is read again makes another one.
#![forbid(unsafe_code)]

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::mpsc::UnboundedSender;

use super::cached::Shelf;
use super::explain::Explainer;
use super::forwards::Forwards;
use super::guard::Guard;
use super::hosts::Hosts;
use super::journal::{Errors, Journal, Log};
use super::loops::{LeadsBack, LoopSearch};
use super::meter::{Counts, Meter};
use super::rewrite::Rules;
use super::template::Templates;
use super::transfer::Transfers;
use crate::answer::{self, Asked, Identity, Settings};
use crate::cache::{HALVES, HalfKind};
use crate::config::{Listen, ServerBlock, host_name};
use crate::name::Name;
use crate::serve::{Forwarded, TlsFault};
use crate::zone::View;

/// The zone of what no block's zone holds, as CoreDNS has it.
const DROPPED: &str = "dropped";

/// What shapes an answer about a name that no block's zone holds.
pub(super) static NO_BLOCK: Settings = Settings::DEFAULT;

/// One server block, ready to answer.
#[derive(Debug)]
pub struct Block {
    zones: Vec<Name>,
    pub(super) view: Option<Arc<ArcSwap<View>>>,
    pub(super) forwards: Forwards,
    /// Whether what is forwarded comes back.
    pub(super) loops: Option<Arc<LoopSearch>>,
    /// What upstreams have said.
    pub(super) shelf: Option<Shelf>,
    /// What shapes answers about names that are forwarded where we have none, and about others.
    settings: [Settings; 2],
    /// No name has to be looked at for whether it is forwarded: all are, or nobody can be asked.
    forwards_all: bool,
    /// Where faults of queries are told.
    pub(super) errors: Option<Errors>,
    /// Which queries are logged.
    pub(super) log: Option<Log>,
    /// What is looked up as something else.
    pub(super) rewrite: Option<Rules>,
    /// Who is answered what.
    pub(super) guard: Guard,
    /// Names that are answered before the cluster's.
    pub(super) hosts: Option<Hosts>,
    /// What the configuration answers itself.
    pub(super) templates: Templates,
    /// Who explains names.
    pub(super) explainer: Option<Explainer>,
    /// Who is handed its zones.
    pub(super) transfers: Transfers,
    /// Nothing acts before the cluster's names are looked at.
    plain: bool,
    listen: Vec<Listen>,
}

impl Block {
    /// A block of the configuration; `view` is where its `kubernetes` publishes. Nobody is told what
    /// its `log` and `errors` say, unless it is [`Block::told_to`] somebody.
    pub fn new(config: &ServerBlock, view: Option<Arc<ArcSwap<View>>>) -> Self {
        let forwards = Forwards::new(&config.forward);
        let transfers = Transfers::new(&config.transfer);
        let settings = Settings {
            payload: config.bufsize,
            recursion: !forwards.is_empty(),
            upstream: !forwards.is_empty(),
            transfer: !transfers.is_empty(),
            ede: config.kubernetes.as_ref().is_none_or(|kubernetes| kubernetes.ede),
            minimal: config.minimal,
            identity: identity(config),
        };
        let (rewrite, guard) = (Rules::new(&config.rewrite), Guard::new(&config.acl));
        let (hosts, templates) = (config.hosts.as_ref().map(Hosts::new), Templates::new(config));
        let plain =
            rewrite.is_none() && guard.is_empty() && hosts.is_none() && templates.is_empty();
        Self {
            zones: config.zones.clone(),
            view,
            shelf: config.cache.as_ref().filter(|_| !forwards.is_empty()).map(Shelf::new),
            forwards_all: forwards.is_empty() || forwards.cover_all(),
            forwards,
            loops: None,
            settings: [settings.clone(), Settings { upstream: false, ..settings }],
            errors: None,
            log: None,
            rewrite,
            guard,
            hosts,
            templates,
            explainer: None,
            transfers,
            plain,
            listen: config.listen.clone(),
        }
    }

    /// Nothing acts before the cluster's names are looked at.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.plain
    }

    /// What keeps TLS from being spoken with upstreams where the configuration wants it: a query for
    /// them is SERVFAIL then, and nobody asked in the clear.
    pub fn fault(&self) -> Option<&TlsFault> {
        self.forwards.fault()
    }

    /// Puts `log` and `errors` of the same block of the configuration in effect. All blocks of a
    /// front have one journal.
    #[must_use]
    pub fn told_to(self, journal: &Journal, config: &ServerBlock) -> Self {
        let errors = config.errors.as_ref().map(|e| Errors::new(e, config.debug, journal));
        Self { errors, log: Log::new(&config.log, journal), ..self }
    }

    /// Puts `loop` of the same block of the configuration in effect: what its search finds is sent to
    /// `found`, once somebody runs it.
    #[must_use]
    pub fn searched_for(self, found: &UnboundedSender<LeadsBack>, config: &ServerBlock) -> Self {
        Self { loops: LoopSearch::new(config, found).map(Arc::new), ..self }
    }

    /// What shapes an answer about this name.
    #[inline]
    pub(super) fn settings_for(&self, asked: &Asked) -> &Settings {
        let forwarded = self.forwards_all || self.forwards.cover(asked.name());
        let [upstream, own] = &self.settings;
        if forwarded { upstream } else { own }
    }
}

/// What the block says of the server to whoever asks.
fn identity(config: &ServerBlock) -> Identity {
    let nsid = config.nsid.as_ref().map(|nsid| nsid.data.clone().unwrap_or_else(host_name));
    let chaos = config.chaos.as_ref();
    Identity {
        version: chaos.map(|chaos| chaos.version.as_str().into()),
        host: chaos.map(|_| host_name().into()),
        authors: chaos
            .map_or_else(Vec::new, |c| c.authors.iter().map(|a| a.as_str().into()).collect()),
        nsid: nsid.map(|nsid| nsid.into_bytes().into()),
    }
}

/// What was answered for one zone at one address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Series {
    /// The address, as CoreDNS writes it: `dns://:53`.
    pub server: String,
    /// The zone of a server block; `dropped` for what none of them holds.
    pub zone: String,
    /// The zones of the cache that belongs to it, as CoreDNS writes them; empty where there is none.
    pub cache: String,
    /// The counts.
    pub counts: Counts,
}

/// How many answers a cache keeps.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shelved {
    /// The address, as CoreDNS writes it.
    pub server: String,
    /// The zones of the cache.
    pub zones: String,
    /// How many of each half.
    pub entries: [u64; HALVES],
}

/// All blocks that are reached through the same addresses.
pub(super) struct Plan {
    pub(super) blocks: Vec<Block>,
    /// The zones of all blocks, the longest first and those of earlier blocks before those of later
    /// ones, each with the number of its block.
    zones: Vec<(Name, usize)>,
    /// The addresses that clients come to, and their labels.
    doors: Vec<(IpAddr, String)>,
    /// Of each clerk that has ever worked by this plan.
    meters: Mutex<Vec<Arc<Meter>>>,
    /// Of what is finished on the runtime.
    pub(super) late: Meter,
}

impl Plan {
    pub(super) fn new(blocks: Vec<Block>) -> Self {
        let of_block = |(at, block): (usize, &Block)| {
            block.zones.iter().map(|zone| (zone.clone(), at)).collect::<Vec<_>>()
        };
        let mut zones: Vec<(Name, usize)> = blocks.iter().enumerate().flat_map(of_block).collect();
        zones.sort_by_key(|(zone, _)| std::cmp::Reverse(zone.as_wire().len()));
        let doors = doors(blocks.first().map_or(&[], |block| &block.listen));
        let late = Meter::new((zones.len() + 1) * doors.len());
        Self { blocks, zones, doors, meters: Mutex::default(), late }
    }

    /// The place of the longest zone that holds the name; behind the last where there is none.
    #[inline]
    pub(super) fn choose(&self, asked: &Asked) -> usize {
        let fits = |zone: &Name| zone.is_root() || answer::is_within(asked.name(), zone.as_wire());
        let found = self.zones.iter().position(|(zone, _)| fits(zone));
        found.unwrap_or(self.zones.len())
    }

    /// The number of the block that a zone belongs to, by its place.
    #[inline]
    pub(super) fn block(&self, place: usize) -> Option<usize> {
        self.zones.get(place).map(|zone| zone.1)
    }

    /// What shapes an answer about this name, in whichever block.
    pub(super) fn settings_for(&self, asked: &Asked) -> &Settings {
        let block = self.block(self.choose(asked)).and_then(|number| self.blocks.get(number));
        block.map_or(&NO_BLOCK, |block| block.settings_for(asked))
    }

    /// The cell of a meter for a query that came to this door and whose zone has this place.
    #[inline]
    pub(super) fn cell(&self, door: Option<IpAddr>, place: usize) -> usize {
        let mut at = 0;
        // Where there are several, a wildcard is the first; only it can be meant by no other.
        if self.doors.len() > 1 {
            let same = |(address, _): &(IpAddr, String)| Some(*address) == door;
            at = self.doors.iter().position(same).unwrap_or(0);
        }
        at * (self.zones.len() + 1) + place
    }

    /// A meter for one more clerk.
    pub(super) fn meter(&self) -> Arc<Meter> {
        let meter = Arc::new(Meter::new((self.zones.len() + 1) * self.doors.len()));
        self.meters.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&meter));
        meter
    }

    /// What has been answered by this plan so far.
    pub(super) fn answered(&self) -> Vec<Series> {
        let cache = |block: usize| self.blocks.get(block).and_then(|block| block.shelf.as_ref());
        let zones = self.zones.iter().map(|(zone, block)| {
            (zone.to_string(), cache(*block).map(Shelf::label).unwrap_or_default())
        });
        let zones: Vec<_> = zones.chain([(DROPPED.to_owned(), String::new())]).collect();
        let labels = self.doors.iter().flat_map(|door| zones.iter().map(move |zone| (door, zone)));
        let mut all: Vec<Series> = labels
            .map(|((_, server), (zone, cache))| Series {
                server: server.clone(),
                zone: zone.clone(),
                cache: cache.clone(),
                counts: Counts::default(),
            })
            .collect();
        let meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        for meter in meters.iter().map(|meter| &**meter).chain([&self.late]) {
            all.iter_mut().zip(meter.read()).for_each(|(series, more)| series.counts.add(&more));
        }
        all
    }

    /// What has passed between this server and upstreams.
    pub(super) fn forwarded(&self) -> Forwarded {
        let mut all = Forwarded::default();
        self.blocks.iter().for_each(|block| all.add(block.forwards.forwarded()));
        all
    }

    /// Look-ups of upstreams under way.
    pub(super) fn look_ups(&self) -> usize {
        self.blocks.iter().map(|block| block.forwards.look_ups()).sum()
    }

    /// What the caches hold.
    pub(super) fn shelved(&self) -> Vec<Shelved> {
        let shelves = self.blocks.iter().filter_map(|block| block.shelf.as_ref());
        let of = |shelf: &Shelf| {
            let (zones, entries) = (shelf.label(), HalfKind::ALL.map(|half| shelf.store.len(half)));
            let of_door = move |(_, server): &(IpAddr, String)| Shelved {
                server: server.clone(),
                zones: zones.clone(),
                entries,
            };
            self.doors.iter().map(of_door).collect::<Vec<_>>()
        };
        shelves.flat_map(of).collect()
    }
}

/// An address as CoreDNS's label `server` has it: `dns://:53` for a wildcard, `dns://[::1]:53`.
pub fn server_label(address: SocketAddr) -> String {
    let anywhere = address.ip().is_unspecified();
    if anywhere { format!("dns://:{}", address.port()) } else { format!("dns://{address}") }
}

/// The addresses of a plan and their labels, a wildcard first.
fn doors(listen: &[Listen]) -> Vec<(IpAddr, String)> {
    let mut doors: Vec<(IpAddr, String)> = Vec::new();
    for Listen { address, .. } in listen {
        let label = server_label(*address);
        // Both families' wildcards are one address to CoreDNS.
        if doors.iter().all(|door| door.1 != label) {
            doors.push((address.ip(), label));
        }
    }
    doors.sort_by_key(|(address, _)| !address.is_unspecified());
    if doors.is_empty() {
        doors.push((IpAddr::from([0; 4]), "dns://".to_owned()));
    }
    doors
}
