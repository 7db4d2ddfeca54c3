//! `/metrics`: CoreDNS's names, labels and buckets wherever it has one, so that its dashboards and
//! alerts go on working; `process_` as client libraries have it; ours begin with `fingerpost_`.
//!
//! Everything is counted where it happens and summed up here, on the thread `http`, which no query
//! waits for.
#![forbid(unsafe_code)]

mod build;
mod cache;
mod dns;
mod forward;
mod process;
mod registry;
mod rest;
mod sockets;
mod text;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::cluster::Observed;
use super::pulse::Pulse;
use super::reload::Tally;
use super::running::Running;
use crate::config::Config;
use crate::front::{Front, Journal};
use crate::serve::Server;
use text::{Text, Type};

/// The content type of the text format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What can be measured, as far as it is there.
pub(super) struct Metrics {
    scene: Mutex<Scene>,
    walks: registry::Walks,
    pulse: Arc<Pulse>,
    journal: Journal,
}

/// What there is to look at. A new configuration brings another one.
#[derive(Default)]
struct Scene {
    plugins: Vec<build::Plugin>,
    sources: Vec<Observed>,
    fronts: Vec<Arc<Front>>,
    servers: Vec<Arc<Server>>,
    reload: Option<Arc<Mutex<Tally>>>,
}

impl Metrics {
    /// Nothing is there but the configuration.
    pub(super) fn new(config: &Config, journal: Journal) -> Self {
        let scene = Scene { plugins: build::plugins(config), ..Scene::default() };
        let pulse = Arc::default();
        Self { scene: Mutex::new(scene), walks: Default::default(), pulse, journal }
    }

    /// From now on these sources are looked at.
    pub(super) fn reads(&self, sources: Vec<Observed>) {
        self.scene().sources = sources;
    }

    /// From now on this is what runs.
    pub(super) fn runs(&self, running: &Running) {
        let mut scene = self.scene();
        scene.plugins = build::plugins(running.config());
        scene.sources = running.sources();
        scene.fronts = running.fronts();
        scene.servers = running.servers();
    }

    /// How the Corefile fares that is followed.
    pub(super) fn follows(&self, tally: Arc<Mutex<Tally>>) {
        self.scene().reload = Some(tally);
    }

    /// What is known of how soon `/health` replies.
    pub(super) fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    /// Everything, in Prometheus's text format.
    pub(super) fn text(&self) -> String {
        let mut text = Text::default();
        let scene = self.scene();
        build::write(&mut text, &scene.plugins);
        let answered: Vec<_> = scene.fronts.iter().flat_map(|front| front.answered()).collect();
        let shelved = scene.fronts.iter().flat_map(|front| front.shelved()).collect();
        cache::write(&mut text, &answered, shelved);
        forward::write(&mut text, &answered, &scene.fronts);
        dns::write(&mut text, answered);
        sockets::write(&mut text, &scene.servers);
        let what = "Lines of log and errors that were dropped, since their reader is too slow.";
        text.counter("fingerpost_log_lines_dropped_total", what, self.journal.dropped());
        registry::write(&mut text, &scene.sources, &self.walks);
        rest::write(&mut text, &scene.sources);
        if let Some(tally) = &scene.reload {
            tally.lock().unwrap_or_else(PoisonError::into_inner).write(&mut text);
        }
        self.pulse.write(&mut text);
        process::write(&mut text);
        text.into_string()
    }

    fn scene(&self) -> std::sync::MutexGuard<'_, Scene> {
        self.scene.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn write(&self, text: &mut Text) {
        let Some(version) = &self.version else { return };
        let what = "Corefiles that were read again and could not be put in effect.";
        text.counter("coredns_reload_failed_total", what, self.failed);
        let what = "Always 1, labelled by the hash of the Corefile in effect.";
        let mut family = text.family("coredns_reload_version_info", Type::Gauge, what);
        family.sample(&[("hash", "sha512"), ("value", version)], 1);
    }
}

impl Pulse {
    fn write(&self, text: &mut Text) {
        let Some((times, failures)) = self.read() else { return };
        let bounds: Vec<f64> = super::pulse::BOUNDS.iter().map(Duration::as_secs_f64).collect();
        let what = "How long /health took to reply to this process itself.";
        let mut family =
            text.family("coredns_health_request_duration_seconds", Type::Histogram, what);
        family.histogram(&[], &bounds, &times.buckets, seconds(times.sum));
        let what = "How often /health did not reply to this process itself.";
        text.counter("coredns_health_request_failures_total", what, failures);
    }
}

/// Nanoseconds as Prometheus has times.
fn seconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64()
}
