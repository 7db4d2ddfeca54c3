//! The same rows where a Corefile configures the server.

use super::objects::{endpoints, namespace, pod, service, slice};
use super::reply::{Reply, Rules};
use super::sizes::many;
use super::wire::{A, Ask, Raw};
use super::world::World;

#[test]
fn a_kubernetes_block_with_its_options() {
    let world = World::configured(
        &[
            namespace("shop", "labels: {team: a}"),
            namespace("yard", "labels: {team: b}"),
            service("shop/db", "clusterIP: None"),
            slice(
                "shop/db-1",
                "db",
                "IPv4",
                "endpoints: [{addresses: [192.0.2.1], targetRef: {kind: Pod, name: db-0}}]",
            ),
            service("shop/idle", "clusterIP: 10.96.0.2, selector: {a: b}"),
            service("shop/out", "clusterIP: 10.96.0.3"),
            endpoints("shop/out", "{addresses: [{ip: 192.0.2.7}]}"),
            pod("shop/db-0", "", "podIP: 192.0.2.1"),
            service("yard/db", "clusterIP: 10.96.0.1"),
        ],
        "cluster.local 192.0.2.0/24 10.96.0.0/16
            namespace_labels team=a
            pods verified
            endpoint_pod_names
            ignore empty_service
            selectorless cluster-ip
            ttl 30",
        "",
    );
    world.check(
        "
@
  SOA
  NS ns.dns
  + ns.dns A 127.0.0.1
  + ns.dns AAAA ::1
db.shop.svc
  A 192.0.2.1
db-0.db.shop.svc
  A 192.0.2.1
192-0-2-1.db.shop.svc NX
192-0-2-1.shop.pod
  A 192.0.2.1
192-0-2-2.shop.pod NX
idle.shop.svc NX
out.shop.svc
  A 10.96.0.3
db.yard.svc NX
yard.svc NX
2.0.192.in-addr.arpa.
  SOA
  NS ns.dns
  + ns.dns A 127.0.0.1
  + ns.dns AAAA ::1
1.2.0.192.in-addr.arpa.
  PTR db-0.db.shop.svc
3.0.96.10.in-addr.arpa.
  PTR out.shop.svc
1.0.96.10.in-addr.arpa. NX
96.10.in-addr.arpa.
  SOA
  NS ns.dns
  + ns.dns A 127.0.0.1
  + ns.dns AAAA ::1
",
    );
    world.expect(&[
        ("10.in-addr.arpa. SOA", "REFUSED -aa"),
        ("7.1.0.192.in-addr.arpa. PTR", "REFUSED -aa"),
    ]);
}

/// The rules of the binary's responses, whose serial is its own.
fn rules(world: &World) -> Rules {
    Rules { serial: None, ..world.rules.clone() }
}

#[test]
fn bufsize_changes_the_largest_response_over_udp() {
    for (bufsize, client, most) in
        [(512, 4_096, 512), (4_096, 4_096, 4_096), (4_096, 2_000, 2_000), (1_400, 65_535, 1_400)]
    {
        let world = World::configured(&many(300), "cluster.local", &format!(" bufsize {bufsize}"));
        let server = world.server.as_ref().unwrap();
        // Which addresses come first is another matter each time.
        let ask = Ask::new("db.shop.endpoints", A);
        for (ask, most) in [(ask.clone().edns(client, 0), most), (ask, 512)] {
            let reply = server.exchange(&ask.message(), false);
            Reply::read(&ask, &reply, false, &rules(&world));
            assert_eq!(reply.len(), world.library(&ask, false, 0).octets.len());
            assert_eq!(Raw::read(&reply).number(2) & 0x0200, 0x0200);
            assert!((most - 15..=most).contains(&reply.len()), "{} of {most}", reply.len());
        }
    }
}
