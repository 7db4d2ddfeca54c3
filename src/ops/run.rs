//! `serve`: reads the sources, opens the sockets, answers until told to stop, and puts another
//! configuration in effect where there is one.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;

use super::hand_over::{Offer, Predecessor, Said, take};
use super::http::Http;
use super::metrics::Metrics;
use super::panics;
use super::pid::PidFile;
use super::probes;
use super::readiness::Readiness;
use super::reload::Follow;
use super::running::{Coming, Running};
use crate::config::{Config, Run};
use crate::front::{Journal, LeadsBack};
use crate::serve::{Server, Sockets};

/// Answers DNS until SIGTERM or SIGINT, then for the configured time more, and drains the sockets;
/// or until another process has taken them over. An error is one of starting.
pub fn serve(run: &Run) -> anyhow::Result<()> {
    panics::log(&run.config);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime that waits for signals")?;
    // Before the sockets open, so that no signal ends the process with queries unanswered.
    let signals = runtime.block_on(async { Signals::new() })?;
    let taken = run.hand_over.as_deref().map(take).transpose()?.flatten();
    let readiness = Arc::<Readiness>::default();
    let out = standard_output().context("cannot open standard output for 'log' and 'errors'")?;
    let (journal, _scribe) = Journal::start(run.log.format, out)
        .context("cannot start the thread that writes 'log' and 'errors'")?;
    let metrics = Arc::new(Metrics::new(&run.config, journal.clone()));
    let follow = Follow::new(run.corefile.clone());
    metrics.follows(follow.tally());
    // Dropped last, when no query is answered any more.
    let probes = open_probes(&run.config, &readiness, &metrics, taken.is_some())?;
    let coming = Coming::new(run.config.clone(), None).read()?;
    metrics.reads(coming.sources());
    readiness.reads(coming.sources());
    let (leads_back, loops) = unbounded_channel();
    let mut watch = Watch { signals, follow, readiness, metrics, probes, offer: None, loops };
    let stopped = runtime.block_on(async {
        tokio::select! {
            () = coming.complete() => false,
            () = watch.signals.stop() => true,
        }
    });
    if stopped {
        tracing::info!("stopped before the sockets were opened");
        return Ok(());
    }
    let (sockets, predecessor) = taken.unzip();
    let running = Running::start(coming, sockets, journal, leads_back)?;
    watch.metrics.runs(&running);
    watch.readiness.listens();
    let _pid_file = run.pid_file.as_deref().map(PidFile::write).transpose()?;
    if let Some(path) = &run.hand_over {
        watch.offer = Some(Offer::open(path)?);
        succeed(predecessor, path);
    }
    running.tell();
    // Behind all that can fail, so that a start that fails says that alone.
    tell(&run.config);
    let ended = watch.until_stopped(&runtime, running);
    tracing::info!("stopped");
    ended
}

/// Standard output, without the lock and the buffer of the one that `print!` writes to.
fn standard_output() -> io::Result<File> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

/// Tells the process whose sockets these were that it may go.
fn succeed(predecessor: Option<Predecessor>, path: &Path) {
    match predecessor.map(Predecessor::go) {
        Some(Ok(())) => tracing::info!("the sockets were taken over at {}", path.display()),
        Some(Err(fault)) => {
            tracing::warn!(%fault, "the process that had the sockets is gone; they are ours");
        }
        None => {}
    }
}

/// `/health` and the like. The process that is taken over from may still hold their ports: then they
/// are tried for again until it has let go.
fn open_probes(
    config: &Config,
    readiness: &Arc<Readiness>,
    metrics: &Arc<Metrics>,
    succeeds: bool,
) -> anyhow::Result<Option<Http>> {
    match probes::open(config, readiness, metrics) {
        Err(error) if succeeds => {
            tracing::info!("{error:#}; it is tried again once the sockets are taken over");
            Ok(None)
        }
        other => other,
    }
}

fn tell(config: &Config) {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
}

/// What is looked after while queries are answered.
struct Watch {
    signals: Signals,
    follow: Follow,
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
    probes: Option<Http>,
    offer: Option<Offer>,
    loops: UnboundedReceiver<LeadsBack>,
}

/// Why answering ends.
enum End {
    /// A signal says so.
    Told,
    /// Another process has the sockets.
    Taken,
    /// What is forwarded comes back.
    Loop(LeadsBack),
}

/// What has happened.
enum Event {
    Stop,
    Reload { asked: bool },
    Share(SyncSender<anyhow::Result<Sockets>>),
    Taken,
    Loop(LeadsBack),
}

impl Watch {
    fn until_stopped(mut self, runtime: &Runtime, mut running: Running) -> anyhow::Result<()> {
        let end = runtime.block_on(self.run(&mut running));
        if matches!(end, End::Taken) {
            tracing::info!("another process has the sockets; what was taken is answered");
            // Their ports, too, are for the other process.
            self.probes = None;
        }
        runtime.block_on(self.stop(&running, &end));
        match end {
            End::Told | End::Taken => Ok(()),
            End::Loop(found) => Err(found.into()),
        }
    }

