//! A headless Service with very many endpoints, changed at a fake API server and asked for over UDP and
//! TCP.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RData;

use crate::api::{Api, SERVICES, SLICES};
use crate::objects;
use crate::process::{Result, Running, exchange, rcode};
use crate::support::query;

const A: u16 = 1;
/// For what must come.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at an answer that is to change.
const LOOK: Duration = Duration::from_micros(200);
/// Before a change: longer than the publisher gathers what follows a view, so that it is a lone one.
const REST: Duration = Duration::from_millis(10);
/// Endpoints of each of the other Services.
const OTHERS: usize = 3;
/// The first of the large Service's pods, beyond those of the others.
const FIRST: usize = 1 << 20;
/// As many addresses as a message over TCP has room for, at least.
const TCP_LEAST: usize = 4_000;

/// How long each of so many changes takes from the API server to the answer over TCP, in a cluster of
/// so many Services more: one of `endpoints` in slices of `each` becomes ready, or ceases to be, each
/// by itself.
pub fn changes(
    services: usize,
    endpoints: usize,
    each: usize,
    rounds: usize,
) -> Result<Vec<Duration>> {
    let api = Api::start("34", services / 4 * 4 + 3, OTHERS)?;
    let at = services / 4 * 4 + 3;
    api.change(SERVICES, at, |revision| objects::service(at, 0, revision));
    let slice = |part: usize, unready: usize, revision| {
        let end = format!("part{part}");
        objects::slice_of(at, &end, FIRST + part * each, each, unready, revision)
    };
    for part in 0..endpoints / each {
        api.change(SLICES, at + part, |revision| slice(part, 0, revision));
    }
    let (server, _folder) = serve(api.address)?;
    let (name, namespace, _) = objects::place(at);
    let name = format!("{name}.{namespace}.svc.cluster.local");
    let whole = query(&name, A);
    until(|| Ok(exchange(server.address, &whole).is_some_and(|reply| rcode(&reply) == 0)))?;

    let mut set: HashSet<Ipv4Addr> =
        (0..endpoints).map(|at| objects::pod_address(FIRST + at).into()).collect();
    let mut stream = TcpStream::connect(server.address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut took = Vec::new();
    for turn in 0..rounds {
        // Every other turn takes back what the one before has done.
        let (part, number) = (turn / 2 % (endpoints / each), turn / 2 * 7 % each);
        let leaves = turn % 2 == 0;
        let address = objects::pod_address(FIRST + part * each + number);
        let text = slice(part, if leaves { number + 1 } else { 0 }, 0);
        if leaves {
            set.remove(&address.into())
        } else {
            set.insert(address.into())
        };
        let [a, b, c, d] = address;
        let own = query(&format!("{a}-{b}-{c}-{d}.{name}"), A);
        let wanted = if leaves { ResponseCode::NXDomain } else { ResponseCode::NoError };

        sleep(REST);
        let began = Instant::now();
        api.change(SLICES, at + part, |revision| with_revision(&text, revision));
        until(|| {
            let reply = exchange(server.address, &own).ok_or("no answer")?;
            Ok(rcode(&reply) == wanted.low())
        })?;
        let over_udp = exchange(server.address, &whole).ok_or("no answer")?;
        let over_tcp = over_tcp(&mut stream, &whole)?;
        took.push(began.elapsed());

        check(&over_udp, &over_tcp, &set)?;
    }
    Ok(took)
}

/// An error where the answers are not of the set, or do not say that there is more of it.
fn check(over_udp: &[u8], over_tcp: &[u8], set: &HashSet<Ipv4Addr>) -> Result<()> {
    if !Message::from_vec(over_udp)?.metadata.truncation {
        return Err("all of the set was said to fit into a datagram".into());
    }
    let message = Message::from_vec(over_tcp)?;
    let addresses: HashSet<Ipv4Addr> = message
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::A(address) => Some(address.0),
            _ => None,
        })
        .collect();
    let whole = addresses.len() == set.len();
    if addresses.len() < TCP_LEAST.min(set.len()) || !addresses.is_subset(set) {
        return Err(format!("{} addresses over TCP, or wrong ones", addresses.len()).into());
    }
    if whole == message.metadata.truncation {
        return Err("TC does not say whether addresses are left out".into());
    }
    Ok(())
}

fn with_revision(text: &str, revision: u64) -> String {
    text.replacen(r#""resourceVersion":"0""#, &format!(r#""resourceVersion":"{revision}""#), 1)
}

fn over_tcp(stream: &mut TcpStream, query: &[u8]) -> Result<Vec<u8>> {
    let length = u16::try_from(query.len())?;
    stream.write_all(&[&length.to_be_bytes()[..], query].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply)?;
    Ok(reply)
}

/// The binary at an API server.
fn serve(api: SocketAddr) -> Result<(Running, tempfile::TempDir)> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: fake\n\
         clusters:\n- name: fake\n  cluster: {{ server: \"http://{api}\" }}\n\
         users:\n- name: me\n  user: {{ token: secret }}\n\
         contexts:\n- name: fake\n  context: {{ cluster: fake, user: me }}\n"
    );
    std::fs::write(&config, text)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_fingerpost"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--kubeconfig"]).arg(&config);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    Ok((Running::telling(&mut command, None)?, folder))
}

fn until(mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !done()? {
        if Instant::now() > deadline {
            return Err(format!("the answer has not changed within {PATIENCE:?}").into());
        }
        sleep(LOOK);
    }
    Ok(())
}
