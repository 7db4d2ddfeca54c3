//! A server that forwards, and clients of it.

use std::net::UdpSocket;

use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RecordType};

use crate::http::pages;
use crate::run::{PATIENCE, Room, Served};
use crate::scrape::Page;

/// A query with EDNS, as most send it.
pub(crate) fn query(name: &str) -> Message {
    let mut query = plain(name);
    let mut edns = Edns::new();
    edns.set_max_payload(1_232);
    query.edns = Some(edns);
    query
}

/// A query without EDNS, for an address.
pub(crate) fn plain(name: &str) -> Message {
    let mut query = Message::query();
    query.metadata.id = 0x0102;
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(Name::from_ascii(name).expect("a name"), RecordType::A));
    query
}

/// A Service of the cluster, `web.shop.svc.cluster.local`, and an alias that leads outside.
const OBJECTS: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n\
                       apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n\
                       spec: {clusterIP: 10.0.0.1, selector: {a: b}, ports: [{port: 80}]}\n---\n\
                       apiVersion: v1\nkind: Service\nmetadata: {name: out, namespace: shop}\n\
                       spec: {type: ExternalName, externalName: a300.test}\n";

/// A server of one block with these lines beside the cluster's names and metrics.
pub(crate) fn serve(room: &Room, lines: &str) -> Served {
    room.write("objects.yaml", OBJECTS);
    let corefile = format!(
        ".:0 {{\n bind 127.0.0.1\n errors\n prometheus 127.0.0.1:0\n kubernetes cluster.local {{\n  \
         manifests objects.yaml\n }}\n{lines}\n}}\n"
    );
    room.write("Corefile", corefile);
    room.serve(&["-c", "Corefile"])
}

/// Sends a query from a socket and gives back the response to it, whatever else comes before.
pub(crate) fn exchange(socket: &UdpSocket, query: &Message) -> Message {
    socket.set_read_timeout(Some(PATIENCE)).expect("time-out");
    socket.send(&query.to_vec().expect("a query")).expect("send");
    let mut room = [0; 4_096];
    loop {
        let len = socket.recv(&mut room).expect("a response");
        let reply = Message::from_vec(&room[..len]).expect("a message");
        if reply.metadata.id == query.metadata.id && reply.queries == query.queries {
            assert_eq!(reply.edns.is_some(), query.edns.is_some());
            return reply;
        }
    }
}

pub(crate) fn ask(served: &Served, query: &Message) -> Message {
    exchange(&served.socket(), query)
}

/// Code and data of the answer, in one line.
pub(crate) fn line(reply: &Message) -> String {
    let code = reply.metadata.response_code;
    let records = reply.answers.iter().map(|one| format!(" {}", one.data));
    format!("{code:?}") + &records.collect::<String>()
}

/// The code and the text of the extended error.
pub(crate) fn ede(reply: &Message) -> Option<(u16, String)> {
    let option = reply.edns.as_ref()?.option(EdnsCode::Unknown(15))?;
    let EdnsOption::Unknown(_, octets) = option else { return None };
    let text = String::from_utf8(octets[2..].to_vec()).expect("UTF-8");
    Some((u16::from_be_bytes([octets[0], octets[1]]), text))
}

pub(crate) fn page(served: &Served) -> Page {
    Page::of(pages(served))
}
