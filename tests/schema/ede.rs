//! Section 8: every negative or unusual answer says why, to whoever asks with EDNS.

use std::fmt::Write as _;

use super::objects::{CONTROLLER, endpoints, namespace, pod, service, service_with, slice_by};
use super::upstream::Upstream;
use super::wire::{A, AAAA, ANY, Ask, DO, OPT, RD, Raw, SRV, rtype};
use super::world::World;

/// What is asked, and the response code, the info code and the text; no text, no extended error.
type Row = (&'static str, u16, u16, &'static str);

/// The extended errors of a response: code and text.
pub(crate) fn errors(octets: &[u8]) -> Vec<(u16, String)> {
    let raw = Raw::read(octets);
    let opt = raw.records.iter().find(|record| record.rtype == OPT);
    let mut options = opt.map_or(&[][..], |opt| &octets[opt.data.clone()]);
    let mut found = Vec::new();
    while let [0, 15, l0, l1, rest @ ..] = options {
        let (option, behind) = rest.split_at(usize::from(u16::from_be_bytes([*l0, *l1])));
        let text = String::from_utf8(option[2..].to_vec()).expect("UTF-8");
        found.push((u16::from_be_bytes([option[0], option[1]]), text));
        options = behind;
    }
    assert!(options.is_empty(), "another option: {octets:02x?}");
    found
}

