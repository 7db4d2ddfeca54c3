//! Section 2: Services.

use super::objects::{CONTROLLER, service, slice, slice_by};
use super::world::World;

/// Two named ports.
const PORTS: &str = "{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}";

#[test]
fn a_cluster_ip_of_one_family_or_both() {
    let selected = |key, ips: &str| {
        service(key, &format!("clusterIPs: [{ips}], selector: {{a: b}}, ports: [{PORTS}]"))
    };
    let world = World::served(
        &[
            selected("shop/four", "10.96.0.1"),
            selected("shop/six", "'fd00::1'"),
            selected("shop/dual", "10.96.0.2, 'fd00::2'"),
            service(
                "shop/node",
                "type: NodePort, clusterIP: 10.96.0.3, selector: {a: b}, \
                                  ports: [{port: 80, nodePort: 30080}]",
            ),
            service(
                "shop/lb",
                "type: LoadBalancer, clusterIP: 10.96.0.4, selector: {a: b}, \
                                ports: [{port: 80, name: http, protocol: SCTP}]",
            ),
            service("shop/none", "clusterIP: 10.96.0.5, selector: {a: b}"),
        ],
        &[],
    );
    world.check(
        "
four.shop.svc
  A 10.96.0.1
  SRV 0 50 53 four.shop.svc
  SRV 0 50 80 four.shop.svc
  + four.shop.svc A 10.96.0.1
_http._tcp.four.shop.svc
  A 10.96.0.1
  SRV 0 100 80 four.shop.svc
  + four.shop.svc A 10.96.0.1
_dns._udp.four.shop.svc
  A 10.96.0.1
  SRV 0 100 53 four.shop.svc
  + four.shop.svc A 10.96.0.1
_tcp.four.shop.svc NODATA
_udp.four.shop.svc NODATA
_sctp.four.shop.svc NX
_http._udp.four.shop.svc NX
_dns._tcp.four.shop.svc NX
_https._tcp.four.shop.svc NX
http._tcp.four.shop.svc NX
_http.tcp.four.shop.svc NX
http.tcp.four.shop.svc NX
tcp.four.shop.svc NX
_http.four.shop.svc NX
__tcp.four.shop.svc NX
x._http._tcp.four.shop.svc NX
x.four.shop.svc NX
10-96-0-1.four.shop.svc NX
six.shop.svc
  AAAA fd00::1
  SRV 0 50 53 six.shop.svc
  SRV 0 50 80 six.shop.svc
  + six.shop.svc AAAA fd00::1
_http._tcp.six.shop.svc
  AAAA fd00::1
  SRV 0 100 80 six.shop.svc
  + six.shop.svc AAAA fd00::1
# Dual-stack halves the weight, and the bare name counts all ports.
dual.shop.svc
  A 10.96.0.2
  AAAA fd00::2
  SRV 0 25 53 dual.shop.svc
  SRV 0 25 80 dual.shop.svc
  + dual.shop.svc A 10.96.0.2
  + dual.shop.svc AAAA fd00::2
_http._tcp.dual.shop.svc
  A 10.96.0.2
  AAAA fd00::2
  SRV 0 50 80 dual.shop.svc
  + dual.shop.svc A 10.96.0.2
  + dual.shop.svc AAAA fd00::2
# An unnamed port stands at the bare name only.
node.shop.svc
  A 10.96.0.3
  SRV 0 100 80 node.shop.svc
  + node.shop.svc A 10.96.0.3
_tcp.node.shop.svc NX
_._tcp.node.shop.svc NX
lb.shop.svc
  A 10.96.0.4
  SRV 0 100 80 lb.shop.svc
  + lb.shop.svc A 10.96.0.4
_http._sctp.lb.shop.svc
  A 10.96.0.4
  SRV 0 100 80 lb.shop.svc
  + lb.shop.svc A 10.96.0.4
_sctp.lb.shop.svc NODATA
_tcp.lb.shop.svc NX
none.shop.svc
  A 10.96.0.5
",
    );
}

#[test]
fn a_missing_service_or_namespace() {
    let world = World::served(&[service("shop/db", "clusterIP: None")], &[]);
    world.check(
        "
nope.shop.svc NX
_sql._tcp.nope.shop.svc NX
h.nope.shop.svc NX
_tcp.nope.shop.svc NX
nope.shop.endpoints NX
db.nowhere.svc NX
nowhere.svc NX
nowhere.endpoints NX
db.nowhere.endpoints NX
",
    );
}

fn headless() -> Vec<String> {
    vec![
        service("shop/kafka", "clusterIP: None, selector: {app: kafka}, \
                               ports: [{name: broker, port: 9092, targetPort: 19092}]"),
        slice_by(
            "shop/kafka-1",
            "kafka",
            "IPv4",
            CONTROLLER,
            "ports: [{name: broker, port: 19092}], endpoints: [
              {addresses: [10.244.1.5], hostname: kafka-0, nodeName: a},
              {addresses: [10.244.2.7], hostname: kafka-1, conditions: {ready: true}},
              {addresses: [10.244.3.9], hostname: kafka-2, conditions: {ready: false, serving: true}},
              {addresses: [10.244.3.10], conditions: {terminating: true, serving: false}}]",
        ),
    ]
}

