//! Whether an upstream is well: it is asked after it has failed, again and again until it replies.
//!
//! As in CoreDNS any reply will do, a refusal too: it is there.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::sleep;

use super::message::{Question, probe};
use super::peer::Peer;
use super::{Transport, within};
use crate::config::Forward;

/// How long an upstream may take to reply to a check.
const CHECK_TIME: Duration = Duration::from_secs(1);

/// The shortest time from one check to the next, whatever the configuration says: a check of one
/// that refuses at once must not be a loop without rest.
const PAUSE_LEAST: Duration = Duration::from_millis(10);

/// What is known of one upstream.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Checks that have failed since the last reply.
    fails: AtomicU32,
    /// A task checks it.
    checked: AtomicBool,
}

impl Health {
    /// It has failed more checks than these; no number of them counts where this is 0.
    pub(super) fn is_down(&self, max_fails: u32) -> bool {
        max_fails != 0 && self.fails.load(Relaxed) > max_fails
    }

    /// It has failed, and has not replied to a check since.
    pub(super) fn is_checked(&self) -> bool {
        self.checked.load(Relaxed)
    }

    #[cfg(test)]
    pub(super) fn pretend(&self, fails: u32, checked: bool) {
        self.fails.store(fails, Relaxed);
        self.checked.store(checked, Relaxed);
    }
}

/// Has an upstream checked that has failed, unless it is already or no check would count.
pub(super) fn look_after(peer: &Arc<Peer>, rules: &Arc<Forward>) {
    // Connections to one that fails are no good either.
    peer.pool().clear();
    if rules.max_fails != 0 && !peer.health.checked.swap(true, Relaxed) {
        tokio::spawn(check(Arc::downgrade(peer), Arc::clone(rules)));
    }
}

/// Until it replies, or is no upstream any more.
async fn check(peer: Weak<Peer>, rules: Arc<Forward>) {
    let query = probe(rules.health_check.domain.as_wire(), rules.health_check.recursion);
    let Some(question) = Question::of(&query).map(Question::any_reply) else { return };
    loop {
        let Some(peer) = peer.upgrade() else { return };
        let asking = peer.exchange(&rules, &query, &question, Transport::Udp);
        if let Ok(Ok(_)) = within(CHECK_TIME, asking).await {
            peer.health.fails.store(0, Relaxed);
            peer.health.checked.store(false, Relaxed);
            return;
        }
        let fails = peer.health.fails.load(Relaxed);
        peer.health.fails.store(fails.saturating_add(1), Relaxed);
        peer.account.check_failures.add_shared(1);
        drop(peer);
        sleep(rules.health_check.interval.max(PAUSE_LEAST)).await;
    }
}
