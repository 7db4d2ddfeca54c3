//! Plain requests, one a connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::run::{PATIENCE, Room, Served};

/// A response, whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Sends `text` and reads until the end; nothing where the connection was closed without a word.
pub(crate) fn send(address: SocketAddr, text: &[u8]) -> Option<Reply> {
    let mut stream = TcpStream::connect(address).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("time-out");
    // The server may have closed it already: too many, or too long.
    let _ = stream.write_all(text);
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    let all = String::from_utf8(all).expect("UTF-8");
    let (head, body) = all.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    Some(Reply { status, head: head.to_lowercase(), body: body.into() })
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Reply {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    send(address, request.as_bytes()).expect("a reply")
}

/// All three pages on one address of their own.
pub(crate) const PAGES: [&str; 6] =
    ["--health", "127.0.0.1:0", "--ready", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];

/// Where the pages are.
pub(crate) fn pages(served: &Served) -> SocketAddr {
    let line = served.told("can be asked for over HTTP");
    let address = line.split("at=").nth(1).and_then(|rest| rest.split(' ').next());
    address.expect("an address").parse().expect("an address")
}

/// A kubeconfig for an API server at this address.
pub(crate) fn kubeconfig(room: &Room, api: SocketAddr) -> String {
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: fake\n\
         clusters:\n- name: fake\n  cluster: {{ server: \"http://{api}\" }}\n\
         users:\n- name: me\n  user: {{ token: secret }}\n\
         contexts:\n- name: fake\n  context: {{ cluster: fake, user: me }}\n"
    );
    room.write("kubeconfig", text).display().to_string()
}
