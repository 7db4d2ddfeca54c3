//! A resolv.conf that names upstreams, and changes.

use std::time::{Duration, Instant};

use crate::run::{PATIENCE, Room, Served};
use crate::upstream::Upstream;
use crate::world::{ask, line, plain, serve};

/// Asks for other names until upstreams reply with addresses that end so.
fn until(served: &Served, last: u8) {
    let limit = Instant::now() + PATIENCE;
    let expected = format!("NoError 192.0.2.{last}");
    while line(&ask(served, &plain("a1.test."))) != expected {
        assert!(Instant::now() < limit, "never {expected}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Writes as those do who change it: a whole file, renamed into its place.
fn replace(room: &Room, text: &str) {
    let new = room.write("new", text);
    std::fs::rename(new, room.path("resolv.conf")).expect("renamed");
}

#[test]
fn upstreams_are_those_that_the_file_names_now() {
    let upstreams = [(); 3].map(|()| Upstream::start());
    for (last, upstream) in (1..).zip(&upstreams) {
        upstream.say(last);
    }
    let line_of = |number: usize| format!("nameserver {}\n", upstreams[number].address);
    let room = Room::new();
    room.write("resolv.conf", format!("search a\n{}", line_of(0)));
    let served = serve(&room, " forward . resolv.conf");
    until(&served, 1);
    replace(&room, &line_of(1));
    until(&served, 2);
    // In place, too.
    room.write("resolv.conf", format!("{}options ndots:5\n", line_of(2)));
    until(&served, 3);
    assert_eq!(line(&ask(&served, &plain("a1.test."))), "NoError 192.0.2.3");
    // One that names nobody is told of, and changes nothing.
    replace(&room, "search a\n");
    served.told("has no usable 'nameserver' line; the upstreams that it named stay");
    assert_eq!(line(&ask(&served, &plain("a1.test."))), "NoError 192.0.2.3");
    replace(&room, &line_of(0));
    until(&served, 1);
}
