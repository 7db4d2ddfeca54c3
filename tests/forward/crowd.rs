//! More queries for names outside than upstreams answer: what is refused, to whom, and that names of
//! the cluster do not notice.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};

use crate::run::{PATIENCE, Room, Served};
use crate::upstream::Upstream;
use crate::world::{ask, ede, exchange, line, page, plain, query, serve};

const IN_ZONE: &str = "web.shop.svc.cluster.local.";
const REJECTS: &str = "coredns_forward_max_concurrent_rejects_total";
const LOOK_UPS: &str = "fingerpost_forward_look_ups";

/// A client with an address of its own.
fn client(served: &Served, last: u8) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, last], 0))).expect("bind");
    socket.connect(served.address).expect("connect");
    socket
}

fn send(socket: &UdpSocket, query: &Message) {
    socket.send(&query.to_vec().expect("a query")).expect("send");
}

fn value(served: &Served, name: &str) -> f64 {
    page(served).value(name, &[]).expect(name)
}

/// Waits until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < limit, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How many names an upstream has been asked for, health checks aside.
fn names(upstream: &Upstream) -> usize {
    let asked = upstream.asked();
    let mut names: Vec<_> = asked.iter().map(|query| query.queries[0].name.clone()).collect();
    names.retain(|name| !name.is_root());
    names.sort();
    names.dedup();
    names.len()
}

#[test]
fn beyond_the_bound_queries_are_refused_until_there_is_room() {
    for cache in ["", " cache\n"] {
        let upstream = Upstream::start();
        let room = Room::new();
        let lines = format!(
            "{cache} forward . {} {{\n  max_concurrent 3\n  read_timeout 30s\n }}",
            upstream.address
        );
        let served = serve(&room, &lines);
        upstream.hold(true);
        let waiting: Vec<UdpSocket> = (1..=3).map(|_| served.socket()).collect();
        for (number, socket) in waiting.iter().enumerate() {
            send(socket, &query(&format!("a{number}.test.")));
        }
        until("three look-ups", || value(&served, LOOK_UPS) > 2.5);
        for turn in 1..=3 {
            let refused = ask(&served, &query("a9.test."));
            let expected = (0, "too many queries wait for upstreams".to_owned());
            assert_eq!((line(&refused).as_str(), ede(&refused)), ("Refused", Some(expected)));
            assert_eq!(page(&served).value(REJECTS, &[]), Some(f64::from(turn)));
        }
        // A client without EDNS is told no more than the code.
        assert_eq!(line(&ask(&served, &plain("a9.test."))), "Refused");
        // Nor is an alias of the cluster worth more than its own record.
        assert_eq!(line(&ask(&served, &query("out.shop.svc.cluster.local."))), "ServFail");
        assert_eq!(line(&ask(&served, &query(IN_ZONE))), "NoError 10.0.0.1");
        upstream.hold(false);
        for socket in &waiting {
            let mut room = [0; 512];
            socket.set_read_timeout(Some(PATIENCE)).expect("time-out");
            let length = socket.recv(&mut room).expect("a response");
            let reply = Message::from_vec(&room[..length]).expect("a message");
            assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
        }
        until("room", || line(&ask(&served, &query("a9.test."))) == "NoError 192.0.2.0");
        let causes = [("cause", "too-many-waiting")];
        let counted = page(&served).value("fingerpost_answers_total", &causes);
        assert!(counted >= Some(5.0), "{counted:?}");
    }
}

