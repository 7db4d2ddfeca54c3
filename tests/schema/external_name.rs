//! Section 4: ExternalName.

use std::time::Instant;

use super::objects::{CONTROLLER, endpoints, namespace, service, slice_by};
use super::reply::{Reply, Rules};
use super::upstream::Upstream;
use super::wire::{A, AAAA, ANY, Ask, CNAME, DO, RD, SRV, TXT, TYPES};
use super::world::World;

fn alias(key: &str, target: &str) -> String {
    service(key, &format!("type: ExternalName, externalName: {target}"))
}

fn objects() -> Vec<String> {
    vec![
        service(
            "shop/web",
            "clusterIPs: [10.96.0.1, 'fd00::1'], selector: {a: b}, ports: [{name: http, port: 80}]",
        ),
        service("shop/four", "clusterIP: 10.96.0.4, selector: {a: b}"),
        alias("shop/out", "www.example.com"),
        alias("shop/dot", "www.example.com."),
        alias("shop/under", "_db._tcp.example.com"),
        alias("shop/in", "web.shop.svc.cluster.local"),
        alias("shop/upper", "WEB.Shop.svc.Cluster.Local."),
        alias("shop/port", "_http._tcp.web.shop.svc.cluster.local"),
        alias("shop/six", "four.shop.svc.cluster.local"),
        alias("shop/gone", "nope.shop.svc.cluster.local"),
        alias("shop/apex", "cluster.local"),
        alias("shop/ent", "shop.svc.cluster.local"),
        alias("shop/chain", "in.shop.svc.cluster.local"),
        alias("shop/leads-out", "out.shop.svc.cluster.local"),
        alias("shop/self", "self.shop.svc.cluster.local"),
        alias("shop/ping", "pong.shop.svc.cluster.local"),
        alias("shop/pong", "ping.shop.svc.cluster.local"),
        alias("shop/ip", "10.0.0.1"),
        alias("shop/ip-dot", "10.0.0.1."),
        alias("shop/ip-zero", "010.0.0.1"),
        alias("shop/ip-six", "'2001:db8::1'"),
        alias("shop/space", "'two words.example.com'"),
        alias("shop/long", &format!("{}.example.com", "a".repeat(64))),
        alias("shop/longer", &["a".repeat(63).as_str(); 4].join(".")),
        alias("shop/empty-label", "a..example.com"),
        alias("shop/root", "'.'"),
        alias("shop/nothing", "''"),
        slice_by(
            "shop/out-1",
            "out",
            "IPv4",
            CONTROLLER,
            "ports: [{name: x, port: 1}], endpoints: [{addresses: [10.1.0.1], hostname: a}]",
        ),
        endpoints(
            "shop/in",
            "{addresses: [{ip: 192.0.2.1, hostname: a}], ports: [{name: x, port: 1}]}",
        ),
        namespace("other", ""),
    ]
}

#[test]
fn without_an_upstream_the_bare_cname() {
    let world = World::served(&objects(), &[]);
    for (name, target) in [
        ("out", "www.example.com."),
        ("dot", "www.example.com."),
        ("under", "_db._tcp.example.com."),
    ] {
        for qtype in TYPES.into_iter().chain([ANY]) {
            // No SOA: nobody knows whether the type is there.
            let expected = format!("NOERROR; CNAME {target}");
            assert_eq!(world.text(&format!("{name}.shop.svc"), qtype), expected, "{name} {qtype}");
        }
    }
    let server = world.server.as_ref().unwrap();
    let warned = server.log().lines().filter(|line| line.contains("no upstream")).count();
    assert_eq!(warned, 1, "one warning at start: {}", server.log());
}

