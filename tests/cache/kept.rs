//! Answers that are given again.

use std::collections::BTreeSet;
use std::io::Read;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, ResponseCode};

use crate::world::{World, ede, line, plain, query};

#[test]
fn an_answer_is_asked_for_once() {
    let world = World::new("3600");
    assert_eq!(line(&world.ask(&query("a300.test."))), "ok 300 192.0.2.0");
    for _ in 0..10 {
        let again = world.ask(&query("a300.test."));
        assert!(again.answers[0].ttl <= 300 && again.answers[0].ttl > 200, "{}", line(&again));
        assert!(again.additionals.is_empty(), "nobody has asked for bank.example");
        let over_tcp = world.ask_tcp(&query("a300.test."));
        assert_eq!(over_tcp.answers[0].data, again.answers[0].data);
    }
    let asked = world.upstream.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].metadata.recursion_desired && asked[0].metadata.authentic_data);
    // The TTL counts down.
    world.until(&query("a300.test."), |reply| reply.answers[0].ttl < 299);
    assert_eq!(world.upstream.times(), 0);
    // An alias and what it leads to have one TTL, as CoreDNS has it, in the order of the chain.
    assert_eq!(line(&world.ask(&query("c40.test."))), "ok 40 a40.test. 40 192.0.2.0");
    world.ask(&query("c40.test."));
    assert_eq!(world.upstream.asked().len(), 1);
}

#[test]
fn each_asker_has_its_own_case_and_flags() {
    let world = World::new("");
    for name in ["a60.test.", "A60.TEST.", "a60.TeSt."] {
        let reply = world.ask(&query(name));
        assert_eq!(reply.queries[0].name.to_string(), name);
        assert_eq!(reply.answers[0].name.to_string(), name, "owners have the question's case");
    }
    let mut query = plain("a60.test.");
    world.ask(&query);
    assert_eq!(world.upstream.asked().len(), 1, "with and without EDNS");
    query.metadata.recursion_desired = false;
    assert_eq!(line(&world.ask(&query)).split(' ').next_back(), Some("192.0.2.0"));
    assert_eq!(world.upstream.asked().len(), 0, "without recursion, too");
    // DO and CD make questions of their own.
    query.metadata.recursion_desired = true;
    query.metadata.checking_disabled = true;
    assert!(world.ask(&query).metadata.checking_disabled);
    let mut edns = Edns::new();
    edns.set_max_payload(1_232).set_dnssec_ok(true);
    query.edns = Some(edns);
    for _ in 0..3 {
        assert!(world.ask(&query).edns.expect("EDNS").flags().dnssec_ok);
    }
    let asked = world.upstream.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|query| query.metadata.checking_disabled));
    assert!(asked[1].edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok));
}

#[test]
fn denials_and_failures_are_kept() {
    let world = World::new("{\n    servfail 1m\n  }");
    for (name, code, soa, ede_of_second) in [
        ("nx50.test.", ResponseCode::NXDomain, true, None),
        ("none.test.", ResponseCode::NoError, true, None),
        ("fail.test.", ResponseCode::ServFail, false, Some(13)),
    ] {
        for turn in 0..3 {
            let reply = world.ask(&query(name));
            assert_eq!(reply.metadata.response_code, code, "{name}");
            assert_eq!(reply.authorities.len(), usize::from(soa), "{name}");
            assert!(turn == 0 || ede(&reply) == ede_of_second, "{name}: {reply:?}");
        }
        assert_eq!(world.upstream.asked().len(), 1, "{name}");
    }
    // A refusal is none, nor is what an upstream happens to have where recursion is not wanted.
    let mut query = plain("a60.test.");
    query.metadata.recursion_desired = false;
    for query in [plain("refuse.test."), query] {
        world.ask(&query);
        world.ask(&query);
        assert_eq!(world.upstream.asked().len(), 2);
    }
    assert_eq!(world.page().value("coredns_cache_drops_total", &[]), Some(2.0));
}

#[test]
fn nobody_is_asked_again_and_again_in_vain() {
    let world = World::new("{\n    servfail 1m\n  }");
    world.upstream.be_silent(true);
    for turn in 0..3 {
        let reply = world.ask(&query("a60.test."));
        assert_eq!((line(&reply).as_str(), ede(&reply)), ("ServFail", Some(22)), "{turn}");
    }
    // Tried twice, as a datagram may get lost; health checks ask for the root's name servers.
    let asked = world.upstream.asked();
    let tries = asked.iter().filter(|query| !query.queries[0].name.is_root()).count();
    assert_eq!(tries, 2);
}

#[test]
fn a_large_answer_is_cut_for_datagrams_and_whole_for_streams() {
    let world = World::new("");
    for _ in 0..3 {
        let cut = world.ask(&query("many.test."));
        assert!(cut.metadata.truncation && cut.answers.len() > 70, "what fits, for old libcs");
        let whole = world.ask_tcp(&query("many.test."));
        assert!(!whole.metadata.truncation);
        assert_eq!(whole.answers.len(), 100);
    }
    assert_eq!(world.upstream.asked().len(), 2, "over UDP and then TCP, once");
    // Whoever takes the first address is sent to another one each time, and so are old libcs.
    let first = |reply: &Message| reply.answers[0].data.to_string();
    let turns = 0..20;
    let cut: BTreeSet<_> = turns.clone().map(|_| first(&world.ask(&plain("many.test.")))).collect();
    let whole: BTreeSet<_> = turns.map(|_| first(&world.ask_tcp(&plain("many.test.")))).collect();
    assert!(cut.len() > 5 && whole.len() > 5, "{cut:?} {whole:?}");
}

