//! The list and watch of one kind, for as long as the source lives. One task each, on the watch
//! thread.
//!
//! Rules kept here: a list is told as complete only when it is; one that is older than what has been
//! seen is not believed; a watch goes on from the last version seen, and what it repeats is skipped;
//! a 410, in whatever form it comes, leads to a new list.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep};

use super::backoff::{Backoff, between};
use super::facts::Facts;
use super::fault::Fault;
use super::http::{Http, Reply};
use super::recall::Recalls;
use super::split::{LineSplitter, ListSplitter};
use super::target::{Fresh, Target, rule};
use super::version::Version;
use super::wire::{self, Envelope, Identity, Told, Wanted, WireStatus};
use super::{Sink, Timing};
use crate::cluster::{Change, Kind, Object, ObjectKey, Refusal};

/// How long all pages of a list may take together: a token expires with the store's compaction
/// before that.
const LIST_DEADLINE: Duration = Duration::from_mins(15);
/// The most objects of one kind: several times what the largest clusters hold.
const MAX_OBJECTS: usize = 8_000_000;
/// A watch that has lived this long was a good one: the next fault is the first again.
const GOOD_WATCH: Duration = Duration::from_secs(5);
/// How long a server may refuse to go on from a version before a new list is asked for.
const REFUSED_WATCH: Duration = Duration::from_mins(1);
/// How much longer than it was asked for a watch may last before it counts as dead.
const GRACE: Duration = Duration::from_secs(10);

/// Keeps one kind current.
pub(super) struct Follower {
    kind: Kind,
    http: Http,
    sink: Arc<dyn Sink>,
    facts: Arc<Facts>,
    target: Target,
    wanted: Wanted,
    timing: Timing,
    /// The last list is complete, and `at` is where a watch goes on.
    synced: bool,
    at: Version,
    /// The newest version ever seen.
    newest: Version,
    /// Since when lists have been older than that.
    behind: Option<Instant>,
    /// Since when watches have been refused.
    refused: Option<Instant>,
    /// Something has come since the watch or list began.
    heard: bool,
    pub(super) recalls: Option<Recalls>,
    pub(super) asks: Option<UnboundedSender<ObjectKey>>,
}

/// What all followers of a source share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) http: Http,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) facts: Arc<Facts>,
    pub(super) timing: Timing,
}

impl Follower {
    /// A follower that has seen nothing.
    pub(super) fn new(kind: Kind, shared: &Shared, target: Target, wanted: Wanted) -> Self {
        let Shared { http, sink, facts, timing } = shared.clone();
        Self {
            kind,
            http,
            sink,
            facts,
            target,
            wanted,
            timing,
            synced: false,
            at: Version::default(),
            newest: Version::default(),
            behind: None,
            refused: None,
            heard: false,
            recalls: None,
            asks: None,
        }
    }

