//! When to write: soon after a change, seldom through a storm of them.

use std::time::{Duration, Instant};

/// How long after the first change of a burst the state is read: what comes as a handful of events
/// (a Service and its slice) is then written once.
const SETTLE: Duration = Duration::from_millis(100);
/// From one beginning of a write to the next, at least: a state must be on disk a second after it
/// came to be, and not more often, to spare the disk.
const EVERY: Duration = Duration::from_secs(1);
/// After a failure, if nothing changes.
const RETRY: Duration = Duration::from_secs(10);

/// What there is to be written, and from when on.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Since when there is something that is not on disk.
    since: Option<Instant>,
    not_before: Option<Instant>,
    /// When the next change may lead to a write in spite of a failure.
    after_failure: Option<Instant>,
}

impl Pace {
    /// Whether there is anything to be written.
    pub(super) fn is_behind(&self) -> bool {
        self.since.is_some()
    }

    /// When the next write is due.
    pub(super) fn due(&self) -> Option<Instant> {
        let settled = self.since? + SETTLE;
        Some(self.not_before.map_or(settled, |not_before| settled.max(not_before)))
    }

    /// Something has changed.
    pub(super) fn changed(&mut self, now: Instant) {
        self.since.get_or_insert(now);
        if let Some(from) = self.after_failure.take() {
            self.not_before = Some(from);
        }
    }

    /// All that had changed when the write began is on disk. One that took long is followed by as
    /// long a rest.
    pub(super) fn wrote(&mut self, began: Instant, ended: Instant) {
        self.since = None;
        self.not_before = Some((began + EVERY).max(ended + (ended - began)));
        self.after_failure = None;
    }

    /// There was no state to be had.
    pub(super) fn put_off(&mut self, began: Instant) {
        self.not_before = Some(began + EVERY);
    }

    /// It could not be written.
    pub(super) fn failed(&mut self, began: Instant) {
        self.not_before = Some(began + RETRY);
        self.after_failure = Some(began + EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_lone_change_is_written_soon() {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.due(), None);
        assert!(!pace.is_behind());
        pace.changed(start);
        assert!(pace.is_behind());
        assert!(pace.due().unwrap() <= start + ms(200));
        pace.wrote(start + ms(100), start + ms(110));
        assert_eq!(pace.due(), None);
        // Long after, as soon again.
        pace.changed(start + ms(9_000));
        assert!(pace.due().unwrap() <= start + ms(9_200));
    }

    /// A change every millisecond for a minute: a write a second, none of them later than a second
    /// after what it writes.
    #[test]
    fn a_storm_is_written_once_a_second() {
        let start = Instant::now();
        let mut pace = Pace::default();
        let mut writes: Vec<Instant> = Vec::new();
        let mut first_unwritten = None;
        for at in (0..60_000).map(|at| start + ms(at)) {
            if pace.due().is_some_and(|due| due <= at) {
                assert!(at <= first_unwritten.take().unwrap() + ms(1_000));
                assert!(writes.last().is_none_or(|last| at >= *last + ms(1_000)));
                writes.push(at);
                pace.wrote(at, at + ms(1));
            }
            pace.changed(at);
            first_unwritten.get_or_insert(at);
        }
        assert!((59..=61).contains(&writes.len()), "{}", writes.len());
    }

    #[test]
    fn a_slow_disk_rests_as_long_as_it_writes() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.changed(start);
        pace.wrote(start, start + ms(3_000));
        pace.changed(start + ms(3_000));
        assert_eq!(pace.due(), Some(start + ms(6_000)));
    }

    #[test]
    fn a_failure_is_tried_again_at_the_next_change_or_after_ten_seconds() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.changed(start);
        pace.failed(start + ms(100));
        assert_eq!(pace.due(), Some(start + ms(10_100)));
        pace.changed(start + ms(200));
        assert_eq!(pace.due(), Some(start + ms(1_100)));
        // A second failure waits again.
        pace.failed(start + ms(1_100));
        assert_eq!(pace.due(), Some(start + ms(11_100)));
        pace.wrote(start + ms(11_100), start + ms(11_101));
        assert!(!pace.is_behind());
    }

    #[test]
    fn a_state_not_to_be_had_is_asked_for_again() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.changed(start);
        pace.put_off(start + ms(100));
        assert_eq!(pace.due(), Some(start + ms(1_100)));
        assert!(pace.is_behind());
    }
}
