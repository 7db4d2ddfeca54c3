//! Section 3: selector-less Services, the project's own subject.

use fingerpost::zone::{Choice, Selectorless, Spec};

use super::objects::{CONTROLLER, MIRRORING, endpoints, service, service_with, slice, slice_by};
use super::world::{World, spec};

const SQL: &str = "ports: [{name: sql, port: 5432}]";

/// The world of one Service `shop/db` and its endpoints in a mode, the choice, and its A records.
fn chosen(objects: &[String], mode: Selectorless) -> (Option<Choice>, String) {
    let world = World::with(objects, Spec { selectorless: mode, ..spec() });
    let record = world.view.service(b"\x02db\x04shop").expect("the Service");
    (record.choice(), world.text("db.shop.svc", super::wire::A))
}

fn db(rest: &str) -> String {
    service("shop/db", &format!("clusterIP: 10.96.0.9, {rest}"))
}

fn outside() -> String {
    endpoints("shop/db", &format!("{{addresses: [{{ip: 192.0.2.1}}, {{ip: 192.0.2.2}}], {SQL}}}"))
}

const DIRECT: &str = "NOERROR; A 192.0.2.1; A 192.0.2.2";
const CLUSTER: &str = "NOERROR; A 10.96.0.9";

fn sliced(rest: &str) -> String {
    slice(
        "shop/db-1",
        "db",
        "IPv4",
        &format!("endpoints: [{{addresses: [192.0.2.1]}}, {{addresses: [192.0.2.2]}}], {rest}"),
    )
}

/// Asserts the choice of `auto`, and the answer that follows from it.
fn judge(what: &str, objects: &[String], choice: Choice) {
    let (found, text) = chosen(objects, Selectorless::Auto);
    assert_eq!(found, Some(choice), "{what}");
    assert_eq!(text, if choice == Choice::Direct { DIRECT } else { CLUSTER }, "{what}");
}

#[test]
fn auto_goes_directly_where_that_is_the_same() {
    use Choice::Direct;
    let one = |spec: &str, other: String| vec![db(spec), other];
    for (what, objects, choice) in [
        ("the same port", one(SQL, outside()), Direct),
        ("a slice", one(SQL, sliced(SQL)), Direct),
        ("an empty selector", one(&format!("{SQL}, selector: {{}}"), outside()), Direct),
        ("a null selector", one(&format!("{SQL}, selector: null"), outside()), Direct),
        (
            "a target port is no matter",
            one("ports: [{name: sql, port: 5432, targetPort: 9}]", outside()),
            Direct,
        ),
        ("no ports at all", one("ports: []", outside()), Direct),
        (
            "more ports on the endpoints",
            one(SQL, sliced("ports: [{name: sql, port: 5432}, {name: web, port: 80}]")),
            Direct,
        ),
        ("nil is TCP", one("ports: [{name: sql, port: 5432, protocol: TCP}]", outside()), Direct),
        (
            "nil is no name",
            one("ports: [{port: 5432}]", sliced("ports: [{port: 5432, protocol: TCP}]")),
            Direct,
        ),
        (
            "an empty name is no name",
            one("ports: [{port: 5432}]", sliced("ports: [{name: '', port: 5432}]")),
            Direct,
        ),
        ("all ports", one(SQL, sliced("ports: [{name: sql}]")), Direct),
        ("no affinity", one(&format!("{SQL}, sessionAffinity: None"), outside()), Direct),
        (
            "the cluster's traffic",
            one(&format!("{SQL}, internalTrafficPolicy: Cluster"), outside()),
            Direct,
        ),
        (
            "the mirroring controller's slice",
            one(
                SQL,
                slice_by(
                    "shop/db-1",
                    "db",
                    "IPv4",
                    MIRRORING,
                    &format!("endpoints: [{{addresses: [192.0.2.1, 192.0.2.2]}}], {SQL}"),
                ),
            ),
            Direct,
        ),
    ] {
        judge(what, &objects, choice);
    }
}

