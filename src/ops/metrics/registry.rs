//! What is known of the cluster: objects, the view, the watches, the last known good state.
//!
//! Each series says which `kubernetes` block it is of: the number of its server block, from 0, and
//! its first zone. What has to be counted by walking is counted in the immutable view, once for each
//! view, and holds up nobody.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::text::{Text, Type};
use crate::cluster::Kind;
use crate::cluster::watch::{Report, State};
use crate::ops::cluster::Observed;
use crate::registry::{PROGRAMMING_TIMES, PUBLISH_TIMES, Published, ServiceKind, Times};
use crate::zone::{Choice, View};

/// What was found in the views that were walked last, by block.
#[derive(Default)]
pub(super) struct Walks(Mutex<BTreeMap<usize, Walk>>);

/// What was found in a view.
#[derive(Clone, Default)]
struct Walk {
    /// Weak, so that a view is not kept for it.
    of: Weak<View>,
    services: usize,
    choices: BTreeMap<Choice, usize>,
}

impl Walks {
    fn of(&self, block: usize, view: &Arc<View>) -> Walk {
        let mut walks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let walk = walks.entry(block).or_default();
        if !std::ptr::eq(walk.of.as_ptr(), Arc::as_ptr(view)) {
            *walk = Walk {
                of: Arc::downgrade(view),
                services: view.service_count(),
                choices: view.choices(),
            };
        }
        walk.clone()
    }
}

/// One block as it is now.
struct Block {
    number: String,
    zone: String,
    observed: Observed,
    view: Arc<View>,
    walk: Walk,
    published: Published,
    report: Option<Arc<Report>>,
}

pub(super) fn write(text: &mut Text, all: &[Observed], walks: &Walks) {
    let blocks = all.iter().map(|observed| {
        let view = observed.registry.view().load_full();
        Block {
            number: observed.block.to_string(),
            zone: view.primary_zone().to_string(),
            walk: walks.of(observed.block, &view),
            view,
            published: observed.registry.published(),
            report: observed.status.as_ref().map(|status| status.report()),
            observed: observed.clone(),
        }
    });
    let blocks: Vec<Block> = blocks.collect();
    objects(text, &blocks);
    view(text, &blocks);
    publishing(text, &blocks);
    watches(text, &blocks);
    touch(text, &blocks);
    snapshots(text, &blocks);
}

/// A family with any number of series for each block: its other labels, and the value.
fn family<V: Display>(
    text: &mut Text,
    blocks: &[Block],
    (name, of, help): (&str, Type, &str),
    read: impl Fn(&Block) -> Vec<(Vec<(&'static str, &'static str)>, V)>,
) {
    let mut family = text.family(name, of, help);
    for block in blocks {
        for (labels, value) in read(block) {
            let ours = [("block", block.number.as_str()), ("zone", &block.zone)];
            let all: Vec<(&str, &str)> = ours.into_iter().chain(labels).collect();
            family.sample(&all, value);
        }
    }
}

/// A family with one series for each block that has the value.
fn one<V: Display>(
    text: &mut Text,
    blocks: &[Block],
    what: (&str, Type, &str),
    read: impl Fn(&Block) -> Option<V>,
) {
    family(text, blocks, what, |block| {
        read(block).map(|value| (Vec::new(), value)).into_iter().collect()
    });
}

