//! Section 2, below the table: which endpoints count, which are ready, and what they are called.

use super::objects::{CONTROLLER, MIRRORING, endpoints, endpoints_with, service, slice, slice_by};
use super::wire::{A, AAAA};
use super::world::{World, changes_of, spec};

const HEADLESS: &str = "clusterIP: None, ports: [{name: sql, port: 5432}]";
const PORT: &str = "ports: [{name: sql, port: 5432}]";

fn at(ip: &str) -> String {
    format!("{PORT}, endpoints: [{{addresses: [{ip}]}}]")
}

fn subset(ip: &str) -> String {
    format!("{{addresses: [{{ip: {ip}}}], {PORT}}}")
}

/// The addresses of `db.shop.svc`, in order and without anything else.
fn addresses(objects: &[String]) -> String {
    let world = World::of(objects);
    let mut found = Vec::new();
    for qtype in [A, AAAA] {
        let text = world.text("db.shop.svc", qtype);
        let records = text.split("; ").skip(1).map(|record| record.split(' ').nth(1).unwrap());
        found.extend(records.map(str::to_owned));
    }
    found.join(" ")
}

#[test]
fn the_label_is_the_hostname_else_the_canonical_address() {
    let world = World::served(
        &[
            service("shop/db", HEADLESS),
            slice("shop/db-1", "db", "IPv4", &format!("{PORT}, endpoints: [
                {{addresses: [192.0.2.1], hostname: primary, targetRef: {{kind: Pod, name: pod-1}}}},
                {{addresses: [192.0.2.2], targetRef: {{kind: Pod, name: pod-2}}}}]")),
            slice("shop/db-2", "db", "IPv6", &format!("{PORT}, endpoints: [
                {{addresses: ['FD00:0:0::']}}, {{addresses: ['fd00::a:1']}}]")),
        ],
        &[],
    );
    world.check(
        "
primary.db.shop.svc
  A 192.0.2.1
  SRV 0 100 5432 primary.db.shop.svc
  + primary.db.shop.svc A 192.0.2.1
192-0-2-2.db.shop.svc
  A 192.0.2.2
  SRV 0 100 5432 192-0-2-2.db.shop.svc
  + 192-0-2-2.db.shop.svc A 192.0.2.2
# No label ends with a hyphen.
fd00--0.db.shop.svc
  AAAA fd00::
  SRV 0 100 5432 fd00--0.db.shop.svc
  + fd00--0.db.shop.svc AAAA fd00::
fd00--a-1.db.shop.svc
  AAAA fd00::a:1
  SRV 0 100 5432 fd00--a-1.db.shop.svc
  + fd00--a-1.db.shop.svc AAAA fd00::a:1
192-0-2-1.db.shop.svc NX
pod-1.db.shop.svc NX
pod-2.db.shop.svc NX
fd00--.db.shop.svc NX
fd00-0-0-0-0-0-a-1.db.shop.svc NX
",
    );
}

#[test]
fn endpoint_pod_names_stand_behind_hostnames_and_before_addresses() {
    let objects = [
        service("shop/db", HEADLESS),
        slice(
            "shop/db-1",
            "db",
            "IPv4",
            &format!(
                "{PORT}, endpoints: [
            {{addresses: [192.0.2.1], hostname: primary, targetRef: {{kind: Pod, name: pod-1}}}},
            {{addresses: [192.0.2.2], targetRef: {{kind: Pod, name: pod-2}}}},
            {{addresses: [192.0.2.3], targetRef: {{kind: Pod, name: no.label}}}}]"
            ),
        ),
    ];
    let world =
        World::with(&objects, fingerpost::zone::Spec { endpoint_pod_names: true, ..spec() });
    world.expect(&[
        ("primary.db.shop.svc A", "NOERROR; A 192.0.2.1"),
        ("pod-1.db.shop.svc A", "NXDOMAIN ~ SOA"),
        ("pod-2.db.shop.svc A", "NOERROR; A 192.0.2.2"),
        ("192-0-2-2.db.shop.svc A", "NXDOMAIN ~ SOA"),
        ("192-0-2-3.db.shop.svc A", "NOERROR; A 192.0.2.3"),
        ("no.label.db.shop.svc A", "NXDOMAIN ~ SOA"),
        ("2.2.0.192.in-addr.arpa. PTR", "NOERROR; PTR pod-2.db.shop.svc"),
    ]);
}

#[test]
fn a_label_answers_all_its_addresses_for_cluster_ip_services_too() {
    let world = World::served(
        &[
            service(
                "shop/web",
                "clusterIP: 10.96.0.1, selector: {a: b}, ports: [{name: x, port: 80}]",
            ),
            slice_by(
                "shop/web-1",
                "web",
                "IPv4",
                CONTROLLER,
                "ports: [{name: x, port: 8080}, {name: y, port: 8081}], endpoints: [
                 {addresses: [10.1.0.1], hostname: a}, {addresses: [10.1.0.2], hostname: a},
                 {addresses: [10.1.0.3], hostname: a, conditions: {ready: false}}]",
            ),
            slice_by(
                "shop/web-2",
                "web",
                "IPv6",
                CONTROLLER,
                "ports: [{name: x, port: 8080}], endpoints: [{addresses: ['fd00::1'], hostname: a}]",
            ),
        ],
        &[],
    );
    world.check(
        "
web.shop.svc
  A 10.96.0.1
  SRV 0 100 80 web.shop.svc
  + web.shop.svc A 10.96.0.1
a.web.shop.svc
  A 10.1.0.1
  A 10.1.0.2
  AAAA fd00::1
  SRV 0 20 8080 a.web.shop.svc
  SRV 0 20 8081 a.web.shop.svc
  + a.web.shop.svc A 10.1.0.1
  + a.web.shop.svc A 10.1.0.2
  + a.web.shop.svc AAAA fd00::1
",
    );
}

