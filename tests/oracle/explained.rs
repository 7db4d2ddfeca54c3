//! Explanations of generated worlds say what is answered: they are made of the objects, answers of the
//! view, and both must come to the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use fingerpost::answer::{Settings, Transport};
use fingerpost::cluster::{Change, Kind};
use fingerpost::name::Name;
use fingerpost::registry::{Publisher, Registry};
use fingerpost::why::{EndpointState, Explanation, Grounds, Status, explain};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::model::{A, ZONE};
use crate::universe::{NAMESPACES, SERVICES};
use crate::wire::Ask;
use crate::world::{At, World, names, reply, world};

/// A registry of all objects, every kind listed, and its view published.
fn registry(world: &World) -> Arc<Registry> {
    let registry = Registry::new(Arc::clone(&world.spec), 1);
    registry.apply(world.objects.iter().cloned().map(Change::Put));
    registry.apply(Kind::ALL.map(Change::ListEnds));
    Publisher::new(Arc::clone(&registry), At(7)).publish();
    registry
}

/// The word for the response code of a question for A.
fn answered(grounds: &Grounds<'_>, name: &str) -> &'static str {
    let message = Ask::new(name, A).octets();
    let octets = reply(grounds.view, &message, Transport::Stream, 1_232, 0).expect("a response");
    match octets[3] & 0xf {
        0 => "NOERROR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        5 => "REFUSED",
        other => panic!("code {other}"),
    }
}

/// The addresses among the records, and those of the endpoints that are published.
fn addresses(told: &Explanation) -> [BTreeSet<&str>; 2] {
    let is_address = |rtype: &str| matches!(rtype, "A" | "AAAA");
    let records = told.records.iter().filter(|record| is_address(&record.rtype));
    let ready = told.endpoints.iter().filter(|found| found.state == EndpointState::Ready);
    [records.map(|record| &*record.data).collect(), ready.map(|found| &*found.address).collect()]
}

/// Of every Service its own name, and that of its endpoints.
fn own_names() -> Vec<String> {
    let sides = ["svc", "endpoints"];
    let keys = NAMESPACES.iter().flat_map(|namespace| SERVICES.map(|name| (name, namespace)));
    keys.flat_map(|(name, space)| sides.map(|side| format!("{name}.{space}.{side}.{ZONE}")))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn explanations_say_what_is_answered(world in world(), drawn in vec(any::<Index>(), 60)) {
        let registry = registry(&world);
        let (view, settings) = (registry.view().load_full(), Settings::default());
        let grounds = Grounds {
            registry: &registry,
            view: &view,
            settings: &settings,
            upstreams: &[],
            endpoints_most: usize::MAX,
            now: None,
        };
        let (names, own) = (names(), own_names());
        for name in drawn.iter().map(|index| index.get(&names)).chain(&own) {
            let Ok(asked) = Name::parse(name) else { continue };
            let told = explain(&grounds, &asked);
            prop_assert_eq!(told.status.word(), answered(&grounds, name), "{}", name);
            let lines = told.lines();
            let read = Explanation::read(lines.iter().map(|line| &**line));
            prop_assert_eq!(read.as_ref(), Ok(&told), "{:#?}", lines);
            if told.status == Status::Missing {
                prop_assert!(told.why.is_some() && told.cause.is_some(), "{:?}", told);
            }
            for near in &told.near {
                prop_assert_eq!(answered(&grounds, near), "NOERROR", "{} of {}", near, name);
            }
            // Whatever stands for a Service, these are its endpoints.
            let is_all = name.split('.').nth(2) == Some("endpoints");
            let is_headless = told.service.as_ref().is_some_and(|service| {
                let svc = name.split('.').nth(2) == Some("svc");
                svc && service.cluster_ips == ["None"] && service.external_name.is_none()
            });
            if told.status == Status::Exists && (is_all || is_headless) {
                let [records, ready] = addresses(&told);
                prop_assert_eq!(records, ready, "{}", name);
            }
            prop_assert!(serde_json::to_string(&told).is_ok());
        }
    }
}
