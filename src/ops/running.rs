//! What runs: the clusters that are followed and the servers that answer from them; and how another
//! configuration takes the place of the one that runs, without a query lost.
//!
//! The new one is built whole beside the old one. What both have stays: a cluster whose part of the
//! configuration is the same goes on as it is, with no new list, and so do the sockets. Only when
//! everything is there do the desks change over; what fails before that leaves all as it was.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::mpsc::UnboundedSender;

use super::cluster::{Cluster, Loading, Observed};
use crate::cluster::KindSet;
use crate::config::{Config, Kubernetes, Listen, ServerBlock};
use crate::front::{Block, Front, Journal, LeadsBack, local_addresses};
use crate::serve::{Options, Server, Sockets};

/// The `kubernetes` blocks, by the number of the block of the configuration that they stand in.
pub(super) type Wanted = BTreeMap<usize, Kubernetes>;

/// The clusters that a configuration wants, with the addresses that they are served on.
pub(super) fn wanted(config: &Config) -> Wanted {
    let mut wanted = Wanted::new();
    for server in &config.servers {
        let Some(kubernetes) = &server.kubernetes else { continue };
        wanted.entry(server.block).or_insert_with(|| {
            let same = config.servers.iter().filter(|other| other.block == server.block);
            let listen: Vec<Listen> = same.flat_map(|other| other.listen.clone()).collect();
            let mut kubernetes = kubernetes.clone();
            kubernetes.spec.local_addresses = local_addresses(&listen);
            kubernetes
        });
    }
    wanted
}

/// A configuration in effect.
pub(super) struct Running {
    config: Config,
    journal: Journal,
    /// Where upstreams that lead back are told of.
    loops: UnboundedSender<LeadsBack>,
    clusters: BTreeMap<usize, Followed>,
    groups: Vec<Group>,
}

/// A cluster, and what of the configuration made it.
#[derive(Clone)]
struct Followed {
    kubernetes: Kubernetes,
    cluster: Arc<Cluster>,
    observed: Observed,
}

/// The blocks that share their addresses.
struct Group {
    listen: Vec<Listen>,
    front: Arc<Front>,
    server: Arc<Server>,
}

/// A configuration that is about to be in effect, as far as that has come.
pub(super) struct Coming {
    config: Config,
    kept: BTreeMap<usize, Followed>,
    /// Clusters that are new to it and have not been looked at.
    missing: Wanted,
    /// Those that are read or watched, but not followed yet.
    new: BTreeMap<usize, (Kubernetes, Loading, Observed)>,
}

/// What another configuration has taken the place of.
#[must_use]
pub(super) struct Ended {
    servers: Vec<Arc<Server>>,
    clusters: BTreeMap<usize, Followed>,
    /// Clusters that the configuration brought.
    new: Vec<Arc<Cluster>>,
}

impl Ended {
    /// Waits until the servers have ended, which answer what they have taken, and until the clusters
    /// are no longer followed. It blocks.
    pub(super) fn settle(self) {
        self.servers.iter().for_each(|server| server.wait());
        drop(self.clusters);
        // The old one's last word may have been about the file that the new one keeps.
        self.new.iter().for_each(|cluster| cluster.write_down());
    }
}

impl Coming {
    /// What of `config` is there already where `running` is in effect.
    pub(super) fn new(config: Config, running: Option<&Running>) -> Self {
        let mut missing = wanted(&config);
        let following = |(block, kubernetes): (&usize, &Kubernetes)| {
            let found = running?.following(kubernetes)?;
            let place = kubernetes.place.clone();
            let observed = Observed { block: *block, place, ..found.observed.clone() };
            let (kubernetes, cluster) = (kubernetes.clone(), Arc::clone(&found.cluster));
            Some((*block, Followed { kubernetes, cluster, observed }))
        };
        let kept: BTreeMap<usize, Followed> = missing.iter().filter_map(following).collect();
        missing.retain(|block, _| !kept.contains_key(block));
        Self { config, kept, missing, new: BTreeMap::new() }
    }

    /// Begins to read and to watch what is missing. It blocks, and must not be called on a runtime's
    /// thread.
    pub(super) fn read(mut self) -> anyhow::Result<Self> {
        for (block, kubernetes) in std::mem::take(&mut self.missing) {
            let loading = Loading::read(&kubernetes, kubernetes.spec.clone())?;
            let observed = loading.observed(block, &kubernetes);
            self.new.insert(block, (kubernetes, loading, observed));
        }
        Ok(self)
    }

