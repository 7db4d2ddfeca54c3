//! What is asked is what is counted: by address, transport, family, type and code.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};

use hickory_proto::op::{Edns, Message, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};

use crate::fake_api::until;
use crate::http::{PAGES, pages};
use crate::run::{PATIENCE, Room, Served, manifest};
use crate::scrape::Page;

const DB: &str = "db.shop.svc.cluster.local.";
const NOWHERE: &str = "nowhere.shop.svc.cluster.local.";

fn message(name: &str, of: RecordType) -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).expect("a name"), of));
    message
}

/// Asks over UDP; gives back the sizes of query and response.
fn udp(to: SocketAddr, message: &Message) -> (usize, usize) {
    let here = if to.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(here).expect("bind");
    socket.connect(to).expect("connect");
    socket.set_read_timeout(Some(PATIENCE)).expect("time-out");
    let octets = message.to_vec().expect("a message");
    socket.send(&octets).expect("send");
    (octets.len(), socket.recv(&mut [0; 4_096]).expect("a response"))
}

/// Asks over TCP, on one connection.
fn tcp(to: SocketAddr, messages: &[Message]) {
    let mut stream = TcpStream::connect(to).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("time-out");
    for message in messages {
        let octets = message.to_vec().expect("a message");
        let length = u16::try_from(octets.len()).expect("short").to_be_bytes();
        stream.write_all(&[&length[..], &octets].concat()).expect("write");
        let mut length = [0; 2];
        stream.read_exact(&mut length).expect("a length");
        let mut response = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut response).expect("a response");
    }
}

/// On one address of each family, with two threads.
fn serve(room: &Room) -> (Served, [SocketAddr; 2]) {
    room.write("db.yaml", manifest("192.0.2.1"));
    let args = ["--manifests", "db.yaml", "--workers", "2", "--zone", "cluster.local"];
    let listen = ["--listen", "127.0.0.1:0", "--listen", "[::1]:0"];
    let served = room.serve(&[&args[..], &listen, &PAGES].concat());
    let address = |part: &str| {
        let line = served.told(part);
        let found = line.split("addr=").nth(1).and_then(|rest| rest.split(' ').next());
        found.expect("an address").parse().expect("an address")
    };
    let addresses = [address("addr=127.0.0.1"), address("addr=[::1]")];
    (served, addresses)
}

#[test]
fn queries_are_counted_by_their_labels() {
    let room = Room::new();
    let (served, [v4, v6]) = serve(&room);
    let at = pages(&served);
    let page = Page::of(at);
    assert!(!page.has("coredns_dns_requests_total"), "nothing has been asked yet");
    assert_eq!(page.value("coredns_panics_total", &[]), Some(0.0));

    let (mut queries, mut responses) = (0, 0);
    for _ in 0..20 {
        let (query, response) = udp(v4, &message(DB, RecordType::A));
        queries += query;
        responses += response;
    }
    for _ in 0..7 {
        udp(v6, &message(NOWHERE, RecordType::AAAA));
    }
    tcp(v4, &[message(DB, RecordType::SRV), message(DB, RecordType::SRV)]);
    tcp(v6, &vec![message("a.example.", RecordType::A); 5]);
    let mut signed = message(DB, RecordType::TXT);
    let mut edns = Edns::new();
    edns.set_dnssec_ok(true);
    signed.edns = Some(edns);
    tcp(v4, &[signed]);
    let mut notify = message(DB, RecordType::SOA);
    notify.metadata.op_code = OpCode::Notify;
    udp(v4, &notify);

    let [of_v4, of_v6] = ["dns://127.0.0.1:0", "dns://[::1]:0"].map(|server| ("server", server));
    let total = 20.0 + 7.0 + 2.0 + 5.0 + 1.0 + 1.0;
    // What a batch took is noted once its responses are sent.
    until("all are timed", || {
        let page = Page::of(at);
        page.value("coredns_dns_request_duration_seconds_count", &[]) == Some(total)
    });
    let page = Page::of(at);
    let text = page.text();
    let requests = |labels: &[(&str, &str)]| page.value("coredns_dns_requests_total", labels);
    assert_eq!(requests(&[]), Some(total), "{text}");
    let labels = [of_v4, ("zone", "."), ("proto", "udp"), ("family", "1"), ("type", "A")];
    assert_eq!(requests(&labels), Some(20.0), "{text}");
    let labels = [of_v6, ("proto", "udp"), ("family", "2"), ("type", "AAAA")];
    assert_eq!(requests(&labels), Some(7.0), "{text}");
    assert_eq!(requests(&[of_v4, ("proto", "tcp"), ("type", "SRV")]), Some(2.0), "{text}");
    assert_eq!(requests(&[of_v6, ("proto", "tcp"), ("family", "2")]), Some(5.0), "{text}");
    assert_eq!(requests(&[("type", "MX")]), None, "no series without a query");
    assert_eq!(page.value("coredns_dns_do_requests_total", &[of_v4]), Some(1.0));
    assert_eq!(page.value("coredns_dns_do_requests_total", &[of_v6]), None);

    let replies = |labels: &[(&str, &str)]| page.value("coredns_dns_responses_total", labels);
    assert_eq!(replies(&[]), Some(total), "{text}");
    let by_cluster = ("plugin", "kubernetes");
    assert_eq!(replies(&[of_v4, ("rcode", "NOERROR"), by_cluster]), Some(23.0), "{text}");
    assert_eq!(replies(&[of_v6, ("rcode", "NXDOMAIN"), by_cluster]), Some(7.0), "{text}");
    assert_eq!(replies(&[of_v6, ("rcode", "REFUSED"), ("plugin", "")]), Some(5.0), "{text}");
    assert_eq!(replies(&[of_v4, ("rcode", "NOTIMP"), ("plugin", "")]), Some(1.0), "{text}");

    let causes = |labels: &[(&str, &str)]| page.value("fingerpost_answers_total", labels);
    assert_eq!(causes(&[of_v6, ("cause", "no-service")]), Some(7.0), "{text}");
    assert_eq!(causes(&[of_v6, ("cause", "not-ours")]), Some(5.0), "{text}");
    assert_eq!(causes(&[of_v4]), Some(2.0), "{text}");
    assert_eq!(causes(&[of_v4, ("cause", "no-data")]), Some(1.0), "{text}");
    assert_eq!(causes(&[of_v4, ("cause", "malformed")]), Some(1.0), "{text}");

    // All messages over UDP at the IPv4 address but one, whose size is known as well.
    let sizes = |name: &str, suffix: &str| {
        page.value(&format!("{name}_{suffix}"), &[of_v4, ("proto", "udp")])
    };
    let (count, sum) = ("count", "sum");
    let (query, response) = udp(v4, &notify);
    let exactly = |n: usize| Some(f64::from(u32::try_from(n).expect("small")));
    assert_eq!(sizes("coredns_dns_request_size_bytes", count), Some(21.0));
    assert_eq!(sizes("coredns_dns_request_size_bytes", sum), exactly(queries + query));
    assert_eq!(sizes("coredns_dns_response_size_bytes", count), Some(21.0));
    assert_eq!(sizes("coredns_dns_response_size_bytes", sum), exactly(responses + response));

    let received = page.value("fingerpost_messages_received_total", &[]);
    assert_eq!(received, Some(total));
    assert_eq!(page.value("fingerpost_messages_sent_total", &[]), Some(total));
    assert_eq!(page.value("fingerpost_tcp_connections_accepted_total", &[]), Some(3.0));
}