#[test]
fn auto_stays_where_a_port_is_another_or_is_not_there() {
    use Choice::{PortMissing, PortRemapped};
    let one = |spec: &str, other: String| vec![db(spec), other];
    let subset = |text: &str| endpoints("shop/db", text);
    for (what, objects, choice) in [
        ("another number", one("ports: [{name: sql, port: 3306}]", outside()), PortRemapped),
        (
            "another number on one of them",
            one(
                SQL,
                subset(&format!(
                    "{{addresses: [{{ip: 192.0.2.1}}], {SQL}}}, {{addresses: [{{ip: 192.0.2.2}}], ports: [{{name: sql, port: 5433}}]}}"
                )),
            ),
            PortRemapped,
        ),
        ("another name", one("ports: [{name: pg, port: 5432}]", outside()), PortMissing),
        ("a name on one side", one("ports: [{port: 5432}]", outside()), PortMissing),
        (
            "another protocol",
            one("ports: [{name: sql, port: 5432, protocol: UDP}]", outside()),
            PortMissing,
        ),
        (
            "one port of two",
            one("ports: [{name: sql, port: 5432}, {name: web, port: 80}]", outside()),
            PortMissing,
        ),
        (
            "missing on one of them",
            one(
                SQL,
                subset(&format!(
                    "{{addresses: [{{ip: 192.0.2.1}}], {SQL}}}, {{addresses: [{{ip: 192.0.2.2}}]}}"
                )),
            ),
            PortMissing,
        ),
    ] {
        judge(what, &objects, choice);
    }
}

#[test]
fn auto_stays_where_only_the_cluster_ip_can_do_it() {
    use Choice::{Affinity, Managed, NoReadyEndpoint, TrafficPolicy};
    let one = |spec: &str, other: String| vec![db(spec), other];
    let subset = |text: &str| endpoints("shop/db", text);
    for (what, objects, choice) in [
        (
            "a targetRef",
            one(
                SQL,
                subset(&format!(
                    "{{addresses: [{{ip: 192.0.2.1, targetRef: {{kind: Pod, name: p}}}}, {{ip: 192.0.2.2}}], {SQL}}}"
                )),
            ),
            Managed,
        ),
        (
            "a nodeName",
            one(
                SQL,
                subset(&format!(
                    "{{addresses: [{{ip: 192.0.2.1, nodeName: n}}, {{ip: 192.0.2.2}}], {SQL}}}"
                )),
            ),
            Managed,
        ),
        (
            "the controller's leftover",
            one(
                SQL,
                slice_by(
                    "shop/db-1",
                    "db",
                    "IPv4",
                    CONTROLLER,
                    &format!("endpoints: [{{addresses: [192.0.2.1, 192.0.2.2]}}], {SQL}"),
                ),
            ),
            Managed,
        ),
        ("affinity", one(&format!("{SQL}, sessionAffinity: ClientIP"), outside()), Affinity),
        (
            "local traffic",
            one(&format!("{SQL}, internalTrafficPolicy: Local"), outside()),
            TrafficPolicy,
        ),
        ("nothing", vec![db(SQL)], NoReadyEndpoint),
        (
            "nothing ready",
            one(SQL, subset(&format!("{{notReadyAddresses: [{{ip: 192.0.2.1}}], {SQL}}}"))),
            NoReadyEndpoint,
        ),
        (
            "nothing of its family",
            one(SQL, subset(&format!("{{addresses: [{{ip: '2001:db8::1'}}], {SQL}}}"))),
            NoReadyEndpoint,
        ),
    ] {
        judge(what, &objects, choice);
    }
}

#[test]
fn not_ready_endpoints_are_not_judged() {
    let objects = [
        db(SQL),
        endpoints(
            "shop/db",
            &format!(
                "{{addresses: [{{ip: 192.0.2.1}}, {{ip: 192.0.2.2}}],
            notReadyAddresses: [{{ip: 192.0.2.3, nodeName: n}}], {SQL}}},
            {{notReadyAddresses: [{{ip: 192.0.2.4}}], ports: [{{name: sql, port: 1}}]}}"
            ),
        ),
    ];
    assert_eq!(chosen(&objects, Selectorless::Auto), (Some(Choice::Direct), DIRECT.into()));
}

