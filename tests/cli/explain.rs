//! `explain` from manifests: what a name answers and why, what looks wrong, what may have been meant,
//! and the way there through a search list.

use crate::run::{Ended, Room, examples};

/// Objects with everything wrong that is pointed at.
const WRONG: &str = r#"
apiVersion: v1
kind: Service
metadata: { name: named, namespace: shop, uid: 0f9e8d7c-6b5a-4c3d-8e1f-a0b1c2d3e4f5, resourceVersion: "41" }
spec: { clusterIP: 10.96.0.1, ports: [{ name: sql, port: 5432 }] }
---
apiVersion: v1
kind: Endpoints
metadata: { name: named, namespace: shop, resourceVersion: "42" }
subsets: [{ addresses: [{ ip: 192.0.2.1 }], ports: [{ name: pg, port: 5432 }] }]
---
apiVersion: v1
kind: Service
metadata: { name: remapped, namespace: shop }
spec: { clusterIP: 10.96.0.2, ports: [{ name: https, port: 443 }] }
---
apiVersion: v1
kind: Endpoints
metadata: { name: remapped, namespace: shop }
subsets: [{ addresses: [{ ip: 10.1.2.1 }], ports: [{ name: https, port: 6443 }] }]
---
apiVersion: v1
kind: Endpoints
metadata: { name: nobodys, namespace: shop }
subsets: [{ addresses: [{ ip: 192.0.2.2 }] }]
---
apiVersion: v1
kind: Service
metadata: { name: unlabelled, namespace: shop }
spec: { clusterIP: None }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: unlabelled-1, namespace: shop }
addressType: IPv4
endpoints: [{ addresses: [192.0.2.3] }]
---
apiVersion: v1
kind: Service
metadata: { name: fqdn, namespace: shop }
spec: { clusterIP: None }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: fqdn-1, namespace: shop, labels: { kubernetes.io/service-name: fqdn } }
addressType: FQDN
endpoints: [{ addresses: [db.example.com] }]
---
apiVersion: v1
kind: Service
metadata: { name: literal, namespace: shop }
spec: { type: ExternalName, externalName: 10.0.0.1 }
---
apiVersion: v1
kind: Service
metadata: { name: asleep, namespace: shop }
spec: { clusterIP: None, selector: { app: asleep } }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: asleep-1
  namespace: shop
  labels:
    kubernetes.io/service-name: asleep
    endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io
addressType: IPv4
endpoints:
  - { addresses: [10.1.0.1], conditions: { ready: false }, hostname: asleep-0 }
  - { addresses: [10.1.0.2], conditions: { ready: false } }
---
apiVersion: v1
kind: Service
metadata: { name: orders, namespace: shop, annotations: { fingerpost.dev/selectorless: endpoint } }
spec: { clusterIP: 10.96.0.3 }
---
apiVersion: v1
kind: Endpoints
metadata: { name: order, namespace: shop }
subsets: [{ addresses: [{ ip: 192.0.2.4 }] }]
---
apiVersion: v1
kind: Service
metadata: { name: dropped, namespace: shop }
spec: { clusterIP: None }
---
apiVersion: v1
kind: Endpoints
metadata: { name: dropped, namespace: shop }
subsets: [{ addresses: [{ ip: 127.0.0.1 }, { ip: 192.0.2.5 }] }]
---
apiVersion: v1
kind: Service
metadata: { name: bare, namespace: other }
spec: { ports: [{ port: 80 }] }
"#;

fn wrong() -> Room {
    let room = Room::new();
    room.write("m/wrong.yaml", WRONG);
    room
}

fn explain(room: &Room, args: &[&str]) -> Ended {
    room.run(&[&["explain", "--manifests", "m", "--log-level", "error"], args].concat())
}

