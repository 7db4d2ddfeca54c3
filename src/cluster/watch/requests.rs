//! How the API server has answered, for metrics. Written by the watch thread, a few times a minute.

use std::collections::BTreeMap;
use std::time::Duration;

/// Upper bounds of the buckets of how long answers took to begin: Prometheus's usual ones, which
/// Kubernetes's client has too.
pub const REQUEST_TIMES: [Duration; 11] = [
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// The requests so far, all of them GET.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Requests {
    /// How many by HTTP status; none where no answer came.
    pub codes: BTreeMap<Option<u16>, u64>,
    /// How long answers took to begin, by [`REQUEST_TIMES`], and one bucket more.
    pub times: [u64; REQUEST_TIMES.len() + 1],
    /// How long all of them took.
    pub time: Duration,
}

impl Requests {
    pub(super) fn note(&mut self, code: Option<u16>, took: Duration) {
        let count = self.codes.entry(code).or_default();
        *count = count.saturating_add(1);
        let bucket = REQUEST_TIMES.iter().take_while(|bound| took > **bound).count();
        if let Some(count) = self.times.get_mut(bucket) {
            *count = count.saturating_add(1);
        }
        self.time = self.time.saturating_add(took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_code_and_time() {
        let mut requests = Requests::default();
        requests.note(Some(200), Duration::from_millis(5));
        requests.note(Some(200), Duration::from_millis(6));
        requests.note(None, Duration::from_secs(30));
        assert_eq!(requests.codes, BTreeMap::from([(None, 1), (Some(200), 2)]));
        assert_eq!(requests.times, [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(requests.time, Duration::from_millis(30_011));
    }
}
