//! A source at work on a fake API server, its registry and publisher, and whoever asks names.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam_channel::{Sender, bounded};
use fingerpost::answer::{self, Desk, Outcome, Query, Settings, Transport};
use fingerpost::cluster::watch::{Options, Server, Sink, Status, Timing, Watching, start};
use fingerpost::registry::{Publisher, Registry, SystemClock};
use fingerpost::zone::{NamespaceFilter, Spec, View};
use hickory_proto::op::Message;
use hickory_proto::rr::RData;

use crate::fake_api::{FakeApi, until};

/// Times that make a test short.
pub(crate) const TIMING: Timing = Timing {
    watch: Duration::from_secs(1),
    silence: Duration::from_millis(400),
    out_of_touch: Duration::from_millis(300),
    restored: Duration::from_millis(600),
    upgrade: Duration::from_millis(30),
};

/// An answer to an A query: the response code and the addresses, sorted.
pub(crate) type Answer = (u8, Vec<Ipv4Addr>);

pub(crate) const SERVFAIL: u8 = 2;

/// The name does not exist.
pub(crate) fn missing() -> Answer {
    (3, Vec::new())
}

pub(crate) fn is(ips: &[&str]) -> Answer {
    (0, ips.iter().map(|ip| ip.parse().unwrap()).collect())
}

/// The A records of `name` in namespace `shop`.
pub(crate) fn a(view: &View, name: &str) -> Answer {
    let full = format!("{name}.shop.svc.cluster.local");
    ask(view, &full)
}

pub(crate) fn ask(view: &View, name: &str) -> Answer {
    let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    let settings = Settings::default();
    let desk =
        Desk { view: Some(view), settings: &settings, transport: Transport::Stream, rotation: 0 };
    let mut out = vec![0; answer::STREAM_MOST];
    let outcome = answer::answer(&desk, &message, &mut Query::default(), &mut out);
    let Outcome::Reply { len, .. } = outcome else { panic!("{name}: {outcome:?}") };
    let reply = Message::from_vec(&out[..len]).unwrap();
    let mut addresses: Vec<Ipv4Addr> = reply
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::A(address) => Some(address.0),
            _ => None,
        })
        .collect();
    addresses.sort_unstable();
    (out[3] & 15, addresses)
}

/// A source, registry and publisher. Dropping it ends them.
pub(crate) struct Bench {
    pub(crate) registry: Arc<Registry>,
    pub(crate) status: Arc<Status>,
    watching: Option<Watching>,
    stop: Option<Sender<()>>,
    publisher: Option<JoinHandle<()>>,
}

impl Bench {
    pub(crate) fn start(api: &FakeApi, spec: Spec) -> Self {
        Self::timed(api, spec, TIMING)
    }

    pub(crate) fn timed(api: &FakeApi, spec: Spec, timing: Timing) -> Self {
        let options = Options {
            needed: spec.needed_kinds(),
            labels: spec.labels.clone(),
            namespace_labels: match &spec.namespaces {
                NamespaceFilter::Selected(selector) => Some(selector.clone()),
                _ => None,
            },
            headless_endpoints_only: spec.headless_endpoints_only,
            timing,
        };
        let registry = Registry::new(Arc::new(spec), 1);
        registry.let_endpoints_go();
        let (stop, stopped) = bounded(0);
        let publisher = Publisher::new(Arc::clone(&registry), SystemClock);
        let publisher = std::thread::spawn(move || publisher.run(&stopped));
        let sink: Arc<dyn Sink> = Arc::<Registry>::clone(&registry);
        let server = Server { endpoint: Some(api.url()), ..Server::default() };
        let watching = start(&server, options, sink).unwrap();
        let status = watching.status();
        Self {
            registry,
            status,
            watching: Some(watching),
            stop: Some(stop),
            publisher: Some(publisher),
        }
    }

    /// Started, and all lists complete.
    pub(crate) fn ready(api: &FakeApi, spec: Spec) -> Self {
        let bench = Self::start(api, spec);
        bench.listed();
        bench
    }

    pub(crate) fn listed(&self) {
        until("the first lists", || self.view().waiting().is_empty());
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.registry.view().load_full()
    }

    pub(crate) fn a(&self, name: &str) -> Answer {
        a(&self.view(), name)
    }

    /// Waits until `name` has this answer.
    pub(crate) fn comes(&self, name: &str, answer: &Answer) {
        until(&format!("{name}: {answer:?}, but it is {:?}", self.a(name)), || {
            self.a(name) == *answer
        });
    }

    /// Every record of every zone but the SOA, whose serial no two views share.
    pub(crate) fn lines(&self) -> Vec<String> {
        let view = self.view();
        let mut lines = Vec::new();
        for zone in view.zones() {
            answer::walk(&view, zone, |line| {
                if line.rtype != 6 {
                    lines.push(line.to_string());
                }
            });
        }
        lines
    }

    /// Asks `names` without a pause and hands each answer to `judge`, which says what is wrong.
    pub(crate) fn asker(
        &self,
        names: &[&'static str],
        judge: impl FnMut(&'static str, Answer) -> Result<(), String> + Send + 'static,
    ) -> Asker {
        Asker::start(self.registry.view(), names.to_vec(), judge)
    }

    /// Asks names that must answer thus at all times.
    pub(crate) fn steady(&self, answers: &[(&'static str, Answer)]) -> Asker {
        let names: Vec<&'static str> = answers.iter().map(|(name, _)| *name).collect();
        let answers = answers.to_vec();
        self.asker(&names, move |name, answer| {
            let right = answers.iter().any(|pair| *pair == (name, answer.clone()));
            if right { Ok(()) } else { Err(format!("{name}: {answer:?}")) }
        })
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.watching.take());
        drop(self.stop.take());
        if let Some(publisher) = self.publisher.take() {
            publisher.join().unwrap();
        }
    }
}

/// Somebody who asks all the time.
pub(crate) struct Asker {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    thread: Option<JoinHandle<Vec<String>>>,
}

/// How many wrong answers are told.
const MOST_TOLD: usize = 5;

impl Asker {
    fn start(
        view: Arc<ArcSwap<View>>,
        names: Vec<&'static str>,
        mut judge: impl FnMut(&'static str, Answer) -> Result<(), String> + Send + 'static,
    ) -> Self {
        let (stop, rounds) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&rounds));
        let thread = std::thread::spawn(move || {
            let mut wrong = Vec::new();
            while !stopped.load(Ordering::Acquire) {
                let view = view.load_full();
                for name in &names {
                    if let Err(text) = judge(name, a(&view, name))
                        && wrong.len() < MOST_TOLD
                    {
                        wrong.push(text);
                    }
                }
                count.fetch_add(1, Ordering::Release);
                std::thread::yield_now();
            }
            wrong
        });
        Self { stop, rounds, thread: Some(thread) }
    }

    /// Waits until every name has been asked a few more times.
    pub(crate) fn rounds(&self, more: usize) {
        let target = self.rounds.load(Ordering::Acquire) + more;
        until("answers", || self.rounds.load(Ordering::Acquire) >= target);
    }

    /// Ends the asking; not one answer may have been wrong.
    pub(crate) fn all_right(mut self) {
        self.rounds(2);
        self.stop.store(true, Ordering::Release);
        let wrong = self.thread.take().unwrap().join().unwrap();
        assert_eq!(wrong, Vec::<String>::new());
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}
