//! Section 8: `_explain` in front of a name, on the wire, and to whom it is told.

use super::objects::{endpoints, namespace, service, slice};
use super::upstream::Upstream;
use super::wire::{A, AAAA, ANY, Ask, DO, Raw, TXT};
use super::world::World;

const STREAM: bool = true;
const DATAGRAM: bool = false;

fn objects() -> Vec<String> {
    vec![
        namespace("shop", ""),
        service("shop/crm", "clusterIP: 10.96.0.1, ports: [{name: https, port: 443}]"),
        endpoints(
            "shop/crm",
            "{addresses: [{ip: 10.1.2.1}, {ip: 127.0.0.1}], notReadyAddresses: [{ip: 10.1.2.2}], \
             ports: [{name: https, port: 6443}]}",
        ),
        service("shop/web", "clusterIP: None, selector: {a: b}"),
        namespace("hidden", ""),
        service("hidden/db", "clusterIP: 10.96.0.2"),
    ]
}

/// The response to a question over UDP from 127.0.0.1, or over TCP from `::1`.
struct Told {
    rcode: u16,
    authoritative: bool,
    truncated: bool,
    len: usize,
    lines: Vec<String>,
}

fn ask(world: &World, ask: &Ask, stream: bool) -> Told {
    let octets = world.server.as_ref().expect("a server").exchange(&ask.message(), stream);
    let raw = Raw::read(&octets);
    let answers = raw.records.iter().filter(|record| record.section == 1);
    let line = |record: &super::wire::RawRecord| {
        assert_eq!((record.rtype, record.class, record.ttl), (TXT, 1, 0));
        assert_eq!(record.owner, ask.name);
        let (mut data, mut text) = (&octets[record.data.clone()], String::new());
        while let Some((len, rest)) = data.split_first() {
            let (string, rest) = rest.split_at(usize::from(*len));
            text.push_str(std::str::from_utf8(string).expect("readable"));
            data = rest;
        }
        text
    };
    Told {
        rcode: raw.rcode(),
        authoritative: octets[2] & 4 != 0,
        truncated: octets[2] & 2 != 0,
        len: octets.len(),
        lines: answers.map(line).collect(),
    }
}

fn explain(world: &World, name: &str, stream: bool) -> Told {
    ask(world, &Ask::new(&format!("_explain.{name}"), TXT).edns(4_096, 0), stream)
}

/// Without what the clock says.
fn timeless(lines: &[String]) -> Vec<String> {
    let is_time = |word: &&str| !word.starts_with("age=") && !word.starts_with("serial=");
    let line = |line: &String| line.split(' ').filter(is_time).collect::<Vec<_>>().join(" ");
    lines.iter().map(line).collect()
}

