//! `rewrite`: another name is looked up, and the client's own comes back.

use hickory_proto::rr::RecordType::{A, AAAA, SRV, TXT};

use crate::upstream::Upstream;
use crate::world::{World, line, query};

/// A headless Service with two endpoints, one with a hundred, and an alias that leads outside.
fn objects() -> String {
    let addresses: Vec<String> = (1..=100).map(|n| format!("{{ip: 198.51.100.{n}}}")).collect();
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: db, namespace: shop}}\n\
         spec: {{clusterIP: None}}\n---\napiVersion: v1\nkind: Endpoints\n\
         metadata: {{name: db, namespace: shop}}\nsubsets:\n\
         - addresses: [{{ip: 192.0.2.1, hostname: a}}]\n  ports: [{{name: sql, port: 5432}}]\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{name: many, namespace: shop}}\n\
         spec: {{clusterIP: None}}\n---\napiVersion: v1\nkind: Endpoints\n\
         metadata: {{name: many, namespace: shop}}\nsubsets:\n\
         - addresses: [{}]\n  ports: [{{port: 5432}}]\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{name: out, namespace: shop}}\n\
         spec: {{type: ExternalName, externalName: a300.test}}\n",
        addresses.join(", ")
    )
}

fn world(upstream: &Upstream) -> World {
    World::new(
        &objects(),
        &format!(
            ".:0 {{
                bind 127.0.0.1
                errors
                log
                rewrite name db.example db.shop.svc.cluster.local
                rewrite name suffix .corp.example .shop.svc.cluster.local answer auto
                rewrite name regex ([^.]*)[.](deep[.])*far[.]example {{1}}.test answer auto
                rewrite name suffix .bad.example ..cluster.local
                rewrite continue rcode suffix .gone.example NXDOMAIN NOERROR
                rewrite ttl suffix .gone.example 7
                cache
                kubernetes cluster.local {{
                    manifests cluster.yaml
                }}
                forward . {}
            }}",
            upstream.address
        ),
    )
}

#[test]
fn names_of_the_cluster_under_others() {
    let upstream = Upstream::start();
    let world = world(&upstream);
    for (name, kind, expected) in [
        ("dB.exAmple.", A, "ok aa; dB.exAmple. 5 A 192.0.2.1"),
        ("db.example.", AAAA, "ok aa ~ cluster.local. 5 SOA !0"),
        (
            "db.example.",
            SRV,
            "ok aa; db.example. 5 SRV 0 100 5432 a.db.example. + a.db.example. 5 A 192.0.2.1",
        ),
        ("Db.Corp.example.", A, "ok aa; Db.Corp.example. 5 A 192.0.2.1"),
        (
            "db.corp.example.",
            SRV,
            "ok aa; db.corp.example. 5 SRV 0 100 5432 a.db.corp.example. \
             + a.db.corp.example. 5 A 192.0.2.1",
        ),
        ("none.corp.example.", A, "NXDomain aa ~ cluster.local. 5 SOA !0"),
        ("db.shop.svc.cluster.local.", A, "ok aa; db.shop.svc.cluster.local. 5 A 192.0.2.1"),
        // What a rule makes is no name.
        ("db.bad.example.", A, "ServFail !0"),
    ] {
        assert_eq!(world.told(name, kind), expected, "{name} {kind}");
        let mut plain = query(name, kind);
        plain.edns = None;
        let bare = expected.trim_end_matches(" !0");
        assert_eq!(world.says(&plain), bare, "{name} {kind} without EDNS");
    }
    assert!(upstream.asked().is_empty(), "nobody outside is asked");
}

#[test]
fn a_response_is_cut_to_what_the_client_takes() {
    let upstream = Upstream::start();
    let world = world(&upstream);
    let mut small = query("many.corp.example.", A);
    let whole = world.ask(&small, true);
    assert_eq!((whole.answers.len(), whole.metadata.truncation), (100, false));
    let cut = world.ask(&small, false);
    // As many as fit behind the question and before the OPT record.
    assert_eq!((cut.answers.len(), cut.metadata.truncation), (74, true));
    small.edns = None;
    let cut = world.ask(&small, false);
    assert_eq!((cut.answers.len(), cut.metadata.truncation), (29, true));
}

