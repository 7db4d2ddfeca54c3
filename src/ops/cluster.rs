//! From a `kubernetes` block of the configuration to a registry that its source keeps current.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::cluster::manifest::{Fault, Grade, Manifests, Report, follow};
use crate::cluster::watch::{Options, Server, Sink, State, Status, Timing, Watching, start};
use crate::cluster::{Kind, KindSet, snapshot};
use crate::config::{ApiServer, Kubernetes, Source};
use crate::registry::{Publisher, Registry, SystemClock};
use crate::serve;
use crate::zone::{NamespaceFilter, Spec, View};

/// How long a start waits for an API server's first lists where nothing is said; CoreDNS waits as
/// long.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(5);
/// How often it is looked whether they are complete.
const LOOK: Duration = Duration::from_millis(5);

/// How long a stop waits for the last known good state to be on disk.
const SNAPSHOT_TIME: Duration = Duration::from_secs(5);

/// What of a `kubernetes` block `/ready` and `/metrics` look at.
#[derive(Clone)]
pub(super) struct Observed {
    /// The number of its server block.
    pub(super) block: usize,
    /// Where a Corefile has it.
    pub(super) place: Option<String>,
    pub(super) registry: Arc<Registry>,
    /// How its watches fare, where an API server is watched.
    pub(super) status: Option<Arc<Status>>,
    /// The API server, as `host:port`.
    pub(super) host: Option<String>,
    /// What was written of the last known good state, where that is kept.
    pub(super) snapshot: Option<Arc<snapshot::Tally>>,
}

impl Observed {
    /// Which kinds names still wait for, and why; nothing once every kind but pods has been
    /// listed, or where a last known good state is shown.
    pub(super) fn missing(&self) -> Option<String> {
        let mut waiting = self.registry.view().load().waiting();
        waiting.remove(Kind::Pod);
        if waiting.is_empty() || self.registry.is_restored() {
            return None;
        }
        Some(missing(waiting, self.status.as_deref()))
    }
}

/// A registry and the threads that keep it current. Dropping it ends them.
pub(super) struct Cluster {
    registry: Arc<Registry>,
    /// Writes the last known good state once more when it is dropped.
    snapshot: Option<snapshot::Writer>,
    /// Dropped before the threads are told to end, so that nothing comes after its publisher.
    watching: Option<Watching>,
    /// Dropped to tell the threads to end.
    stop: Option<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Cluster {
    /// Where the newest view always stands.
    pub(super) fn view(&self) -> Arc<ArcSwap<View>> {
        self.registry.view()
    }

    /// What its view is made of.
    pub(super) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }

    /// Has the last known good state written once more, where one is kept.
    pub(super) fn write_down(&self) {
        if let Some(writer) = &self.snapshot {
            writer.notifier().notify();
        }
    }

    /// Logs what there is to answer from.
    pub(super) fn tell(&self) {
        let view = self.registry.view().load_full();
        tracing::info!(
            target: "fingerpost::start",
            services = view.services().len(),
            addresses = view.addresses().len(),
            selectorless = %Choices(&view),
            "answering"
        );
    }
}

/// A source that has been read, or is about to be.
pub(super) enum Loading {
    /// Manifests that have been read and are not followed yet.
    Manifests { registry: Arc<Registry>, publisher: Publisher, manifests: Manifests },
    /// An API server, which is watched already.
    Server { cluster: Cluster, until: Instant },
}

impl Loading {
    /// Reads manifests once and publishes the first view; begins to watch an API server.
    pub(super) fn read(kubernetes: &Kubernetes, spec: Spec) -> anyhow::Result<Self> {
        let seed = RandomState::new().hash_one(0);
        let paths = match &kubernetes.source {
            Source::Manifests(paths) => paths.clone(),
            Source::Cluster(server) => {
                let began = watch(server, kubernetes.snapshot.as_deref(), spec, seed);
                return match &kubernetes.place {
                    Some(place) => began.with_context(|| place.clone()),
                    None => began,
                };
            }
        };
        let mut manifests = Manifests::new(paths);
        let registry = Registry::new(Arc::new(spec), seed);
        let mut report = Ok(Report::default());
        registry.batch(|sink| report = manifests.load_into(sink));
        let report = report?;
        tell(&report.faults, &report.whole);
        let mut publisher = publisher(&registry);
        publisher.publish();
        Ok(Self::Manifests { registry, publisher, manifests })
    }

