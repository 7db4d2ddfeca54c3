//! When memory is tidied: what was freed is given back to the system. It takes a moment, so it is done
//! after a view has been put in place, never before.

use std::time::{Duration, Instant};

/// After how much looked at for one view memory is tidied at once: more than daily business, less
/// than a list of a cluster that would be missed.
const TIDY_AFTER: usize = 2_000;
/// After how much looked at for any number of views memory is tidied: what small changes leave free
/// between what lives on adds up.
const TIDY_SMALL: usize = 256;
/// How often it is tidied at most for small changes, for as long as they do not cease.
const TIDY_PAUSE: Duration = Duration::from_secs(2);
/// After how long without a change it is tidied once more: by then the source and the query threads
/// have let go of what they held for a list.
const TIDY_REST: Duration = Duration::from_secs(1);

/// What has been done since memory was tidied.
#[derive(Debug)]
pub(super) struct Untidiness {
    looked_at: usize,
    /// Much was compiled, and what the other threads let go since has not been given back.
    is_large: bool,
    tidied: Instant,
}

impl Untidiness {
    pub(super) fn new(now: Instant) -> Self {
        Self { looked_at: 0, is_large: false, tidied: now }
    }

    /// Notes how much was looked at for the view that is now in place, and says whether memory is to
    /// be tidied.
    pub(super) fn after_view(&mut self, looked_at: usize, now: Instant) -> bool {
        self.looked_at = self.looked_at.saturating_add(looked_at);
        let is_large = looked_at > TIDY_AFTER;
        let is_due = self.has_piled_up() && now.duration_since(self.tidied) >= TIDY_PAUSE;
        self.is_large |= is_large;
        if is_large || is_due {
            self.tidied_at(now);
        }
        is_large || is_due
    }

    /// After how long without a change memory is to be tidied, if at all.
    pub(super) fn rest(&self) -> Option<Duration> {
        (self.is_large || self.has_piled_up()).then_some(TIDY_REST)
    }

    /// Notes that memory is tidied after a rest.
    pub(super) fn rested(&mut self, now: Instant) {
        self.is_large = false;
        self.tidied_at(now);
    }

    fn has_piled_up(&self) -> bool {
        self.looked_at >= TIDY_SMALL
    }

    fn tidied_at(&mut self, now: Instant) {
        self.looked_at = 0;
        self.tidied = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_view_is_tidied_after_at_once_and_after_a_rest() {
        let start = Instant::now();
        let mut untidiness = Untidiness::new(start);
        assert!(!untidiness.after_view(1, start));
        assert_eq!(untidiness.rest(), None);
        assert!(untidiness.after_view(TIDY_AFTER + 1, start));
        assert_eq!(untidiness.rest(), Some(TIDY_REST));
        untidiness.rested(start + TIDY_REST);
        assert_eq!(untidiness.rest(), None);
    }

    #[test]
    fn small_views_are_tidied_after_now_and_then_and_after_a_rest() {
        let start = Instant::now();
        let mut untidiness = Untidiness::new(start);
        let each = Duration::from_millis(10);
        let mut now = start;
        let mut tidied = 0;
        // Four times the pause, without a rest.
        while now < start + 4 * TIDY_PAUSE {
            now += each;
            tidied += usize::from(untidiness.after_view(2, now));
        }
        assert_eq!(tidied, 4);
        assert_eq!(untidiness.rest(), None, "nothing has piled up since");
        for _ in 0..TIDY_SMALL {
            assert!(!untidiness.after_view(1, now), "not again so soon");
        }
        assert_eq!(untidiness.rest(), Some(TIDY_REST));
        untidiness.rested(now + TIDY_REST);
        assert_eq!(untidiness.rest(), None);
    }
}
