//! What upstreams have said is given again without an allocation.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use fingerpost::config::{Cache, Forward, Half, ServerBlock, Upstream};
use fingerpost::front::{Block, Front};
use fingerpost::name::Name;
use fingerpost::serve::{Asker, Clerk, Client, Desk, MAX_UDP_RESPONSE, Step, Transport};

use crate::counting::count;
use crate::mix::query;

/// How many hits are counted.
const HITS: usize = 20_000;

/// Answers so many queries with one address each, and ends.
fn upstream(queries: usize) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    let address = socket.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut room = [0; 512];
        for _ in 0..queries {
            let (len, client) = socket.recv_from(&mut room).expect("a query");
            let mut reply = room[..len].to_vec();
            // The OPT record, if there is one, goes behind.
            let end = len - if reply[11] == 1 { 11 } else { 0 };
            let opt = reply.split_off(end);
            (reply[2], reply[7]) = (reply[2] | 0x80, 1);
            reply.extend(*b"\xc0\x0c\0\x01\0\x01\0\0\x0e\x10\0\x04\xc0\0\x02\x01");
            socket.send_to(&[reply, opt].concat(), client).expect("send");
        }
    });
    address
}

#[test]
fn a_hit_allocates_nothing() {
    let names: Vec<String> = (0..200).map(|n| format!("n{n}.example.com")).collect();
    let queries: Vec<Vec<u8>> = names.iter().map(|name| query(name, 1, Some(1_232))).collect();
    let half = Half { capacity: 9_984, max_ttl: 3_600, min_ttl: 5, disabled: Vec::new() };
    let to = vec![Upstream::plain(upstream(queries.len()))];
    let block = ServerBlock {
        zones: vec![Name::root()],
        forward: vec![Forward::new(Name::root(), to)],
        cache: Some(Cache {
            zones: vec![Name::root()],
            success: half.clone(),
            denial: half,
            prefetch: None,
            serve_stale: None,
            servfail: Duration::from_secs(5),
            keep_ttl: false,
        }),
        ..ServerBlock::default()
    };
    let front = Front::new(vec![Block::new(&block, None)]);
    let from = "192.0.2.9:5353".parse().expect("an address");
    let client = Client { from, local: None, transport: Transport::Udp };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for query in &queries {
        let reply = runtime.block_on(front.finish(query.clone(), client)).expect("a response");
        assert_eq!(reply[7], 1, "one answer");
    }

    let mut clerk = front.clerk();
    let mut out = vec![0; MAX_UDP_RESPONSE];
    let before = count();
    for query in queries.iter().cycle().take(HITS) {
        clerk.refresh();
        clerk.read(std::iter::once(&query[..]));
        let step = clerk.answer(0, query, Asker::of(&client), &mut out);
        assert_eq!(step, Step::Reply(query.len() + 16));
        clerk.settle(Duration::from_micros(5));
    }
    assert_eq!(count() - before, 0);
}
