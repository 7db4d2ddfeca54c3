//! A view's contents as values that compare, and questions put to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use fingerpost::answer::{self, Cause, Desk, Outcome, Query, Rcode, Settings, Transport};
use fingerpost::cluster::{Change, Kind, Object};
use fingerpost::registry::{Clock, Publisher, Registry};
use fingerpost::zone::{Spec, View};

/// The type SOA, whose serial no two views share.
const SOA: u16 = 6;

/// A clock that stands still.
pub(crate) struct Still;

impl Clock for Still {
    fn unix_seconds(&self) -> u32 {
        1
    }
}

/// Everything that a view holds, and everything that it answers.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Contents {
    table: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) lines: Vec<String>,
}

/// What a view holds, key by key.
pub(crate) fn table(view: &View) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let entries = view.table().iter();
    let table: BTreeMap<_, _> = entries.map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
    assert_eq!(table.len(), view.table().len(), "each key once, and all are counted");
    table
}

impl Contents {
    pub(crate) fn of(view: &View) -> Self {
        let mut lines = Vec::new();
        for zone in view.zones() {
            answer::walk(view, zone, |line| {
                if line.rtype != SOA {
                    lines.push(line.to_string());
                }
            });
        }
        Self { table: table(view), lines }
    }

    pub(crate) fn has(&self, part: &str) -> bool {
        self.lines.iter().any(|line| line.contains(part))
    }
}

/// A registry and its publisher, in hand.
pub(crate) struct Hand {
    pub(crate) registry: Arc<Registry>,
    pub(crate) publisher: Publisher<Still>,
}

impl Hand {
    pub(crate) fn new(spec: &Arc<Spec>) -> Self {
        let registry = Registry::new(Arc::clone(spec), 1);
        Self { publisher: Publisher::new(Arc::clone(&registry), Still), registry }
    }

    /// With these objects, every kind listed.
    pub(crate) fn with(spec: &Arc<Spec>, objects: impl IntoIterator<Item = Object>) -> Self {
        let mut hand = Self::new(spec);
        hand.registry.apply(Kind::ALL.map(Change::ListBegins));
        hand.registry.apply(objects.into_iter().map(Change::Put));
        hand.registry.apply(Kind::ALL.map(Change::ListEnds));
        hand.publisher.publish();
        hand
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.registry.view().load_full()
    }

    pub(crate) fn contents(&self) -> Contents {
        Contents::of(&self.view())
    }
}

/// A response: its code, its cause, and the octets behind the header.
pub(crate) fn ask(view: &View, name: &str, qtype: u16) -> (Rcode, Cause, Vec<u8>) {
    let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).expect("a label"));
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&qtype.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    let settings = Settings::default();
    let desk =
        Desk { view: Some(view), settings: &settings, transport: Transport::Stream, rotation: 0 };
    let mut out = vec![0; answer::STREAM_MOST];
    match answer::answer(&desk, &message, &mut Query::default(), &mut out) {
        Outcome::Reply { len, rcode, cause } => (rcode, cause, out[12..len].to_vec()),
        other => panic!("{name}: {other:?}"),
    }
}