#[test]
fn families_are_those_of_the_service() {
    let both = "endpoints: [{addresses: ['2001:db8::1']}], ports: [{name: sql, port: 5432}]";
    let six = || slice("shop/db-6", "db", "IPv6", both);
    let remapped_six = || slice("shop/db-6", "db", "IPv6", &both.replace("5432", "1"));
    let managed_six = || slice("shop/db-6", "db", "IPv6", &both.replace("1']", "1'], nodeName: n"));
    for (spec, more, a, aaaa) in [
        // Without ipFamilies, the families of the cluster IPs.
        (SQL.to_owned(), six(), DIRECT, "NOERROR ~ SOA"),
        // What is outside of them is not judged.
        (SQL.to_owned(), remapped_six(), DIRECT, "NOERROR ~ SOA"),
        (SQL.to_owned(), managed_six(), DIRECT, "NOERROR ~ SOA"),
        (format!("{SQL}, ipFamilies: [IPv4]"), six(), DIRECT, "NOERROR ~ SOA"),
        (format!("{SQL}, ipFamilies: [IPv4, IPv6]"), six(), DIRECT, "NOERROR; AAAA 2001:db8::1"),
        (format!("{SQL}, ipFamilies: [IPv4, IPv6]"), remapped_six(), CLUSTER, "NOERROR ~ SOA"),
        (format!("{SQL}, ipFamilies: [IPv6, IPv4]"), managed_six(), CLUSTER, "NOERROR ~ SOA"),
        // Answering directly, a family without endpoints is NODATA.
        (format!("{SQL}, ipFamilies: [IPv6]"), six(), "NOERROR ~ SOA", "NOERROR; AAAA 2001:db8::1"),
    ] {
        let world = World::of(&[db(&spec), sliced(SQL), more]);
        assert_eq!(world.text("db.shop.svc", super::wire::A), a, "{spec}");
        assert_eq!(world.text("db.shop.svc", super::wire::AAAA), aaaa, "{spec}");
    }
}

#[test]
fn srv_weights_count_the_pairs_of_the_families_that_are_answered() {
    let world = World::of(&[
        db(&format!("{SQL}, ipFamilies: [IPv4]")),
        sliced(SQL),
        slice(
            "shop/db-6",
            "db",
            "IPv6",
            "endpoints: [{addresses: ['2001:db8::1']}], ports: [{name: sql, port: 5432}]",
        ),
    ]);
    let expected = "NOERROR; SRV 0 50 5432 192-0-2-1.db.shop.svc; SRV 0 50 5432 192-0-2-2.db.shop.svc \
                    + 192-0-2-1.db.shop.svc A 192.0.2.1 + 192-0-2-2.db.shop.svc A 192.0.2.2";
    world.expect(&[("db.shop.svc SRV", expected), ("_sql._tcp.db.shop.svc SRV", expected)]);
}

#[test]
fn the_other_modes_ask_nothing() {
    use Selectorless::{Auto, ClusterIp, Endpoints};
    let remapped =
        || vec![db("ports: [{name: sql, port: 1}], sessionAffinity: ClientIP"), outside()];
    let same = || vec![db(SQL), outside()];
    for (objects, mode, choice, text) in [
        (remapped(), Endpoints, Choice::Direct, DIRECT),
        (same(), Endpoints, Choice::Direct, DIRECT),
        (same(), ClusterIp, Choice::Setting, CLUSTER),
        (remapped(), Auto, Choice::PortRemapped, CLUSTER),
        // No ready endpoint, in every mode: the cluster IP.
        (vec![db(SQL)], Endpoints, Choice::NoReadyEndpoint, CLUSTER),
    ] {
        assert_eq!(chosen(&objects, mode), (Some(choice), text.into()), "{mode:?}");
    }
    assert_eq!(chosen(&[db(SQL)], ClusterIp).1, CLUSTER);
}

#[test]
fn the_annotation_overrides_the_setting() {
    use Selectorless::{Auto, ClusterIp, Endpoints};
    let annotated = |value: &str, rest: &str| {
        let metadata = format!("annotations: {{fingerpost.dev/selectorless: '{value}'}}");
        vec![
            service_with("shop/db", &metadata, &format!("clusterIP: 10.96.0.9, {rest}")),
            outside(),
        ]
    };
    let other = "ports: [{name: sql, port: 1}]";
    for (value, rest, mode, text) in [
        ("endpoints", other, ClusterIp, DIRECT),
        ("endpoints", other, Auto, DIRECT),
        ("cluster-ip", SQL, Endpoints, CLUSTER),
        ("cluster-ip", SQL, Auto, CLUSTER),
        ("auto", SQL, ClusterIp, DIRECT),
        ("auto", other, Endpoints, CLUSTER),
        // An unknown value is ignored.
        ("Endpoints", SQL, ClusterIp, CLUSTER),
        ("", SQL, Endpoints, DIRECT),
        ("direct", other, Auto, CLUSTER),
    ] {
        assert_eq!(chosen(&annotated(value, rest), mode).1, text, "{value} over {mode:?}");
    }
}

