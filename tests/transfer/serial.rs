//! The serial, as a secondary sees it.

use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;

use crate::client::{ZONE, ask, ask_udp, incremental, lines, query, serial, serve, take};
use crate::run::{PATIENCE, Room, manifest};

const DB: &str = "db.shop.svc.cluster.local.";

#[test]
fn who_is_up_to_date_gets_one_record() {
    let room = Room::new();
    room.write("m/db.yaml", manifest("192.0.2.1"));
    let served = serve(&room, "m", "transfer {\n to *\n }");
    let now = serial(&ask(served.address, &query(ZONE, RecordType::SOA)));
    let reply = ask(served.address, &incremental(ZONE, now));
    assert_eq!((reply.answers.len(), serial(&reply)), (1, now));
    assert!(reply.metadata.authoritative);
    for other in [now - 1, now + 1, 0, u32::MAX] {
        let all = take(served.address, &incremental(ZONE, other));
        assert_eq!(lines(&all), lines(&take(served.address, &query(ZONE, RecordType::AXFR))));
        let reply = ask_udp(served.address, &incremental(ZONE, other));
        assert_eq!((reply.answers.len(), serial(&reply)), (1, now));
    }
}

#[test]
fn the_serial_moves_with_every_change_that_a_query_could_tell() {
    let room = Room::new();
    room.write("m/db.yaml", manifest("192.0.2.1"));
    let served = serve(&room, "m", "transfer {\n to *\n }");
    let mut known = serial(&ask(served.address, &query(ZONE, RecordType::SOA)));
    for last in 2..6 {
        let address = format!("192.0.2.{last}");
        room.write("m/db.yaml", manifest(&address));
        let limit = Instant::now() + PATIENCE;
        let all = loop {
            let reply = ask(served.address, &incremental(ZONE, known));
            if reply.answers.len() > 1 {
                break take(served.address, &incremental(ZONE, known));
            }
            assert_eq!(serial(&reply), known);
            assert!(Instant::now() < limit, "the serial does not move");
            std::thread::sleep(Duration::from_millis(5));
        };
        let lines = lines(&all);
        let db: Vec<&String> =
            lines.iter().filter(|line| line.starts_with(&format!("{DB} 5 IN A "))).collect();
        assert_eq!(db, [&format!("{DB} 5 IN A {address}")]);
        let next = serial(&all[0]);
        assert!(next > known, "{next} after {known}");
        known = next;
    }
}