    /// What `/ready` and `/metrics` look at.
    pub(super) fn sources(&self) -> Vec<Observed> {
        let kept = self.kept.values().map(|kept| &kept.observed);
        kept.chain(self.new.values().map(|new| &new.2)).cloned().collect()
    }

    /// Waits for the first lists of what is new, as long as the configuration says.
    pub(super) async fn complete(&self) {
        for (_, loading, _) in self.new.values() {
            if let Some(missing) = loading.wait(KindSet::ALL).await {
                tracing::warn!(
                    "serving before the first lists are complete; names wait for {missing}"
                );
            }
        }
    }

    fn follow(self) -> anyhow::Result<(Config, BTreeMap<usize, Followed>)> {
        let mut clusters = self.kept;
        for (block, (kubernetes, loading, observed)) in self.new {
            let cluster = Arc::new(loading.follow()?);
            clusters.insert(block, Followed { kubernetes, cluster, observed });
        }
        Ok((self.config, clusters))
    }
}

impl Running {
    /// Opens the sockets that are not among `taken` already, and answers.
    pub(super) fn start(
        coming: Coming,
        taken: Option<Sockets>,
        journal: Journal,
        loops: UnboundedSender<LeadsBack>,
    ) -> anyhow::Result<Self> {
        let (config, clusters) = coming.follow()?;
        let mut taken = taken;
        let mut groups = Vec::new();
        for (listen, blocks) in grouped(&config) {
            let told = (&journal, &loops);
            let front = Front::new(self::blocks(&config, &clusters, &blocks, told)?);
            let sockets = sockets(&listen, &config, |address| taken.as_mut()?.take(address))?;
            let server = Server::start_on(Arc::clone(&front), sockets, options(&config))?;
            groups.push(Group { listen, front, server: Arc::new(server) });
        }
        Ok(Self { config, journal, loops, clusters, groups })
    }

    /// Puts another configuration in place of this one, and gives back what ends with the old one. An
    /// error leaves everything as it was.
    pub(super) fn renew(&mut self, coming: Coming) -> anyhow::Result<Ended> {
        let (config, clusters) = coming.follow()?;
        let same_options = options(&config).workers == options(&self.config).workers;
        // Everything that can fail comes first.
        let mut groups = Vec::new();
        let mut renewed = Vec::new();
        for (listen, blocks) in grouped(&config) {
            let told = (&self.journal, &self.loops);
            let blocks = self::blocks(&config, &clusters, &blocks, told)?;
            let same = self.groups.iter().find(|group| group.listen == listen);
            if let Some(Group { listen, front, server }) = same.filter(|_| same_options) {
                let (listen, front, server) =
                    (listen.clone(), Arc::clone(front), Arc::clone(server));
                renewed.push((Arc::clone(&front), blocks));
                groups.push(Group { listen, front, server });
                continue;
            }
            let front = Front::new(blocks);
            let sockets = sockets(&listen, &config, |address| self.shared(address))?;
            let server = Server::start_on(Arc::clone(&front), sockets, options(&config))?;
            groups.push(Group { listen, front, server: Arc::new(server) });
        }
        for (front, blocks) in renewed {
            front.renew(blocks);
        }
        let stays: Vec<SocketAddr> =
            groups.iter().flat_map(|group| group.server.addresses()).copied().collect();
        let old = std::mem::replace(&mut self.groups, groups);
        let ended = old
            .into_iter()
            .map(|group| group.server)
            .filter(|server| !self.groups.iter().any(|group| Arc::ptr_eq(&group.server, server)));
        let ended: Vec<Arc<Server>> = ended.collect();
        for server in &ended {
            // What is queued is the successor's, unless an address has none.
            if server.addresses().iter().all(|address| stays.contains(address)) {
                server.give_away();
            } else {
                server.stop();
            }
        }
        self.config = config;
        let clusters = std::mem::replace(&mut self.clusters, clusters);
        let is_new = |new: &&Followed| !clusters.values().any(|old| new.is(old));
        let new = self.clusters.values().filter(is_new).map(|new| Arc::clone(&new.cluster));
        Ok(Ended { servers: ended, new: new.collect(), clusters })
    }

    /// The configuration in effect.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// What `/ready` and `/metrics` look at.
    pub(super) fn sources(&self) -> Vec<Observed> {
        self.clusters.values().map(|followed| followed.observed.clone()).collect()
    }

    pub(super) fn fronts(&self) -> Vec<Arc<Front>> {
        self.groups.iter().map(|group| Arc::clone(&group.front)).collect()
    }

