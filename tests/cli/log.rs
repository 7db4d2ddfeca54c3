//! `log` and `errors`: what the binary writes to standard output about queries.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::{Name, RecordType};

use crate::run::{PATIENCE, Room, Served, manifest};

const DB: &str = "db.shop.svc.cluster.local.";
const NONE: &str = "none.shop.svc.cluster.local.";

/// One block with these directives and the cluster's names, and other options of the command line.
fn serve(room: &Room, directives: &str, options: &[&str]) -> Served {
    room.write("db.yaml", manifest("192.0.2.1"));
    let corefile = format!(
        ".:0 {{\n  bind 127.0.0.1\n  workers 1\n  kubernetes cluster.local {{\n    manifests db.yaml\n  }}\n\
         {directives}\n}}\n"
    );
    room.write("Corefile", corefile);
    room.serve(&[&["-c", "Corefile"], options].concat())
}

fn message(name: &str, of: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.id = 4660;
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).expect("a name"), of));
    message
}

/// Asks over UDP; gives back the port that it was asked from, and the response where one came.
fn udp(to: SocketAddr, octets: &[u8], patience: Duration) -> (u16, Option<Vec<u8>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
    socket.connect(to).expect("connect");
    socket.set_read_timeout(Some(patience)).expect("time-out");
    socket.send(octets).expect("send");
    let mut room = vec![0; 4_096];
    let length = socket.recv(&mut room).ok();
    let port = socket.local_addr().expect("bound").port();
    (port, length.and_then(|length| room.get(..length)).map(<[u8]>::to_vec))
}

fn tcp(to: SocketAddr, octets: &[u8]) -> (u16, Option<Vec<u8>>) {
    let mut stream = TcpStream::connect(to).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("time-out");
    let length = u16::try_from(octets.len()).expect("short").to_be_bytes();
    stream.write_all(&[&length[..], octets].concat()).expect("write");
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("a length");
    let mut response = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut response).expect("a response");
    (stream.local_addr().expect("bound").port(), Some(response))
}

/// Asks over UDP, and must be answered.
fn ask(served: &Served, name: &str, of: RecordType) -> (u16, Vec<u8>) {
    let octets = message(name, of).to_vec().expect("a query");
    let (port, response) = udp(served.address, &octets, PATIENCE);
    (port, response.expect("a response"))
}

/// The line without its duration, which must be one.
fn without_duration(line: &str) -> String {
    let (before, last) = line.rsplit_once(' ').expect("several words");
    let seconds = last.strip_suffix('s').and_then(|seconds| seconds.parse::<f64>().ok());
    assert!(seconds.is_some_and(|seconds| seconds > 0.0 && seconds < 60.0), "{line}");
    before.to_owned()
}

#[test]
fn the_common_format_is_that_of_coredns() {
    let room = Room::new();
    let mut served = serve(&room, "  log", &[]);
    let output = served.output();
    let mut with_edns = message("DB.shop.svc.cluster.local.", RecordType::A);
    let mut edns = Edns::new();
    edns.set_max_payload(1_400).set_dnssec_ok(true);
    with_edns.set_edns(edns);
    let mut expected = Vec::new();
    for (message, asked, told) in [
        (message(DB, RecordType::A), "A IN", ("db", "false", "512", "NOERROR qr,aa,rd")),
        (message(DB, RecordType::MX), "MX IN", ("db", "false", "512", "NOERROR qr,aa,rd")),
        (message(NONE, RecordType::A), "A IN", ("none", "false", "512", "NXDOMAIN qr,aa,rd")),
        (with_edns, "A IN", ("db", "true", "1400", "NOERROR qr,aa,rd")),
    ] {
        let octets = message.to_vec().expect("a query");
        let (host, dnssec, bufsize, answer) = told;
        let name = format!("{host}.shop.svc.cluster.local.");
        for (proto, bufsize, (port, response)) in [
            ("udp", bufsize, udp(served.address, &octets, PATIENCE)),
            ("tcp", "65535", tcp(served.address, &octets)),
        ] {
            let size = octets.len();
            let sent = response.expect("a response").len();
            expected.push(format!(
                "[INFO] 127.0.0.1:{port} - 4660 \"{asked} {name} {proto} {size} {dnssec} {bufsize}\" \
                 {answer} {sent}"
            ));
        }
    }
    let lines: Vec<String> =
        output.until(expected.len()).iter().map(|line| without_duration(line)).collect();
    assert_eq!(lines, expected);
}

