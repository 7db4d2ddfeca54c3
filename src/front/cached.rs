//! Names outside, as far as upstreams have spoken of them before.
//!
//! A query thread gives what is fresh at once. All else goes the way of every deferred query: what
//! is missing is asked for, once for all who wait; what has expired is given as `serve_stale` says,
//! and an upstream asked meanwhile.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Instant;

use tokio::time::timeout;

use super::clerk::Work;
use super::finish::{Asking, Said, relay};
use super::meter::{AtCache, Cell, Maker};
use super::plan::{Block, Plan};
use crate::answer::{self, Desk, Failure, Kept, KeptAs, KeptKind, Outcome, Query};
use crate::cache::{Entry, Flights, Found, HalfKind, Joined, Key, Lead, Reader, Store, Turn};
use crate::config::{Cache, ServeStale};
use crate::serve::{Client, room};

/// The answers that a block keeps, and the look-ups under way.
pub(super) struct Shelf {
    pub(super) store: Arc<Store>,
    flights: Arc<Flights<Told>>,
}

/// What upstreams said to a look-up.
type Told = Result<Reply, Failure>;

/// What one said.
#[derive(Clone)]
enum Reply {
    /// An answer that is kept or could be.
    Entry(Arc<Entry>),
    /// Something else, as it came.
    Raw(Arc<[u8]>),
}

impl Shelf {
    pub(super) fn new(config: &Cache) -> Self {
        let seed = getrandom::u64().unwrap_or(0);
        Self { store: Store::new(config.clone(), seed), flights: Arc::default() }
    }

    pub(super) fn reader(&self) -> Reader {
        self.store.reader()
    }

    /// Its zones, as CoreDNS's metrics have them.
    pub(super) fn label(&self) -> String {
        let zones: Vec<String> =
            self.store.config().zones.iter().map(ToString::to_string).collect();
        zones.join(",")
    }
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").field("zones", &self.label()).finish_non_exhaustive()
    }
}

impl Block {
    /// Where answers about the query's name are kept.
    pub(super) fn shelf_for(&self, query: &Query) -> Option<&Shelf> {
        self.shelf.as_ref().filter(|shelf| shelf.store.covers(query.asked().name()))
    }
}

/// The response to a name that is for upstreams to answer, where a fresh one is kept.
#[inline]
pub(super) fn at_once(
    reader: &mut Reader,
    block: &Block,
    work: Work<'_>,
    now: Instant,
    counters: Option<&Cell>,
    out: &mut [u8],
) -> Option<Outcome> {
    let Work { message, query, transport, rotation, .. } = work;
    if !reader.store().covers(query.asked().name()) {
        return None;
    }
    let (entry, ttl) = reader.fresh(&Key::of(query), now)?;
    let settings = block.settings_for(query.asked());
    let desk = Desk { view: None, settings, transport, rotation };
    counters.into_iter().for_each(|cell| cell.at_cache(hit(entry)));
    Some(answer::repeat(&desk, message, query, (entry.kept(), KeptAs::Fresh), ttl, out))
}

fn hit(entry: &Entry) -> AtCache {
    match entry.half() {
        HalfKind::Success => AtCache::Success,
        HalfKind::Denial => AtCache::Denial,
    }
}

/// A look-up of a name outside for somebody who waits.
#[derive(Clone, Copy)]
pub(super) struct Looking<'a> {
    pub(super) asking: Asking<'a>,
    /// The block's number, and what it keeps.
    pub(super) number: usize,
    pub(super) shelf: &'a Shelf,
    /// The meter's cell.
    pub(super) cell: usize,
    /// It is a client's own question, not that of an alias.
    pub(super) direct: bool,
}

