//! An API server as a source of objects.
//!
//! [`start`] lists and watches the needed kinds on a thread of its own, named `watch-api`, and tells
//! a [`Sink`] the same stream of changes that manifests are told in. It never gives up: a server
//! that is away is asked again until it is back, and the last state answers meanwhile.
//!
//! Lists and watches are our own over `kube`'s client, which brings kubeconfigs, credentials, their
//! rotation and TLS. `kube::runtime::watcher` was weighed and left: it repeats a 422 for ever where
//! a server does not stream its lists, does not turn an HTTP 410 into a new list, cannot hold a list
//! against the version seen before, and reads each page of a list three times over into memory.
//! Here a list is cut into single objects as it arrives (`split`), each is read into the slim
//! types (`wire`) and told at once, and nothing of it is kept (`follower`).
//!
//! EndpointSlices and Endpoints are both watched where slices are served: hand-written Endpoints
//! must show at once, however late or switched off the mirroring controller is. Endpoints that the
//! Endpoints controller wrote are left out by its label (Kubernetes 1.33), and by the registry on
//! older servers (`recall`). Where slices (v1) are not served, Endpoints serve alone.
//!
//! `endpoints headless` reads past the endpoints of generated slices for cluster IPs, but has the
//! server send those slices: no selector leaves them out and keeps what the controller has left
//! behind at a Service that lost its selector, which answers by its cluster IP for that reason. It
//! saves memory here, and neither the way nor the API server's work.
#![forbid(unsafe_code)]

mod access;
mod backoff;
mod connect;
mod facts;
mod fault;
mod follower;
mod http;
mod kubeconfig;
mod recall;
mod requests;
mod split;
mod status;
mod target;
mod trust;
mod version;
mod wire;

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, SystemTime};

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{Change, Kind, KindSet, LabelSelector, ObjectKey, Refused};
use access::Access;
use backoff::Backoff;
use facts::{Facts, probe, slices_served};
use follower::{Follower, Shared};
use http::Http;
use recall::Recalls;
use target::{NOT_BY_CONTROLLER, Target};
use wire::Wanted;

pub use connect::{ConnectError, Server};
pub use requests::{REQUEST_TIMES, Requests};
pub use status::{KindReport, Report, State, Status};

/// How often it is looked whether the source is out of touch, and how long after a panic all begins
/// anew.
const LOOK: Duration = Duration::from_millis(500);
/// How long the thread's blocking work (a name being resolved) may hold up a stop.
const STOP_DEADLINE: Duration = Duration::from_millis(500);

/// Who is told what the API server has.
pub trait Sink: Send + Sync + 'static {
    /// Takes changes whose effect becomes visible all at once.
    fn apply(&self, changes: Vec<Change>);

    /// The Endpoints that were told once, not kept, and have come to matter since; each is named
    /// once, and told again as soon as it has been fetched.
    fn missing(&self) -> Vec<ObjectKey>;

    /// These kinds, and no others, may not be listed as things stand. Told at least as often as it
    /// changes.
    fn refused(&self, kinds: Refused);

    /// The source is out of touch since then, or in touch again.
    fn out_of_touch(&self, since: Option<SystemTime>);
}

/// What is watched, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The kinds on which some answer hangs.
    pub needed: KindSet,
    /// What objects other than Namespaces must match.
    pub labels: Option<LabelSelector>,
    /// What Namespaces must match.
    pub namespace_labels: Option<LabelSelector>,
    /// Keep no endpoints of generated slices that belong to a Service with a cluster IP.
    pub headless_endpoints_only: bool,
    /// Times.
    pub timing: Timing,
}

/// The times of a source.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// The shortest time after which a watch is ended and begun anew, so that a dead connection is
    /// noticed; the longest is twice this.
    pub watch: Duration,
    /// The longest silence of the server that has to answer.
    pub silence: Duration,
    /// How long a needed kind may be without a watch before the source is out of touch.
    pub out_of_touch: Duration,
    /// How long the server's lists must have been older than what was seen before it is believed
    /// that its store was set back to an older state, as from a backup.
    pub restored: Duration,
    /// How often a server without EndpointSlices is asked whether it has them now.
    pub upgrade: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            watch: Duration::from_mins(1),
            silence: Duration::from_secs(30),
            out_of_touch: Duration::from_mins(1),
            restored: Duration::from_mins(2),
            upgrade: Duration::from_mins(1),
        }
    }
}

/// A source at work. Dropping it ends it.
#[derive(Debug)]
pub struct Watching {
    status: Arc<Status>,
    url: String,
    /// Dropped to tell the thread to end.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Why a source cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no thread or no runtime to be had.
    #[error("the thread that watches the API server cannot be started: {0}")]
    Thread(#[from] io::Error),
    /// The configuration does not lead to an API server.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

/// Watches the API server and tells `sink` what it has, until the handle is dropped. Returns before
/// the server has answered; an error is one of the configuration or of this machine.
pub fn start(
    server: &Server,
    options: Options,
    sink: Arc<dyn Sink>,
) -> Result<Watching, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let access = Arc::new(runtime.block_on(Access::new(server))?);
    let url = access.url().to_owned();
    let status = Status::new(options.needed, options.timing.out_of_touch);
    let http = Http { access, status: Arc::clone(&status), silence: options.timing.silence };
    let facts = Arc::new(Facts::default());
    let shared = Shared { http, sink, facts, timing: options.timing };
    let (stop, stopped) = oneshot::channel();
    let thread = Builder::new()
        .name("watch-api".into())
        .spawn(move || watch(runtime, Source { shared, options }, stopped))?;
    tracing::info!("the cluster is watched at {url}");
    Ok(Watching { status, url, stop: Some(stop), thread: Some(thread) })
}

impl Watching {
    /// How the watches fare.
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }

