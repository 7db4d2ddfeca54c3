//! One process takes over from another, and a process that is told to stop: nobody who asks notices.

use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::fake_api::until;
use crate::http::{get, pages};
use crate::load::{Load, port};
use crate::run::{Room, Served, manifest, query};

const NAME: &str = "db.shop.svc.cluster.local.";
const ADDRESS: [u8; 4] = [192, 0, 2, 1];

const SERVE: [&str; 7] =
    ["serve", "--manifests", "db.yaml", "--hand-over", "over", "--listen", "127.0.0.1:0"];

fn room() -> Room {
    let room = Room::new();
    room.write("db.yaml", manifest("192.0.2.1"));
    room
}

/// Another process on the same address, once it has taken over.
fn successor(room: &Room, first: &Served, more: &[&str]) -> Served {
    until("the first one offers its sockets", || offers(room));
    let address = first.address.to_string();
    let mut line: Vec<&str> = SERVE[..6].to_vec();
    line.push(&address);
    line.extend(more);
    let next = room.serve_by(&line);
    next.told("were taken over");
    next
}

/// Whether somebody listens at the path: it is there a moment later than the sockets.
fn offers(room: &Room) -> bool {
    use std::os::unix::fs::FileTypeExt;
    room.path("over").metadata().is_ok_and(|found| found.file_type().is_socket())
}

fn ended(mut served: Served) {
    assert_eq!(served.end().code(), Some(0));
    served.told("another process has the sockets");
    served.told("stopped");
}

#[test]
fn no_query_is_lost_through_hand_overs() {
    let room = room();
    let mut served = room.serve_by(&SERVE);
    let address = served.address;
    Load::through(address, &query(0, NAME), &ADDRESS, |turn| {
        // More workers than sockets, fewer, and as many.
        let workers = ["3", "1", "2"][turn % 3];
        let next = successor(&room, &served, &["--workers", workers]);
        ended(std::mem::replace(&mut served, next));
    });
    served.signal("TERM");
    assert_eq!(served.end().code(), Some(0));
    assert!(!room.path("over").exists(), "the path is removed by the last one");
}

#[test]
fn a_successor_that_fails_changes_nothing() {
    let room = room();
    let served = room.serve_by(&SERVE);
    until("it offers its sockets", || offers(&room));
    // It hangs up without a word, in the middle of the talk.
    drop(UnixStream::connect(room.path("over")).expect("connect"));
    served.told("were not handed over");
    // It cannot read its manifests.
    let address = served.address.to_string();
    let wrong =
        ["serve", "--manifests", "missing.yaml", "--hand-over", "over", "--listen", &address];
    assert_eq!(room.run(&wrong).code, 2);
    until("that is told too", || served.times_told("were not handed over") == 2);
    assert_eq!(served.a(NAME).expect("an answer"), ["192.0.2.1"]);
    ended_by(&room, served);
}

/// What is right takes over all the same.
fn ended_by(room: &Room, served: Served) {
    let next = successor(room, &served, &[]);
    ended(served);
    assert_eq!(next.a(NAME).expect("an answer"), ["192.0.2.1"]);
}

#[test]
fn a_path_that_leads_to_nobody_is_taken() {
    let room = room();
    // Left behind by a process that was killed.
    drop(std::os::unix::net::UnixListener::bind(room.path("over")).expect("bind"));
    let served = room.serve_by(&SERVE);
    served.told("answering");
    ended_by(&room, served);
    let mode = |path: &Path| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(path).map(|found| found.permissions().mode() & 0o777)
    };
    // The last one has been killed with its guard; another one is private too.
    let served = room.serve_by(&SERVE);
    until("its path is private", || mode(&room.path("over")).is_ok_and(|mode| mode == 0o600));
    assert_eq!(served.a(NAME).expect("an answer"), ["192.0.2.1"]);
}

#[test]
fn the_pages_are_handed_over_with_the_sockets() {
    let room = room();
    let page = format!("127.0.0.1:{}", port());
    let served = room.serve_by(&[&SERVE[..], &["--ready", &page]].concat());
    let at = pages(&served);
    until("it is ready", || get(at, "/ready").status == 200);
    let next = successor(&room, &served, &["--ready", &page]);
    ended(served);
    until("the successor serves it", || std::net::TcpStream::connect(at).is_ok());
    until("and is ready", || get(at, "/ready").status == 200);
    assert_eq!(next.a(NAME).expect("an answer"), ["192.0.2.1"]);
}

#[test]
fn no_query_is_lost_through_the_lame_duck() {
    let room = room();
    room.write(
        "Corefile",
        ".:0 {\n    bind 127.0.0.1\n    health 127.0.0.1:0 {\n        lameduck 60s\n    }\n    ready \
         127.0.0.1:0\n    kubernetes cluster.local {\n        manifests db.yaml\n    }\n}\n",
    );
    let mut served = room.serve(&["-c", "Corefile"]);
    let at = pages(&served);
    until("it is ready", || get(at, "/ready").status == 200);
    Load::through(served.address, &query(0, NAME), &ADDRESS, |turn| {
        if turn == 0 {
            served.signal("TERM");
            served.told("answers go on");
        }
        assert_eq!(get(at, "/ready").status, 503, "unready at once");
    });
    served.signal("TERM");
    assert_eq!(served.end().code(), Some(0));
}