#[test]
fn a_name_says_why_it_answers_what_it_answers() {
    let world = World::served(&objects(), &[]);
    let crm = [
        "name crm.shop.svc.cluster.local. NOERROR cause=selectorless, kubernetes cluster.local.",
        "service shop/crm selector=no ips=10.96.0.1",
        "classed selector-less, auto: port https is 443 on the service, 6443 on endpoint 10.1.2.1, so \
         the cluster IP",
        "port https/TCP/443",
        "finding Service/shop/crm, port https/TCP is 443 here and 6443 on endpoint 10.1.2.1; only the \
         cluster IP turns one into the other",
        "finding Endpoints/shop/crm, 127.0.0.1 is not published: it is a loopback address; write the \
         host's own",
        "record crm.shop.svc.cluster.local. 5 IN A 10.96.0.1",
        "record crm.shop.svc.cluster.local. 5 IN SRV 0 100 443 crm.shop.svc.cluster.local.",
        "view complete",
        "source Endpoints shop/crm ready=1 notReady=1 dropped=1",
        "endpoint 10.1.2.1 ready label=10-1-2-1 object=Endpoints/crm ports=https/TCP/6443",
        "endpoint 10.1.2.2 not-ready label=10-1-2-2 object=Endpoints/crm ports=https/TCP/6443",
        "endpoint 127.0.0.1 dropped label=127-0-0-1 object=Endpoints/crm ports=https/TCP/6443, \
         loopback address",
    ];
    let told = explain(&world, "crm.shop.svc.cluster.local.", STREAM);
    assert_eq!((told.rcode, told.authoritative, told.truncated), (0, true, false));
    assert_eq!(timeless(&told.lines), crm);
    assert!(told.lines.iter().any(|line| line.starts_with("view complete serial=1")));
    assert!(told.lines.iter().any(|line| line.starts_with("service shop/crm age=")));
    // Whatever its case, and that of the label.
    let mixed = Ask::new("_explain.crm.shop.svc.cluster.local.", TXT).mixed();
    assert_eq!(timeless(&ask(&world, &mixed, STREAM).lines), crm);

    // Name, first line, and what else is told.
    for (name, first, more) in [
        (
            "web.shop.svc",
            "NXDOMAIN cause=none-ready, kubernetes cluster.local.",
            "why shop/web has no endpoints, and a headless Service exists with a ready endpoint only",
        ),
        (
            "cmr.shop.svc",
            "NXDOMAIN cause=no-service, kubernetes cluster.local.",
            "near crm.shop.svc.cluster.local.",
        ),
        (
            "db.nowhere.svc",
            "NXDOMAIN cause=no-namespace, kubernetes cluster.local.",
            "why there is no namespace nowhere",
        ),
        ("_https._tcp.crm.shop.svc", "NOERROR, kubernetes cluster.local.", "view complete"),
        ("shop.svc", "NOERROR cause=no-data, kubernetes cluster.local.", "view complete"),
        ("10-1-2-1.crm.shop.svc", "NOERROR, kubernetes cluster.local.", "view complete"),
        (
            "10-0-0-1.shop.pod",
            "NXDOMAIN cause=pods-disabled, kubernetes cluster.local.",
            "why pod names are switched off; see 'pods'",
        ),
        (
            "1.0.96.10.in-addr.arpa.",
            "NOERROR, kubernetes in-addr.arpa.",
            "record 1.0.96.10.in-addr.arpa. 5 IN PTR crm.shop.svc.cluster.local.",
        ),
        (
            "example.com.",
            "REFUSED cause=not-ours",
            "why no zone here holds the name, and there is no upstream to ask",
        ),
        ("cluster.local.", "NOERROR, kubernetes cluster.local.", "view complete"),
    ] {
        for stream in [DATAGRAM, STREAM] {
            let told = explain(&world, name, stream);
            let lines = timeless(&told.lines);
            let full =
                if name.ends_with('.') { name.into() } else { format!("{name}.cluster.local.") };
            assert!(told.rcode == 0 && !(stream && told.truncated), "{name}");
            assert_eq!(lines.first(), Some(&format!("name {full} {first}")), "{lines:#?}");
            let has = lines.iter().any(|line| line == more);
            assert!(has || told.truncated, "{more}: {lines:#?}");
        }
    }
    // Nothing else stands there.
    for qtype in [A, AAAA, ANY] {
        assert!(world.text("_explain.crm.shop.svc", qtype).starts_with("NXDOMAIN"), "{qtype}");
    }
    assert!(world.text("_explain_.crm.shop.svc", TXT).starts_with("NXDOMAIN"));
    assert!(world.text("x._explain.crm.shop.svc", TXT).starts_with("NXDOMAIN"));
}

