//! How each watch fares, for `/ready`, metrics, logs and EDE texts. Written by the watch thread,
//! read by anyone at any time without holding it up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;

use super::fault::Fault;
use super::requests::Requests;
use crate::cluster::{Kind, KindSet, Refusal, Refused};

/// How the watches of one source fare: a handle that is cheap to share and to read.
#[derive(Debug)]
pub struct Status {
    report: ArcSwap<Report>,
    /// Unix time in milliseconds; 0 for never.
    last_contact: AtomicU64,
    requests: Mutex<Requests>,
    patience: Duration,
}

/// How the watches fared at one moment.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// By kind; only the kinds that are needed.
    pub kinds: BTreeMap<Kind, KindReport>,
}

/// How the watch of one kind fares.
#[derive(Clone, Debug)]
pub struct KindReport {
    /// A full list has been complete at least once, or the kind is not served.
    pub listed: bool,
    /// What it is at.
    pub state: State,
    /// Since when there has been no watch, if there is none.
    pub lost_since: Option<SystemTime>,
    /// How often the watch had to begin anew, by cause (a word fit for a metric's label).
    pub restarts: BTreeMap<&'static str, u64>,
}

/// What the watch of a kind is at.
#[derive(Clone, Debug)]
pub enum State {
    /// On the way to its first list, without a fault so far.
    Starting,
    /// A watch is open.
    Watching,
    /// The API server does not serve the kind, and need not.
    NotServed,
    /// It may not be listed or watched (HTTP 401, 403 or 404): somebody has to do something.
    Forbidden {
        /// Since when.
        since: SystemTime,
        /// Why.
        why: Refusal,
        /// What the API server says.
        error: Arc<str>,
    },
    /// Something else is wrong; it is tried again without end.
    Retrying {
        /// Since when.
        since: SystemTime,
        /// What was wrong the last time.
        error: Arc<str>,
    },
}

impl Status {
    /// Nothing has happened yet. Out of touch is said after `patience` without a watch.
    pub(super) fn new(needed: KindSet, patience: Duration) -> Arc<Self> {
        let kind = KindReport {
            listed: false,
            state: State::Starting,
            lost_since: Some(SystemTime::now()),
            restarts: BTreeMap::new(),
        };
        let kinds = needed.iter().map(|one| (one, kind.clone())).collect();
        Arc::new(Self {
            report: ArcSwap::from_pointee(Report { kinds }),
            last_contact: AtomicU64::new(0),
            requests: Mutex::default(),
            patience,
        })
    }

    /// How all watches fare now.
    pub fn report(&self) -> Arc<Report> {
        self.report.load_full()
    }

    /// When something was last heard from the API server.
    pub fn last_contact(&self) -> Option<SystemTime> {
        let millis = self.last_contact.load(Ordering::Relaxed);
        (millis > 0).then(|| UNIX_EPOCH + Duration::from_millis(millis))
    }

