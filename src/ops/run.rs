//! `serve`: reads the sources, opens the sockets, answers until told to stop.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::cluster::{Cluster, Loading, Observed};
use super::metrics::Metrics;
use super::panics;
use super::pid::PidFile;
use super::probes;
use super::readiness::Readiness;
use crate::cluster::KindSet;
use crate::config::{Config, Listen, Run, ServerBlock};
use crate::front::{Block, Front, Journal, local_addresses};
use crate::serve::{Options, Server};

/// Answers DNS until SIGTERM or SIGINT, then for the configured time more, and drains the sockets.
/// An error is one of starting.
pub fn serve(run: &Run) -> anyhow::Result<()> {
    let config = &run.config;
    panics::log(config);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime that waits for signals")?;
    // Before the sockets open, so that no signal ends the process with queries unanswered.
    let mut signals = runtime.block_on(async { Signals::new() })?;
    let readiness = Arc::<Readiness>::default();
    let out = standard_output().context("cannot open standard output for 'log' and 'errors'")?;
    let (journal, _scribe) = Journal::start(run.log.format, out)
        .context("cannot start the thread that writes 'log' and 'errors'")?;
    let metrics = Arc::new(Metrics::new(config, journal.clone()));
    // Dropped last, when no query is answered any more.
    let _probes = probes::open(config, &readiness, &metrics)?;
    let loaded = load(config)?;
    let sources = sources(config, &loaded);
    metrics.reads(sources.clone());
    readiness.reads(sources);
    let complete = async {
        for loading in loaded.values() {
            if let Some(missing) = loading.wait(KindSet::ALL).await {
                tracing::warn!(
                    "serving before the first lists are complete; names wait for {missing}"
                );
            }
        }
    };
    let stopped = runtime.block_on(async {
        tokio::select! {
            () = complete => false,
            () = signals.stop() => true,
        }
    });
    if stopped {
        tracing::info!("stopped before the sockets were opened");
        return Ok(());
    }
    let clusters = follow(loaded)?;
    let (fronts, servers) = servers(config, &clusters, &journal)?;
    let servers: Arc<[Server]> = servers.into();
    metrics.listens(fronts, Arc::clone(&servers));
    readiness.listens();
    let _pid_file = run.pid_file.as_deref().map(PidFile::write).transpose()?;
    clusters.values().for_each(Cluster::tell);
    // Behind all that can fail, so that a start that fails says that alone.
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    runtime.block_on(stop(&mut signals, &servers, &readiness, config.lameduck));
    tracing::info!("stopped");
    Ok(())
}

/// Standard output, without the lock and the buffer of the one that `print!` writes to.
fn standard_output() -> std::io::Result<File> {
    std::io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

/// The `kubernetes` blocks, by the number of the block of the configuration that they stand in.
pub(super) fn load(config: &Config) -> anyhow::Result<BTreeMap<usize, Loading>> {
    let mut loaded = BTreeMap::new();
    for server in &config.servers {
        let Some(kubernetes) = &server.kubernetes else { continue };
        if let Entry::Vacant(vacant) = loaded.entry(server.block) {
            let same = config.servers.iter().filter(|other| other.block == server.block);
            let listen: Vec<Listen> = same.flat_map(|other| other.listen.clone()).collect();
            let mut spec = kubernetes.spec.clone();
            spec.local_addresses = local_addresses(&listen);
            vacant.insert(Loading::read(kubernetes, spec)?);
        }
    }
    Ok(loaded)
}

/// What of them `/ready` and `/metrics` look at.
fn sources(config: &Config, loaded: &BTreeMap<usize, Loading>) -> Vec<Observed> {
    let of_block = |(block, loading): (&usize, &Loading)| {
        let mut servers = config.servers.iter().filter(|server| server.block == *block);
        let kubernetes = servers.find_map(|server| server.kubernetes.as_ref())?;
        Some(loading.observed(*block, kubernetes))
    };
    loaded.iter().filter_map(of_block).collect()
}

fn follow(loaded: BTreeMap<usize, Loading>) -> anyhow::Result<BTreeMap<usize, Cluster>> {
    loaded.into_iter().map(|(block, loading)| Ok((block, loading.follow()?))).collect()
}

/// One desk and one server for each set of blocks that share their addresses.
fn servers(
    config: &Config,
    clusters: &BTreeMap<usize, Cluster>,
    journal: &Journal,
) -> anyhow::Result<(Vec<Arc<Front>>, Vec<Server>)> {
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
    let mut options = Options::default();
    if let Some(workers) = config.workers {
        options.workers = workers;
    }
    let (mut fronts, mut servers) = (Vec::new(), Vec::new());
    for (blocks, listen) in groups {
        let blocks = blocks.iter().filter_map(|index| config.servers.get(*index));
        let block = |server: &ServerBlock| {
            let cluster = server.kubernetes.as_ref().and_then(|_| clusters.get(&server.block));
            Block::new(server, cluster.map(Cluster::view)).told_to(journal, server)
        };
        let front = Front::new(blocks.map(block).collect());
        servers.push(Server::start(Arc::clone(&front), &listen, options.clone())?);
        fronts.push(front);
    }
    Ok((fronts, servers))
}

/// Waits for the signal to stop, and stops: at once for whoever asks twice.
async fn stop(
    signals: &mut Signals,
    servers: &Arc<[Server]>,
    readiness: &Readiness,
    lameduck: Duration,
) {
    signals.stop().await;
    readiness.stops();
    if !lameduck.is_zero() {
        tracing::info!(?lameduck, "stopping; answers go on for a while");
        tokio::select! {
            () = tokio::time::sleep(lameduck) => {}
            () = signals.stop() => {}
        }
    }
    tracing::info!("stopping; sockets are drained");
    servers.iter().for_each(Server::stop);
    let waiting = Arc::clone(servers);
    let mut drained = tokio::task::spawn_blocking(move || waiting.iter().for_each(Server::wait));
    let failed = tokio::select! {
        result = &mut drained => result.is_err(),
        () = signals.stop() => {
            tracing::warn!("stopping at once");
            servers.iter().for_each(Server::stop);
            drained.await.is_err()
        }
    };
    if failed {
        tracing::error!("the thread that waited for the sockets has panicked");
    }
}

/// The signals that mean something.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let of = |kind| signal(kind).context("cannot wait for signals");
        Ok(Self {
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
            hangup: of(SignalKind::hangup())?,
        })
    }

    /// Ends with the next signal to stop.
    async fn stop(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    tracing::warn!("SIGHUP has no effect in this version; manifests are followed");
                }
            }
        }
    }
}
