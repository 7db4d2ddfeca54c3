//! Zones of many messages: back-pressure, and how many at once.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Instant;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;

use crate::client::{Taking, ZONE, ask, ask_udp, lines, query, serve, take, told};
use crate::run::{PATIENCE, Room, Served};

/// How many are handed over at a time, as the README says.
const TRANSFERS: usize = 4;

/// Services with a cluster IP and one headless Service with so many endpoints.
pub(crate) fn cluster(services: usize, endpoints: usize) -> String {
    let mut text = String::new();
    for n in 0..services {
        let (high, low) = (n / 250, n % 250 + 1);
        let _ = write!(
            text,
            "{{apiVersion: v1, kind: Service, metadata: {{name: svc-{n}, namespace: ns-{}}}, \
             spec: {{clusterIP: 10.96.{high}.{low}, selector: {{a: b}}, \
             ports: [{{name: http, port: 80}}, {{name: sctp, port: 81, protocol: SCTP}}]}}}}\n---\n",
            n % 7,
        );
    }
    let addresses: Vec<String> =
        (0..endpoints).map(|n| format!("{{ip: 10.1.{}.{}}}", n / 250, n % 250 + 1)).collect();
    let _ = write!(
        text,
        "{{apiVersion: v1, kind: Service, metadata: {{name: large, namespace: shop}}, \
         spec: {{clusterIP: None, ports: [{{name: db, port: 5432}}]}}}}\n---\n\
         {{apiVersion: v1, kind: Endpoints, metadata: {{name: large, namespace: shop}}, \
         subsets: [{{addresses: [{}], ports: [{{name: db, port: 5432}}]}}]}}\n",
        addresses.join(", ")
    );
    text
}

fn served(room: &Room, services: usize, endpoints: usize) -> Served {
    room.write("m/all.yaml", cluster(services, endpoints));
    serve(room, "m", "transfer {\n to *\n }")
}

#[test]
fn many_messages_make_one_zone() {
    let room = Room::new();
    let served = served(&room, 500, 1_500);
    let mut taking = Taking::begin(served.address, &query(ZONE, RecordType::AXFR));
    let first = taking.next();
    assert!(first.len() > 60_000, "{} octets are few", first.len());
    let mut messages = vec![Message::from_vec(&first).expect("a message")];
    loop {
        let octets = taking.next();
        let message = Message::from_vec(&octets).expect("a message");
        assert!(
            message.queries.is_empty() && message.edns.is_some() && !message.metadata.truncation
        );
        let last = message.answers.last().expect("a record").record_type() == RecordType::SOA;
        messages.push(message);
        if last {
            break;
        }
        assert!(octets.len() > 60_000, "{} octets are few", octets.len());
    }
    assert!(messages.len() > 5, "{}", messages.len());
    let found = lines(&messages);
    let distinct: BTreeSet<&String> = found.iter().collect();
    assert_eq!(distinct.len() + 1, found.len(), "every record but the SOA record once");
    // Two addresses' worth of names for each endpoint, and their SRV records.
    let of_large = found.iter().filter(|line| line.contains("large.shop.")).count();
    let address_names = 2 * 1_500 * 2;
    let sets_of_all = 4 * 1_500 * 2;
    assert_eq!(of_large, address_names + sets_of_all, "records of the large Service");
    let of_others = found.iter().filter(|line| line.contains("svc-")).count();
    assert_eq!(of_others, 500 * (1 + 2 + 2 * 2), "of the others");
}

#[test]
fn a_client_that_does_not_read_holds_nobody_up_and_too_many_are_refused() {
    let room = Room::new();
    let served = served(&room, 10, 12_000);
    let axfr = query(ZONE, RecordType::AXFR);
    let mut slow: Vec<Taking> =
        (0..TRANSFERS).map(|_| Taking::begin(served.address, &axfr)).collect();
    // Each is under way.
    let begun: Vec<Vec<u8>> = slow.iter_mut().map(Taking::next).collect();
    assert!(begun.iter().all(|octets| octets.len() > 60_000));
    let text = "as many transfers as may be are under way; ask again".to_owned();
    let reply = ask(served.address, &axfr);
    assert_eq!(told(&reply), (ResponseCode::Refused, Some((0, text))));
    // Others are answered meanwhile, over both transports.
    let db = query("svc-1.ns-1.svc.cluster.local.", RecordType::A);
    assert_eq!(ask(served.address, &db).answers.len(), 1);
    assert_eq!(ask_udp(served.address, &db).answers.len(), 1);
    // Who hangs up makes room.
    drop(slow.pop());
    let limit = Instant::now() + PATIENCE;
    loop {
        let all = take(served.address, &axfr);
        if all[0].metadata.response_code == ResponseCode::NoError {
            assert!(lines(&all).len() > 100_000);
            break;
        }
        assert!(Instant::now() < limit, "room is never made");
    }
    // And who was slow gets all in the end, from the state that it began with.
    let mut last = slow.pop().expect("one");
    assert!(lines(&last.rest(1)).len() > 100_000);
}