    /// How the API server has answered so far.
    pub fn requests(&self) -> Requests {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Since when the source is out of touch: for longer than its patience, some needed kind could
    /// not be watched. A kind that was never listed because that is forbidden does not count: it
    /// holds up only its own names.
    pub fn out_of_touch(&self) -> Option<SystemTime> {
        let report = self.report.load();
        let lost = report.kinds.values().filter_map(|kind| match kind.state {
            State::Watching | State::NotServed => None,
            State::Forbidden { .. } if !kind.listed => None,
            _ => kind.lost_since,
        });
        let since = lost.min()?;
        let long = since.elapsed().is_ok_and(|elapsed| elapsed >= self.patience);
        long.then_some(since)
    }

    /// The kinds that may not be listed as things stand.
    pub(super) fn refused(&self) -> Refused {
        let mut refused = Refused::default();
        for (kind, report) in &self.report.load().kinds {
            if let State::Forbidden { why, .. } = report.state {
                refused.insert(*kind, why);
            }
        }
        refused
    }

    /// A request was answered with this HTTP status, or not at all, after so long.
    pub(super) fn asked(&self, code: Option<u16>, took: Duration) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).note(code, took);
    }

    /// Something was heard.
    pub(super) fn heard(&self) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.last_contact.store(millis, Ordering::Relaxed);
    }

    /// A full list is complete.
    pub(super) fn listed(&self, kind: Kind) {
        self.change(kind, |report| report.listed = true);
    }

    /// The kind is not served, and counts as listed.
    pub(super) fn not_served(&self, kind: Kind) {
        self.change(kind, |report| {
            report.listed = true;
            report.state = State::NotServed;
            report.lost_since = None;
        });
    }

    /// A watch is open. Says whether there was a fault before.
    pub(super) fn watching(&self, kind: Kind) -> bool {
        let before = self.state(kind);
        if !matches!(before, Some(State::Watching)) {
            self.change(kind, |report| {
                report.state = State::Watching;
                report.lost_since = None;
            });
        }
        matches!(before, Some(State::Forbidden { .. } | State::Retrying { .. }))
    }

    /// Something went wrong. Says whether it is news: another sort of fault than the last one.
    pub(super) fn failed(&self, kind: Kind, fault: &Fault) -> bool {
        let now = SystemTime::now();
        let error: Arc<str> = fault.to_string().into();
        let before = self.state(kind);
        let since = match before {
            Some(State::Forbidden { since, .. } | State::Retrying { since, .. }) => since,
            _ => now,
        };
        let (state, news) = match (fault.needs_human(), before) {
            (Some(why), Some(State::Forbidden { why: old, .. })) => {
                (State::Forbidden { since, why, error }, why != old)
            }
            (Some(why), _) => (State::Forbidden { since: now, why, error }, true),
            (None, Some(State::Retrying { error: old, .. })) => {
                // Somebody has to do something about this one, too.
                let news = matches!(fault, Fault::Tls { .. }) && error != old;
                (State::Retrying { since, error }, news)
            }
            (None, _) => (State::Retrying { since, error }, true),
        };
        self.change(kind, |report| {
            report.state = state.clone();
            report.lost_since.get_or_insert(now);
            let count = report.restarts.entry(fault.cause()).or_default();
            *count = count.saturating_add(1);
        });
        news
    }

    fn state(&self, kind: Kind) -> Option<State> {
        self.report.load().kinds.get(&kind).map(|report| report.state.clone())
    }

    fn change(&self, kind: Kind, change: impl Fn(&mut KindReport)) {
        self.report.rcu(|report| {
            let mut report = Report::clone(report);
            if let Some(found) = report.kinds.get_mut(&kind) {
                change(found);
            }
            report
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICES: KindSet = KindSet::of(&[Kind::Service]);

    fn refused(code: u16) -> Fault {
        Fault::Http { code, message: "no".into(), retry_after: None }
    }

    #[test]
    fn out_of_touch_is_said_after_the_patience_and_until_a_watch_is_open() {
        let status = Status::new(SERVICES, Duration::ZERO);
        assert!(status.out_of_touch().is_some());
        assert!(!status.watching(Kind::Service));
        assert_eq!(status.out_of_touch(), None);
        assert!(status.failed(Kind::Service, &Fault::Broken("cut".into())));
        assert!(!status.failed(Kind::Service, &Fault::Broken("cut".into())));
        assert!(status.out_of_touch().is_some());
        assert!(status.watching(Kind::Service));
        assert_eq!(status.report().kinds[&Kind::Service].restarts["broken"], 2);
        let patient = Status::new(SERVICES, Duration::from_mins(1));
        assert_eq!(patient.out_of_touch(), None);
    }

    #[test]
    fn a_kind_that_was_never_allowed_does_not_count_as_lost() {
        let status = Status::new(SERVICES, Duration::ZERO);
        assert!(status.failed(Kind::Service, &refused(403)));
        assert!(!status.failed(Kind::Service, &refused(403)));
        assert_eq!(status.refused().by(Refusal::Forbidden), SERVICES);
        assert!(status.failed(Kind::Service, &refused(401)));
        assert_eq!(status.refused().by(Refusal::Unauthorized), SERVICES);
        assert_eq!(status.refused().by(Refusal::Forbidden), KindSet::EMPTY);
        assert_eq!(status.out_of_touch(), None);
        status.listed(Kind::Service);
        assert!(status.out_of_touch().is_some());
    }
}
