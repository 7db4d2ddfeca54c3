//! The mix of queries, and what answers them.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use fingerpost::answer::{self, Desk as Pure, Outcome, Query, Settings, Transport};
use fingerpost::cluster::{
    Change, ClusterIps, Endpoint, EndpointPort, EndpointSlice, Kind, KindSet, ManagedBy, Meta,
    Namespace, Object, Protocol, Refusal, Refused, Service, ServicePort, SliceAddresses,
};
use fingerpost::config::{
    Errors, Forward, Log, LogClass, LogFormat, ServerBlock, Template, Upstream, read_corefile,
};
use fingerpost::front::{Block, Front, Journal};
use fingerpost::name::Name;
use fingerpost::registry::{Publisher, Registry, SystemClock};
use fingerpost::serve::{Asker, Clerk, Client, Desk, MAX_STREAM_RESPONSE, MAX_UDP_RESPONSE, Step};
use fingerpost::zone::{Fallthrough, Pods, Spec, State, View};

use crate::counting::count;

/// How many queries are answered in all, by each of those who answer.
const QUERIES: usize = 100_000;
/// Endpoints of the largest Service.
const LARGE: u32 = 1_000;

fn service(name: &str, ip: Option<&str>, target: Option<&str>) -> Object {
    Object::Service(Service {
        meta: Meta::new("shop", name),
        external_name: target.map(Into::into),
        cluster_ips: ip.map_or(ClusterIps::Headless, |ip| {
            let both = [ip.parse().expect("an address"), "fd00::a".parse().expect("an address")];
            ClusterIps::Addresses(both.into_iter().collect())
        }),
        has_selector: true,
        ports: vec![ServicePort { name: "http".into(), protocol: Protocol::Tcp, port: 80 }],
        ip_families: smallvec::SmallVec::default(),
        session_affinity: false,
        local_traffic_only: false,
        publish_not_ready: false,
        selectorless: None,
    })
}

fn slice(of: &str, first: [u8; 4], count: u32) -> Object {
    let first = Ipv4Addr::from(first).to_bits();
    let endpoint = |index: u32| Endpoint {
        addresses: [Ipv4Addr::from_bits(first + index).into()].into_iter().collect(),
        ready: true,
        hostname: None,
        target_name: None,
        managed: true,
    };
    let port = EndpointPort { name: "http".into(), protocol: Protocol::Tcp, port: Some(8080) };
    Object::EndpointSlice(EndpointSlice {
        meta: Meta::new("shop", &format!("{of}-1")),
        service: Some(of.into()),
        managed_by: ManagedBy::Controller,
        address_type: SliceAddresses::V4,
        endpoints: (0..count).map(endpoint).collect(),
        ports: vec![port],
    })
}

/// A Service without a selector, answered with its cluster IP since its endpoints have another port.
fn remapped() -> Object {
    let Object::Service(mut service) = service("remapped", Some("10.96.0.3"), None) else {
        panic!("a Service")
    };
    service.has_selector = false;
    Object::Service(service)
}

pub(crate) fn view() -> Arc<ArcSwap<View>> {
    let mut spec = Spec { pods: Pods::Insecure, ..Spec::default() };
    spec.fallthrough = Fallthrough::Within(vec![Name::parse("in-addr.arpa").expect("a name")]);
    // The server finds itself behind more Services than anybody has.
    spec.local_addresses = vec!["10.96.0.1".parse().expect("an address")];
    let registry = Registry::new(Arc::new(spec), 5);
    let fronts = (0..20).map(|n| service(&format!("front-{n}"), Some("10.96.0.1"), None));
    let objects = [
        Object::Namespace(Namespace { meta: Meta::new("", "shop") }),
        service("web", Some("10.96.0.2"), None),
        service("few", None, None),
        service("large", None, None),
        service("none", None, None),
        service("inside", None, Some("hop.shop.svc.cluster.local")),
        service("hop", None, Some("web.shop.svc.cluster.local")),
        service("loop", None, Some("loop.shop.svc.cluster.local")),
        service("lost", None, Some("gone.shop.svc.cluster.local")),
        service("outside", None, Some("db.example.com")),
        service("covered", None, Some("db.corp.example")),
        service("address", None, Some("10.0.0.1")),
        remapped(),
        slice("remapped", [192, 0, 2, 1], 1),
        slice("web", [10, 0, 0, 1], 3),
        slice("few", [10, 0, 1, 1], 3),
        slice("large", [10, 1, 0, 0], LARGE),
    ];
    registry.apply(objects.into_iter().chain(fronts).map(Change::Put));
    registry.apply(Kind::ALL.map(Change::ListEnds));
    Publisher::new(Arc::clone(&registry), SystemClock).publish();
    registry.view()
}

