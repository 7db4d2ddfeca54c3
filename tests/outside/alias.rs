//! ExternalName Services whose target is somebody else's: of another server block, with all that acts
//! there, or of an upstream, whatever that says (schema.md, section 4).

use std::fmt::Write;
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType::{A, AAAA, CNAME, SRV, TXT};

use crate::upstream::Upstream;
use crate::world::{World, line, query};

/// An alias for each of these targets: what stands in front of its first dot, behind `to-`.
const TARGETS: &[&str] = &[
    "a60.test",
    "c50.test",
    "nx40.test",
    "none.test",
    "fail.test",
    "refuse.test",
    "many.test",
    "db.lan.example",
    "lost.lan.example",
    "gone.lan.example",
    "a-stub.corp.example",
    "nx-stub.corp.example",
    "c30.corp.example",
    "old.corp.example",
    "odd.corp.example",
    "secret.corp.example",
    "made.template.example",
    "led.template.example",
    "lack.template.example",
    "ping.shop.svc.other.local",
    "web.shop.svc.other.local",
    "pong.shop.svc.other.local",
];

fn objects() -> String {
    let mut text = String::from(
        "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n\
         spec: {clusterIP: 10.96.0.1}\n",
    );
    let names = TARGETS.iter().map(|target| {
        let first = target.split('.').next().expect("a label");
        (format!("to-{first}"), *target)
    });
    // These two lead to each other, each through the other's server block.
    let loops = [("ping", "pong.shop.svc.cluster.local"), ("pong", "ping.shop.svc.other.local")];
    for (name, target) in names.chain(loops.map(|(name, target)| (name.to_owned(), target))) {
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\n\
             spec: {{type: ExternalName, externalName: {target}}}\n"
        );
    }
    text
}

struct Outside {
    world: World,
    /// Of the block of the root.
    upstream: Upstream,
    /// Of the stub domain.
    stub: Upstream,
}

fn outside() -> Outside {
    let (upstream, stub) = (Upstream::start(), Upstream::start());
    upstream.say(1);
    stub.say(2);
    let corefile = format!(
        r#".:0 {{
            bind 127.0.0.1
            kubernetes cluster.local {{
                manifests cluster.yaml
            }}
            forward . {}
        }}
        corp.example:0 {{
            bind 127.0.0.1
            rewrite name old.corp.example a70.test
            rewrite name suffix odd.corp.example ..
            acl secret.corp.example {{
                block
            }}
            forward . {}
        }}
        lan.example:0 {{
            bind 127.0.0.1
            hosts {{
                192.0.2.8 db.lan.example
                ttl 90
                fallthrough gone.lan.example
            }}
        }}
        template.example:0 {{
            bind 127.0.0.1
            template IN A template.example {{
                match ^made[.]
                answer "{{{{ .Name }}}} 80 A 192.0.2.9"
                fallthrough
            }}
            template IN A template.example {{
                match ^led[.]
                answer "{{{{ .Name }}}} 80 CNAME a60.test."
                fallthrough
            }}
            template IN ANY template.example {{
                rcode NXDOMAIN
                authority "template.example 11 SOA ns.template.example h.template.example 1 2 3 4 5"
            }}
        }}
        other.local:0 {{
            bind 127.0.0.1
            kubernetes {{
                manifests cluster.yaml
            }}
            forward . {}
        }}
        "#,
        upstream.address, stub.address, stub.address
    );
    Outside { world: World::new(&objects(), &corefile), upstream, stub }
}

/// The alias itself, as it stands in front of every answer.
fn alias(label: &str) -> String {
    let target = TARGETS.iter().find(|target| target.split('.').next() == Some(label));
    format!("to-{label}.shop.svc.cluster.local. 5 CNAME {}.", target.expect("a target"))
}

