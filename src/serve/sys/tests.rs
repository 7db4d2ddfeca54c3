//! The system calls against real sockets on the loopback interface. No `unsafe` here.

use std::net::UdpSocket;
use std::os::fd::AsFd;

use super::*;

/// One more than a batch holds.
const LAST: u8 = 32;

fn socket(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).expect("bind");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("time-out");
    socket
}

fn receive(batch: &mut Batch, socket: &UdpSocket, expected: usize) {
    let mut poller = Poller::new([socket.as_fd()]);
    poller.wait(Duration::from_secs(5)).expect("poll");
    assert!(poller.readable(0));
    assert_eq!(batch.receive(socket.as_fd()).expect("receive"), expected);
}

#[test]
fn a_batch_goes_round_again_and_again() {
    let (server, client) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    let to = server.local_addr().expect("address");
    let mut batch = Batch::new();
    assert_eq!(batch.receive(server.as_fd()).expect("nothing queued"), 0);
    for round in 0..5_u8 {
        for index in 0..=LAST {
            client.send_to(&[round, index], to).expect("send");
        }
        for expected in [BATCH, 1] {
            receive(&mut batch, &server, expected);
            for slot in 0..expected {
                let origin = batch.origin(slot).expect("origin");
                assert_eq!(origin.peer, client.local_addr().expect("address"));
                assert_eq!(origin.local, None, "nobody asked the kernel for it");
                let (query, envelope, room) = batch.exchange(slot);
                assert_eq!(envelope.peer(), Some(client.local_addr().expect("address")));
                assert!(envelope.is_ipv4());
                let &[a, b] = query else { panic!("wrong length: {query:?}") };
                // Every other one is answered, so that responses and queries part ways.
                if b % 2 == 0 {
                    room[..3].copy_from_slice(&[a, b, 0xff]);
                    batch.reply(slot, 3);
                }
            }
            batch.flush(server.as_fd(), |fault| panic!("{fault:?}"));
        }
        for index in (0..=LAST).step_by(2) {
            let mut response = [0; 16];
            let length = client.recv(&mut response).expect("response");
            assert_eq!(response[..length], [round, index, 0xff]);
        }
    }
}

#[test]
fn a_datagram_that_cannot_be_sent_is_told_and_skipped() {
    let (server, client) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    let wrong = socket("[::1]:0");
    let mut batch = Batch::new();
    for _ in 0..3 {
        client.send_to(b"query", server.local_addr().expect("address")).expect("send");
    }
    receive(&mut batch, &server, 3);
    for slot in 0..3 {
        batch.exchange(slot).2[0] = 1;
        batch.reply(slot, 1);
    }
    let mut faults = 0;
    // The peers are IPv4: this socket can send to none of them.
    assert_eq!(batch.flush(wrong.as_fd(), |_| faults += 1), 0);
    assert_eq!(faults, 3);
    assert_eq!(batch.flush(server.as_fd(), |_| faults += 1), 0, "nothing is left over");
}

#[test]
fn a_long_datagram_is_cut() {
    let (server, client) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    let to = server.local_addr().expect("address");
    client.send_to(&[7; MAX_UDP_QUERY + 100], to).expect("send");
    let mut batch = Batch::new();
    receive(&mut batch, &server, 1);
    assert_eq!(batch.query(0), [7; MAX_UDP_QUERY]);
    assert!(batch.query(1).is_empty(), "there is no second one");
}

#[test]
fn the_kernel_tells_drops_and_destinations() {
    for (bind, host, v6) in [("0.0.0.0:0", "127.0.0.3", false), ("[::]:0", "::1", true)] {
        let (server, client) = (socket(bind), socket(if v6 { bind } else { "127.0.0.1:0" }));
        socket2::SockRef::from(&server).set_recv_buffer_size(4096).expect("buffer");
        report_drops(server.as_fd()).expect("SO_RXQ_OVFL");
        report_destination(server.as_fd(), v6).expect("PKTINFO");
        ignore_path_mtu(server.as_fd(), v6).expect("MTU_DISCOVER");
        let host: IpAddr = host.parse().expect("address");
        let to = SocketAddr::new(host, server.local_addr().expect("address").port());
        for _ in 0..100 {
            client.send_to(&[0; 500], to).expect("send");
        }
        let mut batch = Batch::new();
        let held = batch.receive(server.as_fd()).expect("receive");
        assert!(held > 0 && held < BATCH, "the buffer is small: {held}");
        assert_eq!(batch.origin(0).and_then(|origin| origin.local), Some(host));
        client.send_to(&[0; 500], to).expect("send");
        receive(&mut batch, &server, 1);
        assert_eq!(batch.drops(), Some(100 - u32::try_from(held).expect("few")));
    }
}