#[test]
fn a_service_with_a_selector_is_never_answered_directly() {
    let selected = format!("clusterIP: 10.96.0.9, selector: {{a: b}}, {SQL}");
    let metadata = "annotations: {fingerpost.dev/selectorless: endpoints}";
    for mode in [Selectorless::Auto, Selectorless::Endpoints] {
        let objects = [service_with("shop/db", metadata, &selected), sliced(SQL)];
        assert_eq!(chosen(&objects, mode), (None, CLUSTER.into()));
    }
}

#[test]
fn default_kubernetes_always_answers_its_cluster_ip() {
    let api = |key: &str, annotation: &str| {
        let metadata = format!("annotations: {{fingerpost.dev/selectorless: {annotation}}}");
        service_with(
            key,
            &metadata,
            "clusterIP: 10.96.0.1, ports: [{name: https, port: 443, targetPort: 6443}]",
        )
    };
    let listens =
        |key| endpoints(key, "{addresses: [{ip: 192.0.2.1}], ports: [{name: https, port: 443}]}");
    for mode in [Selectorless::Auto, Selectorless::Endpoints] {
        let world = World::with(
            &[
                api("default/kubernetes", "endpoints"),
                listens("default/kubernetes"),
                api("shop/kubernetes", "endpoints"),
                listens("shop/kubernetes"),
            ],
            Spec { selectorless: mode, ..spec() },
        );
        let record = world.view.service(b"\x0akubernetes\x07default").expect("the Service");
        assert_eq!(record.choice(), Some(Choice::Kubernetes));
        world.expect(&[
            ("kubernetes.default.svc A", "NOERROR; A 10.96.0.1"),
            (
                "_https._tcp.kubernetes.default.svc SRV",
                "NOERROR; SRV 0 100 443 kubernetes.default.svc + kubernetes.default.svc A 10.96.0.1",
            ),
            ("192-0-2-1.kubernetes.default.svc A", "NOERROR; A 192.0.2.1"),
            // The exemption is for the one of that namespace.
            ("kubernetes.shop.svc A", "NOERROR; A 192.0.2.1"),
        ]);
    }
}

const ALWAYS_THERE: &str = "
192-0-2-1.db.shop.svc
  A 192.0.2.1
  SRV 0 100 5432 192-0-2-1.db.shop.svc
  + 192-0-2-1.db.shop.svc A 192.0.2.1
db.shop.endpoints
  A 192.0.2.1
  A 192.0.2.2
  SRV 0 50 5432 192-0-2-1.db.shop.svc
  SRV 0 50 5432 192-0-2-2.db.shop.svc
  + 192-0-2-1.db.shop.svc A 192.0.2.1
  + 192-0-2-2.db.shop.svc A 192.0.2.2
_endpoints.db.shop.svc
  A 192.0.2.1
  A 192.0.2.2
  SRV 0 50 5432 192-0-2-1.db.shop.svc
  SRV 0 50 5432 192-0-2-2.db.shop.svc
  + 192-0-2-1.db.shop.svc A 192.0.2.1
  + 192-0-2-2.db.shop.svc A 192.0.2.2
192-0-2-1.db.shop.endpoints
  A 192.0.2.1
  SRV 0 100 5432 192-0-2-1.db.shop.svc
  + 192-0-2-1.db.shop.svc A 192.0.2.1
192-0-2-3.db.shop.endpoints NX
x._endpoints.db.shop.svc NX
x.192-0-2-1.db.shop.endpoints NX
_sql._tcp.db.shop.endpoints NX
_tcp.db.shop.endpoints NX
_endpoints.db.shop.endpoints NX
";