pub(crate) fn query(name: &str, qtype: u16, edns: Option<u16>) -> Vec<u8> {
    let mut message = vec![3, 4, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns.is_some())];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        message.push(u8::try_from(label.len()).expect("a label"));
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&qtype.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    if let Some(size) = edns {
        message.extend_from_slice(&[0, 0, 41]);
        message.extend_from_slice(&size.to_be_bytes());
        message.extend_from_slice(&[0, 0, 0, 0, 0, 0]);
    }
    message
}

fn queries() -> Vec<Vec<u8>> {
    let names = [
        "web.shop.svc.cluster.local",
        "WEB.shop.SVC.cluster.local",
        "_http._tcp.web.shop.svc.cluster.local",
        "_tcp.web.shop.svc.cluster.local",
        "10-0-0-1.web.shop.svc.cluster.local",
        "web.shop.endpoints.cluster.local",
        "few.shop.svc.cluster.local",
        "_http._tcp.few.shop.svc.cluster.local",
        "large.shop.svc.cluster.local",
        "10-1-1-1.large.shop.svc.cluster.local",
        "none.shop.svc.cluster.local",
        "inside.shop.svc.cluster.local",
        "loop.shop.svc.cluster.local",
        "lost.shop.svc.cluster.local",
        "outside.shop.svc.cluster.local",
        "covered.shop.svc.cluster.local",
        "address.shop.svc.cluster.local",
        "x.address.shop.svc.cluster.local",
        "remapped.shop.svc.cluster.local",
        // Denied, each for a reason of its own.
        "gone.shop.svc.cluster.local",
        "gone.nowhere.svc.cluster.local",
        "_pg._tcp.web.shop.svc.cluster.local",
        "_udp.few.shop.svc.cluster.local",
        "gone.web.shop.svc.cluster.local",
        "x.y.z.web.shop.svc.cluster.local",
        "web-0.shop.pod.cluster.local",
        // What a search list makes of an outside name.
        "www.example.com.shop.svc.cluster.local",
        "www.example.com.svc.cluster.local",
        "www.example.com.cluster.local",
        "www.example.com",
        "www.corp.example",
        "not.corp.example",
        "10-0-0-1.shop.pod.cluster.local",
        "cluster.local",
        "svc.cluster.local",
        "shop.svc.cluster.local",
        "ns.dns.cluster.local",
        "dns-version.cluster.local",
        "1.0.0.10.in-addr.arpa",
        "2.0.96.10.in-addr.arpa",
        "0.0.10.in-addr.arpa",
        "9.9.9.9.in-addr.arpa",
        "a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
        "in-addr.arpa",
        ".",
    ];
    let mut all = Vec::new();
    for name in names {
        for qtype in [1, 28, 33, 12, 5, 6, 2, 16, 255, 252, 64] {
            for edns in [None, Some(0), Some(1232), Some(4096)] {
                all.push(query(name, qtype, edns));
            }
        }
    }
    let good = query("web.shop.svc.cluster.local", 1, Some(1232));
    let changed = |at: usize, octet: u8| {
        let mut message = good.clone();
        message[at] = octet;
        message
    };
    // Malformed, refused, other opcodes and classes, responses, rubbish.
    all.extend(
        [(5, 0), (5, 2), (2, 0x80), (2, 0x28), (12, 0xc0), (12, 64), (11, 2), (45, 3)]
            .map(|(at, octet)| changed(at, octet)),
    );
    all.extend([1, 11, 12, 13, 20, 44].map(|len| good[..len].to_vec()));
    all.push(vec![0xff; 512]);
    all.push(vec![0; 4096]);
    all
}