#[test]
fn those_who_ask_the_same_at_once_are_answered_by_one_reply() {
    let world = World::new("");
    world.upstream.hold(true);
    let sockets: Vec<_> = (0..50).map(|_| world.served.socket()).collect();
    for (id, socket) in (0..).zip(&sockets) {
        let mut query = query("a60.test.");
        query.metadata.id = id;
        socket.send(&query.to_vec().expect("a query")).expect("send");
    }
    let waiting = || world.page().value("coredns_cache_misses_total", &[]) == Some(50.0);
    let limit = std::time::Instant::now() + crate::run::PATIENCE;
    while !waiting() {
        assert!(std::time::Instant::now() < limit, "they never came");
        std::thread::sleep(Duration::from_millis(5));
    }
    world.upstream.hold(false);
    for (id, socket) in (0..50u16).zip(&sockets) {
        let mut room = [0; 512];
        socket.recv(&mut room).expect("a response");
        assert_eq!(room[..2], id.to_be_bytes());
        assert_eq!(room[7], 1, "one answer");
    }
    assert_eq!(world.upstream.asked().len(), 1);
}

#[test]
fn one_who_hangs_up_takes_nothing_from_the_others() {
    let world = World::new("");
    world.upstream.hold(true);
    let octets = query("a60.test.").to_vec().expect("a query");
    let mut gone = std::net::TcpStream::connect(world.served.address).expect("connect");
    let len = u16::try_from(octets.len()).expect("short").to_be_bytes();
    std::io::Write::write_all(&mut gone, &[&len[..], &octets].concat()).expect("write");
    let limit = std::time::Instant::now() + crate::run::PATIENCE;
    while world.upstream.times() == 0 {
        assert!(std::time::Instant::now() < limit, "never asked");
        std::thread::sleep(Duration::from_millis(5));
    }
    let socket = world.served.socket();
    socket.send(&octets).expect("send");
    gone.shutdown(std::net::Shutdown::Both).expect("hung up");
    drop(gone.read(&mut [0]));
    drop(gone);
    world.upstream.hold(false);
    let mut room = [0; 512];
    socket.recv(&mut room).expect("a response");
    assert_eq!(room[7], 1, "one answer");
    assert_eq!(world.upstream.asked().len(), 1);
}

#[test]
fn zones_that_are_disabled_are_asked_for_each_time() {
    let world = World::new("60 test {\n    success 10\n    disable success live.test\n  }");
    for (name, times) in
        [("a60.test.", 1), ("a60.live.test.", 3), ("nx60.live.test.", 1), ("a60.other.", 3)]
    {
        (0..3).for_each(|_| drop(world.ask(&query(name))));
        assert_eq!(world.upstream.asked().len(), times, "{name}");
    }
    // Ten at most are kept.
    (0..30).for_each(|n| drop(world.ask(&query(&format!("a60-{n}.test.")))));
    let page = world.page();
    let success = [("type", "success"), ("zones", "test."), ("view", "")];
    assert_eq!(page.value("coredns_cache_entries", &success), Some(10.0));
    assert_eq!(page.value("coredns_cache_evictions_total", &success), Some(21.0));
}

#[test]
fn a_keeper_of_ttls_keeps_them() {
    let world = World::new("{\n    success 10 3600 1\n    keepttl\n  }");
    world.ask(&query("a2.test."));
    // It goes all the same.
    let gone = |_: &_| world.upstream.times() > 1;
    assert_eq!(line(&world.until(&query("a2.test."), gone)), "ok 2 192.0.2.0");
}

#[test]
fn cluster_names_never_pass_and_aliases_end_in_the_cache() {
    let world = World::new("");
    world.ask(&query("out.shop.svc.cluster.local."));
    let reply = world.ask(&query("out.shop.svc.cluster.local."));
    assert_eq!(reply.answers.len(), 2, "{}", line(&reply));
    assert_eq!(world.upstream.asked().len(), 1);
    world.ask(&query("no.shop.svc.cluster.local."));
    let page = world.page();
    let is = |name: &str, labels: &[(&str, &str)], value: f64| {
        assert_eq!(page.value(name, labels), Some(value), "{name} in\n{}", page.text());
    };
    let labels = [("server", "dns://127.0.0.1:0"), ("zones", "."), ("view", "")];
    is("coredns_cache_requests_total", &labels, 2.0);
    is("coredns_cache_misses_total", &labels, 1.0);
    is("coredns_cache_hits_total", &[("type", "success")], 1.0);
    is("coredns_cache_entries", &[("type", "success")], 1.0);
    is("coredns_cache_entries", &[("type", "denial")], 0.0);
    // The same name asked for itself was there.
    let reply = world.ask(&query("a300.test."));
    assert_eq!(reply.answers.len(), 1);
    let page = world.page();
    let made = [("plugin", "cache"), ("rcode", "NOERROR")];
    assert_eq!(page.value("coredns_dns_responses_total", &made), Some(1.0), "{}", page.text());
}