    /// Lists and watches without end.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let began = Instant::now();
            self.heard = false;
            let result = if self.synced {
                self.watch().await
            } else if self.facts.streams() {
                self.streaming_list().await
            } else {
                self.paged_list().await
            };
            let good = self.heard && self.synced || began.elapsed() >= GOOD_WATCH;
            if good {
                backoff.reset();
            }
            match result {
                Ok(()) if good => {}
                // A server that ends every watch at once is not to be asked without a pause.
                Ok(()) => sleep(backoff.after(&Fault::Broken(String::new()))).await,
                Err(fault) => self.recover(&fault, &mut backoff).await,
            }
        }
    }

    /// Says what is wrong, draws the consequence and waits.
    async fn recover(&mut self, fault: &Fault, backoff: &mut Backoff) {
        let kind = self.kind.resource();
        match fault {
            Fault::Gone(_) => {
                self.synced = false;
                tracing::debug!("{kind}: {fault}; listing anew");
            }
            Fault::NoStreaming(_) if !self.synced => {
                self.facts.no_streams();
                tracing::info!("{kind}: {fault}; lists are read in pages");
                return;
            }
            Fault::Http { .. } if self.synced && fault.needs_human().is_none() => {
                let since = *self.refused.get_or_insert_with(Instant::now);
                if since.elapsed() >= REFUSED_WATCH {
                    self.synced = false;
                    self.refused = None;
                }
            }
            _ => {}
        }
        let news = self.http.status.failed(self.kind, fault);
        if news {
            self.sink.refused(self.http.status.refused());
            match fault.needs_human() {
                Some(Refusal::Unauthorized) => tracing::error!(
                    "{kind}: {fault}; the credentials are not accepted, renew them; it is tried again"
                ),
                Some(_) => tracing::error!(
                    "{kind}: {fault}; if the RBAC rule is missing, add {}; it is tried again",
                    rule(self.kind)
                ),
                None if matches!(fault, Fault::Gone(_)) => {}
                None => {
                    tracing::warn!(
                        "{kind}: {fault}; it is tried again, and the last state answers"
                    );
                }
            }
        }
        sleep(backoff.after(fault)).await;
    }

    fn established(&mut self) {
        self.refused = None;
        if self.http.status.watching(self.kind) {
            self.sink.refused(self.http.status.refused());
            tracing::info!("{}: watched again", self.kind.resource());
        }
    }

    /// Reads a list page by page.
    async fn paged_list(&mut self) -> Result<(), Fault> {
        let mut tell = Telling::default();
        let mut token = String::new();
        let began = Instant::now();
        loop {
            let uri = self.target.page(&token, self.fresh());
            let mut reply = self.http.open(&uri).await?;
            let mut splitter = ListSplitter::default();
            while let Some(chunk) = reply.chunk().await? {
                self.heard = true;
                let mut changes = Vec::new();
                let mut broken = None;
                splitter.feed(&chunk, &mut |item| match self.read(item) {
                    Ok(told) => changes.extend(told.map(|told| Change::Put(told.object))),
                    Err(fault) => broken = Some(fault),
                })?;
                if let Some(fault) = broken {
                    return Err(fault);
                }
                if changes.is_empty() {
                    continue;
                }
                if !tell.begun
                    && let Some(head) = splitter.head()
                    && let Ok(Envelope { metadata, .. }) = serde_json::from_slice(&head)
                {
                    self.is_fresh(&Version::new(&metadata.resource_version))?;
                }
                tell.objects(self, changes)?;
                if began.elapsed() >= LIST_DEADLINE {
                    return Err(Fault::Endless("its pages took too long"));
                }
            }
            let Some(envelope) = splitter.envelope() else {
                return Err(Fault::Broken("the list is cut off".into()));
            };
            let Envelope { kind, metadata } = serde_json::from_slice(envelope)
                .map_err(|error| Fault::Broken(format!("not a list: {error}")))?;
            if !kind.ends_with("List") {
                return Err(Fault::Broken(format!("a list was asked for, '{kind}' came")));
            }
            let version = Version::new(&metadata.resource_version);
            if metadata.token.is_empty() {
                self.is_fresh(&version)?;
                tell.end(self, version);
                return Ok(());
            }
            if metadata.token == token || began.elapsed() >= LIST_DEADLINE {
                return Err(Fault::Endless("one page leads to itself, or they took too long"));
            }
            token = metadata.token;
        }
    }

    /// Reads a streamed list, and watches on from there.
    async fn streaming_list(&mut self) -> Result<(), Fault> {
        let timeout = self.watch_time();
        let uri = self.target.streaming_list(self.fresh(), timeout);
        let reply = match self.http.open(&uri).await {
            Err(Fault::Http { code: 400 | 422, message, .. }) => {
                return Err(Fault::NoStreaming(message));
            }
            other => other?,
        };
        self.session(reply, Some(Telling::default()), timeout).await
    }

    /// Watches on from the last version seen.
    async fn watch(&mut self) -> Result<(), Fault> {
        let timeout = self.watch_time();
        let reply = self.http.open(&self.target.watch(&self.at, timeout)).await?;
        self.established();
        self.session(reply, None, timeout).await
    }

    /// Takes what a watch says until it ends.
    async fn session(
        &mut self,
        mut reply: Reply,
        mut list: Option<Telling>,
        timeout: Duration,
    ) -> Result<(), Fault> {
        let deadline = Instant::now() + timeout + GRACE.min(self.timing.silence);
        let mut lines = LineSplitter::default();
        // Out of `self`, which is needed while these wait.
        let mut recalls = self.recalls.take();
        let result = loop {
            let next = tokio::select! {
                chunk = piece(&mut reply, list.is_some(), deadline) => Next::Chunk(chunk),
                object = recalled(recalls.as_mut(), list.is_some()) => Next::Recalled(object),
            };
            let chunk = match next {
                Next::Recalled(object) => {
                    self.tell(vec![Change::Put(object)]);
                    continue;
                }
                Next::Chunk(Ok(Some(chunk))) => chunk,
                Next::Chunk(Ok(None)) if list.is_some() => {
                    break Err(Fault::Broken("the stream ended within the list".into()));
                }
                Next::Chunk(Ok(None)) => break Ok(()),
                Next::Chunk(Err(Fault::Silent(_))) if list.is_some() => {
                    break Err(Fault::NoStreaming("the end of the list does not come".into()));
                }
                Next::Chunk(Err(fault)) => break Err(fault),
            };
            self.heard = true;
            let mut changes = Vec::new();
            let fed = lines.feed(&chunk, &mut |line| {
                self.line(line, &mut list, &mut changes, recalls.as_mut())
            });
            // What came before a fault is as true as ever.
            let told = self.told(&mut list, changes);
            if let Err(fault) = fed.and(told) {
                break Err(fault);
            }
        };
        self.recalls = recalls;
        result
    }

    /// Tells changes, as part of the list if one is under way.
    fn told(&mut self, list: &mut Option<Telling>, changes: Vec<Change>) -> Result<(), Fault> {
        match list {
            Some(_) if changes.is_empty() => Ok(()),
            Some(tell) => tell.objects(self, changes),
            None => {
                self.tell(changes);
                Ok(())
            }
        }
    }

    /// Takes one line of a watch.
    fn line(
        &mut self,
        line: &[u8],
        list: &mut Option<Telling>,
        changes: &mut Vec<Change>,
        mut recalls: Option<&mut Recalls>,
    ) -> Result<(), Fault> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let broken = |error: serde_json::Error| Fault::Broken(format!("not an event: {error}"));
        let Line { event, object } = match serde_json::from_slice(line) {
            Ok(event) => event,
            Err(error) => return Err(status(line, list.is_some()).unwrap_or(broken(error))),
        };
        let json = object.get().as_bytes();
        if event == "ERROR" {
            let unknown = || Fault::Broken("an error of no known form".into());
            return Err(status(json, list.is_some()).unwrap_or_else(unknown));
        }
        // Read once; of what is no object, or none that counts, the metadata are enough.
        let told = match &*event {
            "ADDED" | "MODIFIED" => self.read(json)?,
            _ => None,
        };
        let identity = match &told {
            Some(told) => Identity::of(&told.object),
            None => wire::identity(json).map_err(broken)?,
        };
        let seen = Version::new(&identity.version);
        // Within one watch versions grow, so that what is not newer has been told before.
        let repeated = seen.number().is_some()
            && (seen == self.at || seen.is_before(&self.at))
            && list.is_none();
        match &*event {
            "ADDED" | "MODIFIED" => {
                if repeated || !is_news(&mut recalls, &identity.key, &identity.version) {
                    return Ok(());
                }
                if let Some(Told { object, trigger }) = told {
                    changes.push(Change::Put(object));
                    // What a list holds is old, and nobody waits for it.
                    let trigger = trigger.filter(|_| list.is_none());
                    changes.extend(trigger.map(|(service, at)| Change::Triggered(service, at)));
                }
            }
            "DELETED" => {
                if repeated && self.facts.new_deletions()
                    || !is_news(&mut recalls, &identity.key, &identity.version)
                {
                    return Ok(());
                }
                changes.push(Change::Remove(self.kind, identity.key));
            }
            "BOOKMARK" if list.is_some() => {
                if identity.initial_events_end {
                    self.is_fresh(&seen)?;
                    if let Some(mut tell) = list.take() {
                        tell.objects(self, std::mem::take(changes))?;
                        tell.end(self, seen);
                    }
                    if let Some(recalls) = recalls {
                        recalls.listed();
                    }
                    self.established();
                }
                return Ok(());
            }
            "BOOKMARK" if seen.is_before(&self.at) => return self.is_behind(&seen),
            "BOOKMARK" => {}
            other => return Err(Fault::Broken(format!("an event of type '{other}'"))),
        }
        if list.is_none() {
            self.behind = None;
            self.at.advance(&identity.version);
            self.newest.advance(&identity.version);
        }
        Ok(())
    }

    /// Reads an object. One that is not what its kind should be is left out, since nothing that
    /// could be asked for again would be better; broken JSON is the connection's fault.
    fn read(&self, json: &[u8]) -> Result<Option<Told>, Fault> {
        match wire::object(self.kind, json, self.wanted) {
            Ok(told) => Ok(Some(told)),
            Err(error) if error.is_data() => {
                let key = wire::identity(json).map(|identity| identity.key.to_string());
                let key = key.unwrap_or_else(|_| "without a name".into());
                tracing::warn!("{} {key} is left out: {error}", self.kind.resource());
                Ok(None)
            }
            Err(error) => Err(Fault::Broken(format!("an object is not JSON: {error}"))),
        }
    }

    /// Whether a list of this version may be believed.
    fn is_fresh(&mut self, found: &Version) -> Result<(), Fault> {
        if !found.is_before(&self.newest) {
            self.behind = None;
            return Ok(());
        }
        let since = *self.behind.get_or_insert_with(Instant::now);
        if since.elapsed() < self.timing.restored {
            return Err(Fault::Backwards { found: found.clone(), newest: self.newest.clone() });
        }
        tracing::warn!(
            "{}: the API server's newest version has been {found}, older than {} seen before, for \
             {} s: its store has been set back, and so are we",
            self.kind.resource(),
            self.newest,
            since.elapsed().as_secs()
        );
        self.behind = None;
        self.newest = found.clone();
        Ok(())
    }

    /// A watch tells that the server itself is not where we are. It may have fallen behind; where
    /// that lasts, its store was set back, and nothing would ever come from a version of the future.
    fn is_behind(&mut self, seen: &Version) -> Result<(), Fault> {
        let since = *self.behind.get_or_insert_with(Instant::now);
        if since.elapsed() < self.timing.restored {
            return Ok(());
        }
        Err(Fault::Gone(format!("the server is at {seen}, the watch at {}", self.at)))
    }

    /// How fresh the next list must be. A server that has fallen behind is asked in so many words
    /// once; whether its store has been set back shows only when it is asked for its newest.
    fn fresh(&self) -> Fresh<'_> {
        match self.behind {
            Some(since) if since.elapsed() < self.timing.restored => Fresh::Since(&self.newest),
            _ => Fresh::Newest,
        }
    }

    fn watch_time(&self) -> Duration {
        between(self.timing.watch, self.timing.watch * 2)
    }

    fn tell(&self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        self.sink.apply(changes);
        if let Some(asks) = &self.asks {
            for key in self.sink.missing() {
                // The other end lives as long as the source.
                let _ = asks.send(key);
            }
        }
    }
}