/// Answers all of the mix, again and again, and says how many allocations that took.
fn counted(mut answer: impl FnMut(&[u8], Transport)) -> u64 {
    let queries = queries();
    let transports = [Transport::Udp, Transport::Udp, Transport::Stream];
    let mut both = queries.iter().cycle().zip(transports.iter().cycle());
    let before = count();
    for (query, transport) in both.by_ref().take(QUERIES) {
        answer(query, *transport);
    }
    count() - before
}

#[test]
fn the_counter_counts() {
    let before = count();
    drop(std::hint::black_box(vec![1u8; 100]));
    assert_eq!(count() - before, 2);
    assert!(queries().len() > 1_500);
}

#[test]
fn the_pure_answer_allocates_nothing() {
    let view = view().load_full();
    let mut out = vec![0; MAX_STREAM_RESPONSE];
    let mut room = Query::default();
    let mut rotation = 0u32;
    let mut replies = [0u32; 4];
    for upstream in [false, true] {
        let settings = Settings { recursion: upstream, upstream, ..Settings::default() };
        let allocations = counted(|message, transport| {
            rotation = rotation.wrapping_add(1);
            let view = Some(&*view);
            let desk = Pure { view, settings: &settings, transport, rotation };
            let kind = match answer::answer(&desk, message, &mut room, &mut out) {
                Outcome::Reply { .. } => 0,
                Outcome::Silence => 1,
                Outcome::Forward => 2,
                Outcome::Chase(_) => 3,
                Outcome::Transfer => panic!("no zone is handed over"),
            };
            replies[kind] += 1;
        });
        assert_eq!(allocations, 0, "with upstream: {upstream}");
    }
    assert!(replies.iter().all(|count| *count > 100), "every outcome came up: {replies:?}");
}

#[test]
fn extended_errors_allocate_nothing() {
    let view = view().load_full();
    let mut refused = Refused::default();
    refused.insert(Kind::Endpoints, Refusal::Forbidden);
    refused.insert(Kind::Pod, Refusal::NotFound);
    let doubt = Some("API server out of touch since 2026-11-22T07:31:05Z".into());
    let causes: &[&[u8]] = &[
        b"no namespace nowhere",
        b"no port pg; ports: http/TCP",
        b"externalName 10.0.0.1 is an address",
        b"cluster IP: a controller wrote",
    ];
    let states: [(&[&[u8]], State); 3] = [
        (causes, State::default()),
        (&[b"; endpoints: forbidden"], State { waiting: KindSet::ALL, refused, doubt: None }),
        (&[b"out of touch"], State { doubt, ..State::default() }),
    ];
    for (texts, state) in states {
        let view = view.in_state(state);
        let mut out = vec![0; MAX_STREAM_RESPONSE];
        let mut room = Query::default();
        let settings = Settings::default();
        let mut told = [0; 4];
        let allocations = counted(|message, transport| {
            let desk = Pure { view: Some(&view), settings: &settings, transport, rotation: 0 };
            if let Outcome::Reply { len, .. } = answer::answer(&desk, message, &mut room, &mut out)
            {
                // Such records stand last.
                let end = &out[len.saturating_sub(200)..len];
                for (told, text) in told.iter_mut().zip(texts) {
                    *told += u32::from(end.windows(text.len()).any(|part| part == *text));
                }
            }
        });
        assert_eq!(allocations, 0);
        assert!(told[..texts.len()].iter().all(|told| *told > 500), "{told:?}");
    }
}