/// What is told to 127.0.0.1 and to `::1` where `explain` names one of them, or nobody near.
#[test]
fn who_may_not_ask_gets_what_there_would_be_without() {
    for (option, v4, v6) in [
        ("", true, true),
        ("explain 127.0.0.1/32", true, false),
        ("explain ::1/128 10.0.0.0/8", false, true),
        ("explain 192.0.2.0/24", false, false),
    ] {
        let world = World::configured(
            &objects(),
            &format!("cluster.local in-addr.arpa\nnamespaces shop\n{option}"),
            "",
        );
        for name in
            ["crm.shop.svc", "cmr.shop.svc", "db.hidden.svc", "db.nowhere.svc", "hidden.svc"]
        {
            let question = Ask::new(&format!("_explain.{name}"), TXT).edns(1_232, DO);
            for (stream, may) in [(DATAGRAM, v4), (STREAM, v6)] {
                if may {
                    assert!(!ask(&world, &question, stream).lines.is_empty(), "{option} {name}");
                } else {
                    // The library knows no `_explain`, and the binary has to answer like it.
                    let reply = world.reply(&question, stream);
                    assert!(reply.text.starts_with("NXDOMAIN"), "{option} {name}: {}", reply.text);
                }
            }
        }
        if v6 {
            // What the filter hides is told to those who may know.
            let told = explain(&world, "db.hidden.svc", STREAM);
            let why = "why there are objects in namespace hidden, but";
            assert!(told.lines.iter().any(|line| line.starts_with(why)), "{:#?}", told.lines);
        }
    }
}

#[test]
fn what_other_directives_say_comes_first() {
    let world = World::configured(
        &objects(),
        "cluster.local",
        " acl {\n  block type TXT net 127.0.0.1\n }\n template IN TXT x.cluster.local {\n  rcode \
         NXDOMAIN\n }",
    );
    let told = explain(&world, "crm.shop.svc", DATAGRAM);
    assert_eq!((told.rcode, told.lines.len()), (5, 0));
    assert!(!explain(&world, "crm.shop.svc", STREAM).lines.is_empty());
    let told = explain(&world, "x.cluster.local.", STREAM);
    assert_eq!((told.rcode, told.lines.len()), (3, 0));
}

#[test]
fn names_for_upstreams_are_explained_here() {
    let upstream = Upstream::start();
    let world = World::served(&objects(), &["--upstream", &upstream.address.to_string()]);
    let address = upstream.address;
    for name in ["www.example.com.", "9.9.9.10.in-addr.arpa."] {
        for stream in [DATAGRAM, STREAM] {
            let told = explain(&world, name, stream);
            let first = format!("name {name} FORWARDED asks={name}, upstreams {address}");
            assert_eq!(told.lines.first(), Some(&first), "{name}");
        }
    }
    assert_eq!(upstream.asked(), [], "nobody is asked what is told here");
}

#[test]
fn what_is_too_large_is_told_over_tcp_as_far_as_it_goes() {
    let many: Vec<String> = (0..10_000)
        .map(|n| {
            format!("{{addresses: [10.{}.{}.{}]}}", 1 + n / 62_500, n / 250 % 250, 1 + n % 250)
        })
        .collect();
    let objects = [
        namespace("shop", ""),
        service("shop/large", "clusterIP: None"),
        slice("shop/large-1", "large", "IPv4", &format!("endpoints: [{}]", many.join(", "))),
    ];
    let world = World::served(&objects, &[]);
    let told = explain(&world, "large.shop.svc", DATAGRAM);
    assert!(told.truncated && told.len <= 1_232, "{}", told.len);
    let told = explain(&world, "large.shop.svc", STREAM);
    assert!(!told.truncated && told.len <= 65_535, "{}", told.len);
    let shown = told.lines.iter().filter(|line| line.starts_with("endpoint ")).count();
    assert!(shown > 500 && shown < 1_000, "{shown}");
    let line = "source EndpointSlice shop/large-1 ready=10000 notReady=0";
    assert!(timeless(&told.lines).iter().any(|found| found == line), "{:#?}", &told.lines[..60]);
    // The endpoints that were left out of 1,000, and the line about those beyond.
    let last = format!("more {} lines", 1_000 - shown + 1);
    assert_eq!(told.lines.last(), Some(&last));
}