#[test]
fn names_and_classes_choose_and_the_first_that_fits_decides() {
    let room = Room::new();
    let mut served = serve(
        &room,
        "  log db.shop.svc.cluster.local \"S {name} {type} {cause}\" {\n    class success error\n  }\n\
         \x20 log shop.svc.cluster.local cluster.local \"D {rcode} {cause} {>opcode}\" {\n    class denial\n  }\n\
         \x20 log example \"E {rcode} {cause}\" {\n    class error\n  }\n\
         \x20 log other \"O {local} {/a/b} {rcode} {>rflags} {rsize} {cause}\" {\n    class all\n  }\n\
         \x20 acl other {\n    drop type A\n    block type AAAA\n    filter type MX\n  }",
        &[],
    );
    let output = served.output();
    let here = served.address.ip();
    for (name, of, line) in [
        (DB, RecordType::A, Some("S db.shop.svc.cluster.local. A -")),
        // NODATA is a denial, and the next rule is not asked.
        (DB, RecordType::MX, None),
        (NONE, RecordType::A, Some("D NXDOMAIN no-service 0")),
        ("shop.svc.cluster.local.", RecordType::A, Some("D NOERROR no-data 0")),
        ("nowhere.cluster.local.", RecordType::A, Some("D NXDOMAIN no-such-name 0")),
        ("cluster.local.", RecordType::SOA, None),
        ("www.example.", RecordType::A, Some("E REFUSED not-ours")),
        ("www.nobody.", RecordType::A, None),
        ("a.other.", RecordType::A, Some(&format!("O {here} - - - 0 dropped"))),
        ("a.other.", RecordType::AAAA, Some(&format!("O {here} - REFUSED qr,rd 25 blocked"))),
        ("a.other.", RecordType::MX, Some(&format!("O {here} - NOERROR qr,rd 25 filtered"))),
    ] {
        let before = output.lines().len();
        let octets = message(name, of).to_vec().expect("a query");
        let dropped = line.is_some_and(|line| line.contains("dropped"));
        let patience = if dropped { Duration::from_millis(200) } else { PATIENCE };
        let (_, response) = udp(served.address, &octets, patience);
        assert_eq!(response.is_none(), dropped, "{name} {of}");
        // A line that is always logged says that no other is on its way.
        ask(&served, DB, RecordType::A);
        let told = output.until(before + 1 + usize::from(line.is_some()));
        let told: Vec<&str> = told.iter().skip(before).map(String::as_str).collect();
        let sentinel = "[INFO] S db.shop.svc.cluster.local. A -".to_owned();
        let line = line.map(|line| format!("[INFO] {line}"));
        assert_eq!(told, line.into_iter().chain([sentinel]).collect::<Vec<_>>(), "{name} {of}");
    }
}

