//! `loop`: an upstream that leads back ends the process, with a line that names it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType::{A, HINFO};

use crate::run::{PATIENCE, Room, Served};
use crate::upstream::Upstream;
use crate::world::{World, line, query};

/// Nobody else binds here, so that a port that was free stays so.
const HOST: Ipv4Addr = Ipv4Addr::new(127, 0, 76, 1);

/// Ports that are free for UDP and for TCP.
fn ports<const N: usize>() -> [u16; N] {
    let held = [(); N].map(|()| {
        let found = (0..64).find_map(|_| {
            let udp = UdpSocket::bind((HOST, 0)).expect("bind");
            let tcp = TcpListener::bind(udp.local_addr().expect("an address")).ok()?;
            Some((udp, tcp))
        });
        found.expect("a free port")
    });
    held.map(|(udp, _)| udp.local_addr().expect("an address").port())
}

/// Runs a Corefile that may end by itself.
fn serve(room: &Room, name: &str, port: u16, text: &str) -> Served {
    room.write(name, text);
    room.run_beside(&["serve", "-c", name], SocketAddr::from((HOST, port)))
}

fn block(port: u16, to: &str, more: &str) -> String {
    format!(".:{port} {{\n bind {HOST}\n forward . {to}\n {more}\n}}\n")
}

/// Ends as it should, with a line about this upstream.
fn ends(mut served: Served, upstream: &str) {
    let status = served.end();
    let line = served.told("fingerpost: ");
    assert_eq!(status.code(), Some(2), "{line}");
    let begin = format!("fingerpost: 'loop' of zone '.': upstream {upstream} leads back");
    assert!(line.starts_with(&begin), "{line}");
    assert!(line.contains("; write a resolver behind 'forward' that does not ask this"), "{line}");
    assert!(served.times_told("drained") > 0);
}

#[test]
fn an_upstream_that_is_this_server() {
    for more in ["loop", "loop\n cache", "loop\n rewrite name suffix . ."] {
        let (room, [port]) = (Room::new(), ports());
        let own = format!("{HOST}:{port}");
        ends(serve(&room, "Corefile", port, &block(port, &own, more)), &own);
    }
}

#[test]
fn one_of_two_that_leads_back_through_another_server() {
    let (room, upstream, [port, other]) = (Room::new(), Upstream::start(), ports());
    let (back, good) = (format!("{HOST}:{other}"), upstream.address.to_string());
    let _other = serve(&room, "other", other, &block(other, &format!("{HOST}:{port}"), ""));
    let both = format!("{good} {back}");
    ends(serve(&room, "Corefile", port, &block(port, &both, "loop\n cache")), &back);
}

#[test]
fn one_that_leads_back_through_another_block() {
    let (room, [port, other]) = (Room::new(), ports());
    let (there, back) = (format!("{HOST}:{other}"), format!("{HOST}:{port}"));
    let text = block(port, &there, "loop") + &block(other, &back, "");
    ends(serve(&room, "Corefile", port, &text), &there);
}

#[test]
fn upstreams_that_lead_elsewhere() {
    let [first, second] = [(); 2].map(|()| Upstream::start());
    let world = World::new(
        "",
        &format!(
            "corp.example:0 {{\n bind 127.0.0.1\n loop\n forward . {} {}\n}}\n",
            first.address, second.address
        ),
    );
    let mut names = Vec::new();
    for upstream in [&first, &second] {
        let asked = until_asked(upstream);
        let question = &asked[0].queries[0];
        assert_eq!(question.query_type(), HINFO);
        let name = question.name().to_ascii();
        let labels: Vec<&str> = name.split('.').collect();
        assert_eq!(labels[2..], ["corp", "example", ""], "{name}");
        assert!(labels[..2].iter().all(|label| label.parse::<u64>().is_ok()), "{name}");
        names.push(name);
    }
    assert_ne!(names[0], names[1], "each is asked for a name of its own");
    // Another type is none of the search's, and to come back once is not to go around: the query
    // goes on to the upstream that the name is for, whichever it is.
    for upstream in [&first, &second] {
        upstream.asked();
    }
    assert_eq!(world.told(&names[1], A), "ok");
    for (upstream, name) in [(&first, &names[0]), (&second, &names[1])] {
        upstream.asked();
        assert_eq!(line(&world.ask(&query(name, HINFO), false)), "ok");
        assert_eq!(upstream.asked().len(), 1);
    }
    assert_eq!(world.told("a60.corp.example.", A).matches("192.0.2.0").count(), 1, "it runs");
}

/// What an upstream is asked first.
fn until_asked(upstream: &Upstream) -> Vec<Message> {
    let limit = Instant::now() + PATIENCE;
    while upstream.times() == 0 {
        assert!(Instant::now() < limit, "never asked");
        std::thread::sleep(Duration::from_millis(5));
    }
    upstream.asked()
}
