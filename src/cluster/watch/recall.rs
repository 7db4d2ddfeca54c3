//! Endpoints that the registry has let go, fetched again when they come to matter.
//!
//! Where slices are served, the Endpoints of a Service with a selector say nothing, and are not
//! kept. When such a Service loses its selector they may be hand-written from then on, and the watch
//! will not tell them again: so each is listed by its name, and put in unless the watch has said
//! something newer meanwhile. Runs within the watch of Endpoints.

use std::collections::{HashMap, HashSet};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use super::backoff::Backoff;
use super::fault::Fault;
use super::http::Http;
use super::split::ListSplitter;
use super::target::Target;
use super::version::Version;
use super::wire::{self, Wanted};
use crate::cluster::{Kind, Object, ObjectKey};

/// What is fetched again.
pub(super) struct Recalls {
    http: Http,
    target: Target,
    wanted: Wanted,
    asked: UnboundedReceiver<ObjectKey>,
    /// What has been asked for and not come yet, by watch or by fetch.
    open: HashSet<ObjectKey>,
    running: JoinSet<(ObjectKey, Option<Object>)>,
    /// The versions of what was fetched, until the watch is past them.
    fetched: HashMap<ObjectKey, Version>,
}

impl Recalls {
    /// Fetches what comes through `asked`.
    pub(super) fn new(
        http: Http,
        target: Target,
        wanted: Wanted,
        asked: UnboundedReceiver<ObjectKey>,
    ) -> Self {
        let (open, fetched) = (HashSet::new(), HashMap::new());
        Self { http, target, wanted, asked, open, running: JoinSet::new(), fetched }
    }

    /// The next object that was fetched. May be dropped while it waits.
    pub(super) async fn next(&mut self) -> Object {
        loop {
            tokio::select! {
                Some(key) = self.asked.recv() => {
                    self.open.insert(key.clone());
                    self.fetch(key);
                }
                Some(done) = self.running.join_next() => {
                    // A fetch that was ended from here has nothing to say.
                    let Ok((key, found)) = done else { continue };
                    if !self.open.remove(&key) {
                        continue;
                    }
                    if let Some(object) = found {
                        let version = object.meta().resource_version.as_deref().unwrap_or_default();
                        self.fetched.insert(key, Version::new(version));
                        return object;
                    }
                }
                else => std::future::pending::<()>().await,
            }
        }
    }

    /// The watch tells the object `key` at this version: whether that is news.
    pub(super) fn is_news(&mut self, key: &ObjectKey, version: &str) -> bool {
        self.open.remove(key);
        let Some(fetched) = self.fetched.get(key) else { return true };
        let news = !Version::new(version).is_before(fetched);
        if news {
            self.fetched.remove(key);
        }
        news
    }

    /// A new list is complete; what is still wanted is fetched anew.
    pub(super) fn listed(&mut self) {
        self.running.abort_all();
        self.fetched.clear();
        for key in self.open.clone() {
            self.fetch(key);
        }
    }

    fn fetch(&mut self, key: ObjectKey) {
        let (http, uri, wanted) = (self.http.clone(), self.target.single(&key), self.wanted);
        self.running.spawn(async move {
            let mut backoff = Backoff::default();
            loop {
                match fetch(&http, &uri, wanted).await {
                    Ok(found) => return (key, found),
                    Err(fault) => tokio::time::sleep(backoff.after(&fault)).await,
                }
            }
        });
    }
}

async fn fetch(http: &Http, uri: &str, wanted: Wanted) -> Result<Option<Object>, Fault> {
    let mut reply = http.open(uri).await?;
    let mut splitter = ListSplitter::default();
    let mut found = None;
    while let Some(chunk) = reply.chunk().await? {
        splitter.feed(&chunk, &mut |item| {
            found = wire::object(Kind::Endpoints, item, wanted).ok().map(|told| told.object);
        })?;
    }
    match splitter.envelope() {
        Some(_) => Ok(found),
        None => Err(Fault::Broken("the list is cut off".into())),
    }
}
