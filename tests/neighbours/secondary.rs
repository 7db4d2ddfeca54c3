//! Real secondaries: they take the zone, and follow it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;

use crate::behind::{Over, ask, questions};
use crate::program::{Program, Running};
use crate::run::{PATIENCE, Room, Served, examples, manifest};

const NSD: Program = Program {
    name: "nsd",
    places: &["/usr/sbin"],
    cure: "it is in Debian's nsd",
    arguments: |_| vec!["-d".into(), "-c".into(), "conf".into()],
};

const KNOT: Program = Program {
    name: "knotd",
    places: &["/usr/sbin"],
    cure: "it is in Debian's knot",
    arguments: |_| vec!["-c".into(), "conf".into()],
};

/// A configuration that takes `cluster.local` from the first address and serves it at the second. It
/// looks at the serial every second, since nobody notifies it.
fn nsd(primary: SocketAddr, own: SocketAddr) -> String {
    format!(
        "server:\n  ip-address: {}@{}\n  username: \"\"\n  chroot: \"\"\n  database: \"\"\n  zonesdir: \".\"\n  pidfile: \"\"\n  \
         xfrdfile: \"xfrd.state\"\n  xfrdir: \".\"\n  zonelistfile: \"zone.list\"\n  server-count: 1\n\
         remote-control:\n  control-enable: no\n\
         zone:\n  name: cluster.local\n  request-xfr: {}@{} NOKEY\n  max-refresh-time: 1\n",
        own.ip(),
        own.port(),
        primary.ip(),
        primary.port(),
    )
}

fn knot(primary: SocketAddr, own: SocketAddr) -> String {
    format!(
        "server:\n  listen: {}@{}\n  rundir: .\ndatabase:\n  storage: .\nremote:\n- id: primary\n  address: {}@{}\n\
         template:\n- id: default\n  storage: .\n\
         zone:\n- domain: cluster.local\n  master: primary\n  refresh-max-interval: 2\n  zonefile-load: none\n",
        own.ip(),
        own.port(),
        primary.ip(),
        primary.port(),
    )
}

/// Serves these manifests and lets everybody on this machine have the zone.
fn primary(room: &Room, manifests: &str) -> Served {
    let text = format!(
        ".:0 {{\n  bind 127.0.0.1\n  transfer {{\n    to 127.0.0.1\n  }}\n  kubernetes cluster.local {{\n    \
         manifests {manifests}\n  }}\n}}\n"
    );
    room.write("Corefile", text);
    room.serve(&["-c", "Corefile"])
}

/// Waits until a name has one address there.
fn until(server: &Running, name: &str, address: &str) {
    let limit = Instant::now() + PATIENCE;
    loop {
        let (_, answers) = ask(server.address, Over::Udp, name, RecordType::A);
        if answers.len() == 1 && answers[0].ends_with(&format!(" {address}")) {
            return;
        }
        let log = || server.log();
        assert!(Instant::now() < limit, "{name} is {answers:?}, not {address}: {}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn takes_the_zone(program: &Program, configure: fn(SocketAddr, SocketAddr) -> String) {
    let room = Room::new();
    let served = primary(&room, &examples());
    let Some(secondary) = program.run(|own| configure(served.address, own)) else { return };
    until(&secondary, "primary.postgres.shop.svc.cluster.local.", "192.0.2.20");
    for (name, kind) in questions(&room) {
        let direct = ask(served.address, Over::Tcp, &name, kind);
        for over in [Over::Udp, Over::Tcp] {
            let there = ask(secondary.address, over, &name, kind);
            assert_eq!(there, direct, "{} {name} {kind} over {over:?}", program.name);
        }
    }
}

fn follows_the_zone(program: &Program, configure: fn(SocketAddr, SocketAddr) -> String) {
    let room = Room::new();
    room.write("m/db.yaml", manifest("192.0.2.1"));
    let served = primary(&room, "m");
    let Some(secondary) = program.run(|own| configure(served.address, own)) else { return };
    for last in 1..4 {
        let address = format!("192.0.2.{last}");
        room.write("m/db.yaml", manifest(&address));
        until(&secondary, "db.shop.svc.cluster.local.", &address);
    }
    let log = secondary.log().to_lowercase();
    assert!(!log.contains("error"), "{log}");
}

#[test]
fn nsd_takes_the_zone() {
    takes_the_zone(&NSD, nsd);
}

#[test]
fn nsd_follows_the_zone() {
    follows_the_zone(&NSD, nsd);
}

#[test]
fn knot_takes_the_zone() {
    takes_the_zone(&KNOT, knot);
}

#[test]
fn knot_follows_the_zone() {
    follows_the_zone(&KNOT, knot);
}