fn objects(text: &mut Text, blocks: &[Block]) {
    let what = ("fingerpost_objects", Type::Gauge, "Objects held, by kind.");
    family(text, blocks, what, |block| {
        let needed = block.view.spec().needed_kinds();
        let held = block.observed.registry.held().into_iter();
        let held = held.filter(|(kind, count)| needed.has(*kind) || *count > 0);
        held.map(|(kind, count)| (vec![("kind", kind.resource())], count)).collect()
    });
    let what = (
        "fingerpost_endpoints",
        Type::Gauge,
        "Addresses of endpoints held, by the kind of their objects and whether they are ready.",
    );
    family(text, blocks, what, |block| {
        let of_kind = |kind: Kind| {
            let count = block.observed.registry.endpoints(kind);
            let kind = ("kind", kind.resource());
            [
                (vec![kind, ("ready", "true")], count.ready),
                (vec![kind, ("ready", "false")], count.not_ready),
            ]
        };
        [Kind::EndpointSlice, Kind::Endpoints].into_iter().flat_map(of_kind).collect()
    });
    let what = (
        "fingerpost_dropped_endpoint_addresses",
        Type::Gauge,
        "Addresses of endpoints that are not published, by reason.",
    );
    family(text, blocks, what, |block| {
        let dropped = block.observed.registry.dropped().into_iter();
        dropped.map(|(drop, count)| (vec![("reason", drop.reason())], count)).collect()
    });
    let what =
        ("fingerpost_odd_objects", Type::Gauge, "Objects with something odd about them, by what.");
    family(text, blocks, what, |block| {
        let oddities = block.observed.registry.oddities().into_iter();
        oddities.map(|(oddity, count)| (vec![("reason", oddity.reason())], count)).collect()
    });
}

fn view(text: &mut Text, blocks: &[Block]) {
    let what =
        ("fingerpost_view_serial", Type::Gauge, "The serial of the view that is answered from.");
    one(text, blocks, what, |block| Some(block.view.serial()));
    let what = ("fingerpost_view_age_seconds", Type::Gauge, "Since the view was put in place.");
    one(text, blocks, what, |block| {
        Some(block.published.last?.elapsed().unwrap_or_default().as_secs_f64())
    });
    let what = ("fingerpost_view_services", Type::Gauge, "Services that have names in the view.");
    one(text, blocks, what, |block| Some(block.walk.services));
    let what = (
        "fingerpost_view_entries",
        Type::Gauge,
        "Keys of the view: Services, namespaces, addresses and what is above them.",
    );
    one(text, blocks, what, |block| Some(block.view.table().len()));
    let what = ("fingerpost_view_bytes", Type::Gauge, "Octets of the view.");
    one(text, blocks, what, |block| Some(block.view.table().octets()));
    let what = (
        "fingerpost_view_restored",
        Type::Gauge,
        "1 as long as the last known good state of an earlier run is answered from.",
    );
    one(text, blocks, what, |block| Some(u8::from(block.observed.registry.is_restored())));
    let what = (
        "fingerpost_selectorless_services",
        Type::Gauge,
        "Selector-less Services with a cluster IP, by why they are answered as they are.",
    );
    family(text, blocks, what, |block| {
        let count = |choice: Choice| block.walk.choices.get(&choice).copied().unwrap_or(0);
        let all = Choice::ALL.into_iter();
        all.map(|choice| (vec![("reason", choice.reason())], count(choice))).collect()
    });
}

fn publishing(text: &mut Text, blocks: &[Block]) {
    let what = ("fingerpost_views_published_total", Type::Counter, "Views put in place.");
    one(text, blocks, what, |block| Some(block.published.times.count()));
    let what = "How long a view took to make, from the moment its changes were collected.";
    let mut family = text.family("fingerpost_publish_duration_seconds", Type::Histogram, what);
    let bounds = PUBLISH_TIMES.map(|micros| Duration::from_micros(micros).as_secs_f64());
    for block in blocks {
        let labels = [("block", block.number.as_str()), ("zone", &block.zone)];
        let Times { counts, sum } = &block.published.times;
        family.histogram(&labels, &bounds, counts, sum.as_secs_f64());
    }
    programming(text, blocks);
}

/// By CoreDNS's name and labels, of all blocks together.
fn programming(text: &mut Text, blocks: &[Block]) {
    let name = "coredns_kubernetes_dns_programming_duration_seconds";
    let what = "From when a controller saw why endpoints had to change until the change was in a view; \
                what lists tell is not counted.";
    let mut family = text.family(name, Type::Histogram, what);
    let bounds = PROGRAMMING_TIMES.map(|micros| Duration::from_micros(micros).as_secs_f64());
    for kind in ServiceKind::ALL {
        let mut counts = vec![0; PROGRAMMING_TIMES.len() + 1];
        let mut sum = Duration::ZERO;
        for times in blocks.iter().map(|block| block.observed.registry.programming(kind)) {
            counts.iter_mut().zip(&times.counts).for_each(|(all, more)| *all += more);
            sum = sum.saturating_add(times.sum);
        }
        if counts.iter().any(|count| *count > 0) {
            family.histogram(&[("service_kind", kind.word())], &bounds, &counts, sum.as_secs_f64());
        }
    }
}

