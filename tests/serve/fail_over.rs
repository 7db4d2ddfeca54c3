//! Several upstreams: who is asked first, who is asked then, and who is not asked at all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use fingerpost::config::{Carrier, Forward, HealthCheck, Policy};
use fingerpost::serve::{Transport, UpstreamError, Upstreams};
use tokio::net::{TcpListener, UdpSocket};

use crate::upstream::{
    CLIENT, QUERY, forward, pair, reply, send, tcp_upstream, udp_upstream, udp_upstream_on, with,
};

const SHORT: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(20);

/// An upstream that counts what it is asked, tells checks from queries, and can be told to be
/// silent.
#[derive(Default)]
struct Played {
    silent: AtomicBool,
    queries: AtomicUsize,
    checks: AtomicUsize,
}

impl Played {
    async fn start(last: u8) -> (SocketAddr, Arc<Self>) {
        let played = Arc::new(Self::default());
        let shown = Arc::clone(&played);
        let (address, _) = udp_upstream(move |query| {
            let is_check = query.get(12) == Some(&0);
            let count = if is_check { &shown.checks } else { &shown.queries };
            count.fetch_add(1, Relaxed);
            if shown.silent.load(Relaxed) {
                return vec![];
            }
            // A refusal without a question is a sign of life.
            let refusal = with([&query[..4], &[0; 8]].concat(), 2, 0x80);
            let end = query.len() + 15;
            vec![if is_check { with(refusal, 3, 5) } else { with(reply(query), end, last) }]
        })
        .await;
        (address, played)
    }
}

fn sequential(to: &[SocketAddr]) -> Forward {
    Forward {
        policy: Policy::Sequential,
        read_timeout: Some(SHORT),
        health_check: HealthCheck { interval: Duration::from_millis(20), ..HealthCheck::default() },
        ..forward(to)
    }
}

/// Which upstream replied, by the last octet of the address that it told.
async fn asked(upstreams: &Upstreams) -> u8 {
    let answer = upstreams.ask(QUERY, Transport::Udp, CLIENT).await.expect("a reply");
    *answer.last().expect("an address")
}

/// Waits until something is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < limit, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn each_policy_asks_in_its_order() {
    let mut to = Vec::new();
    for last in 1..=3 {
        to.push(Played::start(last).await.0);
    }
    for (policy, expected) in
        [(Policy::Sequential, [1, 1, 1, 1, 1, 1]), (Policy::RoundRobin, [1, 2, 3, 1, 2, 3])]
    {
        let upstreams = Upstreams::new(&Forward { policy, ..sequential(&to) });
        for expected in expected {
            assert_eq!(asked(&upstreams).await, expected, "{policy:?}");
        }
    }
    let upstreams = Upstreams::new(&forward(&to));
    let mut seen = [0; 4];
    for _ in 0..200 {
        seen[usize::from(asked(&upstreams).await)] += 1;
    }
    assert!(seen[1..].iter().all(|times| *times > 20), "random by default: {seen:?}");
}

#[tokio::test]
async fn a_silent_upstream_is_replaced_checked_and_taken_back() {
    let (first, silent) = Played::start(1).await;
    let (second, other) = Played::start(2).await;
    silent.silent.store(true, Relaxed);
    let upstreams = Upstreams::new(&sequential(&[first, second]));
    let since = Instant::now();
    assert_eq!(asked(&upstreams).await, 2);
    assert!(since.elapsed() >= SHORT, "the silent one was given its time");
    // It is being checked now, and comes behind the other one at once.
    for _ in 0..3 {
        assert_eq!(asked(&upstreams).await, 2);
    }
    assert_eq!(silent.queries.load(Relaxed), 1);
    until("checks", || silent.checks.load(Relaxed) > 2).await;
    assert_eq!(other.checks.load(Relaxed), 0, "one that replies is not checked");
    silent.silent.store(false, Relaxed);
    let limit = Instant::now() + PATIENCE;
    while asked(&upstreams).await != 1 {
        assert!(Instant::now() < limit, "it is not taken back");
    }
    let checks = silent.checks.load(Relaxed);
    for _ in 0..20 {
        assert_eq!(asked(&upstreams).await, 1);
    }
    assert_eq!(silent.checks.load(Relaxed), checks, "it replies, so it is checked no more");
}