#[test]
fn headless_answers_every_ready_endpoint() {
    World::served(&headless(), &[]).check(
        "
kafka.shop.svc
  A 10.244.1.5
  A 10.244.2.7
  A 10.244.3.10
  SRV 0 33 19092 10-244-3-10.kafka.shop.svc
  SRV 0 33 19092 kafka-0.kafka.shop.svc
  SRV 0 33 19092 kafka-1.kafka.shop.svc
  + 10-244-3-10.kafka.shop.svc A 10.244.3.10
  + kafka-0.kafka.shop.svc A 10.244.1.5
  + kafka-1.kafka.shop.svc A 10.244.2.7
# The endpoint's own port, not the Service's.
_broker._tcp.kafka.shop.svc
  A 10.244.1.5
  A 10.244.2.7
  A 10.244.3.10
  SRV 0 33 19092 10-244-3-10.kafka.shop.svc
  SRV 0 33 19092 kafka-0.kafka.shop.svc
  SRV 0 33 19092 kafka-1.kafka.shop.svc
  + 10-244-3-10.kafka.shop.svc A 10.244.3.10
  + kafka-0.kafka.shop.svc A 10.244.1.5
  + kafka-1.kafka.shop.svc A 10.244.2.7
_tcp.kafka.shop.svc NODATA
_udp.kafka.shop.svc NX
kafka-0.kafka.shop.svc
  A 10.244.1.5
  SRV 0 100 19092 kafka-0.kafka.shop.svc
  + kafka-0.kafka.shop.svc A 10.244.1.5
10-244-3-10.kafka.shop.svc
  A 10.244.3.10
  SRV 0 100 19092 10-244-3-10.kafka.shop.svc
  + 10-244-3-10.kafka.shop.svc A 10.244.3.10
# Not ready, and the address of an endpoint that has a better label.
kafka-2.kafka.shop.svc NX
10-244-1-5.kafka.shop.svc NX
x.kafka-0.kafka.shop.svc NX
_broker._tcp.kafka-0.kafka.shop.svc NX
",
    );
}

#[test]
fn headless_with_endpoints_in_one_family_only() {
    let world = World::served(
        &[
            service("shop/six", "clusterIP: None, selector: {a: b}, ports: [{name: x, port: 1}]"),
            slice(
                "shop/six-1",
                "six",
                "IPv6",
                "ports: [{name: x, port: 1}], endpoints: [{addresses: ['fd00::7', 'fd00:0::8']}]",
            ),
        ],
        &[],
    );
    world.check(
        "
six.shop.svc
  AAAA fd00::7
  AAAA fd00::8
  SRV 0 50 1 fd00--7.six.shop.svc
  SRV 0 50 1 fd00--8.six.shop.svc
  + fd00--7.six.shop.svc AAAA fd00::7
  + fd00--8.six.shop.svc AAAA fd00::8
fd00--7.six.shop.svc
  AAAA fd00::7
  SRV 0 100 1 fd00--7.six.shop.svc
  + fd00--7.six.shop.svc AAAA fd00::7
",
    );
}

#[test]
fn headless_without_a_ready_endpoint_and_everything_below_it() {
    let world = World::served(
        &[
            service(
                "shop/db",
                "clusterIP: None, selector: {a: b}, ports: [{name: sql, port: 5432}]",
            ),
            slice(
                "shop/db-1",
                "db",
                "IPv4",
                "ports: [{name: sql, port: 5432}], \
                   endpoints: [{addresses: [10.0.0.1], hostname: a, conditions: {ready: false}}]",
            ),
            service("shop/manual", "clusterIP: None, ports: [{name: sql, port: 5432}]"),
        ],
        &[],
    );
    world.check(
        "
db.shop.svc NX
a.db.shop.svc NX
_tcp.db.shop.svc NX
_sql._tcp.db.shop.svc NX
_endpoints.db.shop.svc NX
db.shop.endpoints NX
a.db.shop.endpoints NX
manual.shop.svc NX
_tcp.manual.shop.svc NX
_sql._tcp.manual.shop.svc NX
_endpoints.manual.shop.svc NX
",
    );
}

