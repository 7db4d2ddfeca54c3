//! Queries at a steady pace through everything that an API server does to its watchers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::ask::{Asker, Type};
use crate::fake_api::{FakeApi, Knobs, Order, until};
use crate::run::Room;
use crate::world::{Age, CASES, NOWHERE, REVERSE, put, put_marker, serve};

/// Between two rounds of questions.
const PACE: Duration = Duration::from_millis(1);

/// Asks on a thread of its own. An answer that is wrong, refused or missing ends it with a panic.
struct Steady {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Steady {
    fn start(address: SocketAddr) -> Self {
        let (stop, rounds) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&rounds));
        let thread = std::thread::spawn(move || {
            let mut asker = Asker::new(address);
            while !stopped.load(Ordering::Acquire) {
                for (name, rtype, data) in CASES {
                    let reply = asker.ask(name, *rtype);
                    assert!(reply.is(data[0]) && reply.ede.is_none(), "{name}: {reply:?}");
                }
                let (name, target) = REVERSE[0];
                let reply = asker.ask(name, Type::PTR);
                assert!(reply.is(&[target]) && reply.ede.is_none(), "{name}: {reply:?}");
                let reply = asker.ask(NOWHERE, Type::A);
                assert!(reply.is_missing() && reply.ede.is_none(), "{reply:?}");
                count.fetch_add(1, Ordering::Release);
                std::thread::sleep(PACE);
            }
        });
        Self { stop, rounds, thread: Some(thread) }
    }

    /// Waits for more rounds.
    fn rounds(&self, more: usize) {
        let target = self.rounds.load(Ordering::Acquire) + more;
        until("answers", || {
            let ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
            ended || self.rounds.load(Ordering::Acquire) >= target
        });
    }

    fn all_right(mut self) {
        self.rounds(10);
        self.stop.store(true, Ordering::Release);
        self.thread.take().unwrap().join().expect("every answer right");
    }
}

impl Drop for Steady {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

fn lists(api: &FakeApi) -> usize {
    api.requests(&["/services?", "limit="]) + api.requests(&["/services?", "sendInitial"])
}

/// A change of now is seen: whoever watches is in touch again.
fn in_touch(api: &FakeApi, asker: &mut Asker, name: &str) {
    put_marker(api, name);
    let full = format!("{name}.shop.svc.cluster.local.");
    until(name, || asker.ask(&full, Type::A).is(&["10.0.7.7"]));
}

fn goes_on(minor: &'static str) {
    let room = Room::new();
    let knobs = Knobs { minor, page: 2, ..Knobs::default() };
    let api = FakeApi::start(knobs.clone());
    put(&api, Age::Old);
    let mut served = serve(&room, api.address(), None);
    let mut asker = Asker::new(served.address);
    let steady = Steady::start(served.address);
    let watched = |api: &FakeApi| until("all watches", || api.watches() >= 4);

    // A new list, slowly, because of an event.
    watched(&api);
    let before = lists(&api);
    api.set(|knobs| knobs.slow = Duration::from_millis(20));
    api.order(Order::Gone);
    until("new lists", || lists(&api) > before);
    in_touch(&api, &mut asker, "relisted");
    api.set(|knobs| knobs.slow = Duration::ZERO);

    // Connections break amid a line, and end in order.
    for (order, name) in [(Order::Reset, "reset"), (Order::End, "ended")] {
        watched(&api);
        api.order(order);
        in_touch(&api, &mut asker, name);
    }

    // Cut off, and the history is gone at the return.
    watched(&api);
    let before = lists(&api);
    api.up(false);
    until("all watches are cut", || api.watches() == 0);
    api.compact();
    steady.rounds(50);
    api.up(true);
    in_touch(&api, &mut asker, "returned");
    until("new lists", || lists(&api) > before);

    // Another process at the same address, with the same store.
    let (address, store) = (api.address(), api.edit(|store| store.clone()));
    drop(api);
    steady.rounds(50);
    let api = FakeApi::resume(address, store, knobs);
    in_touch(&api, &mut asker, "restarted");
    // And whoever was told before is told still.
    for name in ["relisted", "reset", "ended", "returned"] {
        let full = format!("{name}.shop.svc.cluster.local.");
        assert!(asker.ask(&full, Type::A).is(&["10.0.7.7"]), "{name}");
    }
    steady.all_right();
    served.signal("TERM");
    assert_eq!(served.end().code(), Some(0));
}

#[test]
fn no_answer_is_wrong_or_missing_with_streamed_lists() {
    goes_on("34");
}

#[test]
fn no_answer_is_wrong_or_missing_with_paged_lists() {
    goes_on("33");
}