    /// The API server's URL.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that watches the API server has panicked");
        }
    }
}

fn watch(runtime: Runtime, source: Source, stopped: oneshot::Receiver<()>) {
    runtime.block_on(async {
        tokio::select! {
            _ = stopped => {}
            () = source.run() => {}
        }
    });
    runtime.shutdown_timeout(STOP_DEADLINE);
}

struct Source {
    shared: Shared,
    options: Options,
}

impl Source {
    async fn run(self) {
        tokio::select! {
            () = look(&self.shared) => {}
            () = async {
                loop {
                    self.follow().await;
                    sleep(LOOK).await;
                }
            } => {}
        }
    }

    async fn follow(&self) {
        let slices = self.probe().await;
        let needed = self.options.needed;
        let wants_slices = needed.has(Kind::EndpointSlice);
        if wants_slices && !slices {
            tracing::info!("the API server has no EndpointSlices (v1); Endpoints serve alone");
            self.shared.sink.apply(vec![Change::NotServed(Kind::EndpointSlice)]);
            self.shared.http.status.not_served(Kind::EndpointSlice);
        }
        let mut tasks = JoinSet::new();
        let (asks, asked) = mpsc::unbounded_channel();
        let mut asked = Some(asked);
        for kind in needed.iter() {
            let later = kind == Kind::EndpointSlice && !slices;
            let mut follower = self.follower(kind, slices);
            match kind {
                Kind::Service => follower.asks = Some(asks.clone()),
                Kind::Endpoints => {
                    follower.recalls = asked.take().map(|asked| self.recalls(asked));
                }
                _ => {}
            }
            let (shared, every) = (self.shared.clone(), self.options.timing.upgrade);
            tasks.spawn(async move {
                if later {
                    until_served(&shared, every).await;
                }
                follower.run().await;
            });
        }
        // A watch has no end of its own: this is a panic, which is never to be.
        tasks.join_next().await;
        tracing::error!("a watch of the API server has failed; all begin anew");
    }

    /// Learns what the server can do, however long it takes to be there.
    async fn probe(&self) -> bool {
        let Shared { http, facts, .. } = &self.shared;
        let mut backoff = Backoff::default();
        loop {
            let fault = match probe(http, facts).await {
                Ok(slices) => return slices,
                Err(fault) => fault,
            };
            let mut news = false;
            for kind in self.options.needed.iter() {
                news |= http.status.failed(kind, &fault);
            }
            if news {
                tracing::warn!("{fault}; it is tried again");
                self.shared.sink.refused(http.status.refused());
            }
            sleep(backoff.after(&fault)).await;
        }
    }

    fn follower(&self, kind: Kind, slices: bool) -> Follower {
        Follower::new(kind, &self.shared, self.target(kind, slices), self.wanted(kind))
    }

    fn recalls(&self, asked: mpsc::UnboundedReceiver<ObjectKey>) -> Recalls {
        let kind = Kind::Endpoints;
        // By name, whoever wrote it: a label may be left over from the controller.
        let target = Target::new(kind, &[]);
        Recalls::new(self.shared.http.clone(), target, self.wanted(kind), asked)
    }

    fn target(&self, kind: Kind, slices: bool) -> Target {
        let text = |selector: &Option<LabelSelector>| {
            selector.as_ref().map(ToString::to_string).unwrap_or_default()
        };
        let narrow = match kind {
            // Without slices, what the controller writes is all there is.
            Kind::Endpoints if slices => NOT_BY_CONTROLLER.into(),
            _ => String::new(),
        };
        let labels = match kind {
            Kind::Namespace => text(&self.options.namespace_labels),
            _ => text(&self.options.labels),
        };
        Target::new(kind, &[labels, narrow])
    }

    fn wanted(&self, kind: Kind) -> Wanted {
        let selector = match kind {
            Kind::Namespace => &self.options.namespace_labels,
            _ => &self.options.labels,
        };
        Wanted { labels: selector.is_some(), headless_only: self.options.headless_endpoints_only }
    }
}

/// Waits until the server, upgraded, has EndpointSlices.
async fn until_served(shared: &Shared, every: Duration) {
    loop {
        sleep(every).await;
        if let Ok(true) = slices_served(&shared.http).await {
            tracing::info!("the API server has EndpointSlices (v1) now");
            return;
        }
    }
}

/// Says when the source gets out of touch, and back.
async fn look(shared: &Shared) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        ticks.tick().await;
        let since = shared.http.status.out_of_touch();
        if since == told {
            continue;
        }
        match (told, since) {
            (None, _) => {
                tracing::warn!("the API server is out of touch; the last state goes on answering");
            }
            (_, None) => tracing::info!("the API server is in touch again"),
            _ => {}
        }
        shared.sink.out_of_touch(since);
        told = since;
    }
}