#[test]
fn srv_follows_the_choice_and_endpoint_names_are_always_there() {
    for (mode, own) in [
        (
            "auto",
            "
db.shop.svc
  A 192.0.2.1
  A 192.0.2.2
  SRV 0 50 5432 192-0-2-1.db.shop.svc
  SRV 0 50 5432 192-0-2-2.db.shop.svc
  + 192-0-2-1.db.shop.svc A 192.0.2.1
  + 192-0-2-2.db.shop.svc A 192.0.2.2
_sql._tcp.db.shop.svc
  A 192.0.2.1
  A 192.0.2.2
  SRV 0 50 5432 192-0-2-1.db.shop.svc
  SRV 0 50 5432 192-0-2-2.db.shop.svc
  + 192-0-2-1.db.shop.svc A 192.0.2.1
  + 192-0-2-2.db.shop.svc A 192.0.2.2
_tcp.db.shop.svc NODATA
_udp.db.shop.svc NX
_pg._tcp.db.shop.svc NX
",
        ),
        (
            "cluster-ip",
            "
db.shop.svc
  A 10.96.0.9
  SRV 0 100 5432 db.shop.svc
  + db.shop.svc A 10.96.0.9
_sql._tcp.db.shop.svc
  A 10.96.0.9
  SRV 0 100 5432 db.shop.svc
  + db.shop.svc A 10.96.0.9
_tcp.db.shop.svc NODATA
_udp.db.shop.svc NX
",
        ),
    ] {
        let world = World::served(&[db(SQL), outside()], &["--selectorless", mode]);
        world.check(own);
        world.check(ALWAYS_THERE);
    }
    let world = World::served(
        &[db("ports: [{name: sql, port: 15432}]"), outside()],
        &["--selectorless", "endpoints"],
    );
    // The endpoint's port, not the Service's.
    world.check(
        "
_sql._tcp.db.shop.svc
  A 192.0.2.1
  A 192.0.2.2
  SRV 0 50 5432 192-0-2-1.db.shop.svc
  SRV 0 50 5432 192-0-2-2.db.shop.svc
  + 192-0-2-1.db.shop.svc A 192.0.2.1
  + 192-0-2-2.db.shop.svc A 192.0.2.2
",
    );
    world.check(ALWAYS_THERE);
}

#[test]
fn a_slice_port_for_all_ports_has_the_number_of_the_service() {
    let ports = "ports: [{name: sql, port: 5432}, {name: web, port: 80, protocol: UDP}]";
    let all = sliced("ports: [{name: sql}, {name: web, protocol: UDP}, {name: other}]");
    let world = World::served(&[db(ports), all.clone()], &[]);
    world.check(
        "
_sql._tcp.db.shop.svc
  A 192.0.2.1
  A 192.0.2.2
  SRV 0 50 5432 192-0-2-1.db.shop.svc
  SRV 0 50 5432 192-0-2-2.db.shop.svc
  + 192-0-2-1.db.shop.svc A 192.0.2.1
  + 192-0-2-2.db.shop.svc A 192.0.2.2
192-0-2-1.db.shop.svc
  A 192.0.2.1
  SRV 0 33 80 192-0-2-1.db.shop.svc
  SRV 0 33 5432 192-0-2-1.db.shop.svc
  + 192-0-2-1.db.shop.svc A 192.0.2.1
_endpoints.db.shop.svc
  A 192.0.2.1
  A 192.0.2.2
  SRV 0 16 80 192-0-2-1.db.shop.svc
  SRV 0 16 5432 192-0-2-1.db.shop.svc
  SRV 0 16 80 192-0-2-2.db.shop.svc
  SRV 0 16 5432 192-0-2-2.db.shop.svc
  + 192-0-2-1.db.shop.svc A 192.0.2.1
  + 192-0-2-2.db.shop.svc A 192.0.2.2
",
    );
    // Behind a selector no port of an endpoint is known to be the Service's.
    let selected = db(&format!("{ports}, selector: {{a: b}}"));
    let world = World::served(&[selected, all], &[]);
    world.check(
        "
192-0-2-1.db.shop.svc
  A 192.0.2.1
",
    );
}

#[test]
fn openshift_names_of_any_service_with_a_ready_endpoint() {
    let world = World::served(
        &[
            service(
                "shop/web",
                "clusterIP: 10.96.0.1, selector: {a: b}, ports: [{name: x, port: 80}]",
            ),
            slice_by(
                "shop/web-1",
                "web",
                "IPv6",
                CONTROLLER,
                "ports: [{name: x, port: 8080}], endpoints: [{addresses: ['fd00::1'], hostname: a}]",
            ),
            service("shop/idle", "clusterIP: 10.96.0.2, selector: {a: b}"),
        ],
        &[],
    );
    world.check(
        "
web.shop.endpoints
  AAAA fd00::1
  SRV 0 100 8080 a.web.shop.svc
  + a.web.shop.svc AAAA fd00::1
_endpoints.web.shop.svc
  AAAA fd00::1
  SRV 0 100 8080 a.web.shop.svc
  + a.web.shop.svc AAAA fd00::1
a.web.shop.endpoints
  AAAA fd00::1
  SRV 0 100 8080 a.web.shop.svc
  + a.web.shop.svc AAAA fd00::1
idle.shop.endpoints NX
_endpoints.idle.shop.svc NX
a.idle.shop.endpoints NX
",
    );
}
