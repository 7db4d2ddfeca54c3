//! Which upstream is asked first, and which then.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use smallvec::SmallVec;

use super::peer::Peer;
use crate::config::{MAX_UPSTREAMS, Policy};

/// How the upstreams of a directive take turns.
#[derive(Debug)]
pub(super) struct Order {
    policy: Policy,
    turn: AtomicUsize,
}

/// The upstreams in the order in which one query tries them, over and over.
#[derive(Debug)]
pub(super) struct Turns {
    places: SmallVec<[usize; MAX_UPSTREAMS]>,
    at: usize,
    /// How many of this round were down.
    down: usize,
    round: usize,
}

/// Whose turn it is.
pub(super) struct Turn<'p> {
    pub(super) peer: &'p Arc<Peer>,
    /// All of them count as down; this one is as good as any.
    pub(super) all_down: bool,
    /// A further round begins.
    pub(super) again: bool,
}

impl Order {
    pub(super) fn new(policy: Policy) -> Self {
        Self { policy, turn: AtomicUsize::new(0) }
    }

    /// The turns for one query. Whoever is being checked, since it has failed, comes behind those
    /// who are not: so one that is silent costs few queries its time-out, not all of them until it
    /// counts as down.
    pub(super) fn turns(&self, peers: &[Arc<Peer>]) -> Turns {
        let mut places: SmallVec<[usize; MAX_UPSTREAMS]> = (0..peers.len()).collect();
        match self.policy {
            Policy::Sequential => {}
            Policy::RoundRobin => {
                let turn = self.turn.fetch_add(1, Relaxed);
                places.rotate_left(turn.checked_rem(peers.len()).unwrap_or(0));
            }
            Policy::Random => shuffle(&mut places),
        }
        let is_suspect = |place: &usize| peers.get(*place).is_some_and(|p| p.health.is_checked());
        places.sort_by_key(is_suspect);
        Turns { places, at: 0, down: 0, round: 0 }
    }
}

impl Turns {
    /// The next upstream that is not down; any of them where all are. None where there is none.
    pub(super) fn next<'p>(&mut self, peers: &'p [Arc<Peer>], max_fails: u32) -> Option<Turn<'p>> {
        // A round at most is gone through before all are known to be down.
        for _ in 0..=2 * self.places.len() {
            if self.at >= self.places.len() {
                (self.at, self.down) = (0, 0);
                self.round += 1;
            }
            let peer = peers.get(*self.places.get(self.at)?)?;
            let again = self.at == 0 && self.round > 0;
            self.at += 1;
            if !peer.health.is_down(max_fails) {
                return Some(Turn { peer, all_down: false, again });
            }
            self.down += 1;
            if self.down >= self.places.len() {
                let any = below(self.places.len());
                return Some(Turn { peer: peers.get(any)?, all_down: true, again });
            }
        }
        None
    }
}

/// A number below this one; nothing secret hangs on it.
fn below(bound: usize) -> usize {
    let random = getrandom::u64().unwrap_or(0) >> 1;
    usize::try_from(random).unwrap_or(0).checked_rem(bound).unwrap_or(0)
}

/// Any order as well as any other. One random number is enough: 15 factorial is below 2^41.
fn shuffle(places: &mut [usize]) {
    if places.len() < 2 {
        return;
    }
    let mut random = getrandom::u64().unwrap_or(0);
    for at in (1..places.len()).rev() {
        let choices = at as u64 + 1;
        places.swap(at, usize::try_from(random % choices).unwrap_or(at));
        random /= choices;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(count: u8) -> Vec<Arc<Peer>> {
        (0..count).map(|last| Arc::new(Peer::new(([192, 0, 2, last], 53).into(), None))).collect()
    }

    fn tried(turns: &mut Turns, peers: &[Arc<Peer>], times: usize) -> Vec<u8> {
        let mut next = || {
            let std::net::IpAddr::V4(v4) = turns.next(peers, 2)?.peer.address().ip() else {
                return None;
            };
            Some(v4.octets()[3])
        };
        (0..times).filter_map(|_| next()).collect()
    }

    #[test]
    fn each_policy_has_its_order() {
        let peers = peers(3);
        let sequential = Order::new(Policy::Sequential);
        for _ in 0..2 {
            assert_eq!(tried(&mut sequential.turns(&peers), &peers, 5), [0, 1, 2, 0, 1]);
        }
        let robin = Order::new(Policy::RoundRobin);
        for first in [0, 1, 2, 0] {
            assert_eq!(tried(&mut robin.turns(&peers), &peers, 1), [first]);
        }
        let random = Order::new(Policy::Random);
        let mut seen = std::collections::BTreeMap::<Vec<u8>, u32>::new();
        for _ in 0..6_000 {
            *seen.entry(tried(&mut random.turns(&peers), &peers, 3)).or_default() += 1;
        }
        assert_eq!(seen.len(), 6, "{seen:?}");
        assert!(seen.values().all(|times| (700..1_300).contains(times)), "{seen:?}");
    }

    #[test]
    fn who_is_down_is_passed_over_and_who_is_checked_comes_last() {
        let peers = peers(3);
        let order = Order::new(Policy::Sequential);
        peers[0].health.pretend(1, true);
        assert_eq!(tried(&mut order.turns(&peers), &peers, 4), [1, 2, 0, 1]);
        peers[0].health.pretend(3, true);
        assert_eq!(tried(&mut order.turns(&peers), &peers, 4), [1, 2, 1, 2]);
        peers[1].health.pretend(3, true);
        peers[2].health.pretend(3, true);
        let mut turns = order.turns(&peers);
        let turn = turns.next(&peers, 2).expect("any");
        assert!(turn.all_down);
        assert!(!order.turns(&peers).next(&peers, 0).expect("any").all_down, "0 is never down");
        assert!(order.turns(&[]).next(&[], 2).is_none());
    }
}
