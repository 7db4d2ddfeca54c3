//! Asks a server that runs for an explanation: the TXT records of `_explain` in front of a name, over
//! TCP, since they are many.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context;

use crate::answer::answers_in;
use crate::name::{Name, labels};
use crate::why::Explanation;

/// How long a server may take to let us in, to take the query, and for each part of its response.
const PATIENCE: Duration = Duration::from_secs(5);
/// TXT, class IN.
const TYPE_AND_CLASS: [u8; 4] = [0, 16, 0, 1];
/// RD, which a forwarder in between may want; one question.
const HEADER: [u8; 12] = [0x66, 0x70, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];

/// What the server says of a name; nothing where it does not explain it to us.
pub(super) fn ask_server(server: SocketAddr, name: &Name) -> anyhow::Result<Option<Explanation>> {
    let asked = name.prepend(crate::why::LABEL).with_context(|| {
        format!("{name} is too long to be asked of a server with '_explain.' in front of it")
    })?;
    let message = [&HEADER[..], asked.as_wire(), &TYPE_AND_CLASS].concat();
    let response = exchange(server, &message)
        .map_err(|error| match error.kind() {
            // What a time-out of a socket comes as.
            ErrorKind::WouldBlock => Error::new(ErrorKind::TimedOut, "no response came in time"),
            _ => error,
        })
        .with_context(|| format!("--server {server} does not answer over TCP"))?;
    let lines: Vec<String> = answers_in(&response)
        .iter()
        .filter(|line| line.rtype == 16)
        .map(|line| labels(&line.data).map(String::from_utf8_lossy).collect())
        .collect();
    if lines.is_empty() {
        return Ok(None);
    }
    let read = Explanation::read(lines.iter().map(|line| &**line));
    read.map(Some).with_context(|| format!("--server {server} is of another version"))
}

fn exchange(server: SocketAddr, message: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let len = u16::try_from(message.len()).unwrap_or(u16::MAX);
    stream.write_all(&[&len.to_be_bytes()[..], message].concat())?;
    let mut len = [0; 2];
    stream.read_exact(&mut len)?;
    let mut response = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut response)?;
    Ok(response)
}
