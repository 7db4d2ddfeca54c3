//! Section 7: outside our zones.

use super::objects::service;
use super::reply::{Reply, Rules};
use super::upstream::Upstream;
use super::wire::{A, ANY, Ask, CD, DO, NS, PTR, Raw, TYPES};
use super::world::World;

fn objects() -> Vec<String> {
    vec![
        service("shop/web", "clusterIP: 10.96.0.1, selector: {a: b}"),
        service("shop/db", "clusterIP: None"),
    ]
}

#[test]
fn without_an_upstream_refused() {
    let world = World::served(&objects(), &[]);
    for name in [
        "example.com.",
        ".",
        "local.",
        "com.",
        "xcluster.local.",
        "cluster.local.example.",
        "arpa.",
        "version.bind.",
    ] {
        for qtype in TYPES.into_iter().chain([ANY]) {
            assert_eq!(world.text(name, qtype), "REFUSED -aa", "{name} {qtype}");
            for stream in [false, true] {
                let ask = Ask::new(name, qtype).mixed().edns(4_096, DO).flags(CD);
                assert_eq!(world.reply(&ask, stream).text, "REFUSED -aa", "{name} {qtype}");
            }
        }
    }
    // CoreDNS's health probe gets a reply.
    assert_eq!(world.text(".", NS), "REFUSED -aa");
    let log = world.server.as_ref().unwrap().log();
    assert!(log.contains("no upstream"), "{log}");
}

/// What the binary and the upstream itself say to the same query.
fn forwarded(world: &World, ask: &Ask, stream: bool) -> Vec<u8> {
    world.server.as_ref().unwrap().exchange(&ask.message(), stream)
}

#[test]
fn with_an_upstream_forwarded() {
    let upstream = Upstream::start();
    let world = World::served(&objects(), &["--upstream", &upstream.address.to_string()]);
    for stream in [false, true] {
        for (name, qtype, rcode, counts) in [
            ("www.example.com.", A, 0, [2, 0]),
            ("wWw.ExAmPlE.cOm.", A, 0, [2, 0]),
            ("chain.example.com.", A, 0, [2, 0]),
            ("nodata.example.com.", A, 0, [0, 1]),
            ("nx.example.com.", A, 3, [0, 1]),
            ("broken.example.com.", A, 2, [0, 0]),
            // Its SOA record is not of a zone that holds the name, and so is left out.
            (".", NS, 3, [0, 0]),
        ] {
            let ask = Ask { id: 0x0102, ..Ask::new(name, qtype) };
            let octets = forwarded(&world, &ask, stream);
            let raw = Raw::read(&octets);
            assert_eq!(raw.rcode(), rcode, "{name}");
            assert_eq!(raw.number(0), 0x0102, "the client's own ID");
            assert_eq!(raw.question, ask.question(), "the client's own case");
            assert_eq!([raw.number(6), raw.number(8)], counts, "{name}");
            assert_eq!(raw.number(2) & 0x0400, 0, "AA is not ours to set: {name}");
            assert_eq!(raw.number(2) & 0x0080, 0x0080, "RA: {name}");
        }
    }
    // What is too long for the client's datagrams is cut, so that it comes again over TCP. What fits
    // is there, for those who cannot.
    let ask = Ask::new("many.example.com.", A).edns(512, 0);
    let cut = forwarded(&world, &ask, false);
    let raw = Raw::read(&cut);
    assert!(cut.len() <= 512 && raw.number(6) > 20);
    assert_eq!(raw.number(2) & 0x0200, 0x0200);
    assert_eq!(raw.question, ask.question());
    let whole = forwarded(&world, &ask, true);
    assert_eq!(Raw::read(&whole).number(6), 200);
}

#[test]
fn names_within_our_zones_are_not_forwarded() {
    let upstream = Upstream::start();
    let world = World::served(&objects(), &["--upstream", &upstream.address.to_string()]);
    let rules = Rules { serial: None, ..world.rules.clone() };
    for (name, qtype, expected) in [
        ("web.shop.svc", A, "NOERROR; A 10.96.0.1"),
        ("web.shop.svc", super::wire::TXT, "NOERROR ~ SOA"),
        ("nope.shop.svc", A, "NXDOMAIN ~ SOA"),
        ("db.shop.svc", A, "NXDOMAIN ~ SOA"),
        ("nope", A, "NXDOMAIN ~ SOA"),
        ("@", A, "NOERROR ~ SOA"),
        ("1.0.96.10.in-addr.arpa.", PTR, "NOERROR; PTR web.shop.svc"),
        ("1.0.96.10.in-addr.arpa.", A, "NOERROR ~ SOA"),
    ] {
        let ask = Ask::new(name, qtype);
        let octets = forwarded(&world, &ask, false);
        assert_eq!(Reply::read(&ask, &octets, false, &rules).text, expected, "{name}");
    }
    assert!(upstream.asked().is_empty(), "nobody was asked");
    // With quick flags the reverse zones fall through, ancestors included.
    let ask = Ask::new("8.8.4.4.in-addr.arpa.", PTR);
    let octets = forwarded(&world, &ask, false);
    assert_eq!(Raw::read(&octets).number(6), 1);
    for name in ["8.in-addr.arpa.", "in-addr.arpa.", "96.10.in-addr.arpa.", "d.f.ip6.arpa."] {
        let octets = forwarded(&world, &Ask::new(name, super::wire::SOA), false);
        assert_eq!(Raw::read(&octets).number(2) & 0x0400, 0, "{name} is not ours");
    }
    assert_eq!(upstream.asked().len(), 5);
}

#[test]
fn fallthrough_lets_nxdomain_go_on_and_nothing_else() {
    use fingerpost::answer::Outcome;
    use fingerpost::name::Name;
    use fingerpost::zone::{Fallthrough, Spec};
    let name = |text: &str| Name::parse(text).unwrap();
    for (fallthrough, goes_on, stays) in [
        (
            Fallthrough::Always,
            &[
                "nope.shop.svc",
                "db.shop.svc",
                "nope",
                "x.web.shop.svc",
                "8.8.4.4.in-addr.arpa.",
                "in-addr.arpa.",
            ][..],
            &["web.shop.svc", "shop.svc", "svc", "@", "dns", "1.0.96.10.in-addr.arpa."][..],
        ),
        (
            Fallthrough::Within(vec![name("cluster.local")]),
            &["nope.shop.svc", "db.shop.svc", "nope"],
            &["8.8.4.4.in-addr.arpa.", "in-addr.arpa.", "@", "web.shop.svc"],
        ),
        (
            Fallthrough::Within(vec![name("shop.svc.cluster.local")]),
            &["nope.shop.svc", "db.shop.svc"],
            &["nope", "nope.yard.svc", "shop.svc", "8.8.4.4.in-addr.arpa."],
        ),
        (Fallthrough::Never, &[], &["nope.shop.svc", "8.8.4.4.in-addr.arpa.", "in-addr.arpa."]),
    ] {
        let spec = Spec { fallthrough: fallthrough.clone(), ..super::world::spec() };
        let mut world = World::with(&objects(), spec);
        for upstream in [true, false] {
            world.settings.upstream = upstream;
            for (names, forwards) in [(goes_on, upstream), (stays, false)] {
                for name in names {
                    let outcome = world.outcome(&Ask::new(name, A).message(), false, 0).0;
                    assert_eq!(outcome == Outcome::Forward, forwards, "{name} {fallthrough:?}");
                }
            }
        }
    }
}
