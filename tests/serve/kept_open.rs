//! Connections to upstreams that are kept for the next query.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use fingerpost::config::Forward;
use fingerpost::serve::{Transport, UpstreamError, Upstreams};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::upstream::{CLIENT, QUERY, forward, reply};

const PATIENCE: Duration = Duration::from_secs(20);

/// An upstream that answers so many queries of each connection before it closes it.
struct Played {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    /// While it is so, nothing is answered.
    held: watch::Sender<bool>,
}

impl Played {
    async fn start(each: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address");
        let (accepted, open) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let held = watch::Sender::new(false);
        let shown = (Arc::clone(&accepted), Arc::clone(&open), held.subscribe());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (accepted, open, held) = shown.clone();
                accepted.fetch_add(1, Relaxed);
                open.fetch_add(1, Relaxed);
                tokio::spawn(async move {
                    answer(stream, each, held).await;
                    open.fetch_sub(1, Relaxed);
                });
            }
        });
        Self { address, accepted, open, held }
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Relaxed)
    }

    async fn until_open(&self, count: usize) {
        let limit = Instant::now() + PATIENCE;
        while self.open.load(Relaxed) != count {
            assert!(Instant::now() < limit, "{} are open", self.open.load(Relaxed));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Asks so many things at once, each over a connection of its own.
    async fn ask_together(&self, upstreams: &Arc<Upstreams>, count: usize) {
        self.held.send_replace(true);
        let mut asking = JoinSet::new();
        for _ in 0..count {
            let upstreams = Arc::clone(upstreams);
            asking.spawn(async move { upstreams.ask(QUERY, Transport::Stream, CLIENT).await });
        }
        self.until_open(count).await;
        self.held.send_replace(false);
        while let Some(answer) = asking.join_next().await {
            assert_eq!(answer.expect("no panic").expect("a reply"), reply(QUERY));
        }
    }
}

async fn answer(mut stream: TcpStream, each: usize, mut held: watch::Receiver<bool>) {
    for _ in 0..each {
        let Ok(length) = stream.read_u16().await else { return };
        let mut query = vec![0; usize::from(length)];
        stream.read_exact(&mut query).await.expect("a query");
        held.wait_for(|held| !held).await.expect("the test goes on");
        let reply = reply(&query);
        let length = u16::try_from(reply.len()).expect("a message").to_be_bytes();
        // Whoever has not waited is gone.
        if stream.write_all(&[&length[..], &reply].concat()).await.is_err() {
            return;
        }
    }
}

fn upstreams(rules: Forward) -> Arc<Upstreams> {
    Arc::new(Upstreams::new(&Forward { max_fails: 0, ..rules }))
}

async fn ask(upstreams: &Upstreams) {
    let answer = upstreams.ask(QUERY, Transport::Stream, CLIENT).await.expect("a reply");
    assert_eq!(answer, reply(QUERY));
}

#[tokio::test]
async fn queries_share_a_connection() {
    let played = Played::start(usize::MAX).await;
    let upstreams = upstreams(forward(&[played.address]));
    for _ in 0..10 {
        ask(&upstreams).await;
    }
    assert_eq!(played.accepted(), 1);
    drop(upstreams);
    played.until_open(0).await;
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_costs_nobody_an_answer() {
    let played = Played::start(1).await;
    let upstreams =
        upstreams(Forward { max_connect_attempts: Some(1), ..forward(&[played.address]) });
    for count in 1..=10 {
        ask(&upstreams).await;
        // Now and then its end is known before the next query is sent, and now and then not.
        if count % 2 == 0 {
            played.until_open(0).await;
        }
        assert_eq!(played.accepted(), count);
    }
}

#[tokio::test]
async fn an_idle_connection_expires() {
    let played = Played::start(usize::MAX).await;
    let expire = Duration::from_millis(150);
    let upstreams = upstreams(Forward { expire, ..forward(&[played.address]) });
    ask(&upstreams).await;
    // Nobody asks, and it is closed all the same.
    played.until_open(0).await;
    ask(&upstreams).await;
    assert_eq!(played.accepted(), 2);
    let never = Forward { expire: Duration::ZERO, ..forward(&[played.address]) };
    let upstreams = self::upstreams(never);
    ask(&upstreams).await;
    ask(&upstreams).await;
    assert_eq!(played.accepted(), 4, "nothing is kept for no time");
}

#[tokio::test]
async fn a_busy_connection_has_its_age() {
    let played = Played::start(usize::MAX).await;
    let age = Duration::from_millis(150);
    let upstreams = upstreams(Forward { max_age: Some(age), ..forward(&[played.address]) });
    let limit = Instant::now() + PATIENCE;
    while played.accepted() < 3 {
        assert!(Instant::now() < limit, "one connection for ever");
        ask(&upstreams).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn no_more_are_kept_than_is_said() {
    for (max_idle_conns, kept) in [(Some(2), 2), (None, 5)] {
        let played = Played::start(usize::MAX).await;
        let rules = Forward { max_idle_conns, ..forward(&[played.address]) };
        let upstreams = upstreams(rules);
        played.ask_together(&upstreams, 5).await;
        played.until_open(kept).await;
        for _ in 0..5 {
            ask(&upstreams).await;
        }
        assert_eq!(played.accepted(), 5);
    }
}

#[tokio::test]
async fn one_that_falls_silent_takes_its_connections_along() {
    let played = Played::start(usize::MAX).await;
    let upstreams = upstreams(Forward {
        read_timeout: Some(Duration::from_millis(100)),
        max_connect_attempts: Some(1),
        ..forward(&[played.address])
    });
    played.ask_together(&upstreams, 3).await;
    played.held.send_replace(true);
    let failed = upstreams.ask(QUERY, Transport::Stream, CLIENT).await.expect_err("silence");
    assert!(matches!(failed, UpstreamError::Timeout { .. }), "{failed}");
    played.held.send_replace(false);
    played.until_open(0).await;
    ask(&upstreams).await;
    assert_eq!(played.accepted(), 4, "a new connection is tried");
}
