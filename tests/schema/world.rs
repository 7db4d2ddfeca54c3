//! A world: objects, a configuration, and the view that comes of them.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use fingerpost::answer::{self, Desk, Outcome, Query, STREAM_MOST, Settings, Transport, UDP_MOST};
use fingerpost::cluster::Change;
use fingerpost::cluster::manifest::Manifests;
use fingerpost::config::{self, Command};
use fingerpost::name::Name;
use fingerpost::registry::{Clock, Publisher, Registry};
use fingerpost::zone::{Spec, View, Zone};
use tempfile::TempDir;

use super::reply::{Reply, Rules};
use super::server::Running;
use super::wire::Ask;

/// The time, in Unix seconds, of every view of the library's.
pub(crate) const NOW: u32 = 1_790_000_000;

struct Stopped;

impl Clock for Stopped {
    fn unix_seconds(&self) -> u32 {
        NOW
    }
}

/// What answers come from.
pub(crate) struct World {
    pub(crate) view: Arc<View>,
    pub(crate) settings: Settings,
    pub(crate) rules: Rules,
    /// The binary over the same files, for worlds that are served.
    pub(crate) server: Option<Running>,
    _files: TempDir,
}

/// A configuration with only the zone's own name servers given.
pub(crate) fn spec() -> Spec {
    Spec { local_addresses: here(), ..Spec::default() }
}

/// Where worlds that are served listen.
pub(crate) fn here() -> Vec<IpAddr> {
    ["127.0.0.1", "::1"].into_iter().map(|text| text.parse().expect("an address")).collect()
}

/// These zones.
pub(crate) fn zones(names: &[&str]) -> Vec<Zone> {
    names.iter().map(|name| Zone::new(Name::parse(name).expect("a zone"))).collect()
}

fn written(objects: &[String]) -> TempDir {
    let files = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(files.path().join("manifests")).expect("a folder");
    let text = objects.join("\n---\n");
    std::fs::write(files.path().join("manifests/all.yaml"), text).expect("a file");
    files
}

/// What a source says of the manifests at `path`, which must be without fault.
pub(crate) fn changes(path: &Path) -> Vec<Change> {
    let mut manifests = Manifests::new(vec![path.to_owned()]);
    let mut changes = Vec::new();
    let report = manifests.load_into(&mut |change| changes.push(change)).expect("readable files");
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    changes
}

/// The same of objects.
pub(crate) fn changes_of(objects: &[String]) -> Vec<Change> {
    changes(&written(objects).path().join("manifests"))
}

/// The view that comes of these changes.
pub(crate) fn view(spec: Spec, changes: Vec<Change>) -> Arc<View> {
    let registry = Registry::new(Arc::new(spec), 1);
    registry.apply(changes);
    Publisher::new(Arc::clone(&registry), Stopped).publish();
    registry.view().load_full()
}

impl World {
    /// These objects under the usual configuration.
    pub(crate) fn of(objects: &[String]) -> Self {
        Self::with(objects, spec())
    }

    /// These objects under this configuration.
    pub(crate) fn with(objects: &[String], spec: Spec) -> Self {
        let files = written(objects);
        let view = view(spec, changes(&files.path().join("manifests")));
        Self::over(view, files)
    }

    /// A view that was made elsewhere.
    pub(crate) fn seen(view: Arc<View>) -> Self {
        Self::over(view, tempfile::tempdir().expect("a folder"))
    }

    /// These objects served by the binary too, under a configuration of these options.
    pub(crate) fn served(objects: &[String], options: &[&str]) -> Self {
        let files = written(objects);
        let manifests = files.path().join("manifests");
        Self::run(files, manifests.to_str().expect("a path"), options)
    }

    /// The manifests at `path`, served by the binary too.
    pub(crate) fn of_files(path: &str) -> Self {
        Self::run(tempfile::tempdir().expect("a folder"), path, &[])
    }

    /// These objects served by the binary too, under a Corefile: what its `kubernetes` says behind
    /// the name, and further directives.
    pub(crate) fn configured(objects: &[String], kubernetes: &str, more: &str) -> Self {
        let files = written(objects);
        let manifests = files.path().join("manifests");
        let (zones, options) = kubernetes.split_once('\n').unwrap_or((kubernetes, ""));
        let text = format!(
            ".:0 {{\n bind 127.0.0.1 ::1\n workers 1\n{more}\n kubernetes {zones} {{\n \
             manifests {}\n{options}\n }}\n}}\n",
            manifests.display()
        );
        let corefile = files.path().join("Corefile");
        std::fs::write(&corefile, text).expect("a file");
        let line = ["serve", "-c", corefile.to_str().expect("a path")];
        Self::start(files, &manifests, &line)
    }