    async fn run(&mut self, running: &mut Running) -> End {
        let mut due = self.follow.due(running.config());
        running.search_for_loops();
        loop {
            match self.next(due, self.lacks_probes(running.config())).await {
                // The ports are free at the latest when the process is gone that had them.
                None => {
                    let opened = probes::open(running.config(), &self.readiness, &self.metrics);
                    self.probes = opened.unwrap_or(None);
                }
                Some(Event::Stop) => return End::Told,
                Some(Event::Taken) => return End::Taken,
                Some(Event::Loop(found)) => return End::Loop(found),
                Some(Event::Share(to)) => {
                    // It has hung up: nobody wants them any more.
                    let _ = to.send(running.sockets());
                }
                Some(Event::Reload { asked }) => {
                    if let Some(config) = self.follow.look(running.config(), asked) {
                        match self.renew(running, config).await {
                            Ok(true) => {}
                            Ok(false) => return End::Told,
                            Err(error) => self.follow.failed(&format!("{error:#}"), asked),
                        }
                    }
                    due = self.follow.due(running.config());
                }
            }
        }
    }

    /// Whether pages are wanted that are not served.
    fn lacks_probes(&self, config: &Config) -> bool {
        self.probes.is_none() && probe_addresses(config).iter().any(Option::is_some)
    }

    /// Waits for what happens next; not for long while there is something to be tried again.
    async fn next(&mut self, due: Option<Instant>, impatient: bool) -> Option<Event> {
        let offer = &mut self.offer;
        let said = async {
            match offer {
                Some(offer) => offer.said().await,
                None => std::future::pending().await,
            }
        };
        let at = |time: Option<Instant>| async move {
            match time {
                Some(time) => tokio::time::sleep_until(time).await,
                None => std::future::pending().await,
            }
        };
        let again = at(impatient.then(|| Instant::now() + AGAIN));
        tokio::select! {
            signal = self.signals.next() => Some(signal),
            () = at(due) => Some(Event::Reload { asked: false }),
            said = said => Some(match said {
                Said::Share(to) => Event::Share(to),
                Said::Taken => Event::Taken,
            }),
            Some(found) = self.loops.recv() => Some(Event::Loop(found)),
            () = again => None,
        }
    }

    /// Puts another configuration in effect; false where a signal to stop came first.
    async fn renew(&mut self, running: &mut Running, config: Config) -> anyhow::Result<bool> {
        tracing::info!("the Corefile has changed; it is put in effect");
        let coming = Coming::new(config, Some(running));
        let read = tokio::task::spawn_blocking(move || coming.read());
        let complete = async {
            let coming = read.await.context("the sources could not be read")??;
            coming.complete().await;
            anyhow::Ok(coming)
        };
        let coming = tokio::select! {
            coming = complete => coming?,
            () = self.signals.stop() => return Ok(false),
        };
        let before = probe_addresses(running.config());
        let ended = running.renew(coming)?;
        tokio::task::spawn_blocking(move || ended.settle());
        if probe_addresses(running.config()) != before {
            // A port may be the same for another page, so the old ones are closed first.
            self.probes = None;
            match probes::open(running.config(), &self.readiness, &self.metrics) {
                Ok(probes) => self.probes = probes,
                Err(error) => tracing::error!("{error:#}; it is tried again"),
            }
        }
        self.metrics.runs(running);
        self.follow.in_effect();
        running.search_for_loops();
        tell(running.config());
        running.tell();
        Ok(true)
    }

    /// Stops: for whoever asks twice at once.
    async fn stop(&mut self, running: &Running, end: &End) {
        self.readiness.stops();
        let lameduck = running.config().lameduck;
        if matches!(end, End::Told) && !lameduck.is_zero() {
            tracing::info!(?lameduck, "stopping; answers go on for a while");
            tokio::select! {
                () = tokio::time::sleep(lameduck) => {}
                () = self.signals.stop() => {}
            }
        }
        tracing::info!("stopping; sockets are drained");
        let servers = running.servers();
        let begin = if matches!(end, End::Taken) { Server::give_away } else { Server::stop };
        servers.iter().for_each(|server| begin(server));
        if matches!(end, End::Loop(_)) {
            // Queries that go around are not waited for.
            servers.iter().for_each(|server| server.stop());
        }
        let waiting = servers.clone();
        let mut drained =
            tokio::task::spawn_blocking(move || waiting.iter().for_each(|server| server.wait()));
        let failed = tokio::select! {
            result = &mut drained => result.is_err(),
            () = self.signals.stop() => {
                tracing::warn!("stopping at once");
                servers.iter().for_each(|server| server.stop());
                drained.await.is_err()
            }
        };
        if failed {
            tracing::error!("the thread that waited for the sockets has panicked");
        }
    }
}

/// How soon it is tried again to open the ports of `/health` and the like.
const AGAIN: Duration = Duration::from_millis(200);

fn probe_addresses(config: &Config) -> [Option<SocketAddr>; 3] {
    [config.health, config.ready, config.metrics]
}

/// The signals that mean something.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// CoreDNS's way to have its Corefile read again.
    user: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let of = |kind| signal(kind).context("cannot wait for signals");
        Ok(Self {
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
            hangup: of(SignalKind::hangup())?,
            user: of(SignalKind::user_defined1())?,
        })
    }

    async fn next(&mut self) -> Event {
        tokio::select! {
            _ = self.terminate.recv() => Event::Stop,
            _ = self.interrupt.recv() => Event::Stop,
            _ = self.hangup.recv() => Event::Reload { asked: true },
            _ = self.user.recv() => Event::Reload { asked: true },
        }
    }

    /// Ends with the next signal to stop.
    async fn stop(&mut self) {
        while !matches!(self.next().await, Event::Stop) {
            tracing::warn!("busy with a start, a reload or a stop; the signal has no effect");
        }
    }
}
