//! CoreDNS's own command line, as its Deployments and its operators write it.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use crate::run::{PATIENCE, Room, manifest, query};

const NAME: &str = "db.shop.svc.cluster.local.";
/// The directives that are read, in the order in which CoreDNS lets them act; `workers` is ours.
const PLUGINS: &str = "workers\nreload\nnsid\nbufsize\nbind\ndebug\nready\nhealth\nprometheus\nerrors\n\
                       log\nchaos\nloadbalance\nrewrite\nacl\ncache\nminimal\ntemplate\ntransfer\n\
                       hosts\nkubernetes\nloop\nforward\n";

fn room(port: &str) -> Room {
    let room = Room::new();
    room.write("m/db.yaml", manifest("192.0.2.1"));
    room.write(
        "Corefile",
        format!(
            ".{port} {{\n  bind 127.0.0.1\n  errors\n  kubernetes cluster.local {{\n    manifests m\n  }}\n}}\n"
        ),
    );
    room
}

#[test]
fn what_is_printed() {
    let room = Room::new();
    let version = format!("fingerpost {}\n", env!("CARGO_PKG_VERSION"));
    for (args, expected) in [
        (&["-version"][..], version.as_str()),
        (&["--version"], &version),
        (&["-version=true", "-conf", "nowhere"], &version),
        (&["-quiet", "-version"], &version),
        (&["-plugins"], PLUGINS),
        (&["--plugins"], PLUGINS),
        (&["-conf=nowhere", "-plugins=1"], PLUGINS),
    ] {
        let ended = room.run(args);
        assert_eq!(
            (ended.code, ended.out.as_str(), ended.err.as_str()),
            (0, expected, ""),
            "{args:?}"
        );
    }
}

#[test]
fn a_process_that_serves_by_it() {
    for line in [
        &["-conf", "Corefile", "-pidfile", "pid", "-dns.port", "0"][..],
        &["-conf=Corefile", "--pidfile=pid", "-p=0", "-quiet=false"],
        // Its default is the file of this name.
        &["-dns.port=0", "-pidfile=pid", "-log-format", "text"],
    ] {
        let room = room("");
        let mut served = room.serve_by(line);
        let pid = room.path("pid");
        served.told("answering");
        let written = std::fs::read_to_string(&pid).expect("a PID file");
        assert_eq!(written.trim_end(), served.pid().to_string(), "{line:?}");
        assert_eq!(served.a(NAME), Ok(vec!["192.0.2.1".into()]), "{line:?}");
        served.signal("TERM");
        assert_eq!(served.end().code(), Some(0), "{line:?}");
        assert!(!pid.exists(), "{line:?}: the PID file is left");
    }
}

#[test]
fn quiet_says_nothing_of_the_start() {
    // Nothing tells where it listens, so the test chooses: a port that was free just now.
    let free = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let address = free.local_addr().expect("bound");
    drop(free);
    let room = room(&format!(":{}", address.port()));
    let mut served = room.run_beside(&["-conf", "Corefile", "-quiet"], address);
    let socket = served.socket();
    socket.set_read_timeout(Some(Duration::from_millis(50))).expect("time-out");
    let limit = Instant::now() + PATIENCE;
    let mut reply = [0; 512];
    loop {
        let sent = socket.send(&query(7, NAME));
        if sent.is_ok() && socket.recv(&mut reply).is_ok() {
            break;
        }
        assert!(Instant::now() < limit, "no answer");
    }
    for part in ["listening", "answering"] {
        assert_eq!(served.times_told(part), 0, "{part}");
    }
    served.signal("TERM");
    assert_eq!(served.end().code(), Some(0));
    // What comes behind the start is told as ever.
    served.told("stopped");
}

#[test]
fn faults_are_one_line() {
    let room = room("");
    for (args, part) in [
        (&["-quiet=maybe"][..], "'maybe' is no value of -quiet"),
        (&["-conf", "Corefile", "extra"], "'extra'"),
        (&["-conf"], "--conf"),
        (&["-conf", "Corefile", "-dns.port", "x"], "--dns-port"),
        (&["-conf", "Corefile", "-dns.port", "0", "-pidfile", "no/where/pid"], "-pidfile"),
    ] {
        let ended = room.run(args);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{args:?}: {}", ended.err);
        let last = ended.err.lines().last().expect("a line");
        assert!(last.starts_with("fingerpost: ") && last.contains(part), "{args:?}: {last}");
    }
    let empty = Room::new();
    let ended = empty.run(&["-dns.port", "1053"]);
    assert!(
        ended.code == 2 && ended.err.contains("there is no file 'Corefile' here"),
        "{}",
        ended.err
    );
}