#[test]
fn several_headless_ports_and_their_weights() {
    let world = World::served(
        &[
            service("shop/db", "clusterIP: None, selector: {a: b}"),
            slice("shop/db-1", "db", "IPv4",
                  "ports: [{name: sql, port: 5432}, {name: web, port: 80}, {name: web, port: 53, protocol: UDP}],
                   endpoints: [{addresses: [10.0.0.1], hostname: a}, {addresses: [10.0.0.2], hostname: b}]"),
            // Endpoints without a port: addresses, and no SRV records.
            service("shop/bare", "clusterIP: None, selector: {a: b}"),
            slice("shop/bare-1", "bare", "IPv4", "endpoints: [{addresses: [10.0.0.3], hostname: c}]"),
        ],
        &[],
    );
    world.check(
        "
db.shop.svc
  A 10.0.0.1
  A 10.0.0.2
  SRV 0 16 53 a.db.shop.svc
  SRV 0 16 80 a.db.shop.svc
  SRV 0 16 5432 a.db.shop.svc
  SRV 0 16 53 b.db.shop.svc
  SRV 0 16 80 b.db.shop.svc
  SRV 0 16 5432 b.db.shop.svc
  + a.db.shop.svc A 10.0.0.1
  + b.db.shop.svc A 10.0.0.2
_web._udp.db.shop.svc
  A 10.0.0.1
  A 10.0.0.2
  SRV 0 50 53 a.db.shop.svc
  SRV 0 50 53 b.db.shop.svc
  + a.db.shop.svc A 10.0.0.1
  + b.db.shop.svc A 10.0.0.2
_udp.db.shop.svc NODATA
_tcp.db.shop.svc NODATA
a.db.shop.svc
  A 10.0.0.1
  SRV 0 33 53 a.db.shop.svc
  SRV 0 33 80 a.db.shop.svc
  SRV 0 33 5432 a.db.shop.svc
  + a.db.shop.svc A 10.0.0.1
bare.shop.svc
  A 10.0.0.3
c.bare.shop.svc
  A 10.0.0.3
_tcp.bare.shop.svc NX
",
    );
}

#[test]
fn weights_count_pairs_before_they_are_deduplicated_and_never_reach_zero() {
    let twice = "ports: [{name: x, port: 1}], endpoints: [{addresses: [10.0.0.1], hostname: a}]";
    let many: Vec<String> =
        (1..=120).map(|n| format!("{{addresses: [10.1.0.{n}], hostname: all}}")).collect();
    let world = World::of(&[
        service("shop/db", "clusterIP: None, selector: {a: b}"),
        slice("shop/db-1", "db", "IPv4", twice),
        slice("shop/db-2", "db", "IPv4", twice),
        slice("shop/db-3", "db", "IPv4", twice),
        service("shop/many", "clusterIP: None, selector: {a: b}"),
        slice(
            "shop/many-1",
            "many",
            "IPv4",
            &format!("ports: [{{name: x, port: 1}}], endpoints: [{}]", many.join(", ")),
        ),
    ]);
    world.expect(&[
        ("db.shop.svc A", "NOERROR; A 10.0.0.1"),
        ("_x._tcp.db.shop.svc SRV", "NOERROR; SRV 0 33 1 a.db.shop.svc + a.db.shop.svc A 10.0.0.1"),
        ("db.shop.svc SRV", "NOERROR; SRV 0 33 1 a.db.shop.svc + a.db.shop.svc A 10.0.0.1"),
        ("a.db.shop.svc SRV", "NOERROR; SRV 0 33 1 a.db.shop.svc + A 10.0.0.1"),
    ]);
    let least = world.text("many.shop.svc", super::wire::SRV);
    assert!(least.starts_with("NOERROR; SRV 0 1 1 all.many.shop.svc +"), "{least}");
}

#[test]
fn a_service_that_no_api_server_has_completed_is_as_headless_in_every_mode() {
    for mode in ["auto", "endpoints", "cluster-ip"] {
        let world = World::served(
            &[
                service("shop/raw", "ports: [{name: sql, port: 5432}]"),
                slice(
                    "shop/raw-1",
                    "raw",
                    "IPv4",
                    "ports: [{name: sql, port: 15432}], endpoints: [{addresses: [192.0.2.1]}]",
                ),
                service("shop/empty", "ports: [{name: sql, port: 5432}]"),
            ],
            &["--selectorless", mode],
        );
        world.check(
            "
raw.shop.svc
  A 192.0.2.1
  SRV 0 100 15432 192-0-2-1.raw.shop.svc
  + 192-0-2-1.raw.shop.svc A 192.0.2.1
empty.shop.svc NX
",
        );
    }
}

#[test]
fn case_does_not_matter_anywhere() {
    let world = World::served(&headless(), &[]);
    // The tables ask in mixed case already; here all is in upper case.
    world.expect(&[
        ("KAFKA-0.KAFKA.SHOP.SVC.CLUSTER.LOCAL. A", "NOERROR; A 10.244.1.5"),
        ("_BROKER._TCP.KAFKA.SHOP.SVC.CLUSTER.LOCAL. HTTPS", "NOERROR ~ SOA"),
        ("DNS-VERSION.CLUSTER.LOCAL. TXT", "NOERROR; TXT 1.1.0 ttl=28800"),
    ]);
}
