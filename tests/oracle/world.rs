//! Worlds to ask: a configuration, objects, and the view that the crate makes of them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use fingerpost::answer::{self, Desk, Outcome, Query, Settings, Transport};
use fingerpost::cluster::{Change, Kind, Object, ObjectKey};
use fingerpost::registry::{Clock, Publisher, Registry};
use fingerpost::zone::{Pods, Selectorless, Spec, View};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::model::{ZONE, dashed, reverse_name};
use crate::universe::{HOSTNAMES, NAMESPACES, PORTS, SERVICES, V4, V6, namespace, object};

/// A configuration and the objects that there are.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) spec: Arc<Spec>,
    pub(crate) objects: Vec<Object>,
}

pub(crate) fn world() -> impl Strategy<Value = World> {
    (spec(), vec(object(), 4..40), vec(any::<bool>(), 3)).prop_map(|(spec, drawn, exist)| {
        let mut objects: BTreeMap<(Kind, ObjectKey), Object> = BTreeMap::new();
        let spaces =
            NAMESPACES.iter().zip(exist).filter(|(name, exist)| *exist || **name == "shop");
        for object in spaces.map(|(name, _)| namespace(name)).chain(drawn) {
            objects.insert((object.kind(), object.meta().key.clone()), object);
        }
        World { spec: Arc::new(spec), objects: objects.into_values().collect() }
    })
}

fn spec() -> impl Strategy<Value = Spec> {
    let rare = || prop::bool::weighted(0.15);
    (
        select(vec![Selectorless::Auto, Selectorless::Endpoints, Selectorless::ClusterIp]),
        select(vec![Pods::Disabled, Pods::Insecure, Pods::Verified]),
        any::<bool>(),
        (rare(), rare(), rare()),
    )
        .prop_map(
            |(selectorless, pods, names, (no_endpoints, headless_only, ignore_empty))| Spec {
                selectorless,
                pods,
                endpoint_pod_names: names,
                no_endpoints,
                headless_endpoints_only: headless_only,
                ignore_empty_service: ignore_empty,
                local_addresses: vec!["192.0.2.53".parse().expect("an address")],
                ..Spec::default()
            },
        )
}

/// A clock that says what it is told.
pub(crate) struct At(pub(crate) u32);

impl Clock for At {
    fn unix_seconds(&self) -> u32 {
        self.0
    }
}

/// The view of all objects, every kind listed.
pub(crate) fn view(spec: &Arc<Spec>, objects: &[Object]) -> Arc<View> {
    let registry = Registry::new(Arc::clone(spec), 1);
    registry.apply(objects.iter().cloned().map(Change::Put));
    registry.apply(Kind::ALL.map(Change::ListEnds));
    Publisher::new(Arc::clone(&registry), At(7)).publish();
    registry.view().load_full()
}

/// Every name that could mean something in the universe, and some that cannot.
pub(crate) fn names() -> Vec<String> {
    let addresses: Vec<IpAddr> =
        V4.iter().chain(&V6).map(|text| text.parse().expect("an address")).collect();
    let mut labels: Vec<String> = HOSTNAMES.iter().map(|name| name.to_ascii_lowercase()).collect();
    labels.extend(addresses.iter().map(|ip| dashed(*ip)));
    labels.extend(
        ["pod-1", "pod", "*", "_endpoints", "_tcp", "_udp", "_sctp", "http"].map(Into::into),
    );
    let mut names: Vec<String> =
        ["", "svc.", "pod.", "endpoints.", "dns.", "ns.dns.", "dns-version.", "x.ns.dns.", "no."]
            .map(|front| format!("{front}{ZONE}"))
            .into();
    names.extend(["example.com", "local", "in-addr.arpa", "ip6.arpa", "arpa", ""].map(Into::into));
    for ip in &addresses {
        let mut name = reverse_name(*ip);
        names.push(format!("0.{name}"));
        while let Some((_, rest)) = name.clone().split_once('.') {
            names.push(std::mem::replace(&mut name, rest.into()));
        }
        for namespace in NAMESPACES {
            names.push(format!("{}.{namespace}.pod.{ZONE}", dashed(*ip)));
        }
    }
    names.extend(["01.0.0.10.in-addr.arpa", "256.in-addr.arpa", "g.ip6.arpa"].map(Into::into));
    for namespace in NAMESPACES.into_iter().chain(["none"]) {
        for side in ["svc", "endpoints", "pod"] {
            names.push(format!("{namespace}.{side}.{ZONE}"));
        }
        names.push(format!("10-0-0-01.{namespace}.pod.{ZONE}"));
        names.push(format!("x.10-0-0-1.{namespace}.pod.{ZONE}"));
        for service in SERVICES.into_iter().chain(["none"]) {
            for side in ["svc", "endpoints"] {
                let own = format!("{service}.{namespace}.{side}.{ZONE}");
                for label in &labels {
                    names.push(format!("{label}.{own}"));
                }
                for port in PORTS.into_iter().chain(["none"]).filter(|port| !port.is_empty()) {
                    for protocol in ["_tcp", "_udp", "_sctp", "tcp"] {
                        names.push(format!("_{port}.{protocol}.{own}"));
                    }
                    names.push(format!("{port}._tcp.{own}"));
                }
                names.push(format!("x.h1.{own}"));
                // As often as its own names together.
                names.extend(std::iter::repeat_n(own, 12));
            }
        }
    }
    names
}

/// Answers a query over a view, without upstreams.
pub(crate) fn reply(
    view: &View,
    message: &[u8],
    transport: Transport,
    payload: u16,
    rotation: u32,
) -> Option<Vec<u8>> {
    let settings = Settings { payload, ..Settings::default() };
    let desk = Desk { view: Some(view), settings: &settings, transport, rotation };
    let mut out = vec![0xee; answer::STREAM_MOST];
    match answer::answer(&desk, message, &mut Query::default(), &mut out) {
        Outcome::Reply { len, .. } => {
            out.truncate(len);
            Some(out)
        }
        Outcome::Silence => None,
        other => panic!("nobody is there to be asked: {other:?}"),
    }
}
