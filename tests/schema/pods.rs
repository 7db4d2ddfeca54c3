//! Section 6: pods.

use super::objects::{namespace, pod, service};
use super::world::World;

fn objects() -> Vec<String> {
    vec![
        namespace("shop", ""),
        namespace("yard", ""),
        pod("shop/web-1", "", "podIP: 10.1.0.7, podIPs: [{ip: 10.1.0.7}, {ip: 'fd00::a:7'}]"),
        pod("shop/old", "", "podIP: 10.1.0.8, phase: Succeeded"),
        pod("shop/bad", "", "podIP: 10.1.0.9, phase: Failed"),
        pod("shop/going", "deletionTimestamp: '2026-01-01T00:00:00Z'", "podIP: 10.1.0.10"),
        pod("shop/six", "", "podIP: 'fd00::'"),
        pod("yard/other", "", "podIP: 10.1.0.11"),
        service("shop/web", "clusterIP: 10.96.0.1, selector: {a: b}"),
    ]
}

#[test]
fn disabled() {
    World::served(&objects(), &[]).check(
        "
10-1-0-7.shop.pod NX
10-1-0-7.nope.pod NX
shop.pod NX
pod NODATA
",
    );
}

#[test]
fn insecure_is_the_address_written_in_the_name() {
    World::served(&objects(), &["--pods", "insecure"]).check(
        "
10-1-0-7.shop.pod
  A 10.1.0.7
203-0-113-9.yard.pod
  A 203.0.113.9
255-255-255-255.shop.pod
  A 255.255.255.255
fd00--a-7.shop.pod
  AAAA fd00::a:7
2001-db8-0-0-0-0-0-1.shop.pod
  AAAA 2001:db8::1
--1.shop.pod
  AAAA ::1
fd00--.shop.pod
  AAAA fd00::
FD00--A-7.shop.pod
  AAAA fd00::a:7
10-1-0-7.nope.pod NX
shop.pod NODATA
# No address.
10-1-0.shop.pod NX
10-1-0-7-8.shop.pod NX
10-1-0-256.shop.pod NX
10-1-0-1000.shop.pod NX
10-1-0-.shop.pod NX
-10-1-0-7.shop.pod NX
10-1-0-x.shop.pod NX
web-1.shop.pod NX
a.shop.pod NX
fd00--a--7.shop.pod NX
fd00-0-0-0-0-0-0-0-7.shop.pod NX
12345--1.shop.pod NX
10.1.0.7.shop.pod NX
# Leading zeros, and an IPv4 address dressed as IPv6.
010-001-000-007.shop.pod NX
10-1-0-07.shop.pod NX
--ffff-a01-7.shop.pod NX
# Nothing stands below a pod's name.
x.10-1-0-7.shop.pod NX
_http._tcp.10-1-0-7.shop.pod NX
_tcp.10-1-0-7.shop.pod NX
10-1-0-7.web.shop.pod NX
",
    );
}

#[test]
fn verified_only_where_a_live_pod_of_the_namespace_has_it() {
    World::served(&objects(), &["--pods", "verified"]).check(
        "
10-1-0-7.shop.pod
  A 10.1.0.7
# All of its addresses.
fd00--a-7.shop.pod
  AAAA fd00::a:7
fd00-0-0-0-0-0-a-7.shop.pod
  AAAA fd00::a:7
fd00--.shop.pod
  AAAA fd00::
10-1-0-11.yard.pod
  A 10.1.0.11
shop.pod NODATA
yard.pod NODATA
# Ended, failed, going.
10-1-0-8.shop.pod NX
10-1-0-9.shop.pod NX
10-1-0-10.shop.pod NX
# In another namespace.
10-1-0-11.shop.pod NX
10-1-0-7.yard.pod NX
10-1-0-7.nope.pod NX
010-1-0-7.shop.pod NX
10-1-0-12.shop.pod NX
x.10-1-0-7.shop.pod NX
",
    );
}

#[test]
fn two_pods_may_share_an_address() {
    use fingerpost::cluster::{Change, Kind, ObjectKey};
    use fingerpost::zone::{Pods, Spec};
    let shared = |name| pod(name, "", "podIP: 10.1.0.7");
    let spec = Spec { pods: Pods::Verified, ..super::world::spec() };
    let mut changes = super::world::changes_of(&[shared("shop/a"), shared("shop/b")]);
    let keys = ["a", "b"].map(|name| ObjectKey::new("shop", name));
    for (key, expected) in keys.into_iter().zip(["NOERROR; A 10.1.0.7", "NXDOMAIN ~ SOA"]) {
        changes.push(Change::Remove(Kind::Pod, key));
        // The namespace is implied by the pods and told beside them.
        let world = World::seen(super::world::view(spec.clone(), changes.clone()));
        world.expect(&[("10-1-0-7.shop.pod A", expected)]);
    }
}