#[test]
fn ready_is_absent_or_true_and_nothing_else_matters() {
    let found = addresses(&[
        service("shop/db", HEADLESS),
        slice("shop/db-1", "db", "IPv4", &format!("{PORT}, endpoints: [
            {{addresses: [192.0.2.1]}},
            {{addresses: [192.0.2.2], conditions: {{}}}},
            {{addresses: [192.0.2.3], conditions: {{ready: null}}}},
            {{addresses: [192.0.2.4], conditions: {{ready: true, serving: false, terminating: true}}}},
            {{addresses: [192.0.2.5], conditions: {{ready: false, serving: true, terminating: false}}}}]")),
    ]);
    assert_eq!(found, "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4");
}

#[test]
fn publish_not_ready_addresses_makes_hand_written_endpoints_ready() {
    let headless = "clusterIP: None, publishNotReadyAddresses: true";
    let not_ready = "endpoints: [{addresses: [192.0.2.1], conditions: {ready: false}}]";
    let by = |by| slice_by("shop/db-1", "db", "IPv4", by, not_ready);
    for (what, objects, expected) in [
        ("nobody's", vec![service("shop/db", headless), by("")], "192.0.2.1"),
        ("somebody's", vec![service("shop/db", headless), by("staff")], "192.0.2.1"),
        ("mirrored", vec![service("shop/db", headless), by(MIRRORING)], "192.0.2.1"),
        ("a controller's", vec![service("shop/db", headless), by(CONTROLLER)], ""),
        ("without it", vec![service("shop/db", "clusterIP: None"), by("")], ""),
        (
            "Endpoints",
            vec![
                service("shop/db", headless),
                endpoints("shop/db", "{notReadyAddresses: [{ip: 192.0.2.1}]}"),
            ],
            "192.0.2.1",
        ),
        (
            "Endpoints without it",
            vec![
                service("shop/db", "clusterIP: None"),
                endpoints("shop/db", "{notReadyAddresses: [{ip: 192.0.2.1}]}"),
            ],
            "",
        ),
    ] {
        assert_eq!(addresses(&objects), expected, "{what}");
    }
}

#[test]
fn a_slice_belongs_by_its_label_and_namespace() {
    let labelled = |key, service| slice(key, service, "IPv4", &at("192.0.2.1"));
    let bare = labelled("shop/db", "db").replace("kubernetes.io/service-name: db", "a: b");
    for (what, slice, expected) in [
        ("any name", labelled("shop/else", "db"), "192.0.2.1"),
        ("another Service", labelled("shop/db", "other"), ""),
        ("another namespace", labelled("yard/db", "db"), ""),
        ("no label", bare, ""),
    ] {
        assert_eq!(addresses(&[service("shop/db", HEADLESS), slice]), expected, "{what}");
    }
}

#[test]
fn endpoints_count_for_selector_less_services_only() {
    let selected = "clusterIP: None, selector: {a: b}";
    let ours = || endpoints("shop/db", &subset("192.0.2.1"));
    let with = |metadata| endpoints_with("shop/db", metadata, &subset("192.0.2.1"));
    for (what, spec, object, expected) in [
        ("no selector", "clusterIP: None", ours(), "192.0.2.1"),
        ("an empty selector", "clusterIP: None, selector: {}", ours(), "192.0.2.1"),
        ("a null selector", "clusterIP: None, selector: null", ours(), "192.0.2.1"),
        ("a selector", selected, ours(), ""),
        ("another name", HEADLESS, endpoints("shop/other", &subset("192.0.2.1")), ""),
        ("another namespace", HEADLESS, endpoints("yard/db", &subset("192.0.2.1")), ""),
        (
            "not to be mirrored",
            HEADLESS,
            with("labels: {endpointslice.kubernetes.io/skip-mirror: 'true'}"),
            "",
        ),
        (
            "to be mirrored",
            HEADLESS,
            with("labels: {endpointslice.kubernetes.io/skip-mirror: 'false'}"),
            "192.0.2.1",
        ),
        (
            "a leader's",
            HEADLESS,
            with("annotations: {control-plane.alpha.kubernetes.io/leader: '{}'}"),
            "",
        ),
    ] {
        assert_eq!(addresses(&[service("shop/db", spec), object]), expected, "{what}");
    }
}

#[test]
fn where_slices_and_endpoints_both_exist() {
    let db = || service("shop/db", HEADLESS);
    let ours = || endpoints("shop/db", &subset("192.0.2.1"));
    let mirrored = || slice_by("shop/db-m", "db", "IPv4", MIRRORING, &at("192.0.2.2"));
    let staff = || slice_by("shop/db-s", "db", "IPv4", "staff", &at("192.0.2.3"));
    let fqdn = || slice("shop/db-f", "db", "FQDN", "endpoints: [{addresses: [db.example.com]}]");
    for (what, objects, expected) in [
        ("mirrored alone", vec![db(), mirrored()], "192.0.2.2"),
        ("mirrored gives way", vec![db(), ours(), mirrored()], "192.0.2.1"),
        ("any other wins", vec![db(), ours(), staff()], "192.0.2.3"),
        ("all three", vec![db(), ours(), mirrored(), staff()], "192.0.2.3"),
        ("slices alone are merged", vec![db(), mirrored(), staff()], "192.0.2.2 192.0.2.3"),
        ("FQDN is ignored", vec![db(), ours(), fqdn()], "192.0.2.1"),
    ] {
        assert_eq!(addresses(&objects), expected, "{what}");
    }
}

#[test]
fn several_slices_are_merged_and_deduplicated() {
    let world = World::served(
        &[
            service("shop/db", HEADLESS),
            slice("shop/db-1", "db", "IPv4", &format!("{PORT}, endpoints: [
                {{addresses: [192.0.2.2, 192.0.2.1], hostname: a}}, {{addresses: [192.0.2.3], hostname: b}}]")),
            slice("shop/db-2", "db", "IPv4", &format!("{PORT}, endpoints: [{{addresses: [192.0.2.1], hostname: a}}]")),
            slice("shop/db-3", "db", "IPv6", &format!("{PORT}, endpoints: [{{addresses: ['2001:db8::1'], hostname: a}}]")),
        ],
        &[],
    );
    world.check(
        "
db.shop.svc
  A 192.0.2.1
  A 192.0.2.2
  A 192.0.2.3
  AAAA 2001:db8::1
  SRV 0 20 5432 a.db.shop.svc
  SRV 0 20 5432 b.db.shop.svc
  + a.db.shop.svc A 192.0.2.1
  + a.db.shop.svc A 192.0.2.2
  + a.db.shop.svc AAAA 2001:db8::1
  + b.db.shop.svc A 192.0.2.3
a.db.shop.svc
  A 192.0.2.1
  A 192.0.2.2
  AAAA 2001:db8::1
  SRV 0 25 5432 a.db.shop.svc
  + a.db.shop.svc A 192.0.2.1
  + a.db.shop.svc A 192.0.2.2
  + a.db.shop.svc AAAA 2001:db8::1
",
    );
}

#[test]
fn endpoints_with_different_ports_answer_for_their_own() {
    let world = World::served(
        &[
            service("shop/db", "clusterIP: None"),
            endpoints("shop/db",
                "{addresses: [{ip: 192.0.2.1, hostname: a}], ports: [{name: sql, port: 5432}]},
                 {addresses: [{ip: 192.0.2.2, hostname: b}], ports: [{name: sql, port: 5433}, {name: web, port: 80}]},
                 {addresses: [{ip: 192.0.2.3, hostname: c}, {ip: '2001:db8::3', hostname: c}], ports: [{name: web, port: 81}]}"),
        ],
        &[],
    );
    world.check(
        "
_sql._tcp.db.shop.svc
  A 192.0.2.1
  A 192.0.2.2
  SRV 0 50 5432 a.db.shop.svc
  SRV 0 50 5433 b.db.shop.svc
  + a.db.shop.svc A 192.0.2.1
  + b.db.shop.svc A 192.0.2.2
_web._tcp.db.shop.svc
  A 192.0.2.2
  A 192.0.2.3
  AAAA 2001:db8::3
  SRV 0 33 80 b.db.shop.svc
  SRV 0 33 81 c.db.shop.svc
  + b.db.shop.svc A 192.0.2.2
  + c.db.shop.svc A 192.0.2.3
  + c.db.shop.svc AAAA 2001:db8::3
",
    );
}

#[test]
fn a_slice_port_without_a_number_means_all_and_no_srv_record_can_say_that() {
    let world = World::served(
        &[
            service("shop/db", "clusterIP: None"),
            slice(
                "shop/db-1",
                "db",
                "IPv4",
                "ports: [{name: any}], endpoints: [{addresses: [192.0.2.1], hostname: a}]",
            ),
        ],
        &[],
    );
    world.check(
        "
db.shop.svc
  A 192.0.2.1
a.db.shop.svc
  A 192.0.2.1
_any._tcp.db.shop.svc
  A 192.0.2.1
",
    );
}

#[test]
fn addresses_that_cannot_be_an_endpoints_are_dropped() {
    let found = addresses(&[
        service("shop/db", HEADLESS),
        slice(
            "shop/db-1",
            "db",
            "IPv4",
            &format!(
                "{PORT}, endpoints: [
            {{addresses: [127.0.0.1]}}, {{addresses: [127.9.9.9]}}, {{addresses: [0.0.0.0]}},
            {{addresses: [169.254.1.1]}}, {{addresses: [224.0.0.5]}},
            {{addresses: [224.0.1.5]}}, {{addresses: [192.0.2.1, 127.0.0.2]}}]"
            ),
        ),
        slice(
            "shop/db-2",
            "db",
            "IPv6",
            &format!(
                "{PORT}, endpoints: [
            {{addresses: ['::1']}}, {{addresses: ['::']}}, {{addresses: ['fe80::1']}},
            {{addresses: ['ff02::1']}}, {{addresses: ['febf::1']}},
            {{addresses: ['ff05::1']}}, {{addresses: ['fec0::1']}}]"
            ),
        ),
    ]);
    assert_eq!(found, "192.0.2.1 224.0.1.5 fec0::1 ff05::1");
    // Where nothing is left, nothing is ready.
    let world = World::of(&[
        service("shop/db", HEADLESS),
        slice("shop/db-1", "db", "IPv4", &at("127.0.0.1")),
    ]);
    world.expect(&[("db.shop.svc A", "NXDOMAIN ~ SOA")]);
}

#[test]
fn addresses_are_read_as_kubernetes_reads_them() {
    let found = addresses(&[
        service("shop/db", HEADLESS),
        slice("shop/db-1", "db", "IPv4", &at("010.001.002.003, '::ffff:1.2.3.4', 10.1.2.3")),
    ]);
    assert_eq!(found, "1.2.3.4 10.1.2.3");
    let world = World::of(&[
        service("shop/web", "clusterIP: 010.096.000.010, selector: {a: b}"),
        slice("shop/db-1", "db", "IPv4", &at("010.001.002.003")),
        service("shop/db", HEADLESS),
    ]);
    world.expect(&[
        ("web.shop.svc A", "NOERROR; A 10.96.0.10"),
        ("10-1-2-3.db.shop.svc A", "NOERROR; A 10.1.2.3"),
        ("010-001-002-003.db.shop.svc A", "NXDOMAIN ~ SOA"),
        ("3.2.1.10.in-addr.arpa. PTR", "NOERROR; PTR 10-1-2-3.db.shop.svc"),
    ]);
}

#[test]
fn cluster_ips_are_deduplicated_like_any_records() {
    let world = World::of(&[service(
        "shop/web",
        "clusterIPs: [10.96.0.1, 010.96.0.1], selector: {a: b}, ports: [{name: x, port: 1}]",
    )]);
    world.expect(&[
        ("web.shop.svc A", "NOERROR; A 10.96.0.1"),
        ("web.shop.svc SRV", "NOERROR; SRV 0 100 1 web.shop.svc + A 10.96.0.1"),
    ]);
}

#[test]
fn a_port_number_that_two_names_share_is_one_record() {
    let world = World::of(&[
        service("shop/web", "clusterIP: 10.96.0.1, selector: {a: b}, ports: [
            {name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53}, {name: m, port: 9153}]"),
    ]);
    // The weight counts what there was before.
    world.expect(&[(
        "web.shop.svc SRV",
        "NOERROR; SRV 0 33 53 web.shop.svc; SRV 0 33 9153 web.shop.svc + A 10.96.0.1",
    )]);
}

#[test]
fn what_is_dropped_is_counted_by_reason() {
    use fingerpost::cluster::{Change, Object};
    use fingerpost::zone::{Drop, Inputs, Spec, compile};

    let objects = changes_of(&[
        service("shop/db", HEADLESS),
        slice(
            "shop/db-1",
            "db",
            "IPv4",
            "endpoints: [{addresses: [127.0.0.1, 0.0.0.0, 169.254.0.1, 224.0.0.1, 127.0.0.2, 192.0.2.1]}]",
        ),
        slice("shop/db-2", "db", "FQDN", "endpoints: [{addresses: [db.example.com]}]"),
    ]);
    let (mut services, mut slices) = (Vec::new(), Vec::new());
    for change in objects {
        match change {
            Change::Put(Object::Service(service)) => services.push(service),
            Change::Put(Object::EndpointSlice(slice)) => slices.push(slice),
            _ => {}
        }
    }
    let inputs =
        Inputs { service: &services[0], slices: &slices, endpoints: None, slices_served: true };
    let dropped = compile(&inputs, &Spec::default()).dropped;
    let expected = [
        (Drop::Loopback, 2),
        (Drop::Unspecified, 1),
        (Drop::LinkLocal, 1),
        (Drop::LinkLocalMulticast, 1),
    ];
    for (reason, count) in expected {
        assert_eq!(dropped.get(&reason), Some(&count), "{reason:?}: {dropped:?}");
    }
    assert_eq!(dropped.len(), expected.len(), "slices of names are counted as such: {dropped:?}");
}

#[test]
fn where_there_are_no_slices_endpoints_count_for_every_service() {
    use fingerpost::cluster::{Change, Object};
    use fingerpost::zone::record::Record;
    use fingerpost::zone::{Inputs, Spec, compile};

    let objects = changes_of(&[
        service("shop/web", "clusterIP: None, selector: {a: b}"),
        endpoints("shop/web", &subset("192.0.2.1")),
    ]);
    let (mut services, mut all) = (Vec::new(), Vec::new());
    for change in objects {
        match change {
            Change::Put(Object::Service(service)) => services.push(service),
            Change::Put(Object::Endpoints(endpoints)) => all.push(endpoints),
            _ => {}
        }
    }
    for slices_served in [true, false] {
        let inputs =
            Inputs { service: &services[0], slices: &[], endpoints: all.first(), slices_served };
        let octets = compile(&inputs, &Spec::default()).record;
        let ready = Record::new(&octets).expect("a record").readiness().0;
        assert_eq!(ready, u32::from(!slices_served), "slices served: {slices_served}");
    }
}