/// A run's output, lines without double blanks.
fn text(room: &Room, args: &[&str], code: i32) -> String {
    let ended = explain(room, args);
    assert_eq!((ended.code, ended.err.as_str()), (code, ""), "{args:?}: {}", ended.out);
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    ended.out.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Name in front of `.svc.cluster.local`, exit status, and lines that must be there.
const POINTED: &[(&str, i32, &[&str])] = &[
    (
        "named.shop",
        0,
        &[
            "named.shop.svc.cluster.local. NOERROR by kubernetes cluster.local.",
            "named.shop.svc.cluster.local. 5 A 10.96.0.1",
            "classed selector-less, auto: endpoint 192.0.2.1 has no port sql/TCP, so the cluster IP",
            "uid 0f9e8d7c-6b5a-4c3d-8e1f-a0b1c2d3e4f5",
            "resourceVersion 41",
            "Endpoints shop/named 1 0 0 42",
            "192.0.2.1 ready 192-0-2-1 pg 5432/TCP Endpoints/named",
            "Service/shop/named: port sql/TCP is not among the ports of 1 of 1 ready endpoints \
                 (192.0.2.1 has: pg/TCP); give them the same name and protocol",
        ],
    ),
    (
        "remapped.shop",
        0,
        &[
            "classed selector-less, auto: port https is 443 on the service, 6443 on endpoint \
                 10.1.2.1, so the cluster IP",
            "Service/shop/remapped: port https/TCP is 443 here and 6443 on endpoint 10.1.2.1; only \
                 the cluster IP turns one into the other",
        ],
    ),
    (
        "nobodys.shop",
        3,
        &[
            "nobodys.shop.svc.cluster.local. NXDOMAIN by kubernetes cluster.local.",
            "there is no Service nobodys in namespace shop",
            "Endpoints/shop/nobodys: there is no Service nobodys in namespace shop; make one, without \
                 a selector, or these endpoints mean nothing",
        ],
    ),
    (
        "unlabelled.shop",
        3,
        &[
            "shop/unlabelled has no endpoints, and a headless Service exists with a ready endpoint only",
            "EndpointSlice/shop/unlabelled-1: it has no label kubernetes.io/service-name and belongs \
                 to no Service; add it",
        ],
    ),
    (
        "fqdn.shop",
        3,
        &[
            "EndpointSlice shop/fqdn-1 0 0 0 does not count: addressType FQDN has no meaning to DNS",
            "EndpointSlice/shop/fqdn-1: addressType FQDN has no meaning to DNS; write an ExternalName \
                 Service",
        ],
    ),
    (
        "literal.shop",
        3,
        &[
            "externalName 10.0.0.1 is an address, not a name",
            "Service/shop/literal: externalName 10.0.0.1 is an address, so the name does not exist; \
                 write a Service without a selector, and Endpoints with that address",
        ],
    ),
    (
        "asleep.shop",
        3,
        &[
            "0 of 2 endpoints of shop/asleep are ready, and a headless Service exists with a ready \
                 endpoint only",
            "10.1.0.1 not ready asleep-0 EndpointSlice/asleep-1",
            "Service/shop/asleep: none of its 2 endpoints is ready, so the name does not exist; see why they are not ready",
        ],
    ),
    (
        "orders.shop",
        0,
        &[
            "Service/shop/orders: the annotation fingerpost.dev/selectorless is 'endpoint', and is \
                 ignored; write auto, endpoints or cluster-ip",
            "Service/shop/orders: it has no endpoints, so nobody answers behind the cluster IP; write Endpoints of its name, or a slice with the label kubernetes.io/service-name",
            "Endpoints/shop/order: it is for a Service order, which there is not; is orders meant?",
        ],
    ),
    (
        "dropped.shop",
        0,
        &[
            "Endpoints shop/dropped 1 0 1",
            "127.0.0.1 dropped 127-0-0-1 Endpoints/dropped loopback address",
            "Endpoints/shop/dropped: 127.0.0.1 is not published: it is a loopback address; write the \
                 host's own",
        ],
    ),
    (
        "bare.other",
        3,
        &[
            "classed selector-less, without a cluster IP, so as headless: its endpoints, none",
            "Service/other/bare: there is no clusterIP, which an API server would give it; write one, \
                 or None for a headless Service",
        ],
    ),
    ("_sql._udp.named.shop", 3, &["shop/named has no such port; its named ports: sql/TCP"]),
    (
        "10-1-0-2.asleep.shop",
        3,
        &["0 of 2 endpoints of shop/asleep are ready, and a headless Service exists with a ready \
               endpoint only"],
    ),
    ("named.shob", 3, &["there is no namespace shob"]),
];

#[test]
fn what_looks_wrong_is_pointed_at() {
    let room = wrong();
    for (name, code, lines) in POINTED {
        let told = text(&room, &[&format!("{name}.svc.cluster.local")], *code);
        for line in *lines {
            assert!(told.lines().any(|found| found == *line), "{name}: {line}\n{told}");
        }
    }
}

#[test]
fn nothing_looks_wrong_with_the_examples_but_what_is() {
    let room = Room::new();
    for (name, wrong) in [
        ("mysql", false),
        ("postgres", false),
        ("kafka", false),
        ("web", true),
        ("db", false),
        ("warehouse", false),
        ("crm", true),
    ] {
        let name = format!("{name}.shop.svc.cluster.local");
        let ended = room.run(&["explain", &name, "--manifests", &examples()]);
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{name}");
        assert_eq!(ended.out.contains("What looks wrong"), wrong, "{}", ended.out);
    }
}

/// A name that does not exist, and those that may have been meant.
#[test]
fn names_one_edit_away_are_offered() {
    let room = wrong();
    let zone = "svc.cluster.local.";
    for (name, near) in [
        ("nmaed.shop.svc.cluster.local", &["named.shop"][..]),
        ("name.shop.svc.cluster.local", &["named.shop"]),
        ("named.shob.svc.cluster.local", &["named.shop"]),
        ("named.shop.scv.cluster.local", &["named.shop"]),
        ("named.shop.cluster.local", &["named.shop"]),
        ("shop.named.svc.cluster.local", &["named.shop"]),
        ("named.other.svc.cluster.local", &["named.shop"]),
        ("_sqll._tcp.named.shop.svc.cluster.local", &["_sql._tcp.named.shop"]),
        ("sql.tcp.named.shop.svc.cluster.local", &["_sql._tcp.named.shop"]),
        ("192-0-2-2.named.shop.svc.cluster.local", &["192-0-2-1.named.shop"]),
        ("nothing.shop.svc.cluster.local", &[]),
    ] {
        let told = text(&room, &[name], 3);
        let offered: Vec<&str> = told
            .lines()
            .skip_while(|line| *line != "Did you mean")
            .skip(1)
            .take_while(|line| !line.is_empty())
            .collect();
        let near: Vec<String> = near.iter().map(|near| format!("{near}.{zone}")).collect();
        assert_eq!(offered, near, "{name}");
    }
    for name in ["named.shop", "named.shop.svc", "named.shop.svc.cluster.locla"] {
        // Nobody here may say that these do not exist.
        let told = text(&room, &[name], 1);
        assert!(told.ends_with("complete") && told.contains("REFUSED by nobody"), "{told}");
        assert!(told.contains("Did you mean\nnamed.shop.svc.cluster.local.\n"), "{told}");
    }
}

#[test]
fn one_type_may_be_asked_for() {
    let room = wrong();
    let name = "named.shop.svc.cluster.local";
    let told = text(&room, &[name, "srv"], 0);
    assert!(told.contains(&format!("{name}. 5 SRV 0 100 5432 {name}.")), "{told}");
    assert!(!told.contains(" 5 A "), "{told}");
    let told = text(&room, &[name, "AAAA"], 0);
    assert!(told.contains("it has no AAAA record (NODATA)"), "{told}");
    assert_eq!(explain(&room, &[name, "AA"]).code, 2);
    // But for the view's serial, which is the time.
    let [any, all] = [&[name, "any"][..], &[name]].map(|args| text(&room, args, 0));
    assert_eq!(any.split("View:").next(), all.split("View:").next());
    let ended = explain(&room, &[name, "SRV", "--output", "json"]);
    let told: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    let types: Vec<&str> = told["explanation"]["records"]
        .as_array()
        .expect("records")
        .iter()
        .filter_map(|record| record["type"].as_str())
        .collect();
    assert_eq!(types, ["SRV"]);
}

#[test]
fn json_holds_the_same() {
    let room = wrong();
    let ended = explain(&room, &["dropped", "--from", "shop/web-0", "--output", "json"]);
    let told: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    let explanation = &told["explanation"];
    assert_eq!(explanation["status"], "NOERROR");
    assert_eq!(explanation["service"]["clusterIPs"], serde_json::json!(["None"]));
    assert_eq!(explanation["endpoints"][0]["state"], "ready");
    assert_eq!(explanation["endpoints"][1]["dropped"], "loopback address");
    assert_eq!(explanation["sources"][0]["dropped"], 1);
    assert_eq!(explanation["records"][0]["data"], "192.0.2.5");
    assert_eq!(told["resolvConf"]["ndots"], 5);
    assert_eq!(told["walks"][1]["libc"], "musl");
    assert_eq!(told["walks"][0]["steps"][0]["verdict"], "found");
    let ended = explain(&room, &["dropped.shop.svc.cluster.local", "--output", "json"]);
    let told: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    assert_eq!((ended.code, &told["walks"]), (0, &serde_json::json!([])));
}

/// What exists without addresses, at which the two go different ways, is `svc.cluster.local`.
#[test]
fn a_search_list_is_walked_as_each_libc_does() {
    let room = wrong();
    room.write(
        "resolv.conf",
        "nameserver 10.96.0.10\nsearch cluster.local shop.svc.cluster.local\n",
    );
    for (args, code, parts) in [
        (
            &["named", "--from", "shop/web-0"][..],
            0,
            &[
                "named for pod shop/web-0; search shop.svc.cluster.local svc.cluster.local cluster.local; \
               ndots 5",
                "glibc and musl ask for\n1 named.shop.svc.cluster.local. found kubernetes cluster.local.\n\
               stops at named.shop.svc.cluster.local., with addresses",
            ][..],
        ),
        (
            &["named.shop", "--from", "other/x"],
            0,
            &["1 named.shop.other.svc.cluster.local. does not exist kubernetes cluster.local.\n\
               2 named.shop.svc.cluster.local. found"],
        ),
        (
            &["svc", "--resolv-conf", "resolv.conf"],
            1,
            &[
                "svc for resolv.conf; search cluster.local shop.svc.cluster.local; ndots 1",
                "glibc asks for\n1 svc.cluster.local. exists, without addresses kubernetes cluster.local.\n\
               2 svc.shop.svc.cluster.local. does not exist kubernetes cluster.local.\n\
               3 svc. REFUSED nobody\nstops at svc., without addresses",
                "musl asks for\n1 svc.cluster.local. exists, without addresses kubernetes cluster.local.\n\
               stops at svc.cluster.local., without addresses",
            ],
        ),
        (
            &["nmaed", "--from", "shop/web-0", "--upstream", "192.0.2.53"],
            0,
            &["4 nmaed. upstreams are asked upstreams 192.0.2.53:53\n\
               stops at nmaed. if that has addresses, or finds no such name"],
        ),
        (
            &["nmaed.shop.svc.cluster.local.", "--from", "shop/web-0"],
            3,
            &[
                "1 nmaed.shop.svc.cluster.local. does not exist kubernetes cluster.local.\nfinds no such \
               name",
                "Did you mean\nnamed.shop.svc.cluster.local.",
            ],
        ),
    ] {
        let told = text(&room, args, code);
        for part in parts {
            assert!(told.contains(part), "{args:?}: {part}\n{told}");
        }
    }
    let ended = explain(&room, &["named", "--resolv-conf", "nowhere"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("--resolv-conf nowhere cannot be read"), "{}", ended.err);
}

#[test]
fn the_blocks_of_a_corefile_are_told_apart() {
    let room = wrong();
    room.write(
        "Corefile",
        "cluster.local:0 {\n kubernetes {\n  manifests m\n  namespaces other\n }\n}\n\
         .:0 {\n forward . 192.0.2.53 192.0.2.54:5353\n}\n",
    );
    let run = |name: &str| room.run(&["explain", name, "-c", "Corefile", "--log-level", "error"]);
    let ended = run("named.shop.svc.cluster.local");
    assert_eq!((ended.code, ended.err.as_str()), (3, ""));
    assert!(
        ended
            .out
            .contains("objects in namespace shop, but the namespace itself does not exist or is"),
        "{}",
        ended.out
    );
    let ended = run("example.com");
    assert_eq!((ended.code, ended.err.as_str()), (1, ""));
    assert_eq!(
        ended.out,
        "example.com.  FORWARDED  by upstreams 192.0.2.53:53, 192.0.2.54:5353\n  asked of the \
         upstreams: example.com.\n"
    );
}

/// Objects with nothing wrong that looks wrong, and one the other way around.
fn rare() -> String {
    let ports = |key: &str| {
        let port = |n: u16| format!("{{ name: p{n}, {key}: {} }}", 1_000 + n);
        (0..20).map(port).collect::<Vec<_>>().join(", ")
    };
    let ports = ports("port");
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{ name: two, namespace: shop }}\n\
         spec: {{ clusterIP: 10.96.0.1, ports: [{{ name: a, port: 80 }}, {{ name: b, port: 81 }}] }}\n---\n\
         apiVersion: v1\nkind: Endpoints\nmetadata: {{ name: two, namespace: shop }}\nsubsets:\n\
         - {{ addresses: [{{ ip: 192.0.2.1 }}], ports: [{{ name: a, port: 80 }}] }}\n\
         - {{ addresses: [{{ ip: 192.0.2.1 }}], ports: [{{ name: b, port: 81 }}] }}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{ name: many, namespace: shop }}\n\
         spec: {{ clusterIP: 10.96.0.2, ports: [{ports}] }}\n---\n\
         apiVersion: v1\nkind: Endpoints\nmetadata: {{ name: many, namespace: shop }}\n\
         subsets: [{{ addresses: [{{ ip: 192.0.2.2 }}], ports: [{ports}] }}]\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{ name: six, namespace: shop }}\n\
         spec: {{ clusterIP: 10.96.0.3, ports: [{{ port: 80 }}] }}\n---\n\
         apiVersion: v1\nkind: Endpoints\nmetadata: {{ name: six, namespace: shop }}\n\
         subsets: [{{ addresses: [{{ ip: 'fd00::5' }}], ports: [{{ port: 80 }}] }}]\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{ name: out, namespace: shop }}\n\
         spec: {{ type: ExternalName, externalName: db.example.com }}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{ name: lost, namespace: shop }}\n\
         spec: {{ type: ExternalName, externalName: none.shop.svc.cluster.local }}\n"
    )
}