#[tokio::test]
async fn where_all_are_down_one_is_tried_unless_that_is_not_wanted() {
    for fail_fast in [false, true] {
        let (address, silent) = Played::start(1).await;
        silent.silent.store(true, Relaxed);
        let rules = Forward {
            fail_fast,
            max_fails: 1,
            max_connect_attempts: Some(1),
            ..sequential(&[address])
        };
        let upstreams = Upstreams::new(&rules);
        let failed = upstreams.ask(QUERY, Transport::Udp, CLIENT).await.expect_err("silence");
        assert!(matches!(failed, UpstreamError::Timeout { .. }), "{failed}");
        // The third check begins when two have failed.
        until("three checks", || silent.checks.load(Relaxed) > 2).await;
        let before = silent.queries.load(Relaxed);
        let failed = upstreams.ask(QUERY, Transport::Udp, CLIENT).await.expect_err("down");
        let tried = silent.queries.load(Relaxed) - before;
        if fail_fast {
            assert!(matches!(failed, UpstreamError::Unhealthy { upstreams: 1 }), "{failed}");
            assert_eq!(tried, 0);
        } else {
            assert!(matches!(failed, UpstreamError::Timeout { .. }), "{failed}");
            assert_eq!(tried, 1);
        }
    }
}

#[tokio::test]
async fn without_max_fails_nobody_is_checked() {
    let (first, silent) = Played::start(1).await;
    let (second, _) = Played::start(2).await;
    silent.silent.store(true, Relaxed);
    let upstreams = Upstreams::new(&Forward { max_fails: 0, ..sequential(&[first, second]) });
    for _ in 0..2 {
        assert_eq!(asked(&upstreams).await, 2);
    }
    assert_eq!((silent.queries.load(Relaxed), silent.checks.load(Relaxed)), (2, 0));
}

#[tokio::test]
async fn a_check_asks_as_it_is_told_to() {
    let (sender, mut checks) = tokio::sync::mpsc::unbounded_channel();
    let (address, _) = udp_upstream(move |query| {
        sender.send(query[2..].to_vec()).expect("the test listens");
        vec![]
    })
    .await;
    let health_check = HealthCheck {
        domain: fingerpost::name::Name::parse("alive.example").expect("a name"),
        recursion: false,
        ..HealthCheck::default()
    };
    let rules = Forward { health_check, max_connect_attempts: Some(1), ..sequential(&[address]) };
    let upstreams = Upstreams::new(&rules);
    upstreams.ask(QUERY, Transport::Udp, CLIENT).await.expect_err("silence");
    assert_eq!(checks.recv().await.expect("a query"), QUERY[2..]);
    let check = tokio::time::timeout(PATIENCE, checks.recv()).await.expect("a check");
    let expected = b"\x00\x00\0\x01\0\0\0\0\0\0\x05alive\x07example\0\0\x02\0\x01";
    assert_eq!(check.expect("a check"), expected);
}

#[tokio::test]
async fn attempts_have_their_bound() {
    let (address, silent) = Played::start(1).await;
    silent.silent.store(true, Relaxed);
    for (most, least, greatest) in
        [(None, 2, 2), (Some(1), 1, 1), (Some(3), 3, 3), (Some(0), 4, 40)]
    {
        let rules = Forward {
            max_connect_attempts: most,
            read_timeout: Some(Duration::from_millis(60)),
            max_fails: 0,
            ..sequential(&[address])
        };
        let upstreams = Upstreams::new(&rules).within(Duration::from_millis(600));
        let before = silent.queries.load(Relaxed);
        upstreams.ask(QUERY, Transport::Udp, CLIENT).await.expect_err("silence");
        let tried = silent.queries.load(Relaxed) - before;
        // Under load fewer come about in the time.
        assert!(tried <= greatest && (tried >= least || most == Some(0)), "{most:?}: {tried}");
    }
}

