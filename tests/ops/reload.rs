//! Another configuration in place of the one that runs.

use std::net::{SocketAddr, TcpListener};

use crate::fake_api::{FakeApi, Knobs, until};
use crate::http::{get, kubeconfig, pages};
use crate::load::{Load, port};
use crate::objects::{cluster, namespace};
use crate::run::{Room, Served, manifest, query};

const NAME: &str = "db.shop.svc.cluster.local.";
const ADDRESS: [u8; 4] = [192, 0, 2, 1];

/// A Corefile whose block has this TTL and these other directives, and more behind it.
fn corefile(port: u16, ttl: &str, directives: &str, behind: &str) -> String {
    format!(
        ".:{port} {{\n    bind 127.0.0.1\n    kubernetes cluster.local {{\n        manifests db.yaml\n\
         \x20       {ttl}\n    }}\n    {directives}\n}}\n{behind}\n"
    )
}

/// A block that serves another zone.
fn block(port: u16) -> String {
    format!("example:{port} {{\n    bind 127.0.0.1\n    errors\n}}")
}

fn serve(room: &Room, text: &str) -> Served {
    room.write("db.yaml", manifest("192.0.2.1"));
    room.write("Corefile", text);
    room.serve(&["-c", "Corefile"])
}

/// The TTL of the name's record.
fn ttl(served: &Served) -> u32 {
    let socket = served.socket();
    socket.send(&query(1, NAME)).expect("send");
    let mut room = [0; 512];
    let length = socket.recv(&mut room).expect("a response");
    let message = hickory_proto::op::Message::from_vec(&room[..length]).expect("a message");
    message.answers.first().map_or(0, |record| record.ttl)
}

#[test]
fn no_query_is_lost_through_reloads() {
    let room = Room::new();
    let port = port();
    let served = serve(&room, &corefile(port, "ttl 30", "", ""));
    Load::through(served.address, &query(0, NAME), &ADDRESS, |turn| {
        let wanted = 10 + u32::try_from(turn % 50).expect("small");
        let (directives, behind) = match turn % 4 {
            0 => ("workers 1", String::new()),
            1 => ("workers 3", String::new()),
            // An address more, and a block more at the same address.
            2 => ("minimal", block(crate::load::port())),
            _ => ("", block(port)),
        };
        let ttl = format!("ttl {wanted}");
        room.write("Corefile", corefile(port, &ttl, directives, &behind));
        served.signal(["HUP", "USR1"][turn % 2]);
        until("the new TTL is there", || self::ttl(&served) == wanted);
    });
}

#[test]
fn a_broken_corefile_keeps_the_old_one() {
    let room = Room::new();
    let port = port();
    let text = |ttl: &str, behind: &str| corefile(port, ttl, "prometheus 127.0.0.1:0", behind);
    let served = serve(&room, &text("ttl 30", ""));
    let at = pages(&served);
    let hash = |page: &str| -> String {
        let line = page.lines().find(|line| line.starts_with("coredns_reload_version_info{"));
        line.expect("a hash").to_owned()
    };
    let before = get(at, "/metrics").body;
    assert!(before.contains("coredns_reload_failed_total 0"), "{before}");

    room.write("Corefile", text("ttk 40", ""));
    served.signal("HUP");
    let line = served.told("stays in effect");
    assert!(line.contains("Corefile:5:") && line.contains("'ttk'"), "{line}");
    assert_eq!(ttl(&served), 30);
    let after = get(at, "/metrics").body;
    assert!(after.contains("coredns_reload_failed_total 1"), "{after}");
    assert_eq!(hash(&after), hash(&before), "the old one is in effect");

    // A port that somebody else has: found only when the sockets are opened.
    let taken = TcpListener::bind("127.0.0.1:0").expect("bind");
    let other = taken.local_addr().expect("bound").port();
    room.write("Corefile", text("ttl 40", &block(other)));
    served.signal("HUP");
    served.told("the port is in use");
    assert_eq!(ttl(&served), 30, "nothing of it is in effect");

    room.write("Corefile", text("ttl 50", ""));
    served.signal("HUP");
    until("the next one is there", || ttl(&served) == 50);
    until("so is its hash", || hash(&get(at, "/metrics").body) != hash(&before));
    served.signal("HUP");
    served.told("says the same as before");
}