#[test]
fn nothing_is_said_that_dig_would_not_say() {
    let room = Room::new();
    room.write("m/rare.yaml", rare());
    for name in ["two", "many"] {
        let told = text(&room, &[&format!("{name}.shop.svc.cluster.local")], 0);
        assert!(!told.contains("What looks wrong"), "{told}");
    }
    let told = text(&room, &["six.shop.svc.cluster.local"], 0);
    assert!(
        told.contains("no ready endpoint has an address of its ipFamilies, so the c"),
        "{told}"
    );
    assert!(told.contains("add the family to ipFamilies"), "{told}");
    let out = "out.shop.svc.cluster.local";
    for args in [&[out, "A"][..], &[out, "A", "--upstream", "192.0.2.53"], &[out, "TXT"]] {
        let told = text(&room, args, 0);
        assert!(told.contains(" 5 CNAME db.example.com.") && !told.contains("NODATA"), "{told}");
    }
    let lost = "lost.shop.svc.cluster.local";
    assert!(text(&room, &[lost, "CNAME"], 0).contains("NOERROR"));
    assert!(text(&room, &[lost, "A"], 3).contains("NXDOMAIN"));
    for name in ["", "a\u{1b}[31m..b"] {
        let ended = explain(&room, &[name]);
        assert_eq!(ended.code, 2, "{name}");
        assert!(!ended.err.contains('\u{1b}') && ended.err.lines().count() == 1, "{}", ended.err);
    }
}
