//! Any run of changes mixed with faults ends in the view that a fresh list gives, and on the way no
//! name ever answers what no state of the server would have, nor goes back to an older one.
//!
//! Each name hangs on one object that changes, every state of which has an answer of its own, so
//! that an answer says which state it is from.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fingerpost::cluster::watch::Timing;
use fingerpost::zone::Spec;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::bench::{Answer, Bench, TIMING, is, missing};
use crate::fake_api::{FakeApi, Fault, Knobs, Order, Streaming, until};
use crate::objects::{cluster, endpoints, headless, namespace, outside, slice};

/// A Service, a slice of a headless Service, Endpoints of a Service without a selector.
const NAMES: [&str; 3] = ["svc", "sliced", "manual"];
const RESOURCES: [&str; 4] = ["namespaces", "services", "endpointslices", "endpoints"];

#[derive(Clone, Debug)]
enum Step {
    /// The next state of a name.
    Put(&'static str),
    Delete(&'static str),
    Order(Order),
    Fault(&'static str, Fault),
    Away,
    Back,
    Compact,
    /// Another API server, this many versions behind, answers from now on.
    Stale(u64),
    Fresh,
    Duplicates(bool),
    Streaming(Streaming),
}

fn step() -> impl Strategy<Value = Step> {
    let faults = vec![
        Fault::Status(500),
        Fault::Status(403),
        Fault::Status(410),
        Fault::CutList(0),
        Fault::CutList(1),
        Fault::WatchStatus(410),
        Fault::WatchStatus(503),
    ];
    let orders = vec![Order::Reset, Order::End, Order::Gone];
    prop_oneof![
        10 => select(NAMES.to_vec()).prop_map(Step::Put),
        3 => select(NAMES.to_vec()).prop_map(Step::Delete),
        4 => select(orders).prop_map(Step::Order),
        4 => (select(RESOURCES.to_vec()), select(faults)).prop_map(|(r, f)| Step::Fault(r, f)),
        1 => Just(Step::Away),
        2 => Just(Step::Back),
        1 => Just(Step::Compact),
        1 => (1..20u64).prop_map(Step::Stale),
        2 => Just(Step::Fresh),
        1 => any::<bool>().prop_map(Step::Duplicates),
        1 => select(vec![Streaming::Works, Streaming::Refused]).prop_map(Step::Streaming),
    ]
}

/// The answers that each name's states have had, in their order.
type History = Arc<Mutex<BTreeMap<&'static str, Vec<Answer>>>>;

fn put(api: &FakeApi, history: &History, name: &'static str, number: usize) {
    let ip = format!("10.{}.{}.1", number / 250 + 1, number % 250);
    // Known before it can be seen.
    history.lock().unwrap().entry(name).or_default().push(is(&[&ip]));
    match name {
        "svc" => api.put(cluster(name, &ip)),
        "sliced" => api.put(slice(name, &[&ip])),
        _ => api.put(endpoints(name, &[&ip])),
    };
}

fn delete(api: &FakeApi, history: &History, name: &'static str) {
    let (resource, object, answer) = match name {
        "svc" => ("services", "svc", missing()),
        "sliced" => ("endpointslices", "sliced-x7k2p", missing()),
        _ => ("endpoints", "manual", is(&["10.0.0.99"])),
    };
    history.lock().unwrap().entry(name).or_default().push(answer);
    api.edit(|store| store.delete(resource, "shop", object));
}

fn run(minor: &'static str, steps: &[Step]) {
    let api = FakeApi::start(Knobs { minor, page: 1, ..Knobs::default() });
    api.put(namespace("shop"));
    api.put(headless("sliced"));
    api.put(outside("manual", "10.0.0.99"));
    let history = History::default();
    for (at, name) in NAMES.into_iter().enumerate() {
        put(&api, &history, name, at);
    }
    let base = api.edit(|store| store.revision());
    // However slow this machine is, a server that has fallen behind is not taken for one set back.
    let timing = Timing { restored: Duration::from_hours(1), ..TIMING };
    let bench = Bench::timed(&api, Spec::default(), timing);
    bench.listed();
    let (mut up, mut stale) = (true, false);
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let known = Arc::clone(&history);
    let asker = bench.asker(&NAMES, move |name, answer| {
        let history = known.lock().unwrap();
        let at = seen.entry(name).or_default();
        let found = history[name].iter().skip(*at).position(|state| *state == answer);
        match found {
            Some(further) => {
                *at += further;
                Ok(())
            }
            None => Err(format!("{name}: {answer:?} at state {at} of {:?}", history[name])),
        }
    });
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Put(name) => put(&api, &history, name, at + NAMES.len()),
            Step::Delete(name) => delete(&api, &history, name),
            Step::Order(order) => api.order(*order),
            Step::Fault(resource, fault) => api.fault(resource, *fault),
            Step::Away | Step::Back => {
                up = matches!(step, Step::Back);
                api.up(up);
            }
            Step::Compact => api.compact(),
            Step::Stale(behind) => {
                // While nobody answers, or one that has fallen behind does, there may be no watch.
                let was_stale = std::mem::replace(&mut stale, true);
                if up && !was_stale {
                    until("a watch", || api.watches() > 0);
                }
                let newest = api.edit(|store| store.revision());
                api.set(|knobs| knobs.stale = Some(newest.saturating_sub(*behind).max(base)));
                // Whoever watches lists anew, from that other server.
                api.order(Order::Gone);
                asker.rounds(100);
            }
            Step::Fresh => {
                stale = false;
                api.set(|knobs| knobs.stale = None);
            }
            Step::Duplicates(on) => api.set(|knobs| knobs.duplicates = *on),
            Step::Streaming(streaming) => api.set(|knobs| knobs.streaming = *streaming),
        }
        asker.rounds(3);
    }
    api.set(|knobs| {
        knobs.stale = None;
        knobs.faults.clear();
        knobs.duplicates = false;
    });
    api.up(true);
    let fresh = Bench::ready(&api, Spec::default());
    let expected = fresh.lines();
    until("the view of a fresh list", || bench.lines() == expected);
    asker.all_right();
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 16,
        max_shrink_iters: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_run_ends_in_the_truth_and_never_leaves_it(
        minor in select(vec!["34", "33"]),
        steps in vec(step(), 1..60),
    ) {
        run(minor, &steps);
    }
}