/// Templates without records, as AKS has them.
fn templates() -> Vec<Template> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("Corefile");
    let text = ".:53 {\n template ANY ANY cluster.local {\n  \
                match \"^(?:[^.]+\\.){4,}shop\\.svc\\.cluster\\.local\\.$\" \"^www\\.\"\n  \
                rcode NXDOMAIN\n  ederror 17 \"a search list\"\n  fallthrough\n }\n \
                template IN AAAA example.com {\n  rcode NOERROR\n }\n}\n";
    std::fs::write(&file, text).expect("a file");
    let mut config = read_corefile(&file, 53).expect("a Corefile");
    config.servers.remove(0).template
}

#[test]
fn a_clerk_allocates_nothing() {
    let view = view();
    let name = |text: &str| Name::parse(text).expect("a name");
    let block = |zones: &[&str], from: Option<&str>| ServerBlock {
        zones: zones.iter().map(|zone| name(zone)).collect(),
        forward: from
            .into_iter()
            .map(|from| Forward {
                except: vec![name("not.corp.example")],
                ..Forward::new(
                    name(from),
                    vec![Upstream::plain("192.0.2.1:53".parse().expect("an address"))],
                )
            })
            .collect(),
        errors: Some(Errors::default()),
        ..ServerBlock::default()
    };
    // One that none of the queries is meant by.
    let log = Log {
        zones: vec![name("nobody.example")],
        format: Log::COMMON.to_owned(),
        classes: vec![LogClass::All],
    };
    let (journal, _scribe) = Journal::start(LogFormat::Text, std::io::sink()).expect("a thread");
    for (what, blocks) in [
        ("nothing is forwarded", vec![(block(&["."], None), true)]),
        (
            "others are logged",
            vec![(ServerBlock { log: vec![log], ..block(&["."], Some("corp.example")) }, true)],
        ),
        (
            "nothing is forwarded, some is a template's",
            vec![(ServerBlock { template: templates(), ..block(&["."], None) }, true)],
        ),
        ("something is forwarded", vec![(block(&["."], Some("corp.example")), true)]),
        (
            "several blocks",
            vec![
                (block(&["corp.example"], Some(".")), false),
                (block(&["cluster.local", "arpa"], Some("corp.example")), true),
            ],
        ),
    ] {
        let blocks = blocks.iter().map(|(block, cluster)| {
            Block::new(block, cluster.then(|| Arc::clone(&view))).told_to(&journal, block)
        });
        let front = Front::new(blocks.collect());
        let mut clerk = front.clerk();
        let mut out = vec![0; MAX_STREAM_RESPONSE];
        let mut steps = [0u32; 3];
        let allocations = counted(|message, transport| {
            clerk.refresh();
            let most = match transport {
                Transport::Udp => MAX_UDP_RESPONSE,
                Transport::Stream => MAX_STREAM_RESPONSE,
            };
            let from = "192.0.2.9:5353".parse().expect("an address");
            let client = Client { from, local: None, transport };
            // Two of them, so that the look-ups of a batch overlap.
            clerk.read([message, message].into_iter());
            for slot in 0..2 {
                let asker = Asker::of(&client);
                let kind = match clerk.answer(slot, message, asker, &mut out[..most]) {
                    Step::Reply(_) => 0,
                    Step::Silence => 1,
                    Step::Deferred => 2,
                    Step::Several => panic!("no zone is handed over"),
                };
                steps[kind] += 1;
            }
            clerk.settle(Duration::from_micros(5));
        });
        assert_eq!(allocations, 0, "{what}");
        assert!(steps[0] > 1_000 && steps[1] > 100, "{what}: {steps:?}");
        assert_eq!(steps[2] > 0, !what.starts_with("nothing"), "{what}: {steps:?}");
    }
}