#[test]
fn a_target_inside_is_resolved_in_memory() {
    World::served(&objects(), &[]).expect(&[
        ("in.shop.svc A", "NOERROR; CNAME web.shop.svc; web.shop.svc A 10.96.0.1"),
        ("in.shop.svc AAAA", "NOERROR; CNAME web.shop.svc; web.shop.svc AAAA fd00::1"),
        ("upper.shop.svc A", "NOERROR; CNAME web.shop.svc; web.shop.svc A 10.96.0.1"),
        (
            "in.shop.svc SRV",
            "NOERROR; CNAME web.shop.svc; web.shop.svc SRV 0 50 80 web.shop.svc \
             + web.shop.svc A 10.96.0.1 + web.shop.svc AAAA fd00::1",
        ),
        (
            "port.shop.svc SRV",
            "NOERROR; CNAME _http._tcp.web.shop.svc; \
             _http._tcp.web.shop.svc SRV 0 50 80 web.shop.svc \
             + web.shop.svc A 10.96.0.1 + web.shop.svc AAAA fd00::1",
        ),
        // CNAME: just that. ANY: the CNAME alone.
        ("in.shop.svc CNAME", "NOERROR; CNAME web.shop.svc"),
        ("in.shop.svc ANY", "NOERROR; CNAME web.shop.svc"),
        ("self.shop.svc CNAME", "NOERROR; CNAME self.shop.svc"),
        ("ping.shop.svc ANY", "NOERROR; CNAME pong.shop.svc"),
        ("gone.shop.svc CNAME", "NOERROR; CNAME nope.shop.svc"),
        // A target without that type.
        ("in.shop.svc TXT", "NOERROR; CNAME web.shop.svc ~ SOA"),
        ("in.shop.svc HTTPS", "NOERROR; CNAME web.shop.svc ~ SOA"),
        ("in.shop.svc SOA", "NOERROR; CNAME web.shop.svc ~ SOA"),
        ("in.shop.svc 65280", "NOERROR; CNAME web.shop.svc ~ SOA"),
        ("six.shop.svc AAAA", "NOERROR; CNAME four.shop.svc ~ SOA"),
        ("ent.shop.svc A", "NOERROR; CNAME shop.svc ~ SOA"),
        ("apex.shop.svc A", "NOERROR; CNAME @ ~ SOA"),
        ("apex.shop.svc SOA", "NOERROR; CNAME @; SOA"),
        // A target that does not exist.
        ("gone.shop.svc A", "NXDOMAIN; CNAME nope.shop.svc ~ SOA"),
        ("gone.shop.svc TXT", "NXDOMAIN; CNAME nope.shop.svc ~ SOA"),
        // Chains, in their order.
        (
            "chain.shop.svc A",
            "NOERROR; CNAME in.shop.svc; in.shop.svc CNAME web.shop.svc; web.shop.svc A 10.96.0.1",
        ),
        (
            "leads-out.shop.svc A",
            "NOERROR; CNAME out.shop.svc; out.shop.svc CNAME www.example.com.",
        ),
        // Loops.
        ("self.shop.svc A", "SERVFAIL"),
        ("ping.shop.svc A", "SERVFAIL"),
        ("pong.shop.svc 65280", "SERVFAIL"),
    ]);
}

#[test]
fn chains_of_ten_are_followed_and_longer_ones_are_not() {
    let mut objects = vec![service("shop/end", "clusterIP: 10.96.0.1, selector: {a: b}")];
    for n in 1..=12 {
        let target = if n == 1 { "end".into() } else { format!("c{}", n - 1) };
        objects.push(alias(&format!("shop/c{n}"), &format!("{target}.shop.svc.cluster.local")));
    }
    let world = World::served(&objects, &[]);
    for n in 1..=12 {
        let text = world.text(&format!("c{n}.shop.svc"), A);
        if n > 10 {
            assert_eq!(text, "SERVFAIL", "{n}");
        } else {
            assert_eq!(text.matches("CNAME").count(), n, "{text}");
            assert!(text.ends_with("; end.shop.svc A 10.96.0.1"), "{text}");
        }
    }
}

#[test]
fn nothing_stands_below_and_no_slice_counts() {
    World::served(&objects(), &[]).check(
        "
a.out.shop.svc NX
a.in.shop.svc NX
_tcp.in.shop.svc NX
_http._tcp.in.shop.svc NX
_x._tcp.out.shop.svc NX
_endpoints.out.shop.svc NX
_endpoints.in.shop.svc NX
x.y.z.in.shop.svc NX
in.shop.endpoints NX
a.in.shop.endpoints NX
out.shop.endpoints NX
1.0.1.10.in-addr.arpa. NX
1.2.0.192.in-addr.arpa. NX
",
    );
}