#[test]
fn names_outside_under_others() {
    let upstream = Upstream::start();
    upstream.say(7);
    let world = world(&upstream);
    let soa = "~ test. 60 SOA";
    for (name, kind, expected, asked) in [
        ("a300.far.example.", A, "ok; a300.far.example. 300 A 192.0.2.7".to_owned(), 1),
        // Kept under the name that was asked for, whoever asks for it.
        ("A300.far.Example.", A, "ok; A300.far.Example. 300 A 192.0.2.7".into(), 0),
        ("a300.deep.far.example.", A, "ok; a300.deep.far.example. 300 A 192.0.2.7".into(), 0),
        ("a300.test.", A, "ok; a300.test. 300 A 192.0.2.7".into(), 0),
        (
            "out.corp.example.",
            A,
            "ok aa; out.corp.example. 5 CNAME a300.test.; a300.test. 300 A 192.0.2.7".into(),
            0,
        ),
        ("nx60.far.example.", A, format!("NXDomain {soa}"), 1),
        ("a300.far.example.", TXT, format!("ok {soa}"), 1),
        ("fail.far.example.", A, "ServFail".into(), 1),
        // The code and the TTL of an answer.
        ("nx60.gone.example.", A, "ok".into(), 1),
        ("a60.gone.example.", A, "ok; a60.gone.example. 7 A 192.0.2.7".into(), 1),
    ] {
        let first = line(&world.ask(&query(name, kind), false));
        assert_eq!(first.replace(" 299 ", " 300 "), expected, "{name} {kind}");
        assert_eq!(upstream.asked().len(), asked, "{name} {kind}");
    }
    // Over TCP the upstream is not asked anew for what is kept.
    let again = line(&world.ask(&query("a300.far.example.", A), true));
    assert!(again.starts_with("ok; a300.far.example. "), "{again}");
    assert!(upstream.asked().is_empty());
    let cut = world.ask(&query("many.far.example.", A), false);
    assert_eq!((cut.answers.len(), cut.metadata.truncation), (74, true));
    assert_eq!(world.ask(&query("many.far.example.", A), true).answers.len(), 100);
}

#[test]
fn who_looks_sees_what_the_client_has_asked() {
    let upstream = Upstream::start();
    let mut world = world(&upstream);
    let output = world.served.output();
    let ask = |name| world.ask(&query(name, A), false);
    ask("dB.example.");
    ask("a60.far.example.");
    ask("db.bad.example.");
    let lines = output.until(4);
    for part in [
        "\"A IN db.example. udp 39 false 1232\" NOERROR qr,aa,rd",
        "\"A IN a60.far.example. udp 44 false 1232\" NOERROR qr,rd",
        "\"A IN db.bad.example. udp 43 false 1232\" SERVFAIL qr,rd",
        "[ERROR] plugin/errors: 2 db.bad.example. A: what a rule of 'rewrite' makes of it is no name",
    ] {
        assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:?}");
    }
}

#[test]
fn the_block_is_that_of_the_clients_name() {
    // Who may ask is judged by the name that is looked up, as in CoreDNS.
    let upstream = Upstream::start();
    let world = World::new(
        &objects(),
        &format!(
            "example:0 {{
                bind 127.0.0.1
                rewrite name secret.example secret.other
                rewrite name open.example a60.test
                rewrite name db.example db.shop.svc.cluster.local
                acl other {{
                    block
                }}
                forward . {}
            }}
            cluster.local:0 {{
                bind 127.0.0.1
                kubernetes {{
                    manifests cluster.yaml
                }}
            }}",
            upstream.address
        ),
    );
    assert_eq!(world.told("secret.example.", A), "Refused !15");
    assert_eq!(world.told("open.example.", A), "ok; open.example. 60 A 192.0.2.0");
    // Nobody has this name in this block but the upstream.
    assert_eq!(world.told("db.example.", A), "ok");
    assert_eq!(
        world.told("db.shop.svc.cluster.local.", A),
        "ok aa; db.shop.svc.cluster.local. 5 A 192.0.2.1"
    );
}
