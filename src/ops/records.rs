//! The records of a zone from wherever they can be had: a running server, a snapshot, manifests, or the
//! text of an earlier `dump`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};

use super::cluster::Loading;
use crate::answer::{self, Line, transfer_query, walk};
use crate::cluster::{Kind, snapshot};
use crate::config::{Kubernetes, Source};
use crate::front::read_record;
use crate::registry::Registry;
use crate::zone::{Spec, View};

/// How long a server may take to be reached, and between two pieces of a transfer.
const TALK_TIME: Duration = Duration::from_secs(10);
/// Octets of a transfer: far more than the zone of any cluster, less than what would fill a machine.
const OCTETS_MOST: usize = 1 << 32;
/// The port of DNS.
const PORT: u16 = 53;

/// Where records come from.
#[derive(Debug)]
pub(super) enum Origin {
    /// A server that transfers its zones.
    Server(SocketAddr),
    /// A last known good state.
    Snapshot(PathBuf),
    /// A file or folder of manifests.
    Manifests(PathBuf),
    /// Records as text, one a line.
    Text(PathBuf),
}

impl Origin {
    /// What a word of the command line means: an address or `dns://` one of a server, else a path.
    pub(super) fn of(word: &str) -> anyhow::Result<Self> {
        if let Some(rest) = word.strip_prefix("dns://") {
            return address(rest)
                .map(Self::Server)
                .with_context(|| format!("'{word}' names no address; write dns://ADDR[:PORT]"));
        }
        let path = PathBuf::from(word);
        if !path.exists()
            && let Some(address) = address(word)
        {
            return Ok(Self::Server(address));
        }
        let cure =
            "write ADDR[:PORT] of a server, or the path of a snapshot, of manifests or of a dump";
        if path.is_dir() {
            return Ok(Self::Manifests(path));
        }
        let mut file =
            File::open(&path).with_context(|| format!("cannot read '{word}'; {cure}"))?;
        if snapshot::is_one(&mut file).with_context(|| format!("cannot read '{word}'"))? {
            return Ok(Self::Snapshot(path));
        }
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension {
            Some("yaml" | "yml" | "json") => Ok(Self::Manifests(path)),
            _ => Ok(Self::Text(path)),
        }
    }

    /// Whether only forward zones can be had.
    pub(super) fn is_server(&self) -> bool {
        matches!(self, Self::Server(_))
    }

    /// The records of these zones, those of one behind those of the other, as objects become records
    /// under this configuration.
    pub(super) fn records(&self, spec: &Spec) -> anyhow::Result<Vec<Line>> {
        match self {
            Self::Server(server) => {
                let mut lines = Vec::new();
                for zone in spec.zones.iter().filter(|zone| !zone.is_reverse()) {
                    let name = &zone.name;
                    transferred(*server, name, &mut lines)
                        .with_context(|| format!("{server} does not transfer {name}"))?;
                }
                Ok(lines)
            }
            Self::Snapshot(path) => Ok(lines_of(&*restored(path, spec)?)),
            Self::Manifests(path) => {
                let source = Source::Manifests(vec![path.clone()]);
                let kubernetes = Kubernetes::new(spec.clone(), source);
                Ok(lines_of(&Loading::read(&kubernetes, spec.clone())?.view()))
            }
            Self::Text(path) => written(path),
        }
    }
}

fn address(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, PORT));
    text.parse().ok().or(ip)
}

/// The records of all zones of a view, in the order of the configuration.
fn lines_of(view: &View) -> Vec<Line> {
    let mut lines = Vec::new();
    visit(view, |line| lines.push(line));
    lines
}

/// Visits the records of all zones of a view, in the order of the configuration, not of the longest
/// match.
pub(super) fn visit(view: &View, mut visit: impl FnMut(Line)) {
    for zone in &view.spec().zones {
        let found = view.zones().iter().find(|found| found.zone == *zone);
        found.into_iter().for_each(|zone| walk(view, zone, &mut visit));
    }
}

/// The view of a last known good state, whichever API server it is of.
fn restored(path: &Path, spec: &Spec) -> anyhow::Result<Arc<View>> {
    let registry = Registry::new(Arc::new(spec.clone()), 0);
    let mut objects = Vec::new();
    let header = snapshot::look(path, |object| objects.push(object))?;
    registry.restore(header.state.serial, header.state.kinds, "", |sink| {
        objects.into_iter().for_each(sink);
    });
    let view = registry.view().load_full();
    let mut waiting = view.waiting();
    // Pod names are not written.
    waiting.remove(Kind::Pod);
    if !waiting.is_empty() {
        let kinds: Vec<_> = waiting.iter().map(Kind::resource).collect();
        bail!("snapshot {} holds no {}", path.display(), kinds.join(", "));
    }
    Ok(view)
}

/// Appends the records of a zone that a server transfers.
fn transferred(
    server: SocketAddr,
    zone: &crate::name::Name,
    lines: &mut Vec<Line>,
) -> anyhow::Result<()> {
    let mut stream =
        TcpStream::connect_timeout(&server, TALK_TIME).context("it cannot be reached over TCP")?;
    stream.set_read_timeout(Some(TALK_TIME))?;
    stream.set_write_timeout(Some(TALK_TIME))?;
    let query = transfer_query(zone);
    let len = u16::try_from(query.len()).context("the name is too long")?;
    stream.write_all(&[&len.to_be_bytes()[..], &query].concat())?;
    let mut stream = BufReader::new(stream);
    let (mut octets, mut ends) = (0_usize, 0);
    let mut message = Vec::new();
    // A transfer begins and ends with the SOA record (RFC 5936, section 2.2).
    while ends < 2 {
        let mut len = [0; 2];
        stream.read_exact(&mut len).context("the transfer breaks off")?;
        message.resize(usize::from(u16::from_be_bytes(len)), 0);
        stream.read_exact(&mut message).context("the transfer breaks off")?;
        octets += message.len();
        if octets > OCTETS_MOST {
            bail!("the transfer is longer than {OCTETS_MOST} octets");
        }
        let told = answer::told(&message).context("a message of the transfer is malformed")?;
        if told.rcode != 0 {
            let code = answer::rcode_name(told.rcode).unwrap_or("an error");
            let why = match &told.errors[..] {
                [] => String::new(),
                errors => format!(" ({})", errors.join("; ")),
            };
            bail!("it answers {code}{why}; let its 'transfer to' name this machine");
        }
        if told.answers.is_empty() {
            bail!("a message of the transfer holds no record");
        }
        ends += told.answers.iter().filter(|line| line.is_soa()).count();
        lines.extend(told.answers);
    }
    Ok(())
}

/// The records of a file, one a line, as `dump` and dig write them.
fn written(path: &Path) -> anyhow::Result<Vec<Line>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut lines = Vec::new();
    for (at, text) in BufReader::new(file).lines().enumerate() {
        let place = || format!("{}:{}", path.display(), at + 1);
        let text = text.with_context(place)?;
        if text.trim().is_empty() || text.starts_with(';') {
            continue;
        }
        let record = read_record(&text).with_context(|| {
            format!("{}: this is no record such as 'db.example. 5 IN A 192.0.2.1'", place())
        })?;
        lines
            .push(Line::of(&record).with_context(|| format!("{}: the name is too long", place()))?);
    }
    if lines.is_empty() {
        bail!("{} holds no record; name what 'dump' has written", path.display());
    }
    Ok(lines)
}