#[test]
fn what_cannot_be_a_target_does_not_exist() {
    World::served(&objects(), &[]).check(
        "
ip.shop.svc NX
ip-dot.shop.svc NX
ip-zero.shop.svc NX
ip-six.shop.svc NX
space.shop.svc NX
long.shop.svc NX
longer.shop.svc NX
empty-label.shop.svc NX
root.shop.svc NX
nothing.shop.svc NX
x.ip.shop.svc NX
_http._tcp.ip.shop.svc NX
",
    );
}

/// The binary's response.
fn told(world: &World, ask: &Ask, stream: bool) -> Reply {
    let octets = world.server.as_ref().unwrap().exchange(&ask.message(), stream);
    let rules = Rules { serial: None, ..world.rules.clone() };
    Reply::read(ask, &octets, stream, &rules)
}

#[test]
fn a_target_outside_is_asked_of_the_upstream() {
    let upstream = Upstream::start();
    let address = upstream.address.to_string();
    let mut objects = objects();
    for name in ["nx", "nodata", "chain", "home", "broken", "many"] {
        objects.push(alias(&format!("shop/o-{name}"), &format!("{name}.example.com")));
    }
    let world = World::served(&objects, &["--upstream", &address]);
    let soa = "example.com. SOA ns.example.com. host.example.com. 7 1 2 3 40 ttl=50";
    for (name, qtype, expected) in [
        (
            "out",
            A,
            "NOERROR; CNAME www.example.com.; www.example.com. A 203.0.113.1 ttl=60; \
             www.example.com. A 203.0.113.2 ttl=60"
                .to_owned(),
        ),
        (
            "out",
            AAAA,
            "NOERROR; CNAME www.example.com.; www.example.com. AAAA 2001:db8::1 ttl=60".into(),
        ),
        (
            "leads-out",
            AAAA,
            "NOERROR; CNAME out.shop.svc; out.shop.svc CNAME www.example.com.; \
             www.example.com. AAAA 2001:db8::1 ttl=60"
                .into(),
        ),
        (
            "o-chain",
            A,
            "NOERROR; CNAME chain.example.com.; chain.example.com. CNAME www.example.com. ttl=70; \
             www.example.com. A 203.0.113.1 ttl=60"
                .into(),
        ),
        (
            "o-home",
            A,
            "NOERROR; CNAME home.example.com.; home.example.com. CNAME web.shop.svc ttl=70; \
             web.shop.svc A 10.96.0.1"
                .into(),
        ),
        ("o-nx", A, format!("NXDOMAIN; CNAME nx.example.com. ~ {soa}")),
        ("o-nodata", TXT, format!("NOERROR; CNAME nodata.example.com. ~ {soa}")),
        ("out", SRV, format!("NOERROR; CNAME www.example.com. ~ {soa}")),
        ("o-broken", A, "SERVFAIL".into()),
        // Nobody has to be asked for these.
        ("out", CNAME, "NOERROR; CNAME www.example.com.".into()),
        ("out", ANY, "NOERROR; CNAME www.example.com.".into()),
        ("in", A, "NOERROR; CNAME web.shop.svc; web.shop.svc A 10.96.0.1".into()),
        ("gone", A, "NXDOMAIN; CNAME nope.shop.svc ~ SOA".into()),
    ] {
        for stream in [false, true] {
            let name = format!("{name}.shop.svc");
            for ask in [Ask::new(&name, qtype), Ask::new(&name, qtype).edns(1_232, DO)] {
                let found = told(&world, &ask, stream).text;
                assert_eq!(found, expected, "{name} {qtype}, stream: {stream}");
            }
        }
    }
    // What does not fit is cut in whole records, as any answer.
    let many = told(&world, &Ask::new("o-many.shop.svc", A), false);
    assert!(
        many.text.starts_with("NOERROR tc; CNAME many.example.com.; many.example.com. A"),
        "{}",
        many.text
    );
    let many = told(&world, &Ask::new("o-many.shop.svc", A), true);
    assert_eq!(many.answers.len(), 201);
    // A query without RD gets the bare CNAME, and nobody is asked.
    upstream.asked();
    for qtype in TYPES {
        let ask = Ask::new("out.shop.svc", qtype).flags(0);
        assert_eq!(told(&world, &ask, false).text, "NOERROR; CNAME www.example.com.");
    }
    assert!(upstream.asked().is_empty());
    // The question is a new one: RD, the EDNS of ours, a name in its own right.
    told(&world, &Ask::new("out.shop.svc", A).edns(4_096, DO).flags(RD), false);
    let asked = upstream.asked();
    let question = asked.first().expect("a question").queries.first().expect("a name").clone();
    assert_eq!(question.name.to_ascii().to_ascii_lowercase(), "www.example.com.");
    assert!(asked[0].metadata.recursion_desired);
    assert!(asked[0].edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok));
    // One that has gone: SERVFAIL, never NODATA.
    drop(upstream);
    assert_eq!(told(&world, &Ask::new("out.shop.svc", TXT), false).text, "SERVFAIL");
}