#[test]
fn reload_follows_the_file_by_itself() {
    let room = Room::new();
    let port = port();
    let text = |ttl: &str| corefile(port, ttl, "reload 2s 0s", "");
    let served = serve(&room, &text("ttl 30"));
    assert_eq!(ttl(&served), 30);
    room.write("Corefile", text("ttl 40"));
    until("the new TTL is there", || ttl(&served) == 40);
    // A broken one is told once, however often it is looked at.
    room.write("Corefile", text("ttl x"));
    served.told("stays in effect");
    room.write("Corefile", text("ttl 50"));
    until("the next one is there", || ttl(&served) == 50);
    assert_eq!(served.times_told("stays in effect"), 1);
}

/// A cluster whose part of the configuration is the same is not listed again.
#[test]
fn the_cluster_is_not_listed_again() {
    let room = Room::new();
    let api = FakeApi::start(Knobs::default());
    api.put(namespace("shop"));
    api.put(cluster("db", "192.0.2.1"));
    let config = kubeconfig(&room, api.address());
    let text = |before: &str, ttl: u32| {
        format!(
            "{before}.:0 {{\n    bind 127.0.0.1\n    kubernetes cluster.local {{\n        kubeconfig {config} \
             fake\n        ttl {ttl}\n    }}\n    chaos version-{}\n}}\n",
            before.len()
        )
    };
    room.write("Corefile", text("", 30));
    let served = room.serve(&["-c", "Corefile"]);
    until("it is listed", || served.a(NAME).is_ok());
    // Paged, or by a watch that begins with all there is.
    let lists = || {
        let with = |word: &str| api.requests(&["/services?", word]);
        with("limit=") + with("sendInitialEvents=true")
    };
    let before = lists();
    assert!(before > 0);
    // Moved to another line, and with another directive beside it.
    room.write("Corefile", text("# moved\n", 30));
    served.signal("HUP");
    served.told("the Corefile has changed");
    until("it is in effect", || served.times_told("answering") == 2);
    assert_eq!(served.a(NAME).expect("an answer"), ["192.0.2.1"]);
    assert_eq!(lists(), before);
    // With another TTL it is another cluster: listed, and complete before it is shown.
    room.write("Corefile", text("# moved\n", 40));
    served.signal("HUP");
    until("the new TTL is there", || ttl(&served) == 40);
    assert_eq!(lists(), before + 1);
}

#[test]
fn sighup_without_a_corefile_is_told() {
    let room = Room::new();
    room.write("db.yaml", manifest("192.0.2.1"));
    let served = room.serve(&["--manifests", "db.yaml", "--listen", "127.0.0.1:0"]);
    served.signal("HUP");
    served.told("there is no Corefile to read again");
    assert_eq!(served.a(NAME).expect("an answer"), ["192.0.2.1"]);
}

#[test]
fn the_pages_move_with_the_configuration() {
    let room = Room::new();
    let (port, first, second) = (port(), port(), port());
    let text = |page: u16| corefile(port, "ttl 30", &format!("health 127.0.0.1:{page}"), "");
    let served = serve(&room, &text(first));
    let at = |page: u16| SocketAddr::from(([127, 0, 0, 1], page));
    assert_eq!(get(at(first), "/health").body, "OK");
    room.write("Corefile", text(second));
    served.signal("HUP");
    until("the page has moved", || std::net::TcpStream::connect(at(second)).is_ok());
    assert_eq!(get(at(second), "/health").body, "OK");
    assert!(std::net::TcpStream::connect(at(first)).is_err(), "the old one is closed");
    assert_eq!(ttl(&served), 30);
}