/// What the dashboard "CoreDNS" of Grafana (14981) asks for, but the cache's, which has tests of its
/// own; and what its alerts look at.
const DASHBOARD: &[&str] = &[
    "coredns_build_info",
    "coredns_dns_do_requests_total",
    "coredns_dns_request_duration_seconds_bucket",
    "coredns_dns_request_duration_seconds_count",
    "coredns_dns_request_size_bytes_bucket",
    "coredns_dns_request_size_bytes_count",
    "coredns_dns_requests_total",
    "coredns_dns_response_size_bytes_bucket",
    "coredns_dns_responses_total",
    "coredns_health_request_duration_seconds_bucket",
    "coredns_health_request_failures_total",
    "coredns_panics_total",
    "coredns_plugin_enabled",
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
    "process_virtual_memory_bytes",
];

#[test]
fn a_coredns_dashboard_finds_its_series() {
    let room = Room::new();
    let (served, [v4, _]) = serve(&room);
    let mut signed = message(DB, RecordType::A);
    let mut edns = Edns::new();
    edns.set_dnssec_ok(true);
    signed.edns = Some(edns);
    udp(v4, &signed);
    let at = pages(&served);
    until("the query is timed", || Page::of(at).has("coredns_dns_request_duration_seconds_count"));
    let page = Page::of(at);
    let missing: Vec<&&str> = DASHBOARD.iter().filter(|name| !page.has(name)).collect();
    assert!(missing.is_empty(), "{missing:?} of\n{}", page.text());
    assert!(!page.text().contains("\ngo_"), "there is no Go here");
    // The buckets are CoreDNS's.
    let bounds = |name: &str| {
        let lines = page.text().lines().filter(|line| line.starts_with(name));
        let bounds = lines.filter_map(|line| line.split("le=\"").nth(1)?.split('"').next());
        bounds.collect::<Vec<_>>().join(" ")
    };
    let times = "0.00025 0.0005 0.001 0.002 0.004 0.008 0.016 0.032 0.064 0.128 0.256 0.512 1.024 \
                 2.048 4.096 8.192 +Inf";
    assert_eq!(bounds("coredns_dns_request_duration_seconds_bucket"), times);
    let sizes = "0 100 200 300 400 511 1023 2047 4095 8291 16000 32000 48000 64000 +Inf";
    assert_eq!(bounds("coredns_dns_request_size_bytes_bucket"), sizes);
    assert_eq!(bounds("coredns_dns_response_size_bytes_bucket"), sizes);
    let pulse = "0.00025 0.0025 0.025 0.25 2.5 +Inf";
    assert_eq!(bounds("coredns_health_request_duration_seconds_bucket"), pulse);
    let enabled = [("name", "kubernetes"), ("zone", "."), ("server", "dns://127.0.0.1:0")];
    assert_eq!(page.value("coredns_plugin_enabled", &enabled), Some(1.0));
    let threads = page.value("process_threads", &[]).expect("threads");
    assert!(threads >= 6.0, "{threads}");
    assert!(page.value("process_resident_memory_bytes", &[]) > Some(1e6));
    let began = page.value("process_start_time_seconds", &[]).expect("a time");
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_secs_f64();
    assert!((now - began).abs() < 300.0, "{began} is not near {now}");
}
