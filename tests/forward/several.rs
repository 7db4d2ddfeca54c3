//! Several `forward`s in one block.

use crate::run::Room;
use crate::upstream::Upstream;
use crate::world::{ask, ede, line, page, query, serve};

/// Upstreams whose addresses end with their numbers, from 1.
fn upstreams<const N: usize>() -> [Upstream; N] {
    let mut last = 0;
    [(); N].map(|()| {
        let upstream = Upstream::start();
        last += 1;
        upstream.say(last);
        upstream
    })
}

#[test]
fn a_name_goes_to_the_first_that_covers_it() {
    let [lab, test, rest] = upstreams();
    let room = Room::new();
    let served = serve(
        &room,
        &format!(
            " forward a1.test {}\n forward test {} {{\n  except a3.test\n }}\n forward . {}",
            lab.address, test.address, rest.address
        ),
    );
    for (name, expected) in [
        ("a1.test.", "NoError 192.0.2.1"),
        ("a2.test.", "NoError 192.0.2.2"),
        ("a3.test.", "NoError 192.0.2.3"),
        ("a4.example.", "NoError 192.0.2.3"),
        ("web.shop.svc.cluster.local.", "NoError 10.0.0.1"),
    ] {
        assert_eq!(line(&ask(&served, &query(name))), expected, "{name}");
    }
    assert_eq!([lab.times(), test.times(), rest.times()], [1, 1, 2]);
}

#[test]
fn what_none_covers_is_refused() {
    let [only] = upstreams();
    let room = Room::new();
    let served = serve(&room, &format!(" forward test {}", only.address));
    assert_eq!(line(&ask(&served, &query("a1.test."))), "NoError 192.0.2.1");
    let refused = ask(&served, &query("a1.example."));
    let text = "no zone here holds the name, and it is not forwarded";
    assert_eq!((line(&refused).as_str(), ede(&refused)), ("Refused", Some((20, text.into()))));
    assert_eq!(only.times(), 1);
    let labels = [("plugin", "forward"), ("rcode", "NOERROR")];
    assert_eq!(page(&served).value("coredns_dns_responses_total", &labels), Some(1.0));
}

#[test]
fn some_replies_are_a_reason_to_ask_the_next() {
    let [first, second, third] = upstreams();
    second.fail(true);
    let room = Room::new();
    for cache in ["", " cache\n"] {
        let served = serve(
            &room,
            &format!(
                "{cache} forward . {} {{\n  next NXDOMAIN REFUSED\n  next_on_nodata\n }}\n \
                 forward test {} {{\n  next SERVFAIL\n }}\n forward fail.test {}",
                first.address, second.address, third.address
            ),
        );
        for (name, expected, asked) in [
            ("a5.test.", "NoError 192.0.2.1", [1, 0, 0]),
            ("fail.test.", "ServFail", [1, 0, 0]),
            ("nx5.test.", "ServFail", [1, 1, 0]),
            ("nothing.test.", "ServFail", [1, 1, 0]),
            ("refuse.test.", "ServFail", [1, 1, 0]),
            ("nx.fail.test.", "NXDomain", [1, 1, 1]),
            // No later one covers it, and so the first one's word stands.
            ("nx5.example.", "NXDomain", [1, 0, 0]),
        ] {
            assert_eq!(line(&ask(&served, &query(name))), expected, "{name}");
            let times = [&first, &second, &third].map(|upstream| upstream.asked().len());
            assert_eq!(times, asked, "{name}");
        }
    }
}
