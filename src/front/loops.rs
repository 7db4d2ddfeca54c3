//! `loop`: looks at the start whether what is forwarded comes back.
//!
//! As CoreDNS's `loop`, by a name that nobody else can know. Unlike CoreDNS, each upstream is asked
//! for a name of its own, and is the one that a query for that name goes on to: so it is known which
//! one leads back, whatever else the policy of `forward` would choose. Everything here is awaited;
//! query threads do not know of it.
#![forbid(unsafe_code)]

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::answer::Query;
use crate::config::{Forward, ServerBlock, Upstream};
use crate::name::Name;
use crate::serve::{Transport, Upstreams};

/// The type HINFO, for which nobody else asks.
const HINFO: u16 = 13;
/// How long an upstream that does not answer is asked again; CoreDNS gives up after as long.
const LOOK_TIME: Duration = Duration::from_secs(30);
/// The pause between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a query may be on its way back after an answer has come.
const REST: Duration = Duration::from_secs(2);
/// How often the query must come back: the second time, it has gone the whole way from here to here.
/// CoreDNS counts its own question too, and so up to three.
const RETURNS: u32 = 2;

/// What is forwarded comes back.
#[derive(Debug, Error)]
pub struct LeadsBack {
    zone: Name,
    upstream: Upstream,
    name: Name,
    from: SocketAddr,
}

impl fmt::Display for LeadsBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { zone, upstream: Upstream { address, file, .. }, name, from } = self;
        let back = format!("leads back to this server: HINFO {name} came in again from {from}");
        match file {
            Some(file) => write!(
                f,
                "'loop' of zone '{zone}': upstream {address} of {} {back}; name a resolver that does \
                 not ask this server: let the kubelet's --resolv-conf (resolvConf of its \
                 configuration) be a file with the real ones, such as \
                 /run/systemd/resolve/resolv.conf, or write them behind 'forward'",
                file.display()
            ),
            None => write!(
                f,
                "'loop' of zone '{zone}': upstream {address} {back}; write a resolver behind \
                 'forward' that does not ask this server"
            ),
        }
    }
}

/// A search of one block's upstreams.
pub struct LoopSearch {
    zone: Name,
    probes: Vec<Probe>,
    over: AtomicBool,
    found: UnboundedSender<LeadsBack>,
}

/// One upstream, and the name that it is asked for.
struct Probe {
    to: Upstream,
    upstreams: Upstreams,
    name: Name,
    returns: AtomicU32,
}

impl LoopSearch {
    /// What a block has searched for, if it says `loop` and forwards anything that could come back.
    /// What is found is sent to `found`.
    pub(super) fn new(config: &ServerBlock, found: &UnboundedSender<LeadsBack>) -> Option<Self> {
        let zone = config.zones.first().filter(|_| config.find_loops)?.clone();
        let probes: Vec<Probe> =
            config.forward.iter().flat_map(|forward| probes(config, &zone, forward)).collect();
        let over = AtomicBool::new(false);
        (!probes.is_empty()).then(|| Self { zone, probes, over, found: found.clone() })
    }

    /// Asks every upstream, until each has answered or its time is over.
    pub async fn run(self: Arc<Self>) {
        let end = Instant::now() + LOOK_TIME;
        let mut asking = JoinSet::new();
        for number in 0..self.probes.len() {
            let search = Arc::clone(&self);
            asking.spawn(async move {
                if let Some(probe) = search.probes.get(number) {
                    probe.ask(end).await;
                }
            });
        }
        while asking.join_next().await.is_some() {}
        sleep(REST).await;
        self.end();
    }

    /// Ends it: another configuration is in effect.
    pub(super) fn end(&self) {
        self.over.store(true, Relaxed);
    }

    /// Where a query goes on to that the search itself has sent, and that has come back from here.
    pub(super) fn came_back(&self, query: &Query, from: SocketAddr) -> Option<&Upstreams> {
        if query.qtype() != HINFO || self.over.load(Relaxed) {
            return None;
        }
        let asked = query.asked().name();
        let probe = self.probes.iter().find(|probe| probe.name.as_wire() == asked)?;
        if probe.returns.fetch_add(1, Relaxed) + 1 == RETURNS {
            let (zone, name) = (self.zone.clone(), probe.name.clone());
            // Who listens no more is about to end.
            let _ = self.found.send(LeadsBack { zone, upstream: probe.to.clone(), name, from });
        }
        Some(&probe.upstreams)
    }
}