fn watches(text: &mut Text, blocks: &[Block]) {
    let kinds = |block: &Block, of: fn(&State) -> bool| {
        let report = block.report.iter().flat_map(|report| &report.kinds);
        report
            .map(|(kind, found)| (vec![("kind", kind.resource())], u8::from(of(&found.state))))
            .collect()
    };
    let what = ("fingerpost_watch_open", Type::Gauge, "1 if the kind is being watched.");
    family(text, blocks, what, |block| kinds(block, |state| matches!(state, State::Watching)));
    let what = (
        "fingerpost_watch_forbidden",
        Type::Gauge,
        "1 if the kind may not be listed or watched: an RBAC rule is missing.",
    );
    family(text, blocks, what, |block| {
        kinds(block, |state| matches!(state, State::Forbidden { .. }))
    });
    let what = (
        "fingerpost_watch_restarts_total",
        Type::Counter,
        "How often a watch had to begin anew, by kind and cause.",
    );
    family(text, blocks, what, |block| {
        let report = block.report.iter().flat_map(|report| &report.kinds);
        let causes = report.flat_map(|(kind, found)| {
            found.restarts.iter().map(|(cause, count)| (("kind", kind.resource()), *cause, *count))
        });
        causes.map(|(kind, cause, count)| (vec![kind, ("cause", cause)], count)).collect()
    });
}

fn touch(text: &mut Text, blocks: &[Block]) {
    let what = (
        "fingerpost_out_of_touch",
        Type::Gauge,
        "1 if some kind has been without a watch for so long that askers are told.",
    );
    one(text, blocks, what, |block| {
        Some(u8::from(block.observed.status.as_ref()?.out_of_touch().is_some()))
    });
    let what = (
        "fingerpost_out_of_touch_since_timestamp_seconds",
        Type::Gauge,
        "Since when that has been so, in Unix time.",
    );
    one(text, blocks, what, |block| Some(unix(block.observed.status.as_ref()?.out_of_touch()?)));
    let what = (
        "fingerpost_api_server_last_contact_timestamp_seconds",
        Type::Gauge,
        "When something was last heard from the API server, in Unix time.",
    );
    one(text, blocks, what, |block| Some(unix(block.observed.status.as_ref()?.last_contact()?)));
}

fn snapshots(text: &mut Text, blocks: &[Block]) {
    let what = (
        "fingerpost_snapshot_writes_total",
        Type::Counter,
        "How often the last known good state was written.",
    );
    one(text, blocks, what, |block| Some(block.observed.snapshot.as_ref()?.written()));
    let what = (
        "fingerpost_snapshot_write_failures_total",
        Type::Counter,
        "How often the last known good state could not be written.",
    );
    one(text, blocks, what, |block| Some(block.observed.snapshot.as_ref()?.failed()));
    let what = (
        "fingerpost_snapshot_age_seconds",
        Type::Gauge,
        "Since the last known good state was written by this process.",
    );
    one(text, blocks, what, |block| {
        let written = block.observed.snapshot.as_ref()?.last();
        let at = UNIX_EPOCH + Duration::from_secs(written);
        (written > 0).then(|| at.elapsed().unwrap_or_default().as_secs_f64())
    });
    let what =
        ("fingerpost_snapshot_bytes", Type::Gauge, "Octets of the last known good state on disk.");
    one(text, blocks, what, |block| {
        let tally = block.observed.snapshot.as_ref()?;
        (tally.written() > 0).then(|| tally.octets())
    });
}

fn unix(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
