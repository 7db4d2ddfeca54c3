//! A file that is not ours, or not whole: told, set aside, and nothing of it believed.

use std::net::SocketAddr;
use std::path::Path;

use crate::ask::{Asker, Type};
use crate::fake_api::{FakeApi, Knobs, until};
use crate::run::{Room, Served};
use crate::world::{Age, DB, WEB, all, put, serve_zones};

const ZONES: &str = "cluster.local in-addr.arpa";

/// A room in which a state of this API server has been written.
fn room(api: &FakeApi) -> Room {
    let room = Room::new();
    put(api, Age::Old);
    let mut served = serve_zones(&room, api.address(), ZONES);
    until("a state on disk", || room.path("state").exists());
    served.signal("TERM");
    assert_eq!(served.end().code(), Some(0));
    room
}

/// Serves without an API server: this is told, and names wait.
fn refuses(room: &Room, api: SocketAddr, zones: &str, told: &str, aside: &str) -> Served {
    let before = std::fs::read(room.path("state")).unwrap();
    let served = serve_zones(room, api, zones);
    let line = served.told(told);
    let aside = room.path(aside);
    assert!(line.contains(&format!("set aside as {}", aside.display())), "{line}");
    assert_eq!(std::fs::read(&aside).unwrap(), before);
    assert!(!Path::exists(&room.path("state")));
    served
}

fn waits_then_answers(served: &Served, api: &FakeApi) {
    let mut asker = Asker::new(served.address);
    for (name, rtype) in [(WEB, Type::A), (DB, Type::A), ("1.0.0.10.in-addr.arpa.", Type::PTR)] {
        let reply = asker.ask(name, rtype);
        assert!(reply.waits(), "{name}: {reply:?}");
    }
    put(api, Age::New);
    api.up(true);
    until("the new state", || asker.ask(DB, Type::A).is(&["10.1.0.3"]));
    until("the new state", || asker.ask(WEB, Type::A).is(&["10.0.0.2"]));
    all(&mut asker, Age::New, |name, reply| assert_eq!(reply.ede, None, "{name}"));
}

#[test]
fn another_api_servers_state_is_set_aside() {
    let room = room(&FakeApi::start(Knobs::default()));
    let other = FakeApi::start(Knobs::default());
    other.up(false);
    let told = "it is not ours: its API server: 'http://127.0.0.1:";
    let served = refuses(&room, other.address(), ZONES, told, "state.foreign");
    waits_then_answers(&served, &other);
}

#[test]
fn other_zones_state_is_set_aside() {
    let api = FakeApi::start(Knobs::default());
    let room = room(&api);
    api.up(false);
    let told = "it is not ours: its zones: 'cluster.local. in-addr.arpa.'";
    let zones = "cluster.local other.test in-addr.arpa";
    let served = refuses(&room, api.address(), zones, told, "state.foreign");
    waits_then_answers(&served, &api);
}

#[test]
fn a_damaged_state_is_set_aside() {
    let api = FakeApi::start(Knobs::default());
    let room = room(&api);
    api.up(false);
    let file = room.path("state");
    let mut octets = std::fs::read(&file).unwrap();
    let last = octets.len() - 9;
    octets[last] ^= 1;
    std::fs::write(&file, octets).unwrap();
    let served = refuses(&room, api.address(), ZONES, "it is damaged: ", "state.damaged");
    waits_then_answers(&served, &api);
}
