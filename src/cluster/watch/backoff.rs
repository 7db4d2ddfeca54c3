//! How long to wait before the next try, with jitter, so that the many servers of a cluster do not
//! come back to an API server all at once.

use std::time::Duration;

use super::fault::Fault;

/// The first wait.
const FIRST: Duration = Duration::from_millis(50);
/// The longest wait while the API server can be reached: a change is not to be late by more.
const MOST: Duration = Duration::from_secs(2);
/// The longest wait while it cannot, or will not have us.
const MOST_AWAY: Duration = Duration::from_secs(5);
/// The longest wait that the API server can ask for with `Retry-After`.
const MOST_ASKED: Duration = Duration::from_secs(30);

/// The waits between the tries of one watch.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// All is well again.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to wait after this fault.
    pub(super) fn after(&mut self, fault: &Fault) -> Duration {
        let most = match fault {
            Fault::Unreachable(_) | Fault::Tls { .. } => MOST_AWAY,
            fault if fault.needs_human().is_some() => MOST_AWAY,
            _ => MOST,
        };
        let wait = self.next(most);
        match fault {
            Fault::Http { retry_after: Some(asked), .. } => wait.max((*asked).min(MOST_ASKED)),
            _ => wait,
        }
    }

    fn next(&mut self, most: Duration) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(16)).min(most);
        self.failures = self.failures.saturating_add(1);
        between(doubled / 2, doubled)
    }
}

/// A random time between two.
pub(super) fn between(least: Duration, most: Duration) -> Duration {
    let span = most.saturating_sub(least);
    // Without random numbers the middle is as good as any.
    let part = getrandom::u32().unwrap_or(u32::MAX / 2);
    least + span.mul_f64(f64::from(part) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_limit_and_start_over() {
        let mut backoff = Backoff::default();
        let broken = Fault::Broken(String::new());
        let waits: Vec<Duration> = (0..50).map(|_| backoff.after(&broken)).collect();
        assert!(waits[0] >= FIRST / 2 && waits[0] <= FIRST);
        assert!(waits.iter().all(|wait| *wait <= MOST));
        assert!(waits[40..].iter().all(|wait| *wait >= MOST / 2));
        assert!(waits[40..].iter().any(|wait| *wait != waits[40]), "there is jitter");
        assert!(backoff.after(&Fault::Unreachable(String::new())) <= MOST_AWAY);
        let asked = Some(Duration::from_secs(3));
        let full = Fault::Http { code: 429, message: String::new(), retry_after: asked };
        assert_eq!(backoff.after(&full), Duration::from_secs(3));
        backoff.reset();
        assert!(backoff.after(&broken) <= FIRST);
    }
}
