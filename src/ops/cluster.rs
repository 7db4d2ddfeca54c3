//! From a `kubernetes` block of the configuration to a registry that its source keeps current.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::cluster::manifest::{Fault, Grade, Manifests, Report, follow};
use crate::config::{Kubernetes, Source};
use crate::registry::{Publisher, Registry, SystemClock};
use crate::serve;
use crate::zone::{Spec, View};

/// A registry and the threads that keep it current. Dropping it ends them.
pub(super) struct Cluster {
    registry: Arc<Registry>,
    /// Dropped to tell the threads to end.
    stop: Option<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Loading {
    /// Reads the source once and publishes the first view.
    pub(super) fn read(kubernetes: &Kubernetes, spec: Spec) -> anyhow::Result<Self> {
        let Source::Manifests(paths) = &kubernetes.source else {
            bail!("an API server as source is not built yet; name files with --manifests");
        };
        let mut manifests = Manifests::new(paths.clone());
        let registry = Registry::new(Arc::new(spec), RandomState::new().hash_one(0));
        let mut report = Ok(Report::default());
        registry.batch(|sink| report = manifests.load_into(sink));
        let report = report?;
        tell(&report.faults, &report.whole);
        let mut publisher =
            Publisher::new(Arc::clone(&registry), SystemClock).with_tidy(serve::give_back_memory);
        publisher.publish();
        let view = registry.view().load_full();
        tracing::info!(
            services = view.services().len(),
            addresses = view.addresses().len(),
            choices = %Choices(&view),
            "manifests are read"
        );
        Ok(Self { registry, publisher, manifests })
    }
}

impl Cluster {
    /// Where the newest view always stands.
    pub(super) fn view(&self) -> Arc<ArcSwap<View>> {
        self.registry.view()
    }
}

/// A source that has been read and is not followed yet.
pub(super) struct Loading {
    registry: Arc<Registry>,
    publisher: Publisher,
    manifests: Manifests,
}

impl Loading {
    /// The first view.
    pub(super) fn view(&self) -> Arc<View> {
        self.registry.view().load_full()
    }

    /// Follows the source from now on.
    pub(super) fn follow(self) -> anyhow::Result<Cluster> {
        let Self { registry, publisher, manifests } = self;
        let (stop, stopped) = bounded(0);
        let threads = threads(&registry, publisher, manifests, &stopped)
            .context("cannot start the threads that follow the manifests")?;
        Ok(Cluster { registry, stop: Some(stop), threads })
    }
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
        drop(self.stop.take());
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the manifest source has panicked");
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
            Grade::Warning => tracing::warn!("{fault}"),
        }
    }
    for file in whole {
        tracing::info!("{}: whole again", file.display());
    }
}
