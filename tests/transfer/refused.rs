//! Who is handed nothing, and why.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType::{AXFR, IXFR, SOA};

use crate::client::{ZONE, ask, ask_udp, incremental, query, serve, serve_with, take, told};
use crate::run::{Room, examples};

const REFUSED: ResponseCode = ResponseCode::Refused;

#[test]
fn nobody_is_handed_a_zone_without_being_named() {
    let room = Room::new();
    let stranger = Some((18, "no 'transfer to' names your address".to_owned()));
    let unlisted = Some((18, "no 'transfer' hands over this zone".to_owned()));
    for (directives, expected) in [
        ("", &unlisted),
        ("transfer example.org {\n to *\n }", &unlisted),
        ("transfer {\n to 192.0.2.1 127.0.0.2:53\n }", &stranger),
        // The longer zone decides.
        ("transfer . {\n to *\n }\n transfer cluster.local {\n to 192.0.2.1\n }", &stranger),
    ] {
        let served = serve(&room, &examples(), directives);
        for qtype in [AXFR, IXFR] {
            for reply in [
                ask(served.address, &query(ZONE, qtype)),
                ask_udp(served.address, &query(ZONE, qtype)),
            ] {
                assert_eq!(told(&reply), (REFUSED, expected.clone()), "{directives} {qtype}");
                assert!(reply.answers.is_empty());
            }
        }
    }
}

#[test]
fn a_forward_zone_alone_is_handed_over_and_over_tcp_alone() {
    let room = Room::new();
    let served = serve(&room, &examples(), "transfer {\n to 127.0.0.1:5353\n }");
    let no_zone =
        Some((21, "only whole forward zones are transferred, and this is none".to_owned()));
    for name in
        ["svc.cluster.local.", "mysql.shop.svc.cluster.local.", "in-addr.arpa.", "example.", "."]
    {
        for qtype in [AXFR, IXFR] {
            let reply = ask(served.address, &query(name, qtype));
            assert_eq!(told(&reply), (REFUSED, no_zone.clone()), "{name}");
        }
    }
    let datagram = Some((21, "AXFR is answered over TCP alone".to_owned()));
    assert_eq!(told(&ask_udp(served.address, &query(ZONE, AXFR))), (REFUSED, datagram));
    let text = "IXFR lacks the one SOA record that says the serial you have".to_owned();
    let no_serial = (ResponseCode::ServFail, Some((0, text)));
    assert_eq!(told(&ask(served.address, &query(ZONE, IXFR))), no_serial);
    assert_eq!(told(&ask_udp(served.address, &query(ZONE, IXFR))), no_serial);
    let mut two = incremental(ZONE, 1);
    two.authorities.push(two.authorities[0].clone());
    assert_eq!(told(&ask(served.address, &two)), no_serial);
    // And with all that is right.
    assert!(take(served.address, &query(ZONE, AXFR)).len() == 1);
}

#[test]
fn acl_acts_before() {
    let room = Room::new();
    let acl = "acl {\n block type AXFR net 127.0.0.0/8\n }";
    let served = serve(&room, &examples(), &format!("{acl}\n transfer {{\n to *\n }}"));
    let reply = ask(served.address, &query(ZONE, AXFR));
    assert_eq!(told(&reply), (REFUSED, Some((15, "'acl' blocks this".to_owned()))));
    // Of that type alone.
    assert!(take(served.address, &incremental(ZONE, 1))[0].answers.len() > 60);
    assert_eq!(ask(served.address, &query(ZONE, SOA)).answers.len(), 1);
}

#[test]
fn ede_off_leaves_the_reason_out() {
    let room = Room::new();
    let options = format!("manifests {}\n    ede off", examples());
    let served = serve_with(&room, &options, "transfer {\n to 192.0.2.1\n }");
    assert_eq!(told(&ask(served.address, &query(ZONE, AXFR))), (REFUSED, None));
}

#[test]
fn before_the_first_lists_there_is_no_zone() {
    let room = Room::new();
    // Nobody listens there.
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let nowhere = socket.local_addr().expect("an address");
    drop(socket);
    let options = format!("endpoint http://{nowhere}\n    startup_timeout 100ms");
    let served = serve_with(&room, &options, "transfer {\n to *\n }");
    let text = "waiting for namespaces, services, endpointslices, endpoints".to_owned();
    for message in [query(ZONE, AXFR), incremental(ZONE, 0)] {
        let reply = ask(served.address, &message);
        assert_eq!(told(&reply), (ResponseCode::ServFail, Some((14, text.clone()))));
    }
}
