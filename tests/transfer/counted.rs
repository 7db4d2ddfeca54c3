//! A transfer is one query and one response to whoever counts, however many messages it takes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;

use crate::client::{Taking, ZONE, ask, incremental, query, serial, serve};
use crate::large::cluster;
use crate::run::{PATIENCE, Room, Served};

/// The series of a metric that hold this, without what nobody has counted.
fn series(served: &Served, name: &str, part: &str) -> Vec<String> {
    let line = served.told("can be asked for over HTTP");
    let address = line.split("at=").nth(1).and_then(|rest| rest.split(' ').next());
    let address: SocketAddr = address.expect("an address").parse().expect("an address");
    let mut stream = TcpStream::connect(address).expect("connect");
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").expect("sent");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("a page");
    let fits = |line: &&str| line.starts_with(&format!("{name}{{")) && line.contains(part);
    page.lines().filter(fits).map(str::to_owned).collect()
}

#[test]
fn a_transfer_is_counted_and_logged_once() {
    let room = Room::new();
    room.write("m/all.yaml", cluster(200, 500));
    let log = "log . \"{type} {proto} {rcode} {>rflags} {rsize} {cause}\" {\n class all\n }";
    let directives =
        format!("transfer cluster.local {{\n to *\n }}\n {log}\n prometheus 127.0.0.1:0");
    let mut served = serve(&room, "m", &directives);
    let output = served.output();
    let mut taking = Taking::begin(served.address, &query(ZONE, RecordType::AXFR));
    let (mut octets, mut messages) = (0, 0);
    while messages == 0 || output.lines().is_empty() {
        // What is logged is logged behind the last message.
        let Some(message) = taking.try_next(Duration::from_millis(20)) else { continue };
        octets += message.len();
        messages += 1;
    }
    assert!(messages > 2, "{messages}");
    let now = serial(&ask(served.address, &query(ZONE, RecordType::SOA)));
    ask(served.address, &incremental(ZONE, now));
    ask(served.address, &query("in-addr.arpa.", RecordType::AXFR));
    let lines = output.until(4);
    assert_eq!(lines[0], format!("[INFO] AXFR tcp NOERROR qr,aa {octets} -"));
    assert!(lines[1].starts_with("[INFO] SOA tcp NOERROR qr,aa "), "{lines:?}");
    assert!(lines[2].starts_with("[INFO] IXFR tcp NOERROR qr,aa "), "{lines:?}");
    assert!(
        lines[3].starts_with("[INFO] AXFR tcp REFUSED qr ") && lines[3].ends_with(" no-transfer")
    );
    let limit = Instant::now() + PATIENCE;
    loop {
        let requests = series(&served, "coredns_dns_requests_total", "type=\"AXFR\"");
        let responses = series(&served, "coredns_dns_responses_total", "plugin=\"transfer\"");
        let refused = series(&served, "fingerpost_answers_total", "cause=\"no-transfer\"");
        let count = |lines: &[String]| -> u32 {
            let values = lines.iter().filter_map(|line| line.rsplit(' ').next());
            values.map(|value| value.parse::<u32>().expect("a count")).sum()
        };
        if (count(&requests), count(&responses), count(&refused)) == (2, 3, 1) {
            break;
        }
        assert!(Instant::now() < limit, "{requests:?} {responses:?} {refused:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