    fn run(files: TempDir, path: &str, options: &[&str]) -> Self {
        let mut line = vec!["serve", "--manifests", path];
        line.extend(["--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--workers", "1"]);
        line.extend(options);
        Self::start(files, Path::new(path), &line)
    }

    fn start(files: TempDir, manifests: &Path, line: &[&str]) -> Self {
        let server = Running::start(line);
        let arguments = ["fingerpost"].iter().chain(line).map(Into::into);
        let Ok(Command::Serve(run)) = config::read(arguments) else {
            panic!("{line:?} is no command line");
        };
        let block = &run.config.servers[0];
        let mut spec = block.kubernetes.clone().expect("a kubernetes block").spec;
        spec.local_addresses = here();
        let mut world = Self::over(view(spec, changes(manifests)), files);
        world.server = Some(server);
        let forwards = !block.forward.is_empty();
        world.settings = Settings {
            payload: block.bufsize,
            recursion: forwards,
            upstream: forwards,
            ede: true,
            ..Settings::DEFAULT
        };
        world.rules.recursion = forwards;
        world.rules.payload = block.bufsize;
        world
    }

    fn over(view: Arc<View>, files: TempDir) -> Self {
        let spec = view.spec();
        let rules = Rules {
            ttl: spec.ttl,
            payload: 1_232,
            recursion: false,
            zones: spec.zones.iter().map(|zone| zone.name.to_string()).collect(),
            primary: view.primary_zone().to_string(),
            serial: Some(view.serial()),
        };
        Self { view, settings: Settings::default(), rules, server: None, _files: files }
    }

    /// The outcome for a message, and the response.
    pub(crate) fn outcome(
        &self,
        message: &[u8],
        stream: bool,
        rotation: u32,
    ) -> (Outcome, Vec<u8>) {
        let transport = if stream { Transport::Stream } else { Transport::Udp };
        let desk = Desk { view: Some(&self.view), settings: &self.settings, transport, rotation };
        // What is not written by the answer must not be taken for a part of it.
        let room = if stream { STREAM_MOST } else { usize::from(UDP_MOST) };
        let mut out = vec![0xa5; room];
        let outcome = answer::answer(&desk, message, &mut Query::default(), &mut out);
        let len = match outcome {
            Outcome::Reply { len, .. } | Outcome::Chase(len) => len,
            _ => 0,
        };
        out.truncate(len);
        (outcome, out)
    }

    /// The library's response to a message, or silence.
    pub(crate) fn octets(&self, message: &[u8], stream: bool, rotation: u32) -> Option<Vec<u8>> {
        match self.outcome(message, stream, rotation) {
            (Outcome::Reply { .. }, octets) => Some(octets),
            (Outcome::Silence, _) => None,
            (other, _) => panic!("{other:?} for {message:02x?}"),
        }
    }

    /// The library's response to a query, judged.
    pub(crate) fn library(&self, ask: &Ask, stream: bool, rotation: u32) -> Reply {
        let octets = self.octets(&ask.message(), stream, rotation).expect("a response");
        Reply::read(ask, &octets, stream, &self.rules)
    }

    /// The response to a query, judged: the library's, which the binary's must be like, if there
    /// is one.
    pub(crate) fn reply(&self, ask: &Ask, stream: bool) -> Reply {
        let reply = self.library(ask, stream, u32::from(ask.qtype));
        if let Some(server) = &self.server {
            let octets = server.exchange(&ask.message(), stream);
            let rules = Rules { serial: None, ..self.rules.clone() };
            let same = Reply::read(ask, &octets, stream, &rules);
            assert_eq!(same.text, reply.text, "the binary's answer to {ask:x?}");
            assert_eq!(octets.len(), reply.octets.len(), "{ask:x?}");
            assert_eq!(octets[..12], reply.octets[..12], "{ask:x?}");
        }
        reply
    }

    /// The text of the response to a plain question over UDP with EDNS.
    pub(crate) fn text(&self, name: &str, qtype: u16) -> String {
        self.reply(&Ask::new(name, qtype).edns(1_232, 0), false).text
    }

    /// Asserts the responses to questions `name TYPE`.
    pub(crate) fn expect(&self, cases: &[(&str, &str)]) {
        let mut wrong = String::new();
        for (question, expected) in cases {
            let (name, qtype) = question.split_once(' ').expect("a name and a type");
            let found = self.text(name, super::wire::rtype(qtype));
            if found != *expected {
                let _ = writeln!(wrong, "{question}\n  expected {expected}\n  found    {found}");
            }
        }
        assert!(wrong.is_empty(), "\n{wrong}");
    }
}