#[test]
fn nothing_is_lent_to_a_silent_upstream() {
    const BOUND: u32 = 100;
    let upstream = Upstream::start();
    upstream.be_silent(true);
    let room = Room::new();
    let lines = format!(
        " cache\n forward . {} {{\n  max_concurrent {BOUND}\n  read_timeout 30s\n }}",
        upstream.address
    );
    let served = serve(&room, &lines);
    let greedy: Vec<UdpSocket> = (2..=5).map(|last| client(&served, last)).collect();
    let quiet = client(&served, 9);
    let mut sent = 0;
    for round in 0..60 {
        for socket in &greedy {
            for _ in 0..20 {
                sent += 1;
                send(socket, &plain(&format!("x{sent}.example.")));
            }
        }
        // Every single query for a name of the cluster is answered, in the midst of it.
        let mut query = query(IN_ZONE);
        query.metadata.id = 0x5000 + round;
        assert_eq!(line(&exchange(&quiet, &query)), "NoError 10.0.0.1", "round {round}");
        let under_way = value(&served, LOOK_UPS);
        assert!(under_way <= f64::from(BOUND), "{under_way}");
    }
    // Few are greedy, so a little is free; one that wants one has it.
    until("look-ups of the greedy", || value(&served, LOOK_UPS) > 90.0);
    assert!(value(&served, LOOK_UPS) < f64::from(BOUND));
    // Three, since one may happen to be counted together with a greedy one.
    for last in 10..13 {
        send(&client(&served, last), &plain("modest.example."));
    }
    until("a share for another", || {
        upstream.asked().iter().any(|q| q.queries[0].name.to_ascii() == "modest.example.")
    });
    let shares = [("cause", "too-many-of-client")];
    assert!(page(&served).value("fingerpost_answers_total", &shares) > Some(0.0));
    let refused = value(&served, REJECTS);
    assert!(refused >= f64::from(sent - BOUND), "{refused} of {sent}");
    let overloads = [("reason", "all")];
    let dropped = page(&served).value("fingerpost_deferred_overloads_total", &overloads);
    assert_eq!(dropped, Some(0.0), "refusals take no place among what waits");
}

#[test]
fn a_reply_that_many_wait_for_is_one_look_up() {
    let upstream = Upstream::start();
    let room = Room::new();
    let lines = format!(
        " cache\n forward . {} {{\n  max_concurrent 2\n  read_timeout 30s\n }}",
        upstream.address
    );
    let served = serve(&room, &lines);
    upstream.hold(true);
    let waiting: Vec<UdpSocket> = (2..=20).map(|last| client(&served, last)).collect();
    for socket in &waiting {
        send(socket, &query("a1.test."));
    }
    let deferred = || page(&served).value("fingerpost_deferred_queries", &[]);
    until("all wait", || deferred() == Some(19.0));
    assert_eq!(page(&served).value(LOOK_UPS, &[]), Some(1.0));
    assert_eq!(names(&upstream), 1);
    upstream.hold(false);
    for socket in &waiting {
        let mut room = [0; 512];
        socket.set_read_timeout(Some(PATIENCE)).expect("time-out");
        assert!(socket.recv(&mut room).is_ok_and(|length| length > 0));
    }
}

#[test]
fn what_is_kept_serves_on_while_no_look_up_can_begin() {
    let upstream = Upstream::start();
    let room = Room::new();
    let lines = format!(
        " cache {{\n  success 100 1 0\n  serve_stale\n }}\n forward . {} {{\n  max_concurrent 1\n  \
         read_timeout 30s\n }}",
        upstream.address
    );
    let served = serve(&room, &lines);
    assert_eq!(line(&ask(&served, &query("a60.test."))), "NoError 192.0.2.0");
    upstream.hold(true);
    let waiting = served.socket();
    send(&waiting, &query("a1.test."));
    until("a look-up", || value(&served, LOOK_UPS) > 0.5);
    // As long as it is fresh, and from then on as one that has expired; others are refused.
    until("a stale answer", || {
        let reply = ask(&served, &query("a60.test."));
        assert_eq!(line(&reply), "NoError 192.0.2.0");
        assert_eq!(line(&ask(&served, &query("a2.test."))), "Refused");
        ede(&reply).is_some_and(|(code, _)| code == 3)
    });
    upstream.hold(false);
}
