//! Readers beside a writer: every view is one of the states that were published, whole.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use fingerpost::cluster::{
    Change, ClusterIps, Endpoint, EndpointPort, EndpointSlice, Kind, ManagedBy, Meta, Object,
    Protocol, Service, SliceAddresses,
};
use fingerpost::zone::{Spec, View};

use crate::universe::namespace;
use crate::whole::{Hand, ask};

/// Long enough for a busy machine: the test ends as soon as it has seen enough.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many views each reader looks at, at the least.
const LOOKS: usize = 300;
const STATES: usize = 3;

/// The questions whose answers make a state.
const QUESTIONS: [(&str, u16); 10] = [
    ("a.shop.svc.cluster.local", 1),
    ("a.shop.svc.cluster.local", 28),
    ("a.shop.svc.cluster.local", 33),
    ("b.shop.svc.cluster.local", 1),
    ("b.shop.svc.cluster.local", 28),
    ("b.shop.svc.cluster.local", 33),
    ("10-0-0-1.a.shop.svc.cluster.local", 1),
    ("10-0-0-1.b.shop.svc.cluster.local", 1),
    ("1.0.0.10.in-addr.arpa", 12),
    ("2.0.0.10.in-addr.arpa", 12),
];

fn slice(of: &str, family: SliceAddresses, ips: &[&str], port: u16) -> Change {
    let endpoint = |ip: &&str| Endpoint {
        addresses: [ip.parse().expect("an address")].into_iter().collect(),
        ready: true,
        hostname: None,
        target_name: None,
        managed: false,
    };
    Change::Put(Object::EndpointSlice(EndpointSlice {
        meta: Meta::new("shop", &format!("{of}-{family:?}")),
        service: Some(of.into()),
        managed_by: ManagedBy::Other,
        address_type: family,
        endpoints: ips.iter().map(endpoint).collect(),
        ports: vec![EndpointPort { name: "".into(), protocol: Protocol::Tcp, port: Some(port) }],
    }))
}

fn service(name: &str, cluster_ip: Option<&str>) -> Change {
    Change::Put(Object::Service(Service {
        meta: Meta::new("shop", name),
        external_name: None,
        cluster_ips: cluster_ip.map_or(ClusterIps::Headless, |ip| {
            ClusterIps::Addresses([ip.parse().expect("an address")].into_iter().collect())
        }),
        has_selector: true,
        ports: Vec::new(),
        ip_families: smallvec::SmallVec::default(),
        session_affinity: false,
        local_traffic_only: false,
        publish_not_ready: false,
        selectorless: None,
    }))
}

/// The batch that makes a state of whatever was before: an address moves from `a` to `b` and back,
/// both families and the port change together, and `b` turns from headless to a cluster IP.
fn batch(state: usize) -> Vec<Change> {
    use SliceAddresses::{V4, V6};
    let (a4, b4): (&[&str], &[&str]) = match state {
        0 => (&["10.0.0.1", "10.0.0.5"], &["10.0.0.2"]),
        1 => (&["10.0.0.5"], &["10.0.0.1", "10.0.0.2"]),
        _ => (&["10.0.0.2", "10.0.0.5"], &["10.0.0.1"]),
    };
    let (a6, b6): (&[&str], &[&str]) =
        if state == 0 { (&["fd00::1"], &[]) } else { (&["fd00::7", "fd00::8"], &["fd00::1"]) };
    let port = 1_000 + u16::try_from(state).expect("few");
    vec![
        slice("a", V4, a4, port),
        slice("a", V6, a6, port),
        slice("b", V4, b4, port),
        service("b", (state == 2).then_some("10.96.0.1")),
        slice("b", V6, b6, port),
    ]
}

fn answers(view: &View) -> Vec<Vec<u8>> {
    // What is looked up of a denial is its code: its SOA has the view's serial.
    QUESTIONS
        .map(|(name, qtype)| match ask(view, name, qtype) {
            (code, _, _) if code as u8 != 0 => vec![code as u8],
            (_, _, octets) => {
                if octets.windows(10).any(|w| w == b"hostmaster") {
                    vec![0]
                } else {
                    octets
                }
            }
        })
        .into()
}

fn base() -> Vec<Change> {
    [Change::Put(namespace("shop")), service("a", None)].into()
}

#[test]
fn no_reader_sees_half_a_change() {
    let spec = Arc::new(Spec::default());
    let states: Vec<Vec<Vec<u8>>> = (0..STATES)
        .map(|state| {
            let mut hand = Hand::new(&spec);
            hand.registry.apply(base().into_iter().chain(batch(state)));
            hand.registry.apply(Kind::ALL.map(Change::ListEnds));
            hand.publisher.publish();
            answers(&hand.view())
        })
        .collect();
    assert_eq!(states.iter().collect::<HashSet<_>>().len(), STATES, "the states differ");

    let Hand { registry, mut publisher } = Hand::new(&spec);
    registry.apply(base().into_iter().chain(batch(0)));
    registry.apply(Kind::ALL.map(Change::ListEnds));
    publisher.publish();
    let enough = AtomicBool::new(false);
    let (stop, stopped) = bounded::<()>(0);
    std::thread::scope(|scope| {
        scope.spawn(|| publisher.run(&stopped));
        scope.spawn(|| {
            let mut state = 0;
            while !enough.load(Ordering::Relaxed) {
                state = (state + 1) % STATES;
                registry.apply(batch(state));
                std::thread::yield_now();
            }
        });
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let newest = registry.view();
                    let limit = Instant::now() + PATIENCE;
                    let mut seen = [0; STATES];
                    while seen.iter().sum::<usize>() < LOOKS || seen.contains(&0) {
                        let found = answers(&newest.load_full());
                        let state = states.iter().position(|state| *state == found);
                        let Some(state) = state else { return Err(found) };
                        seen[state] += 1;
                        if Instant::now() > limit {
                            break;
                        }
                    }
                    Ok(seen)
                })
            })
            .collect();
        let results: Vec<_> =
            readers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        enough.store(true, Ordering::Relaxed);
        drop(stop);
        for result in results {
            let seen = result.expect("no panic").expect("one of the states, whole");
            assert!(seen.iter().all(|looks| *looks > 0), "every state was seen: {seen:?}");
        }
    });
}