#[test]
fn a_target_is_asked_of_the_block_that_its_name_belongs_to() {
    let outside = outside();
    let soa = "~ test. 60 SOA";
    for (label, kind, code, rest) in [
        // Upstreams, with every kind of answer.
        ("a60", A, "ok", "; a60.test. 60 A 192.0.2.1"),
        ("c50", A, "ok", "; c50.test. 300 CNAME a50.test.; a50.test. 50 A 192.0.2.1"),
        ("nx40", A, "NXDomain", " ~ test. 40 SOA"),
        ("a60", TXT, "ok", &format!(" {soa}")),
        ("none", A, "ok", &format!(" {soa}")),
        ("lack", A, "NXDomain", " ~ template.example. 11 SOA"),
        // A hosts file: there, without that type, and a name for which there is nobody.
        ("db", A, "ok", "; db.lan.example. 90 A 192.0.2.8"),
        ("db", AAAA, "ok", ""),
        ("gone", A, "ok", ""),
        // A stub domain.
        ("a-stub", A, "ok", "; a-stub.corp.example. 60 A 192.0.2.2"),
        // The upstream's SOA record is of no zone above the name.
        ("nx-stub", A, "NXDomain", ""),
        ("c30", A, "ok", "; c30.corp.example. 300 CNAME a30.test.; a30.test. 30 A 192.0.2.2"),
        // A rule of that block.
        ("old", A, "ok", "; old.corp.example. 70 A 192.0.2.2"),
        // A template, and one that leads on.
        ("made", A, "ok", "; made.template.example. 80 A 192.0.2.9"),
        ("led", A, "ok", "; led.template.example. 80 CNAME a60.test.; a60.test. 60 A 192.0.2.1"),
        // Another cluster's zone.
        ("web", A, "ok", "; web.shop.svc.other.local. 5 A 10.96.0.1"),
        ("web", SRV, "ok", " ~ other.local. 5 SOA"),
    ] {
        let expected = format!("{code} aa; {}{rest}", alias(label));
        let told = outside.world.told(&format!("to-{label}.shop.svc.cluster.local."), kind);
        // What is not there is told as an extended error, and that nobody could be asked.
        let unusual = code == "NXDomain" || rest.starts_with(" ~") || label == "gone";
        let missing = if unusual { " !0" } else { "" };
        assert_eq!(told, format!("{expected}{missing}"), "{label} {kind}");
        let mut plain = query(&format!("to-{label}.shop.svc.cluster.local."), kind);
        plain.edns = None;
        assert_eq!(outside.world.says(&plain), expected, "{label} {kind} without EDNS");
    }
}

#[test]
fn what_fails_is_told_as_a_failure() {
    let outside = outside();
    for (label, why) in [
        ("fail", "SERVFAIL of an upstream"),
        ("refuse", "REFUSED of an upstream"),
        ("lost", "the last word of a hosts file"),
        ("odd", "a rule that makes what is no name"),
        ("secret", "an access list"),
        ("ping", "a loop through two blocks"),
        ("pong", "the same from its other end"),
    ] {
        let told = outside.world.told(&format!("to-{label}.shop.svc.cluster.local."), A);
        assert_eq!(told, "ServFail aa !23", "{label}: {why}");
        // The alias alone is known nevertheless.
        let told = outside.world.told(&format!("to-{label}.shop.svc.cluster.local."), CNAME);
        assert_eq!(told, format!("ok aa; {}", alias(label)), "{label}");
    }
}

#[test]
fn an_upstream_that_is_silent_costs_two_seconds_at_most() {
    let outside = outside();
    outside.upstream.be_silent(true);
    outside.stub.be_silent(true);
    for (label, stream) in [("a60", false), ("a-stub", true), ("led", false), ("old", true)] {
        let began = Instant::now();
        let asked = query(&format!("to-{label}.shop.svc.cluster.local."), A);
        assert_eq!(line(&outside.world.ask(&asked, stream)), "ServFail aa !22", "{label}");
        // With what a busy machine adds to it.
        let took = began.elapsed();
        assert!(took < Duration::from_secs(8), "{label}: {took:?}");
        // Over TCP it hangs up, and need not be waited for.
        assert!(stream || took > Duration::from_millis(1_800), "{label}: {took:?}");
    }
}

#[test]
fn an_answer_that_comes_cut_is_fetched_whole() {
    let outside = outside();
    let asked = query("to-many.shop.svc.cluster.local.", A);
    let whole = outside.world.ask(&asked, true);
    assert_eq!((whole.answers.len(), whole.metadata.truncation), (101, false));
    outside.upstream.asked();
    // The upstream cuts all of it from its datagrams; what the client takes is cut anew.
    let cut = outside.world.ask(&asked, false);
    assert!(cut.metadata.truncation, "{}", line(&cut));
    assert_eq!(cut.answers[0].record_type(), CNAME);
    assert!(cut.answers.len() > 50, "whole records as far as they fit: {}", line(&cut));
    assert_eq!(outside.upstream.asked().len(), 2, "over UDP and then TCP");
}

#[test]
fn who_does_not_want_recursion_gets_the_alias_and_nobody_is_asked() {
    let outside = outside();
    for label in ["a60", "nx40", "a-stub", "old", "db", "made", "led", "ping", "fail"] {
        let name = format!("to-{label}.shop.svc.cluster.local.");
        for kind in [A, AAAA, TXT] {
            let mut asked: Message = query(&name, kind);
            asked.metadata.recursion_desired = false;
            let expected = format!("ok aa; {} !0", alias(label));
            assert_eq!(outside.world.says(&asked), expected, "{label} {kind}");
        }
    }
    assert!(outside.upstream.asked().is_empty());
    assert!(outside.stub.asked().is_empty());
}
