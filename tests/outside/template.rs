//! Where the CNAME of a `template` leads.

use hickory_proto::rr::RecordType::{A, AAAA, CNAME, TXT};

use crate::upstream::Upstream;
use crate::world::{World, line, query};

/// A Service, and an alias that leads to a template.
const OBJECTS: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n\
                       spec: {clusterIP: 10.96.0.1}\n---\n\
                       apiVersion: v1\nkind: Service\nmetadata: {name: out, namespace: shop}\n\
                       spec: {type: ExternalName, externalName: up.example}\n";

fn world(upstream: &Upstream) -> World {
    World::new(
        OBJECTS,
        &format!(
            r#".:0 {{
                bind 127.0.0.1
                template ANY ANY example {{
                    match "^(?P<to>[a-z]*[0-9]*)[.]to[.]example[.]$"
                    answer "{{{{ .Name }}}} 60 IN CNAME {{{{ .Group.to }}}}.test."
                    fallthrough
                }}
                template IN ANY example {{
                    match "^home[.]"
                    answer "{{{{ .Name }}}} 60 IN CNAME web.shop.svc.cluster.local."
                    fallthrough
                }}
                template IN ANY example {{
                    match "^up[.]"
                    answer "{{{{ .Name }}}} 60 IN CNAME renamed.example."
                    fallthrough
                }}
                template IN ANY example {{
                    match "^ping[.]"
                    answer "{{{{ .Name }}}} 60 IN CNAME ping.example."
                    fallthrough
                }}
                rewrite name renamed.example home.example
                kubernetes cluster.local {{
                    manifests cluster.yaml
                }}
                forward . {}
            }}"#,
            upstream.address
        ),
    )
}

#[test]
fn it_is_looked_up_where_addresses_are_asked_for() {
    let upstream = Upstream::start();
    upstream.say(7);
    let world = world(&upstream);
    let home = "home.example. 60 CNAME web.shop.svc.cluster.local.";
    let web = "web.shop.svc.cluster.local. 5 A 10.96.0.1";
    for (name, kind, expected) in [
        (
            "a60.to.example.",
            A,
            "ok aa; a60.to.example. 60 CNAME a60.test.; a60.test. 60 A 192.0.2.7",
        ),
        (
            "C60.to.example.",
            A,
            "ok aa; C60.to.example. 60 CNAME c60.test.; c60.test. 300 CNAME a60.test.; \
             a60.test. 60 A 192.0.2.7",
        ),
        // The response code is the template's.
        ("nx60.to.example.", A, "ok aa; nx60.to.example. 60 CNAME nx60.test."),
        ("a60.to.example.", AAAA, "ok aa; a60.to.example. 60 CNAME a60.test."),
        ("refuse.to.example.", A, "ok aa; refuse.to.example. 60 CNAME refuse.test."),
        // One of the cluster, and one by the rules of the block that its name belongs to.
        ("home.example.", A, &format!("ok aa; {home}; {web}")),
        (
            "up.example.",
            A,
            &format!(
                "ok aa; up.example. 60 CNAME renamed.example.; {}; {web}",
                home.replace("home", "renamed")
            ),
        ),
        // The other way around: an alias of the cluster that leads here.
        (
            "out.shop.svc.cluster.local.",
            A,
            &format!(
                "ok aa; out.shop.svc.cluster.local. 5 CNAME up.example.; \
                 up.example. 60 CNAME renamed.example.; {}; {web}",
                home.replace("home", "renamed")
            ),
        ),
        // An upstream that fails, and an alias of itself.
        ("fail.to.example.", A, "ServFail !23"),
        ("ping.example.", A, "ServFail !23"),
    ] {
        assert_eq!(world.told(name, kind), expected, "{name} {kind}");
    }
    upstream.asked();
    for (name, kind) in [("a60.to.example.", CNAME), ("a60.to.example.", TXT)] {
        let told = world.told(name, kind);
        assert_eq!(told, "ok aa; a60.to.example. 60 CNAME a60.test.", "{kind}");
    }
    assert!(upstream.asked().is_empty(), "only addresses are looked up");
}

#[test]
fn many_addresses_and_none_in_time() {
    let upstream = Upstream::start();
    let world = world(&upstream);
    let cut = world.ask(&query("many.to.example.", A), false);
    assert!(cut.metadata.truncation && cut.answers.len() > 20, "{}", line(&cut));
    assert_eq!(world.ask(&query("many.to.example.", A), true).answers.len(), 101);
    upstream.be_silent(true);
    assert_eq!(line(&world.ask(&query("a60.to.example.", A), false)), "ServFail !22");
}
