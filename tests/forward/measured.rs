//! What is counted of upstreams, by CoreDNS's names.

use std::time::{Duration, Instant};

use crate::run::{PATIENCE, Room};
use crate::upstream::Upstream;
use crate::world::{ask, line, page, query, serve};

#[test]
fn replies_checks_and_connections_are_counted_by_upstream() {
    let good = Upstream::start();
    // Nobody listens there while the test holds it for TCP only.
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let nobody = held.local_addr().expect("bound");
    let room = Room::new();
    let served = serve(
        &room,
        &format!(
            " forward test {nobody} {} {{\n  policy sequential\n  health_check 20ms\n }}\n \
             forward example {nobody} {{\n  health_check 20ms\n }}\n \
             forward tcp.test {} {{\n  force_tcp\n }}",
            good.address, good.address
        ),
    );
    let first = page(&served);
    for name in
        ["coredns_forward_healthcheck_broken_total", "coredns_forward_max_concurrent_rejects_total"]
    {
        assert_eq!(first.value(name, &[]), Some(0.0), "{name} is there from the start");
    }
    for (name, expected) in [
        ("a1.test.", "NoError 192.0.2.0"),
        ("a2.test.", "NoError 192.0.2.0"),
        ("nx1.test.", "NXDomain"),
        ("a1.example.", "ServFail"),
    ] {
        assert_eq!(line(&ask(&served, &query(name))), expected, "{name}");
    }
    let (to, dead) = (good.address.to_string(), nobody.to_string());
    let forward = ("proxy_name", "forward");
    let limit = Instant::now() + PATIENCE;
    loop {
        // Asked until it is known to be down.
        ask(&served, &query("a1.example."));
        let broken = page(&served).value("coredns_forward_healthcheck_broken_total", &[]);
        if broken > Some(0.0) {
            break;
        }
        assert!(Instant::now() < limit, "it is never down");
        std::thread::sleep(Duration::from_millis(10));
    }
    let page = page(&served);
    let value = |name: &str, labels: &[(&str, &str)]| page.value(name, labels);
    for (rcode, count) in [("NOERROR", 2.0), ("NXDOMAIN", 1.0)] {
        let labels = [forward, ("to", &to), ("rcode", rcode)];
        let counted = value("coredns_proxy_request_duration_seconds_count", &labels);
        assert_eq!(counted, Some(count), "{rcode}\n{}", page.text());
    }
    let failures = value("coredns_proxy_healthcheck_failures_total", &[forward, ("to", &dead)]);
    assert!(failures > Some(2.0), "{failures:?}");
    let none = value("coredns_proxy_healthcheck_failures_total", &[forward, ("to", &to)]);
    assert_eq!(none, None);
    assert_eq!(value("fingerpost_forward_look_ups", &[]), Some(0.0));
}

#[test]
fn connections_that_are_kept_are_told_from_new_ones_through_a_reload() {
    let upstream = Upstream::start();
    let room = Room::new();
    let lines = format!(" forward . {} {{\n  force_tcp\n  expire 1m\n }}", upstream.address);
    let mut served = serve(&room, &lines);
    // This upstream closes each connection behind its first reply.
    for name in ["a1.test.", "a2.test."] {
        assert_eq!(line(&ask(&served, &query(name))), "NoError 192.0.2.0");
    }
    let to = upstream.address.to_string();
    let labels = [("proxy_name", "forward"), ("to", &*to), ("proto", "tcp")];
    let misses = |served: &_| page(served).value("coredns_proxy_conn_cache_misses_total", &labels);
    assert_eq!(misses(&served), Some(2.0));
    let corefile = std::fs::read_to_string(room.path("Corefile")).expect("a Corefile");
    room.write("Corefile", corefile.replace("expire 1m", "expire 2m"));
    served.signal("HUP");
    served.told("the Corefile has changed");
    assert_eq!(line(&ask(&served, &query("a3.test."))), "NoError 192.0.2.0");
    assert_eq!(misses(&served), Some(3.0), "counts go on");
    let hits = page(&served).value("coredns_proxy_conn_cache_hits_total", &labels);
    assert_eq!(hits, None);
    served.signal("TERM");
    assert_eq!(served.end().code(), Some(0));
}
