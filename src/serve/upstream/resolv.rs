//! Upstreams that a resolv.conf names: followed as it changes, by the thread `resolv`, one for each
//! `forward` with such a file.
//!
//! Whoever stays keeps what is known of it: its health, its connections, its counts.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::peer::Peer;
use super::tls::{Common, TlsFault};
use crate::config::{MAX_UPSTREAMS, Protocol, Upstream, read_resolv_conf};

/// From one look at the files to the next: soon enough for whoever has joined another network, and a
/// `stat` costs next to nothing.
const LOOK: Duration = Duration::from_secs(1);

/// The upstreams of a directive as they are now.
pub(super) type Peers = Arc<ArcSwap<Vec<Arc<Peer>>>>;

/// The upstreams that a directive names, those of `old` among them as they are.
pub(super) fn peers(
    to: &[Upstream],
    old: &[Arc<Peer>],
    common: &Common,
) -> Result<Vec<Arc<Peer>>, TlsFault> {
    let peer = |to: &Upstream| {
        let stays = |peer: &&Arc<Peer>| {
            peer.address() == to.address
                && peer.secure().is_some() == (to.protocol == Protocol::Tls)
        };
        match old.iter().find(stays) {
            Some(peer) => Ok(Arc::clone(peer)),
            None => Ok(Arc::new(Peer::new(to.address, common.with(to)?))),
        }
    };
    to.iter().map(peer).collect()
}

/// Follows the files that name upstreams, until what it gives back is dropped. Nothing where there
/// are none.
pub(super) fn follow(to: &[Upstream], common: &Common, peers: &Peers) -> Option<Sender<()>> {
    // Each is read once more at the first look: it may have changed since the configuration was read.
    let named = to.iter().filter_map(|to| to.file.clone());
    let files: BTreeMap<PathBuf, Followed> =
        named.map(|path| (path, Followed { stamp: None, to: None })).collect();
    if files.is_empty() {
        return None;
    }
    let (stop, stopped) = bounded(0);
    let mut following =
        Following { to: to.to_vec(), files, common: common.clone(), peers: Arc::clone(peers) };
    let run = move || following.run(&stopped);
    if let Err(fault) = std::thread::Builder::new().name("resolv".into()).spawn(run) {
        tracing::error!(%fault, "cannot follow the resolv.conf of 'forward'; it stays as it is");
    }
    Some(stop)
}

/// When a file was changed, how long it is, and which one it is.
type Stamp = (SystemTime, u64, u64);

fn stamp(path: &Path) -> io::Result<Stamp> {
    let found = fs::metadata(path)?;
    Ok((found.modified()?, found.len(), found.ino()))
}

/// A file.
struct Followed {
    /// Nothing where it is not there, or has not been looked at.
    stamp: Option<Stamp>,
    /// Whom it names, once it has changed.
    to: Option<Vec<Upstream>>,
}

struct Following {
    /// The upstreams as the configuration was read.
    to: Vec<Upstream>,
    files: BTreeMap<PathBuf, Followed>,
    common: Common,
    peers: Peers,
}

impl Following {
    fn run(&mut self, stopped: &Receiver<()>) {
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(LOOK) {
            if self.look() {
                self.publish();
            }
        }
    }

    /// Reads what has changed; whether there is something else to ask.
    fn look(&mut self) -> bool {
        let mut changed = false;
        for (path, followed) in &mut self.files {
            let now = stamp(path).ok();
            if now == followed.stamp {
                continue;
            }
            followed.stamp = now;
            match read_resolv_conf(path) {
                Ok(to) => {
                    followed.to = Some(to);
                    changed = true;
                }
                Err(fault) => tracing::warn!("{fault}; the upstreams that it named stay"),
            }
        }
        changed
    }

    fn publish(&self) {
        let to = self.list();
        let old = self.peers.load_full();
        match peers(&to, &old, &self.common) {
            Ok(new)
                if new.len() == old.len()
                    && new.iter().zip(&*old).all(|(a, b)| Arc::ptr_eq(a, b)) => {}
            Ok(new) => {
                let named: Vec<String> = to.iter().map(|to| to.address.to_string()).collect();
                tracing::info!("the upstreams of 'forward' are {} now", named.join(" "));
                self.peers.store(Arc::new(new));
            }
            Err(fault) => tracing::warn!("{fault}; the upstreams stay as they are"),
        }
    }

    /// The upstreams of the configuration, with those that files name now in place of those that they
    /// named then; each once, and no more than may be.
    fn list(&self) -> Vec<Upstream> {
        let mut list: Vec<Upstream> = Vec::new();
        for to in &self.to {
            let newer = to.file.as_ref().and_then(|path| self.files.get(path)?.to.as_ref());
            for to in newer.map_or(std::slice::from_ref(to), Vec::as_slice) {
                let same =
                    |one: &Upstream| (one.address, one.protocol) == (to.address, to.protocol);
                if !list.iter().any(same) {
                    list.push(to.clone());
                }
            }
        }
        if list.len() > MAX_UPSTREAMS {
            tracing::warn!(
                "{} upstreams are more than the {MAX_UPSTREAMS} allowed; the last ones are left out",
                list.len()
            );
            list.truncate(MAX_UPSTREAMS);
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stays_is_the_same_and_who_is_named_twice_is_asked_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("resolv.conf");
        let of_file = |address: &str| Upstream {
            file: Some(path.clone()),
            ..Upstream::plain(address.parse().unwrap())
        };
        let to = vec![
            Upstream::plain("192.0.2.1:53".parse().unwrap()),
            of_file("192.0.2.2:53"),
            of_file("192.0.2.3:53"),
            Upstream::plain("192.0.2.9:53".parse().unwrap()),
        ];
        let common = Common::Unused;
        let first = peers(&to, &[], &common).unwrap();
        first[2].health.pretend(7, true);
        let shown: Peers = Arc::new(ArcSwap::from_pointee(first.clone()));
        let files = [(path.clone(), Followed { stamp: None, to: None })].into();
        let mut following = Following { to, files, common, peers: Arc::clone(&shown) };
        let addresses = || -> Vec<String> {
            shown.load().iter().map(|peer| peer.address().to_string()).collect()
        };
        let mut write = |text: &str| {
            fs::write(&path, text).unwrap();
            let changed = following.look();
            following.publish();
            changed
        };
        assert!(!write("search a\n"), "a file without upstreams changes nothing");
        assert_eq!(addresses().len(), 4);
        assert!(write("nameserver 192.0.2.3\nnameserver 192.0.2.4\nnameserver 192.0.2.9\n"));
        assert_eq!(addresses(), ["192.0.2.1:53", "192.0.2.3:53", "192.0.2.4:53", "192.0.2.9:53"]);
        let second = shown.load_full();
        assert!(Arc::ptr_eq(&second[1], &first[2]) && second[1].health.is_down(2));
        assert!(Arc::ptr_eq(&second[0], &first[0]) && Arc::ptr_eq(&second[3], &first[3]));
        let many: Vec<_> = (10..40).map(|last| format!("nameserver 192.0.2.{last}")).collect();
        assert!(write(&many.join("\n")));
        assert_eq!(addresses().len(), MAX_UPSTREAMS);
    }
}
