//! What has expired, given all the same; and what is about to.

use hickory_proto::op::ResponseCode;

use crate::run::PATIENCE;
use crate::world::{World, ede, line, query};

/// Data live a second.
const SHORT: &str = "success 100 1 0\n    denial 100 1 0";

fn world(stale: &str) -> World {
    World::new(&format!("{{\n    {SHORT}\n    {stale}\n  }}"))
}

#[test]
fn a_dead_upstream_leaves_the_last_answer() {
    let world = world("serve_stale 1h");
    world.ask(&query("a60.test."));
    world.ask(&query("nx60.test."));
    world.upstream.be_silent(true);
    let reply = world.until(&query("a60.test."), |reply| ede(reply).is_some());
    assert_eq!((line(&reply).as_str(), ede(&reply)), ("ok 0 192.0.2.0", Some(3)));
    let reply = world.until(&query("nx60.test."), |reply| ede(reply).is_some());
    assert_eq!((line(&reply).as_str(), ede(&reply)), ("NXDomain", Some(19)));
    // So does a failing one.
    world.upstream.be_silent(false);
    world.upstream.fail(true);
    let since = world.upstream.times();
    world.until(&query("a60.test."), |_| world.upstream.times() > since + 1);
    let reply = world.ask(&query("a60.test."));
    assert_eq!((line(&reply).as_str(), ede(&reply)), ("ok 0 192.0.2.0", Some(3)));
    // Once it is back, somebody's stale answer brings the new one.
    world.upstream.fail(false);
    world.upstream.say(9);
    world.until(&query("a60.test."), |reply| line(reply) == "ok 1 192.0.2.9");
    let page = world.page();
    assert!(page.value("coredns_cache_served_stale_total", &[]) > Some(3.0));
    assert!(page.value("coredns_cache_prefetch_total", &[]) > Some(2.0));
}

#[test]
fn an_alias_leads_to_the_last_answer() {
    let world = world("serve_stale");
    let alias = query("out.shop.svc.cluster.local.");
    world.ask(&alias);
    world.upstream.be_silent(true);
    let reply = world.until(&alias, |reply| ede(reply) == Some(3));
    assert_eq!(line(&reply), "ok 5 a300.test. 0 192.0.2.0");
}

#[test]
fn one_who_verifies_waits_for_the_upstream() {
    let world = world("serve_stale 1h verify 300ms 7s");
    world.ask(&query("a60.test."));
    world.upstream.say(9);
    // No stale answer is ever seen.
    let reply = world.until(&query("a60.test."), |reply| {
        assert_eq!(ede(reply), None);
        world.upstream.times() > 1
    });
    assert_eq!(line(&reply), "ok 1 192.0.2.9");
    world.upstream.be_silent(true);
    let reply = world.until(&query("a60.test."), |reply| ede(reply).is_some());
    assert_eq!((line(&reply).as_str(), ede(&reply)), ("ok 7 192.0.2.9", Some(3)));
    assert_eq!(world.page().value("coredns_cache_prefetch_total", &[]), None);
}

#[test]
fn an_upstream_that_failed_is_left_alone() {
    let world = world("serve_stale 1h immediate 0s 5m");
    world.ask(&query("a60.test."));
    world.upstream.fail(true);
    world.until(&query("a60.test."), |reply| ede(reply).is_some());
    let limit = std::time::Instant::now() + PATIENCE;
    while world.upstream.times() < 2 {
        assert!(std::time::Instant::now() < limit, "never asked again");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    // Its failure may still be on its way; then one more is asked for.
    (0..20).for_each(|_| drop(world.ask(&query("a60.test."))));
    assert!(world.upstream.times() <= 3, "{}", world.upstream.times());
}

#[test]
fn a_popular_name_is_looked_up_before_it_expires() {
    let world = World::new("{\n    prefetch 2 1m 90%\n  }");
    world.ask(&query("a20.test."));
    world.ask(&query("nx20.test."));
    world.upstream.say(9);
    // Nobody waits for it, and nobody sees it expire.
    let reply = world.until(&query("a20.test."), |reply| {
        assert!(reply.answers[0].ttl > 9, "{}", line(reply));
        line(reply).ends_with(".9")
    });
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
    let page = world.page();
    assert_eq!(page.value("coredns_cache_misses_total", &[]), Some(2.0));
    assert!(page.value("coredns_cache_prefetch_total", &[]) >= Some(1.0));
    let asked = world.upstream.asked();
    let of = |name: &str| asked.iter().filter(|q| q.queries[0].name.to_string() == name).count();
    assert!(of("a20.test.") >= 2);
    assert_eq!(of("nx20.test."), 1, "that name is not popular");
}

#[test]
fn without_serve_stale_there_is_nothing() {
    let world = world("servfail 1s");
    world.ask(&query("a60.test."));
    world.upstream.fail(true);
    let reply = world.until(&query("a60.test."), |reply| line(reply) == "ServFail");
    assert_eq!(ede(&reply), None);
}