/// Asks over UDP and TCP; the binary too where the world is served.
fn check(world: &World, rows: &[Row]) {
    let mut wrong = String::new();
    for (question, rcode, code, text) in rows {
        let (name, qtype) = question.split_once(' ').expect("a name and a type");
        let mut expected = vec![(*code, (*text).to_owned())];
        expected.retain(|(_, text)| !text.is_empty());
        for stream in [false, true] {
            let ask = Ask::new(name, rtype(qtype));
            let told = ask.clone().edns(1_232, DO);
            let mut replies = vec![world.octets(&told.message(), stream, 7).expect("a response")];
            if let Some(server) = &world.server {
                replies.push(server.exchange(&told.message(), stream));
            }
            for reply in replies {
                let found = (Raw::read(&reply).rcode(), errors(&reply));
                if found != (*rcode, expected.clone()) {
                    let _ = writeln!(
                        wrong,
                        "{question}\n  expected {rcode} {expected:?}\n  found    {found:?}"
                    );
                }
            }
            // Nobody else is told.
            let plain = world.octets(&ask.message(), stream, 7).expect("a response");
            assert!(Raw::read(&plain).records.iter().all(|record| record.rtype != OPT));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

const NOERROR: u16 = 0;
const SERVFAIL: u16 = 2;
const NXDOMAIN: u16 = 3;
const NOTIMP: u16 = 4;
const REFUSED: u16 = 5;

fn objects() -> Vec<String> {
    let sql = "ports: [{name: sql, port: 5432}]";
    let two = "clusterIP: 10.96.1.1, ports: [{name: https, port: 443}]";
    let remapped = "ports: [{name: https, port: 6443}]";
    vec![
        namespace("shop", ""),
        namespace("other", ""),
        service("shop/web", &format!("clusterIP: 10.96.0.1, selector: {{a: b}}, {sql}")),
        slice_by(
            "shop/web-1",
            "web",
            "IPv4",
            CONTROLLER,
            "endpoints: [{addresses: [10.1.0.1], hostname: a}, \
             {addresses: [10.1.0.2], hostname: b, conditions: {ready: false}}]",
        ),
        service("shop/bare", "clusterIP: 10.96.0.2, selector: {a: b}, ports: [{port: 80}]"),
        service("shop/portless", "clusterIP: 10.96.0.3, selector: {a: b}"),
        service("shop/head", "clusterIP: None, selector: {a: b}"),
        slice_by(
            "shop/head-1",
            "head",
            "IPv4",
            CONTROLLER,
            "endpoints: [{addresses: [10.1.1.1, 10.1.1.2], conditions: {ready: false}}, \
             {addresses: [10.1.1.3], conditions: {ready: false}}]",
        ),
        service("shop/none", "clusterIP: None, selector: {a: b}"),
        service("shop/six", "clusterIP: None, selector: {a: b}"),
        slice_by("shop/six-1", "six", "IPv6", CONTROLLER, "endpoints: [{addresses: ['fd00::7']}]"),
        service("shop/address", "type: ExternalName, externalName: 10.0.0.1"),
        service("shop/nonsense", "type: ExternalName, externalName: 'a b..c'"),
        service("shop/out", "type: ExternalName, externalName: db.example.com"),
        service("shop/lost", "type: ExternalName, externalName: gone.other.svc.cluster.local"),
        service("shop/to-web", "type: ExternalName, externalName: web.shop.svc.cluster.local"),
        service("shop/loop", "type: ExternalName, externalName: loop.shop.svc.cluster.local"),
        // Selector-less Services with a cluster IP, each for a reason of its own.
        service("shop/remapped", two),
        endpoints("shop/remapped", &format!("{{addresses: [{{ip: 192.0.2.1}}], {remapped}}}")),
        service("shop/unnamed", "clusterIP: 10.96.1.2, ports: [{port: 80}]"),
        endpoints("shop/unnamed", "{addresses: [{ip: 192.0.2.2}], ports: [{port: 8080}]}"),
        service(
            "shop/missing",
            "clusterIP: 10.96.1.3, ports: [{name: dns, protocol: UDP, port: 53}]",
        ),
        endpoints("shop/missing", "{addresses: [{ip: 192.0.2.3}], ports: [{name: dns, port: 53}]}"),
        service("shop/managed", "clusterIP: 10.96.1.4"),
        endpoints("shop/managed", "{addresses: [{ip: 192.0.2.4, nodeName: n}]}"),
        service("shop/sticky", "clusterIP: 10.96.1.5, sessionAffinity: ClientIP"),
        endpoints("shop/sticky", "{addresses: [{ip: 192.0.2.5}]}"),
        service("shop/local", "clusterIP: 10.96.1.6, internalTrafficPolicy: Local"),
        endpoints("shop/local", "{addresses: [{ip: 192.0.2.6}]}"),
        service("shop/unready", "clusterIP: 10.96.1.7"),
        endpoints("shop/unready", "{notReadyAddresses: [{ip: 192.0.2.7}, {ip: 192.0.2.8}]}"),
        service("shop/families", "clusterIP: 10.96.1.8"),
        endpoints("shop/families", "{addresses: [{ip: 'fd00::9'}]}"),
        annotated("shop/asked", "cluster-ip", "clusterIP: 10.96.1.9"),
        endpoints("shop/asked", "{addresses: [{ip: 192.0.2.9}]}"),
        annotated("shop/typo", "endpoint", "clusterIP: 10.96.1.10"),
        endpoints("shop/typo", "{addresses: [{ip: 192.0.2.10}]}"),
        annotated("shop/typo-sticky", "direct", "clusterIP: 10.96.1.11, sessionAffinity: ClientIP"),
        endpoints("shop/typo-sticky", "{addresses: [{ip: 192.0.2.11}]}"),
        annotated("shop/needless", "endpoints", "clusterIP: 10.96.1.12, selector: {a: b}"),
        service("default/kubernetes", "clusterIP: 10.96.1.13, ports: [{name: https, port: 443}]"),
        endpoints(
            "default/kubernetes",
            &format!("{{addresses: [{{ip: 192.0.2.12}}], {remapped}}}"),
        ),
        pod("shop/p", "", "podIP: 10.1.0.1"),
    ]
}

fn annotated(key: &str, value: &str, spec: &str) -> String {
    service_with(key, &format!("annotations: {{fingerpost.dev/selectorless: {value}}}"), spec)
}

/// The rows of the table, and what else is denied of Services and their endpoints.
const DENIED: &[Row] = &[
    // Nothing to say.
    ("web.shop.svc A", NOERROR, 0, ""),
    ("out.shop.svc CNAME", NOERROR, 0, ""),
    ("@ SOA", NOERROR, 0, ""),
    // The rows of the table.
    ("web.yard.svc A", NXDOMAIN, 0, "no namespace yard"),
    ("yard.svc A", NXDOMAIN, 0, "no namespace yard"),
    ("yard.endpoints TXT", NXDOMAIN, 0, "no namespace yard"),
    ("db.shop.svc A", NXDOMAIN, 0, "no service db in namespace shop"),
    ("x.y.db.shop.svc AAAA", NXDOMAIN, 0, "no service db in namespace shop"),
    ("_sql._tcp.db.shop.svc SRV", NXDOMAIN, 0, "no service db in namespace shop"),
    ("db.shop.endpoints A", NXDOMAIN, 0, "no service db in namespace shop"),
    ("head.shop.svc A", NXDOMAIN, 0, "0 of 3 endpoints ready"),
    ("x.head.shop.svc A", NXDOMAIN, 0, "0 of 3 endpoints ready"),
    ("none.shop.svc A", NXDOMAIN, 0, "0 of 0 endpoints ready"),
    ("portless.shop.endpoints A", NXDOMAIN, 0, "0 of 0 endpoints ready"),
    ("address.shop.svc A", NXDOMAIN, 0, "externalName 10.0.0.1 is an address, not a name"),
    ("nonsense.shop.svc A", NXDOMAIN, 0, "externalName a\\032b..c is no domain name"),
    ("_pg._tcp.web.shop.svc SRV", NXDOMAIN, 0, "no port pg; ports: sql/TCP"),
    ("_sql._udp.web.shop.svc SRV", NXDOMAIN, 0, "no port sql; ports: sql/TCP"),
    ("_pg._tcp.bare.shop.svc SRV", NXDOMAIN, 0, "no port pg; ports: 80/TCP"),
    ("_pg._tcp.portless.shop.svc SRV", NXDOMAIN, 0, "no port pg"),
    ("_udp.web.shop.svc SRV", NXDOMAIN, 0, "no named port of UDP; ports: sql/TCP"),
    (
        "remapped.shop.svc A",
        NOERROR,
        0,
        "cluster IP: port https is 443 on the service, 6443 on its endpoints",
    ),
    ("example.com. A", REFUSED, 20, "no zone here holds the name, and it is not forwarded"),
    // What a search list makes of a name outside.
    ("github.com.shop.svc A", NXDOMAIN, 0, "no service com in namespace shop"),
    ("github.com.svc A", NXDOMAIN, 0, "no namespace com"),
    (
        "github.com A",
        NXDOMAIN,
        0,
        "no com in this zone; names in it end with svc, pod or endpoints",
    ),
    ("www.github.web.shop.svc A", NXDOMAIN, 0, "no such name below service web"),
    ("a.www.github.web.shop.svc A", NXDOMAIN, 0, "no such name below service web"),
    ("a.b.web.shop.endpoints A", NXDOMAIN, 0, "no such name below service web"),
    // Underscores are forgotten.
    ("sql.tcp.web.shop.svc SRV", NXDOMAIN, 0, "names of ports have underscores, as in _http._tcp"),
    ("sql._tcp.web.shop.svc SRV", NXDOMAIN, 0, "names of ports have underscores, as in _http._tcp"),
    ("x.dns A", NXDOMAIN, 0, "only ns stands below dns"),
    ("x.dns-version A", NXDOMAIN, 0, "nothing stands below dns-version"),
    // Endpoints.
    ("b.web.shop.svc A", NXDOMAIN, 0, "no ready endpoint b; 1 of 2 endpoints ready"),
    ("c.web.shop.endpoints A", NXDOMAIN, 0, "no ready endpoint c; 1 of 2 endpoints ready"),
    ("x.portless.shop.svc A", NXDOMAIN, 0, "no ready endpoint x; 0 of 0 endpoints ready"),
];

/// What else is denied or could surprise.
const UNUSUAL: &[Row] = &[
    // Aliases.
    ("x.out.shop.svc A", NXDOMAIN, 0, "service out is an ExternalName; nothing stands below it"),
    ("out.shop.svc A", NOERROR, 0, "externalName leads out of our zones, and nobody was asked"),
    ("lost.shop.svc A", NXDOMAIN, 0, "what externalName leads to does not exist"),
    ("loop.shop.svc A", SERVFAIL, 0, "externalName leads back to itself"),
    ("to-web.shop.svc AAAA", NOERROR, 0, "no such record at the name that externalName leads to"),
    // Names without the asked type.
    ("web.shop.svc AAAA", NOERROR, 0, "no AAAA record; this name has A, SRV"),
    ("web.shop.svc HTTPS", NOERROR, 0, "no such record; this name has A, SRV"),
    ("portless.shop.svc SRV", NOERROR, 0, "no SRV record; this name has A"),
    ("six.shop.svc A", NOERROR, 0, "no A record; this name has AAAA"),
    ("a.web.shop.svc AAAA", NOERROR, 0, "no AAAA record; this name has A"),
    ("web.shop.endpoints AAAA", NOERROR, 0, "no AAAA record; this name has A"),
    ("_sql._tcp.web.shop.svc TXT", NOERROR, 0, "no TXT record; this name has A, SRV"),
    ("dns-version A", NOERROR, 0, "no A record; this name has TXT"),
    ("@ A", NOERROR, 0, "no A record; this name has SOA, NS"),
    ("ns.dns SRV", NOERROR, 0, "no SRV record; this name has A, AAAA"),
    ("1.0.96.10.in-addr.arpa. A", NOERROR, 0, "no A record; this name has PTR"),
    ("shop.svc A", NOERROR, 0, "no records at this name, only below it"),
    ("_tcp.web.shop.svc SRV", NOERROR, 0, "no records at this name, only below it"),
    // Selector-less.
    (
        "unnamed.shop.svc A",
        NOERROR,
        0,
        "cluster IP: port 80 of the service is 8080 on its endpoints",
    ),
    (
        "missing.shop.svc A",
        NOERROR,
        0,
        "cluster IP: its endpoints lack port dns/UDP, 53 on the service",
    ),
    ("managed.shop.svc A", NOERROR, 0, "cluster IP: a controller wrote its endpoints"),
    ("sticky.shop.svc A", NOERROR, 0, "cluster IP: sessionAffinity is set"),
    ("local.shop.svc A", NOERROR, 0, "cluster IP: internalTrafficPolicy is not Cluster"),
    ("unready.shop.svc A", NOERROR, 0, "cluster IP: 0 of 2 endpoints ready"),
    (
        "families.shop.svc A",
        NOERROR,
        0,
        "cluster IP: no ready endpoint has an address of its ipFamilies",
    ),
    ("asked.shop.svc A", NOERROR, 0, "cluster IP: its annotation says cluster-ip"),
    ("kubernetes.default.svc A", NOERROR, 0, "cluster IP: always that of this service"),
    (
        "typo.shop.svc A",
        NOERROR,
        0,
        "annotation fingerpost.dev/selectorless ignored: not endpoints, cluster-ip or auto",
    ),
    (
        "typo-sticky.shop.svc A",
        NOERROR,
        0,
        "cluster IP: sessionAffinity is set; annotation fingerpost.dev/selectorless ignored: \
         not endpoints, cluster-ip or auto",
    ),
    (
        "needless.shop.svc A",
        NOERROR,
        0,
        "annotation fingerpost.dev/selectorless ignored: the service has a selector",
    ),
    // Pods and addresses.
    ("10-1-0-1.shop.pod A", NXDOMAIN, 0, "names of pods are off ('pods disabled')"),
    ("9.9.9.9.in-addr.arpa. PTR", NXDOMAIN, 0, "no service or ready endpoint has 9.9.9.9"),
    ("9.in-addr.arpa. PTR", NXDOMAIN, 0, "no known address stands here"),
    ("x.in-addr.arpa. PTR", NXDOMAIN, 0, "no known address stands here"),
    // Queries that are not what they might be taken for.
    ("web.shop.svc ANY", NOERROR, 0, "ANY: one set of records (RFC 8482)"),
    ("@ 253", REFUSED, 21, "the type is not served"),
    ("@ 254", REFUSED, 21, "the type is not served"),
    ("@ 252", REFUSED, 18, "no 'transfer' hands over this zone"),
    ("@ 251", REFUSED, 18, "no 'transfer' hands over this zone"),
];

#[test]
fn each_cause_has_its_text() {
    let world = World::served(&objects(), &[]);
    check(&world, DENIED);
    check(&world, UNUSUAL);
}

#[test]
fn classes_and_opcodes_that_are_not_served_say_so() {
    let world = World::of(&objects());
    let told = |ask: &Ask| {
        let reply = world.octets(&ask.message(), false, 0).expect("a response");
        (Raw::read(&reply).rcode(), errors(&reply))
    };
    let ask = Ask { qclass: 4, ..Ask::new("web.shop.svc", A).edns(1_232, 0) };
    assert_eq!(told(&ask), (REFUSED, vec![(21, "only class IN is served".into())]));
    let ask = Ask::new("web.shop.svc", A).edns(1_232, 0).flags(RD | 5 << 11);
    assert_eq!(told(&ask), (NOTIMP, vec![(21, "only the opcode QUERY is served".into())]));
}

#[test]
fn a_long_chain_says_how_long_it_may_be() {
    let mut objects: Vec<String> = (0..12)
        .map(|n| {
            let target = format!("hop{}.shop.svc.cluster.local", n + 1);
            service(&format!("shop/hop{n}"), &format!("type: ExternalName, externalName: {target}"))
        })
        .collect();
    objects.push(service("shop/hop12", "clusterIP: 10.96.0.1"));
    let text = "more than 10 externalNames lead one to the next";
    check(
        &World::served(&objects, &[]),
        &[("hop0.shop.svc A", SERVFAIL, 0, text), ("hop3.shop.svc A", NOERROR, 0, "")],
    );
}

#[test]
fn what_the_configuration_hides_is_said_to_be_hidden_by_it() {
    let objects = [
        namespace("shop", "labels: {team: a}"),
        service_with("shop/web", "labels: {seen: 'yes'}", "clusterIP: 10.96.0.1, selector: {a: b}"),
        service_with("shop/hidden", "labels: {seen: 'no'}", "clusterIP: 10.96.0.2"),
        service_with("shop/head", "labels: {seen: 'yes'}", "clusterIP: None, selector: {a: b}"),
        pod("shop/p", "labels: {seen: 'yes'}", "podIP: 10.1.0.1"),
        namespace("yard", ""),
    ];
    let options = "namespaces shop\nlabels seen=yes\npods verified\nignore empty_service";
    let world = World::configured(&objects, &format!("cluster.local arpa\n{options}"), "");
    check(
        &world,
        &[
            ("web.yard.svc A", NXDOMAIN, 0, "no namespace yard among those exposed"),
            (
                "hidden.shop.svc A",
                NXDOMAIN,
                0,
                "no service hidden in namespace shop with the labels of 'labels'",
            ),
            ("web.shop.svc A", NXDOMAIN, 0, "0 of 0 endpoints ready, and 'ignore empty_service'"),
            ("10-1-0-1.shop.pod AAAA", NOERROR, 0, "no AAAA record; this name has A"),
            ("10-1-0-2.shop.pod A", NXDOMAIN, 0, "no pod with 10.1.0.2 in namespace shop"),
            ("fd00--7.shop.pod AAAA", NXDOMAIN, 0, "no pod with fd00::7 in namespace shop"),
            (
                "web-0.shop.pod A",
                NXDOMAIN,
                0,
                "web-0 is no address; pods are asked for as 10-0-0-1",
            ),
            ("x.10-1-0-1.shop.pod A", NXDOMAIN, 0, "nothing stands below the name of a pod"),
        ],
    );
    let kept = |option: &str| World::configured(&objects, &format!("cluster.local\n{option}"), "");
    let (all, some) = ("'noendpoints' keeps no endpoints", "0 of 0 endpoints ready");
    check(
        &kept("noendpoints"),
        &[
            ("head.shop.svc A", NXDOMAIN, 0, all),
            ("x.web.shop.svc A", NXDOMAIN, 0, all),
            ("web.shop.endpoints A", NXDOMAIN, 0, all),
        ],
    );
    let none = "'endpoints headless' keeps none of a service with a cluster IP";
    check(
        &kept("endpoints headless"),
        &[
            ("head.shop.svc A", NXDOMAIN, 0, some),
            ("x.web.shop.svc A", NXDOMAIN, 0, none),
            ("web.shop.endpoints A", NXDOMAIN, 0, none),
        ],
    );
    let setting = [
        service("shop/db", "clusterIP: 10.96.0.3"),
        endpoints("shop/db", "{addresses: [{ip: 192.0.2.1}]}"),
    ];
    let world = World::configured(&setting, "cluster.local\nselectorless cluster-ip", "");
    check(&world, &[("db.shop.svc A", NOERROR, 0, "cluster IP: 'selectorless cluster-ip'")]);
}

#[test]
fn ede_off_silences_all() {
    let world = World::configured(&objects(), "cluster.local in-addr.arpa\nede off", "");
    let server = world.server.as_ref().expect("a server");
    for name in
        ["web.yard.svc", "db.shop.svc", "head.shop.svc", "remapped.shop.svc", "example.com."]
    {
        for stream in [false, true] {
            let ask = Ask::new(name, A).edns(1_232, 0);
            let reply = server.exchange(&ask.message(), stream);
            assert_eq!(errors(&reply), [], "{name}");
            assert_eq!(reply[reply.len() - 2..], [0, 0], "an OPT record without options: {name}");
        }
    }
}

#[test]
fn an_upstream_that_fails_is_named_as_the_cause() {
    let upstream = Upstream::start();
    let forward = format!(" forward . {}", upstream.address);
    let alias = |to: &str| format!("type: ExternalName, externalName: {to}");
    let objects = [
        service("shop/gone", &alias("gone.example.com")),
        service("shop/empty", &alias("nodata.example.com")),
    ];
    let world = World::configured(&objects, "cluster.local", &forward);
    let server = world.server.as_ref().expect("a server");
    let told = |name: &str, qtype| {
        let reply = server.exchange(&Ask::new(name, qtype).edns(1_232, 0).message(), false);
        (Raw::read(&reply).rcode(), errors(&reply))
    };
    let text = "what externalName leads to does not exist";
    assert_eq!(told("gone.shop.svc", A), (NXDOMAIN, vec![(0, text.into())]));
    let text = "no such record at the name that externalName leads to";
    assert_eq!(told("empty.shop.svc", AAAA), (NOERROR, vec![(0, text.into())]));
    drop(upstream);
    let text = "no upstream answers";
    for name in ["gone.shop.svc", "example.com."] {
        assert_eq!(told(name, A), (SERVFAIL, vec![(22, text.into())]), "{name}");
    }
}

#[test]
fn room_is_found_only_after_the_records() {
    // With a cluster IP, so that the answer has something to say, and as many SRV records as are
    // wanted.
    let world = |ports: usize| {
        let ports: Vec<String> =
            (0..ports).map(|n| format!("{{name: p{n}, port: {}}}", 1_000 + n)).collect();
        let ports = ports.join(", ");
        World::served(
            &[
                service("shop/db", &format!("clusterIP: 10.96.0.1, ports: [{ports}]")),
                endpoints("shop/db", "{addresses: [{ip: 192.0.2.1}], ports: [{name: x, port: 1}]}"),
            ],
            &[],
        )
    };
    let mut without = 0;
    for ports in 1..=30 {
        let world = world(ports);
        let bare = world.octets(&Ask::new("db.shop.svc", SRV).message(), true, 0).expect("one");
        let whole = bare.len() + 11;
        // Just enough for the records, and all sizes around it.
        for more in [0, 1, 50, 57, 58, 59, 60, 61, 62, 63, 64, 65, 80, 130] {
            let Ok(size @ 512..=1_232) = u16::try_from(whole + more) else { continue };
            let ask = Ask::new("db.shop.svc", SRV).edns(size, 0);
            let server = world.server.as_ref().expect("a server");
            let reply = server.exchange(&ask.message(), false);
            let raw = Raw::read(&reply);
            assert_eq!(raw.number(2) & 0x0200, 0, "not cut");
            assert_eq!(usize::from(raw.number(6)), ports, "every record");
            assert_eq!(raw.records.iter().filter(|record| record.rtype == OPT).count(), 1);
            let all = world.octets(&ask.message(), true, 0).expect("a response");
            let [(_, text)] = &errors(&all)[..] else { panic!("an extended error") };
            let fits = usize::from(size) >= whole + 6 + text.len();
            assert_eq!(!errors(&reply).is_empty(), fits, "{ports} ports in {size}");
            without += usize::from(!fits);
        }
    }
    assert!(without > 10, "{without} times there was no room");
}

#[test]
fn names_are_escaped_and_long_ones_cut() {
    let world = World::of(&objects());
    let told = |labels: &[&[u8]]| {
        let mut ask = Ask::new("@", ANY).edns(1_232, 0);
        let mut name = Vec::new();
        for label in labels {
            name.push(u8::try_from(label.len()).expect("a label"));
            name.extend_from_slice(label);
        }
        name.extend_from_slice(b"\x03svc\x07cluster\x05local\0");
        ask.name = name;
        let reply = world.octets(&ask.message(), false, 0).expect("a response");
        errors(&reply).remove(0).1
    };
    assert_eq!(told(&[b"a.b", b"shop"]), "no service a\\.b in namespace shop");
    assert_eq!(told(&[b"web", b"\xc3\xa9\0\"\\ "]), "no namespace \\195\\169\\000\\\"\\\\\\032");
    let long = told(&[b"\xff".repeat(63).as_slice(), b"shop"]);
    let start = "no service ".to_owned() + &"\\255".repeat(27);
    assert!(long.starts_with(&start[..100]) && long.ends_with("..."), "{long}");
    assert!((118..=120).contains(&long.len()), "{long}");
}