    /// Waits for an API server's first lists of these kinds, but no longer than the configuration
    /// says. Gives back what is still missing, with the reason; nothing if all is there.
    pub(super) async fn wait(&self, kinds: KindSet) -> Option<String> {
        let Self::Server { cluster, until } = self else { return None };
        let view = cluster.registry.view();
        loop {
            let waiting = view.load().waiting().and(kinds);
            if waiting.is_empty() {
                return None;
            }
            let status = cluster.watching.as_ref().map(Watching::status);
            // What nobody may list will not come by waiting.
            let hopeless = |kind| status.as_ref().is_some_and(|status| is_forbidden(status, kind));
            if Instant::now() >= *until || waiting.iter().all(hopeless) {
                return Some(missing(waiting, status.as_deref()));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The same on this thread, for all kinds but pods, whose names no command tells.
    pub(super) fn wait_here(&self) -> anyhow::Result<Option<String>> {
        let mut kinds = KindSet::ALL;
        kinds.remove(Kind::Pod);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .context("cannot start the runtime that waits for the first lists")?;
        Ok(runtime.block_on(self.wait(kinds)))
    }

    /// What can be looked at meanwhile and later.
    pub(super) fn observed(&self, block: usize, kubernetes: &Kubernetes) -> Observed {
        let (registry, cluster) = match self {
            Self::Manifests { registry, .. } => (registry, None),
            Self::Server { cluster, .. } => (&cluster.registry, Some(cluster)),
        };
        let watching = cluster.and_then(|cluster| cluster.watching.as_ref());
        let snapshot = cluster.and_then(|cluster| cluster.snapshot.as_ref());
        Observed {
            block,
            place: kubernetes.place.clone(),
            registry: Arc::clone(registry),
            status: watching.map(Watching::status),
            host: watching.map(|watching| host(watching.url())),
            snapshot: snapshot.map(snapshot::Writer::tally),
        }
    }

    /// The first view.
    pub(super) fn view(&self) -> Arc<View> {
        match self {
            Self::Manifests { registry, .. } => registry.view().load_full(),
            Self::Server { cluster, .. } => cluster.registry.view().load_full(),
        }
    }

    /// Follows the source from now on.
    pub(super) fn follow(self) -> anyhow::Result<Cluster> {
        let (registry, publisher, manifests) = match self {
            Self::Manifests { registry, publisher, manifests } => (registry, publisher, manifests),
            Self::Server { cluster, .. } => return Ok(cluster),
        };
        let (stop, stopped) = bounded(0);
        let threads = threads(&registry, publisher, manifests, &stopped)
            .context("cannot start the threads that follow the manifests")?;
        Ok(Cluster { registry, snapshot: None, watching: None, stop: Some(stop), threads })
    }
}

/// `host:port` of a URL, as it is written there.
fn host(url: &str) -> String {
    let uri = url.parse::<http::Uri>().ok();
    let authority = uri.as_ref().and_then(http::Uri::authority);
    authority.map_or_else(|| url.to_owned(), ToString::to_string)
}

fn publisher(registry: &Arc<Registry>) -> Publisher {
    Publisher::new(Arc::clone(registry), SystemClock).with_tidy(serve::give_back_memory)
}

fn watch(
    server: &ApiServer,
    file: Option<&Path>,
    spec: Spec,
    seed: u64,
) -> anyhow::Result<Loading> {
    let until = Instant::now() + server.startup_timeout.unwrap_or(STARTUP_TIMEOUT);
    let options = Options {
        needed: spec.needed_kinds(),
        labels: spec.labels.clone(),
        namespace_labels: match &spec.namespaces {
            NamespaceFilter::Selected(selector) => Some(selector.clone()),
            NamespaceFilter::All | NamespaceFilter::Named(_) => None,
        },
        headless_endpoints_only: spec.headless_endpoints_only,
        timing: Timing::default(),
    };
    let registry = Registry::new(Arc::new(spec), seed);
    registry.let_endpoints_go();
    let tls = server.tls.clone();
    let server = Server {
        kubeconfig: server.kubeconfig.clone(),
        context: server.context.clone(),
        endpoint: server.endpoint.clone(),
        tls: tls.map(|tls| (tls.certificate, tls.key, tls.authority)),
    };
    let sink: Arc<dyn Sink> = Arc::<Registry>::clone(&registry);
    let watching = start(&server, options, sink)?;
    let (stop, stopped) = bounded(0);
    let mut publisher = publisher(&registry);
    let snapshot = match file {
        Some(file) => {
            let writer = last_known_good(file, watching.url(), &registry)?;
            let notifier = writer.notifier();
            publisher = publisher.with_told(move || notifier.notify());
            Some(writer)
        }
        None => None,
    };
    let publish = Builder::new()
        .name("publisher".into())
        .spawn(move || publisher.run(&stopped))
        .context("cannot start the thread that publishes views")?;
    let threads = vec![publish];
    let watching = Some(watching);
    let cluster = Cluster { registry, snapshot, watching, stop: Some(stop), threads };
    Ok(Loading::Server { cluster, until })
}

/// Shows what an earlier run has written down, and writes down what this one learns.
fn last_known_good(
    file: &Path,
    api_server: &str,
    registry: &Arc<Registry>,
) -> anyhow::Result<snapshot::Writer> {
    let place = snapshot::Place::new(file)?;
    let view = registry.view();
    let origin = snapshot::Origin::new(api_server, view.load().spec());
    let mut objects = Vec::new();
    match snapshot::load(&place, &origin, |object| objects.push(object)) {
        snapshot::Loaded::Restored(header) => {
            let doubt = doubt(&header);
            tracing::info!(file = %file.display(), objects = objects.len(), "{doubt} is restored");
            registry.restore(header.state.serial, header.state.kinds, &doubt, |sink| {
                objects.into_iter().for_each(sink);
            });
        }
        snapshot::Loaded::None => {}
        snapshot::Loaded::Foreign(why)
        | snapshot::Loaded::Damaged(why)
        | snapshot::Loaded::Unreadable(why) => tracing::warn!("{why}"),
    }
    let source = Arc::clone(registry);
    let state = move |visit: &mut dyn FnMut(snapshot::Stored<'_>)| {
        if source.is_restored() {
            return None;
        }
        let serial = source.view().load().serial();
        source.objects(visit).map(|kinds| snapshot::State { serial, kinds })
    };
    Ok(snapshot::Writer::start(place, origin, state)?)
}

/// What an earlier run has written down, to be looked at alone: the file is left as it is, whatever
/// API server and filters it was written for.
pub(super) fn last_known_good_of(
    file: &Path,
    spec: Spec,
) -> anyhow::Result<(Arc<Registry>, Arc<View>)> {
    let mut objects = Vec::new();
    let header = snapshot::look(file, |object| objects.push(object))?;
    let registry = Registry::new(Arc::new(spec), RandomState::new().hash_one(0));
    if !header.state.kinds.has(Kind::EndpointSlice) {
        registry.apply([crate::cluster::Change::NotServed(Kind::EndpointSlice)]);
    }
    registry.put_back(header.state.kinds, |sink| objects.into_iter().for_each(sink));
    registry.set_doubt(Some(&doubt(&header)));
    publisher(&registry).publish();
    let view = registry.view().load_full();
    Ok((registry, view))
}

fn doubt(header: &snapshot::Header) -> String {
    let time = i64::try_from(header.written).ok();
    let time = time.and_then(|time| jiff::Timestamp::from_second(time).ok());
    let time = time.map_or_else(|| "an unknown time".to_owned(), |time| time.to_string());
    format!("last known good state of {time}")
}

fn is_forbidden(status: &Status, kind: Kind) -> bool {
    let report = status.report();
    let found = report.kinds.get(&kind);
    found.is_some_and(|found| matches!(found.state, State::Forbidden { .. }))
}

/// Which kinds are not complete, and why.
fn missing(waiting: KindSet, status: Option<&Status>) -> String {
    let report = status.map(Status::report);
    let one = |kind: Kind| {
        let found = report.as_ref().and_then(|report| report.kinds.get(&kind));
        match found.map(|found| &found.state) {
            Some(State::Forbidden { error, .. } | State::Retrying { error, .. }) => {
                (kind.resource(), error.to_string())
            }
            _ => (kind.resource(), "the list is not complete".into()),
        }
    };
    // A server that is away is the same trouble for every kind, and said once.
    let mut told: Vec<(Vec<&str>, String)> = Vec::new();
    for (kind, error) in waiting.iter().map(one) {
        match told.iter_mut().find(|(_, known)| *known == error) {
            Some((kinds, _)) => kinds.push(kind),
            None => told.push((vec![kind], error)),
        }
    }
    let lines = told.iter().map(|(kinds, error)| format!("{}: {error}", kinds.join(", ")));
    lines.collect::<Vec<_>>().join("; ")
}

fn threads(
    registry: &Arc<Registry>,
    publisher: Publisher,
    manifests: Manifests,
    stopped: &Receiver<()>,
) -> io::Result<Vec<JoinHandle<()>>> {
    let stop = stopped.clone();
    let publish = Builder::new().name("publisher".into()).spawn(move || publisher.run(&stop))?;
    let sink = Arc::clone(registry);
    let follow = follow(manifests, stopped.clone(), move |loaded| {
        tell(&loaded.faults, &loaded.whole);
        tracing::info!(changes = loaded.changes.len(), "manifests have changed");
        sink.apply(loaded.changes);
    })?;
    Ok(vec![publish, follow])
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watching.take());
        if let Some(writer) = self.snapshot.take()
            && !writer.stop(SNAPSHOT_TIME)
        {
            tracing::error!("the last known good state could not be written in time");
        }
        drop(self.stop.take());
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the source has panicked");
            }
        }
    }
}

/// How many selector-less Services with a cluster IP are answered how: `direct 2, port-remapped 1`.
struct Choices<'a>(&'a View);

impl fmt::Display for Choices<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (choice, count) in self.0.choices() {
            write!(f, "{separator}{} {count}", choice.reason())?;
            separator = ", ";
        }
        if separator.is_empty() { f.write_str("none") } else { Ok(()) }
    }
}

fn tell(faults: &[Fault], whole: &[PathBuf]) {
    for fault in faults {
        match fault.grade {
            Grade::Broken => tracing::error!("{fault}"),
            Grade::Odd | Grade::Warning => tracing::warn!("{fault}"),
        }
    }
    for file in whole {
        tracing::info!("{}: whole again", file.display());
    }
}
