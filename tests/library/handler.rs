//! The request handler under hickory's own server, asked over UDP and TCP, says what the crate's own
//! answer says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fingerpost::answer::{Desk, Outcome, Query, Settings, Transport, answer};
use fingerpost::cluster::manifest::Manifests;
use fingerpost::config::{self, Command};
use fingerpost::front::{Block, Front};
use fingerpost::registry::{Publisher, Registry, SystemClock};
use fingerpost::serve::Handler;
use fingerpost::zone::{Spec, View};
use hickory_proto::op::Message;

/// Long enough for any machine; nothing waits for it that works.
const PATIENCE: Duration = Duration::from_secs(20);

/// The examples, published.
fn registry() -> Arc<Registry> {
    let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy/examples");
    let registry = Registry::new(Arc::new(Spec::default()), 7);
    registry.apply(Manifests::new(vec![examples]).load().expect("the examples").changes);
    Publisher::new(Arc::clone(&registry), SystemClock).publish();
    registry
}

/// A desk as the quick options make it, with this registry's views.
fn front(registry: &Registry) -> Arc<Front> {
    let args = ["fingerpost", "serve", "--manifests", "deploy/examples", "--listen", "127.0.0.1:0"];
    let Ok(Command::Serve(run)) = config::read(args.map(Into::into)) else { panic!("serve") };
    let block = Block::new(&run.config.servers[0], Some(registry.view()));
    Front::new(vec![block])
}

fn query(name: &str, qtype: u16, edns: bool) -> Vec<u8> {
    let mut wire = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns)];
    for label in name.split('.') {
        wire.push(u8::try_from(label.len()).expect("a label"));
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire.extend_from_slice(&qtype.to_be_bytes());
    wire.extend_from_slice(&[0, 1]);
    if edns {
        wire.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
    }
    wire
}

/// What the pure answer says, sets sorted, since they turn.
fn expected(view: &View, message: &[u8], transport: Transport) -> Message {
    let mut out = vec![0; 65_535];
    let settings = Settings::default();
    let desk = Desk { view: Some(view), settings: &settings, transport, rotation: 0 };
    match answer(&desk, message, &mut Query::default(), &mut out) {
        Outcome::Reply { len, .. } => sorted(&out[..len]),
        other => panic!("{other:?}"),
    }
}

fn sorted(octets: &[u8]) -> Message {
    let mut message = Message::from_vec(octets).expect("a message");
    for section in [&mut message.answers, &mut message.authorities, &mut message.additionals] {
        section.sort_by_key(ToString::to_string);
    }
    message
}

fn over_udp(address: SocketAddr, message: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
    socket.set_read_timeout(Some(PATIENCE)).expect("time-out");
    socket.send_to(message, address).expect("send");
    let mut room = vec![0; 65_535];
    let len = socket.recv(&mut room).expect("a response");
    room.truncate(len);
    room
}

fn over_tcp(address: SocketAddr, message: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("time-out");
    let len = u16::try_from(message.len()).expect("short").to_be_bytes();
    stream.write_all(&[&len, message].concat()).expect("send");
    let mut len = [0; 2];
    stream.read_exact(&mut len).expect("a length");
    let mut room = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut room).expect("a response");
    room
}

#[test]
fn any_hickory_server_can_mount_the_handler() {
    let registry = registry();
    let view = registry.view().load_full();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let (mut server, udp, tcp) = runtime.block_on(async {
        let mut server = hickory_server::Server::new(Handler::new(front(&registry)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("bind");
        let addresses = (socket.local_addr(), listener.local_addr());
        server.register_socket(socket);
        server.register_listener(listener, PATIENCE, 32);
        (server, addresses.0.expect("address"), addresses.1.expect("address"))
    });
    for (name, qtype) in [
        ("mysql.shop.svc.cluster.local", 1),
        ("MySQL.shop.svc.cluster.local", 28),
        ("_postgres._tcp.postgres.shop.svc.cluster.local", 33),
        ("db.shop.svc.cluster.local", 1),
        ("warehouse.shop.svc.cluster.local", 5),
        ("nope.shop.svc.cluster.local", 1),
        ("20.2.0.192.in-addr.arpa", 12),
        ("cluster.local", 6),
        ("example.com", 1),
    ] {
        for edns in [false, true] {
            let message = query(name, qtype, edns);
            for (transport, octets) in [
                (Transport::Udp, over_udp(udp, &message)),
                (Transport::Stream, over_tcp(tcp, &message)),
            ] {
                let expected = expected(&view, &message, transport);
                assert_eq!(sorted(&octets), expected, "{name} {qtype} {transport:?}");
            }
        }
    }
    runtime.block_on(server.shutdown_gracefully()).expect("an orderly end");
}