#[test]
fn in_json_a_line_is_an_object_with_the_fields_of_coredns() {
    let room = Room::new();
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let nobody = held.local_addr().expect("bound");
    let directives = format!(
        "  log . \"{{name}} {{rcode}}\"
  errors
  forward . {nobody}"
    );
    let mut served = serve(&room, &directives, &["--log-format", "json"]);
    let output = served.output();
    let octets = message(NONE, RecordType::A).to_vec().expect("a query");
    let (port, response) = udp(served.address, &octets, PATIENCE);
    let line = output.until(1).remove(0);
    let mut found: serde_json::Value = serde_json::from_str(&line).expect("an object");
    let time = found["time"].take();
    assert!(
        time.as_str().is_some_and(|time| time.starts_with("20") && time.ends_with('Z')),
        "{time}"
    );
    assert!(found["duration_seconds"].take().as_f64().is_some_and(|seconds| seconds > 0.0));
    let expected = serde_json::json!({
        "time": null, "level": "INFO", "msg": format!("{NONE} NXDOMAIN"), "plugin": "log",
        "client_ip": "127.0.0.1", "client_port": port, "qname": NONE, "qtype": "A", "qclass": "IN",
        "protocol": "udp", "id": 4660, "opcode": 0, "request_size": octets.len(), "dnssec_ok": false,
        "bufsize": 512, "rcode": "NXDOMAIN", "response_size": response.expect("a response").len(),
        "duration_seconds": null, "cause": "no-service",
    });
    assert_eq!(found, expected);

    ask(&served, "www.example.", RecordType::A);
    let lines = output.until(3);
    let found = lines.iter().find(|line| line.contains("\"plugin\":\"errors\"")).expect("a line");
    let found: serde_json::Value = serde_json::from_str(found).expect("an object");
    assert_eq!(found["level"], "ERROR");
    assert!(found["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{found}");
    let said = found["msg"].as_str().expect("a text");
    assert!(said.starts_with(&format!("2 www.example. A: upstream {nobody} cannot")), "{said}");
}

#[test]
fn what_cannot_be_forwarded_is_told_and_what_is_said_of_it_logged() {
    let room = Room::new();
    // Nobody listens there while the test holds it for TCP only.
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let nobody = held.local_addr().expect("bound");
    let forward =
        format!("  forward . {nobody}\n  log . \"{{name}} {{rcode}} {{cause}}\"\n  errors");
    let consolidate = format!(
        "{forward} {{\n    consolidate 10m \"cannot be reached over UDP\" warning show_first\n  }}"
    );
    for (directives, errors) in [(&forward, 3), (&consolidate, 1)] {
        let mut served = serve(&room, directives, &[]);
        let output = served.output();
        for _ in 0..3 {
            ask(&served, "www.example.", RecordType::AAAA);
        }
        output.until(3 + errors);
        served.signal("TERM");
        assert_eq!(served.end().code(), Some(0));
        let level = if errors == 1 { "WARNING" } else { "ERROR" };
        let start = format!(
            "[{level}] plugin/errors: 2 www.example. AAAA: upstream {nobody} cannot be reached over UDP: "
        );
        let mut expected = vec![("[INFO] www.example. SERVFAIL upstream-unreachable", 3)];
        expected.push((&start, errors));
        let number = "[WARNING] plugin/errors: 3 errors like 'cannot be reached over UDP' occurred in last 10m0s";
        expected.push((number, usize::from(errors == 1)));
        let lines = output.until(expected.iter().map(|(_, count)| count).sum());
        for (start, count) in expected {
            let found = lines.iter().filter(|line| line.starts_with(start)).count();
            assert_eq!(found, count, "{start}: {lines:?}");
        }
    }
}

#[test]
fn what_is_counted_is_told_in_time() {
    let room = Room::new();
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let nobody = held.local_addr().expect("bound");
    let directives = format!(
        "  forward . {nobody}\n  errors {{\n    consolidate 100ms nothing\n    \
         consolidate 50ms \"{nobody} cannot\" info\n  }}"
    );
    let mut served = serve(&room, &directives, &[]);
    let output = served.output();
    for count in 1..=2 {
        ask(&served, "www.example.", RecordType::A);
        let line = output.until(count).pop().expect("a line");
        let told =
            format!("[INFO] plugin/errors: 1 errors like '{nobody} cannot' occurred in last 50ms");
        assert_eq!(line, told);
    }
}

#[test]
fn a_reader_that_never_comes_holds_up_no_stop() {
    let room = Room::new();
    let mut served = serve(&room, "  log", &[]);
    let socket = served.socket();
    let octets = message(DB, RecordType::A).to_vec().expect("a query");
    let mut reply = [0; 512];
    // More than a pipe holds.
    for _ in 0..2_000 {
        socket.send(&octets).expect("send");
        socket.recv(&mut reply).expect("a response");
    }
    served.signal("TERM");
    assert_eq!(served.end().code(), Some(0));
}
