//! Clients of probes that send garbage, are slow, or are too many.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::fake_api::until;
use crate::http::{PAGES, get, pages, send};
use crate::run::{PATIENCE, Room, Served, manifest};

const NAME: &str = "db.shop.svc.cluster.local.";

fn serve(room: &Room) -> (Served, SocketAddr) {
    room.write("db.yaml", manifest("192.0.2.1"));
    let args = ["--manifests", "db.yaml", "--listen", "127.0.0.1:0"];
    let served = room.serve(&[&args[..], &PAGES].concat());
    let at = pages(&served);
    (served, at)
}

#[test]
fn garbage_gets_a_status_or_silence_and_harms_nobody() {
    let room = Room::new();
    let (served, at) = serve(&room);
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(100_000));
    let fields = format!("GET /health HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(1_000));
    let cases: [(&[u8], &[u16]); 10] = [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &[404]),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", &[404]),
        (b"GET /health/ HTTP/1.1\r\nHost: x\r\n\r\n", &[404]),
        (b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", &[405]),
        (b"DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n", &[405]),
        (b"GET /health HTTP/1.0\r\n\r\n", &[200]),
        (b"\0\0\0\0\r\n\r\n", &[400]),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n", &[400]),
        (long.as_bytes(), &[414, 431]),
        (fields.as_bytes(), &[431]),
    ];
    for (text, statuses) in cases {
        let status = send(at, text).map(|reply| reply.status);
        let shown = String::from_utf8_lossy(text);
        // A head that is not read to its end is cut off by a reset, with or without the status.
        let cut = status.is_none() && text.len() > 5_000;
        assert!(
            cut || status.is_some_and(|status| statuses.contains(&status)),
            "{status:?}: {shown:.40}"
        );
        assert_eq!(get(at, "/health").status, 200, "after {shown:.40}");
    }
    let head = send(at, b"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n").expect("a reply");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(served.a(NAME), Ok(vec!["192.0.2.1".into()]));
}

#[test]
fn a_client_that_says_nothing_is_shown_out_and_cannot_take_all_room() {
    let room = Room::new();
    let (served, at) = serve(&room);
    let mut slow: Vec<TcpStream> = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(at).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("time-out");
        // Those beyond what one client may have are closed already.
        let _ = stream.write_all(b"GET /hea");
        slow.push(stream);
    }
    // All are from one address, whose room is taken; DNS does not notice.
    assert_eq!(served.a(NAME), Ok(vec!["192.0.2.1".into()]));
    for mut stream in slow {
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        assert!(!all.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&all));
    }
    until("there is room again", || {
        send(at, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            .is_some_and(|reply| reply.status == 200)
    });
}