#[tokio::test]
async fn an_unwanted_code_is_asked_about_elsewhere() {
    let (refusing, _) = udp_upstream(|query| vec![with(reply(query), 3, 5)]).await;
    let (failing, _) = udp_upstream(|query| vec![with(reply(query), 3, 2)]).await;
    let (good, _) = Played::start(9).await;
    for (to, failover, expected) in [
        (vec![refusing, good], vec![5], Ok(9)),
        (vec![refusing, failing, good], vec![5, 2], Ok(9)),
        (vec![refusing, failing], vec![5], Err(2)),
        // When all have been asked, the last word counts.
        (vec![failing, refusing], vec![2, 5], Err(5)),
        (vec![refusing, good], vec![], Err(5)),
    ] {
        let upstreams = Upstreams::new(&Forward { failover, ..sequential(&to) });
        let answer = upstreams.ask(QUERY, Transport::Udp, CLIENT).await.expect("a reply");
        let code = answer[3] & 15;
        let said = if code == 0 { Ok(*answer.last().expect("an address")) } else { Err(code) };
        assert_eq!(said, expected);
    }
    // What one has said is more than that another says nothing.
    let (silent, _) = udp_upstream(|_| vec![]).await;
    let rules = Forward { failover: vec![5], ..sequential(&[refusing, silent]) };
    let answer = Upstreams::new(&rules).ask(QUERY, Transport::Udp, CLIENT).await.expect("a reply");
    assert_eq!(answer[3] & 15, 5);
}

#[tokio::test]
async fn the_transport_is_the_clients_unless_told_otherwise() {
    let (socket, listener): (UdpSocket, TcpListener) = pair().await;
    let cut = Arc::new(AtomicBool::new(false));
    let cut_now = Arc::clone(&cut);
    let (address, _) = udp_upstream_on(socket, move |query| {
        let whole = reply(query);
        let cut = with(whole.clone(), 2, 0x83)[..QUERY.len()].to_vec();
        vec![if cut_now.load(Relaxed) { cut } else { with(whole, QUERY.len() + 15, 17) }]
    });
    tokio::spawn(tcp_upstream(listener, |mut stream, query| async move {
        send(&mut stream, &with(reply(&query), QUERY.len() + 15, 6)).await;
    }));
    for (carrier, transport, truncated, expected) in [
        (Carrier::AsAsked, Transport::Udp, false, 17),
        (Carrier::AsAsked, Transport::Stream, false, 6),
        (Carrier::Tcp, Transport::Udp, false, 6),
        (Carrier::Tcp, Transport::Stream, false, 6),
        (Carrier::PreferUdp, Transport::Udp, false, 17),
        (Carrier::PreferUdp, Transport::Stream, false, 17),
        (Carrier::PreferUdp, Transport::Stream, true, 6),
    ] {
        cut.store(truncated, Relaxed);
        let rules = Forward { carrier, expire: Duration::ZERO, ..sequential(&[address]) };
        let answer = Upstreams::new(&rules).ask(QUERY, transport, CLIENT).await.expect("a reply");
        assert_eq!(answer.last(), Some(&expected), "{carrier:?} {transport:?}");
    }
}

#[tokio::test]
async fn queries_leave_from_the_address_that_is_named() {
    let source = "127.0.0.77".parse().expect("an address");
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let (socket, listener) = pair().await;
    let address = socket.local_addr().expect("address");
    let over_udp = sender.clone();
    tokio::spawn(async move {
        let mut query = [0; 512];
        let (length, client) = socket.recv_from(&mut query).await.expect("a query");
        over_udp.send(client.ip()).expect("the test listens");
        socket.send_to(&reply(&query[..length]), client).await.expect("send");
    });
    tokio::spawn(tcp_upstream(listener, move |mut stream, query| {
        sender.send(stream.peer_addr().expect("a client").ip()).expect("the test listens");
        async move { send(&mut stream, &reply(&query)).await }
    }));
    let upstreams = Upstreams::new(&Forward { source: Some(source), ..sequential(&[address]) });
    for transport in [Transport::Udp, Transport::Stream] {
        assert_eq!(upstreams.ask(QUERY, transport, CLIENT).await.expect("a reply"), reply(QUERY));
        assert_eq!(heard.recv().await, Some(source));
    }
}