#[test]
fn an_upstream_that_says_nothing_is_waited_for_two_seconds() {
    let upstream = Upstream::start();
    let objects = [alias("shop/o-dead", "dead.example.com")];
    let world = World::served(&objects, &["--upstream", &upstream.address.to_string()]);
    let began = Instant::now();
    let found = told(&world, &Ask::new("o-dead.shop.svc", A).edns(1_232, 0), false).text;
    let took = began.elapsed();
    assert_eq!(found, "SERVFAIL");
    assert!(!upstream.asked().is_empty(), "it was asked");
    // With what a busy machine adds to it.
    assert!((1_900..4_500).contains(&took.as_millis()), "{took:?}");
}

#[test]
fn the_library_says_what_to_ask_and_takes_what_is_told() {
    use fingerpost::answer::{self, Desk, Failure, Outcome, Query, Transport};
    let mut world = World::of(&objects());
    world.settings.upstream = true;
    world.settings.recursion = true;
    world.rules.recursion = true;
    let ask = Ask::new("out.shop.svc", A).mixed();
    let message = ask.message();
    let (outcome, question) = world.outcome(&message, false, 0);
    assert_eq!(outcome, Outcome::Chase(question.len()));
    let expected = Ask { id: 0, ..Ask::new("www.example.com.", A) };
    assert_eq!(question, expected.message());
    let desk = Desk {
        view: Some(&world.view),
        settings: &world.settings,
        transport: Transport::Udp,
        rotation: 0,
    };
    let with = |told: Result<&[u8], Failure>| {
        let mut out = vec![0; 4_096];
        let outcome = answer::chased(&desk, &message, &mut Query::default(), told, &mut out);
        let Outcome::Reply { len, .. } = outcome else { panic!("{outcome:?}") };
        Reply::read(&ask, &out[..len], false, &world.rules).text
    };
    assert_eq!(with(Err(Failure::Unreachable)), "SERVFAIL");
    assert_eq!(with(Err(Failure::Unusable)), "SERVFAIL");
    assert_eq!(with(Err(Failure::Nobody)), "NOERROR; CNAME www.example.com.");
    let mut told = expected.message();
    told[2] |= 0x80;
    told[7] = 1;
    told.extend(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x07\x00\x04\x0a\x00\x00\x01");
    assert_eq!(
        with(Ok(&told)),
        "NOERROR; CNAME www.example.com.; www.example.com. A 10.0.0.1 ttl=7"
    );
    // A highest bit that means nothing (RFC 2181, section 8).
    let at = told.len() - 10;
    told[at] = 0x80;
    assert_eq!(
        with(Ok(&told)),
        "NOERROR; CNAME www.example.com.; www.example.com. A 10.0.0.1 ttl=0"
    );
    // Broken in any way: SERVFAIL, never half an answer.
    for len in 0..told.len() {
        assert_eq!(with(Ok(&told[..len])), "SERVFAIL", "{len} octets");
    }
    told[3] |= 5;
    assert_eq!(with(Ok(&told)), "SERVFAIL");
}