impl Looking<'_> {
    /// The response, kept or new.
    pub(super) async fn answer(
        self,
        desk: &Desk<'_>,
        message: &[u8],
        query: &Query,
    ) -> Result<Said, Failure> {
        let key = Key::of(query);
        let now = Instant::now();
        let store = &self.shelf.store;
        let give = |entry: &Entry, as_what, maker, now| {
            // Whoever asks for an alias's target has words of its own for that.
            if entry.kept().is_silence() {
                return Err(Failure::Unreachable);
            }
            let kept = (entry.kept(), as_what);
            let mut out = vec![0; room(desk.transport)];
            let made = answer::repeat(desk, message, query, kept, store.ttl(entry, now), &mut out);
            let Outcome::Reply { len, .. } = made else { return Err(Failure::Unusable) };
            out.truncate(len);
            Ok(Said { response: out, maker, cause: None })
        };
        let entry = match store.find(&key, now) {
            Found::Fresh(entry) => {
                self.count(hit(&entry));
                // A query thread leaves what is fresh to be answered here where it is popular.
                if self.direct && store.is_due(&entry, now) && query.recursion_desired() {
                    self.refresh(&key, message, query);
                }
                return give(&entry, KeptAs::Fresh, Maker::Cache, now);
            }
            Found::Stale(entry) => entry,
            Found::Missing => {
                self.count(AtCache::Miss);
                return match self.look_up(&key, message, query).await? {
                    Reply::Entry(entry) => {
                        give(&entry, KeptAs::New, Maker::Forward, Instant::now())
                    }
                    Reply::Raw(reply) => relay(&reply, desk, message, query),
                };
            }
        };
        self.count(hit(&entry));
        if let Some(newer) = self.renewed(&entry, &key, message, query, now).await {
            return give(&newer, KeptAs::New, Maker::Forward, Instant::now());
        }
        self.count(AtCache::Stale);
        give(&entry, KeptAs::Stale, Maker::Cache, now)
    }

    /// Has an upstream asked about what has expired, and gives its answer if that is waited for.
    async fn renewed(
        self,
        entry: &Entry,
        key: &Key<'_>,
        message: &[u8],
        query: &Query,
        now: Instant,
    ) -> Option<Arc<Entry>> {
        let stale: &ServeStale = self.shelf.store.config().serve_stale.as_ref()?;
        if !query.recursion_desired() || !entry.may_retry(now) {
            return None;
        }
        let Some(patience) = stale.verify else {
            self.refresh(key, message, query);
            return None;
        };
        let looking = self.look_up(key, message, query);
        let told = if patience.is_zero() {
            looking.await
        } else {
            timeout(patience, looking).await.unwrap_or(Err(Failure::Unreachable))
        };
        match told {
            Ok(Reply::Entry(newer)) if newer.kept().kind() != KeptKind::Failure => Some(newer),
            _ => {
                entry.failed(now, stale.recheck);
                None
            }
        }
    }

    /// Has an upstream asked, unless one is already, without waiting for it.
    fn refresh(self, key: &Key<'_>, message: &[u8], query: &Query) {
        if let Turn::Leads(lead, _) = self.shelf.flights.turn(key) {
            self.count(AtCache::Prefetch);
            self.send(lead, message, query);
        }
    }

    /// What upstreams say, to this look-up or to one like it that is under way.
    async fn look_up(self, key: &Key<'_>, message: &[u8], query: &Query) -> Told {
        // Who does not want recursion hears what an upstream happens to have: no answer to keep.
        if !query.recursion_desired() {
            let block = self.asking.plan.blocks.get(self.number).ok_or(Failure::Nobody)?;
            let reply = block.ask(message, query, self.asking.client).await?;
            return Ok(Reply::Raw(reply.into()));
        }
        let joined: Joined<Told> = match self.shelf.flights.turn(key) {
            Turn::Joins(joined) => joined,
            Turn::Leads(lead, joined) => {
                // Somebody may have told between the look into the store and now.
                if let Found::Fresh(entry) = self.shelf.store.find(key, Instant::now()) {
                    lead.tell(Ok(Reply::Entry(entry)));
                } else {
                    self.send(lead, message, query);
                }
                joined
            }
            Turn::Full => return Err(Failure::TooMany),
        };
        joined.told().await.unwrap_or(Err(Failure::Unusable))
    }

    /// Asks on, whether or not those who wait go away.
    fn send(self, lead: Lead<Told>, message: &[u8], query: &Query) {
        let plan = Arc::clone(self.asking.plan);
        let (number, cell) = (self.number, self.cell);
        let client = *self.asking.client;
        let question = answer::question_of(message, query);
        tokio::spawn(async move {
            let told = ask(&plan, number, cell, question, client).await;
            lead.tell(told);
        });
    }

    fn count(self, what: AtCache) {
        count(self.asking.plan, self.cell, what, 1);
    }
}

fn count(plan: &Plan, cell: usize, what: AtCache, times: u64) {
    plan.late.0.get(cell).into_iter().for_each(|cell| cell.at_cache_shared(what, times));
}

/// Asks a block's upstreams and keeps what they say.
async fn ask(plan: &Plan, number: usize, cell: usize, question: Vec<u8>, client: Client) -> Told {
    let mut query = Query::default();
    query.read(&question).map_err(|_| Failure::Unusable)?;
    let block = plan.blocks.get(number).ok_or(Failure::Nobody)?;
    let shelf = block.shelf.as_ref().ok_or(Failure::Nobody)?;
    let key = Key::of(&query);
    let reply = block.ask(&question, &query, &client).await;
    let now = Instant::now();
    let kept = match &reply {
        Ok(reply) => Kept::of(reply, key.dnssec_ok()),
        Err(Failure::Unreachable) => Some(Kept::silence()),
        Err(_) => None,
    };
    let failed = kept.as_ref().is_none_or(|kept| kept.kind() == KeptKind::Failure);
    if failed
        && let Some(stale) = &shelf.store.config().serve_stale
        && let Found::Stale(entry) = shelf.store.find(&key, now)
    {
        entry.failed(now, stale.recheck);
    }
    let entry = kept.map(|kept| {
        let added = shelf.store.add(&key, kept, now);
        let [success, denial] = added.evicted;
        count(plan, cell, AtCache::SuccessEvicted, success);
        count(plan, cell, AtCache::DenialEvicted, denial);
        added.entry
    });
    let reply = reply?;
    Ok(entry.map_or_else(
        || {
            count(plan, cell, AtCache::Drop, 1);
            Reply::Raw(reply.into())
        },
        Reply::Entry,
    ))
}