    pub(super) fn servers(&self) -> Vec<Arc<Server>> {
        self.groups.iter().map(|group| Arc::clone(&group.server)).collect()
    }

    /// The sockets of all servers, for another process to answer from.
    pub(super) fn sockets(&self) -> anyhow::Result<Sockets> {
        let mut all: Option<Sockets> = None;
        for group in &self.groups {
            let more = group.server.sockets().context("the sockets cannot be shared")?;
            match &mut all {
                Some(all) => all.add(more),
                None => all = Some(more),
            }
        }
        all.context("there are no sockets to share")
    }

    /// Begins to look whether what is forwarded comes back.
    pub(super) fn search_for_loops(&self) {
        for search in self.groups.iter().flat_map(|group| group.front.loop_searches()) {
            tokio::spawn(search.run());
        }
    }

    /// Logs what there is to answer from.
    pub(super) fn tell(&self) {
        self.clusters.values().for_each(|followed| followed.cluster.tell());
    }

    /// A cluster that is followed as this part of a configuration wants it.
    fn following(&self, kubernetes: &Kubernetes) -> Option<&Followed> {
        // Where in its file it is written makes no difference.
        let bare = |kubernetes: &Kubernetes| Kubernetes { place: None, ..kubernetes.clone() };
        let wanted = bare(kubernetes);
        self.clusters.values().find(|followed| bare(&followed.kubernetes) == wanted)
    }

    fn shared(&self, address: SocketAddr) -> Option<Sockets> {
        let holds = |group: &&Group| group.server.addresses().contains(&address);
        let server = &self.groups.iter().find(holds)?.server;
        server.sockets().ok()?.take(address)
    }
}

impl Followed {
    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.cluster, &other.cluster)
    }
}

fn options(config: &Config) -> Options {
    let mut options = Options::default();
    if let Some(workers) = config.workers {
        options.workers = workers;
    }
    options
}

/// The sets of addresses of a configuration, each with the blocks that listen on just these.
fn grouped(config: &Config) -> Vec<(Vec<Listen>, Vec<usize>)> {
    let mut at: BTreeMap<SocketAddr, (Vec<usize>, Listen)> = BTreeMap::new();
    for (index, server) in config.servers.iter().enumerate() {
        for listen in &server.listen {
            at.entry(listen.address).or_insert_with(|| (Vec::new(), *listen)).0.push(index);
        }
    }
    let mut groups: BTreeMap<Vec<usize>, Vec<Listen>> = BTreeMap::new();
    for (_, (blocks, listen)) in at {
        groups.entry(blocks).or_default().push(listen);
    }
    groups.into_iter().map(|(blocks, listen)| (listen, blocks)).collect()
}

fn blocks(
    config: &Config,
    clusters: &BTreeMap<usize, Followed>,
    which: &[usize],
    (journal, loops): (&Journal, &UnboundedSender<LeadsBack>),
) -> anyhow::Result<Vec<Block>> {
    let servers = which.iter().filter_map(|index| config.servers.get(*index));
    let block = |server: &ServerBlock| {
        let cluster = server.kubernetes.as_ref().and_then(|_| clusters.get(&server.block));
        let block = Block::new(server, cluster.map(|followed| followed.cluster.view()));
        if let Some(fault) = block.fault() {
            return Err(fault.clone().into());
        }
        let block = block.told_to(journal, server).searched_for(loops, server);
        Ok(match cluster {
            Some(followed) => block.explained_by(followed.cluster.registry(), server),
            None => block,
        })
    };
    servers.map(block).collect()
}

/// The sockets of these addresses: those that are there already, and new ones.
fn sockets(
    listen: &[Listen],
    config: &Config,
    mut there: impl FnMut(SocketAddr) -> Option<Sockets>,
) -> anyhow::Result<Sockets> {
    let mut found: HashMap<SocketAddr, Sockets> = HashMap::new();
    let mut missing = Vec::new();
    for wanted in listen {
        match there(wanted.address) {
            Some(sockets) => drop(found.insert(wanted.address, sockets)),
            None => missing.push(*wanted),
        }
    }
    let mut all = None;
    if !missing.is_empty() || found.is_empty() {
        all = Some(Sockets::open(&missing, options(config).workers.max(1))?);
    }
    for (_, sockets) in found {
        match &mut all {
            Some(all) => all.add(sockets),
            None => all = Some(sockets),
        }
    }
    all.context("there is no address to listen on; name one with --listen")
}