/// One for each upstream of a `forward` through which something could come back to this zone.
fn probes(config: &ServerBlock, zone: &Name, forward: &Forward) -> Vec<Probe> {
    let base = if forward.from.is_within(zone) { &forward.from } else { zone };
    let is_ours = config.kubernetes.as_ref().is_some_and(|kubernetes| {
        let zones = &kubernetes.spec.zones;
        zones.iter().any(|of| base.is_within(&of.name))
            && !kubernetes.spec.fallthrough.covers(base.as_wire())
    });
    if is_ours || !forward.covers(base) {
        return Vec::new();
    }
    let probe = |to: &Upstream| {
        let alone = Forward { to: vec![to.clone()], ..forward.clone() };
        let (upstreams, name) = (Upstreams::new(&alone), random_below(base)?);
        Some(Probe { to: to.clone(), upstreams, name, returns: AtomicU32::new(0) })
    };
    forward.to.iter().filter_map(probe).collect()
}

impl fmt::Debug for LoopSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopSearch").field("zone", &self.zone).finish_non_exhaustive()
    }
}

impl Probe {
    async fn ask(&self, end: Instant) {
        let header = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let kind = [HINFO, 1].map(u16::to_be_bytes);
        let query = [&header, self.name.as_wire(), kind.as_flattened()].concat();
        let own = IpAddr::from(Ipv4Addr::LOCALHOST);
        while self.upstreams.ask(&query, Transport::Udp, own).await.is_err() && Instant::now() < end
        {
            // What comes back late belongs to a try that has failed.
            self.returns.store(0, Relaxed);
            sleep(PAUSE).await;
        }
    }
}

/// A name below this one that nobody can guess.
fn random_below(base: &Name) -> Option<Name> {
    let number = || getrandom::u64().ok();
    let labels = Name::parse(&format!("{}.{}", number()?, number()?)).ok()?;
    base.prepend(labels.relative()).ok()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_message_names_the_upstream_and_the_cure() {
        let found = |file: Option<&str>| LeadsBack {
            zone: Name::root(),
            upstream: Upstream {
                file: file.map(PathBuf::from),
                ..Upstream::plain("127.0.0.53:53".parse().unwrap())
            },
            name: Name::parse("1.2").unwrap(),
            from: "127.0.0.1:4000".parse().unwrap(),
        };
        assert_eq!(
            found(None).to_string(),
            "'loop' of zone '.': upstream 127.0.0.53:53 leads back to this server: HINFO 1.2. came in \
             again from 127.0.0.1:4000; write a resolver behind 'forward' that does not ask this server"
        );
        let of_file = found(Some("/etc/resolv.conf")).to_string();
        for part in [
            "upstream 127.0.0.53:53 of /etc/resolv.conf leads back",
            "the kubelet's --resolv-conf (resolvConf",
            "/run/systemd/resolve/resolv.conf",
        ] {
            assert!(of_file.contains(part), "{of_file}");
        }
    }

    #[test]
    fn what_is_searched_for() {
        let (found, _told) = tokio::sync::mpsc::unbounded_channel();
        let name = |text: &str| Name::parse(text).unwrap();
        let to = ["192.0.2.1:53", "192.0.2.2:53"].map(|to| Upstream::plain(to.parse().unwrap()));
        let search = |zone: &str, from: &str, except: &[&str]| {
            let mut forward = Forward::new(name(from), to.to_vec());
            forward.except = except.iter().copied().map(name).collect();
            let config = ServerBlock {
                zones: vec![name(zone)],
                forward: vec![forward],
                find_loops: true,
                ..ServerBlock::default()
            };
            LoopSearch::new(&config, &found)
        };
        for (zone, from, base) in [(".", ".", "."), ("a.b", ".", "a.b"), ("b", "a.b", "a.b")] {
            let search = search(zone, from, &[]).unwrap();
            let names: Vec<&Name> = search.probes.iter().map(|probe| &probe.name).collect();
            assert_ne!(names[0], names[1]);
            let depth = name(base).label_count() + 2;
            let below = |one: &&Name| one.is_within(&name(base)) && one.label_count() == depth;
            assert!(names.iter().all(below), "{names:?}");
        }
        assert!(search("a", "b", &[]).is_none(), "nothing of it is forwarded");
        assert!(search("a", ".", &["a"]).is_none());
        let config =
            ServerBlock { zones: vec![Name::root()], find_loops: true, ..ServerBlock::default() };
        assert!(LoopSearch::new(&config, &found).is_none());
    }
}
