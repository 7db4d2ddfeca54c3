//! Lines about queries that nobody reads: they are counted, and hold nobody up.

use std::time::Instant;

use crate::http::pages;
use crate::run::{PATIENCE, Room, manifest, query};
use crate::scrape::Page;

#[test]
fn a_reader_that_stands_still_holds_nobody_up() {
    /// Many times what the pipe and the queue hold.
    const QUERIES: usize = 30_000;
    /// On their way at once: fewer than what a socket's default buffers hold.
    const WINDOW: usize = 50;
    let room = Room::new();
    room.write("db.yaml", manifest("192.0.2.1"));
    room.write(
        "Corefile",
        ".:0 {\n bind 127.0.0.1\n log\n prometheus 127.0.0.1:0\n kubernetes {\n  manifests db.yaml\n }\n}\n",
    );
    let mut served = room.serve(&["-c", "Corefile"]);
    let at = pages(&served);
    let socket = served.socket();
    let octets = query(1, "db.shop.svc.cluster.local.");
    let mut reply = [0; 512];
    let began = Instant::now();
    for _ in 0..QUERIES / WINDOW {
        for _ in 0..WINDOW {
            socket.send(&octets).expect("send");
        }
        for _ in 0..WINDOW {
            socket.recv(&mut reply).expect("a response");
        }
        assert!(began.elapsed() < PATIENCE, "answers wait for the reader");
    }
    let lost = Page::of(at).value("fingerpost_log_lines_dropped_total", &[]).expect("a count");
    assert!(lost > 0.0, "more was logged than anybody holds");
    // The reader goes on: every line is there, or was counted.
    let output = served.output();
    served.told("lines of 'log' and 'errors' were dropped");
    served.signal("TERM");
    assert_eq!(served.end().code(), Some(0));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A small whole number.
    let kept = QUERIES - lost as usize;
    assert_eq!(output.until(kept).len(), kept);
}