/// How far the telling of a list has come.
#[derive(Debug, Default)]
struct Telling {
    begun: bool,
    objects: usize,
}

impl Telling {
    fn objects(&mut self, of: &Follower, mut changes: Vec<Change>) -> Result<(), Fault> {
        self.objects = self.objects.saturating_add(changes.len());
        if self.objects > MAX_OBJECTS {
            return Err(Fault::Endless("it has more objects than any cluster"));
        }
        if !self.begun {
            self.begun = true;
            changes.insert(0, Change::ListBegins(of.kind));
        }
        of.tell(changes);
        Ok(())
    }

    fn end(&mut self, of: &mut Follower, version: Version) {
        let begins = (!self.begun).then_some(Change::ListBegins(of.kind));
        of.tell(begins.into_iter().chain([Change::ListEnds(of.kind)]).collect());
        of.http.status.listed(of.kind);
        of.newest.advance(version.as_str());
        of.at = version;
        of.synced = true;
        if let Some(recalls) = &mut of.recalls {
            recalls.listed();
        }
        tracing::debug!("{}: {} listed at {}", of.kind.resource(), self.objects, of.at);
    }
}

enum Next {
    Chunk(Result<Option<bytes::Bytes>, Fault>),
    Recalled(Object),
}

async fn piece(
    reply: &mut Reply,
    listing: bool,
    deadline: Instant,
) -> Result<Option<bytes::Bytes>, Fault> {
    if listing {
        return reply.chunk().await;
    }
    let waited = tokio::time::timeout_at(deadline, reply.wait()).await;
    waited.unwrap_or_else(|_| Err(Fault::Broken("a watch that was to end went on".into())))
}

/// The next object fetched again; none comes within a list, which is told on its own.
async fn recalled(recalls: Option<&mut Recalls>, listing: bool) -> Object {
    match recalls {
        Some(recalls) if !listing => recalls.next().await,
        _ => std::future::pending().await,
    }
}

fn is_news(recalls: &mut Option<&mut Recalls>, key: &ObjectKey, version: &str) -> bool {
    recalls.as_mut().is_none_or(|recalls| recalls.is_news(key, version))
}

/// The fault that a Status tells.
fn status(json: &[u8], listing: bool) -> Option<Fault> {
    let WireStatus { kind, message, reason, code } = serde_json::from_slice(json).ok()?;
    let expired = matches!(reason.as_str(), "Expired" | "Gone");
    match code {
        _ if kind != "Status" => None,
        400 | 422 if listing => Some(Fault::NoStreaming(message)),
        _ if expired => Some(Fault::Gone(message)),
        code => Some(Fault::of(code, message, None)),
    }
}

/// One line of a watch.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    event: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}
