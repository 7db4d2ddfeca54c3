//! Out of touch: said in every answer for as long as it lasts, and no answer changes. By the
//! library, where the patience can be short.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::bounded;
use fingerpost::answer::{self, Desk, Outcome, Query, Settings, Transport};
use fingerpost::cluster::watch::{Options, Server, Sink, Timing, start};
use fingerpost::registry::{Publisher, Registry, SystemClock};
use fingerpost::zone::{Spec, View};

use crate::ask::{Reply, STALE, STALE_NXDOMAIN, Type, query};
use crate::fake_api::{FakeApi, Knobs, Order, until};
use crate::world::{Age, CASES, NOWHERE, put};

const TIMING: Timing = Timing {
    watch: Duration::from_secs(1),
    silence: Duration::from_millis(400),
    out_of_touch: Duration::from_millis(300),
    restored: Duration::from_millis(600),
    upgrade: Duration::from_mins(1),
};

fn ask(view: &View, name: &str, rtype: Type) -> Reply {
    let settings = Settings::default();
    let desk =
        Desk { view: Some(view), settings: &settings, transport: Transport::Stream, rotation: 0 };
    let mut out = vec![0; answer::STREAM_MOST];
    let message = query(7, name, rtype, true);
    match answer::answer(&desk, &message, &mut Query::default(), &mut out) {
        Outcome::Reply { len, .. } => Reply::of(&out[..len]),
        outcome => panic!("{name}: {outcome:?}"),
    }
}

/// All answers of one view must be right, and doubted all or none. Says whether they are.
fn doubted(view: &View, age: Age) -> bool {
    let reply = ask(view, NOWHERE, Type::A);
    assert!(reply.is_missing(), "{reply:?}");
    let doubt = reply.ede.map(|(code, text)| {
        assert_eq!(code, STALE_NXDOMAIN, "{text}");
        let since = text.strip_prefix("API server out of touch since ");
        let since: Result<jiff::Timestamp, _> = since.unwrap_or_else(|| panic!("{text}")).parse();
        let ago = jiff::Timestamp::now().as_second() - since.expect("a time").as_second();
        assert!((0..60).contains(&ago), "{text}");
        (STALE, text)
    });
    for (name, rtype, data) in CASES {
        let reply = ask(view, name, *rtype);
        assert!(reply.is(data[age as usize]), "{name}: {reply:?}");
        assert_eq!(reply.ede, doubt, "{name}");
    }
    doubt.is_some()
}

#[test]
fn being_out_of_touch_is_said_and_no_answer_changes() {
    let api = FakeApi::start(Knobs::default());
    put(&api, Age::Old);
    let spec = Spec::default();
    let options = Options {
        needed: spec.needed_kinds(),
        labels: None,
        namespace_labels: None,
        headless_endpoints_only: false,
        timing: TIMING,
    };
    let registry = Registry::new(Arc::new(spec), 1);
    registry.let_endpoints_go();
    let (stop, stopped) = bounded::<()>(0);
    let publisher = Publisher::new(Arc::clone(&registry), SystemClock);
    let publishing = std::thread::spawn(move || publisher.run(&stopped));
    let server = Server { endpoint: Some(api.url()), ..Server::default() };
    let watching = start(&server, options, Arc::<Registry>::clone(&registry) as Arc<dyn Sink>);
    let watching = watching.unwrap();
    let view = || registry.view().load_full();
    until("the first lists", || view().waiting().is_empty());
    assert!(!doubted(&view(), Age::Old));

    // The server is gone, twice, and comes back as it was.
    for _ in 0..2 {
        let serial = view().serial();
        api.up(false);
        until("doubt", || doubted(&view(), Age::Old));
        api.up(true);
        until("no doubt", || !doubted(&view(), Age::Old));
        assert_eq!(view().serial(), serial, "no record has changed");
    }
    // The way is cut, and nothing says so.
    until("watches", || api.watches() >= 4);
    api.set(|knobs| knobs.refused = vec![("services", 503)]);
    api.order(Order::Freeze);
    until("doubt", || doubted(&view(), Age::Old));
    api.set(|knobs| knobs.refused.clear());
    until("no doubt", || !doubted(&view(), Age::Old));
    put(&api, Age::New);
    until("the new state", || ask(&view(), NOWHERE, Type::A).ede.is_none() && is_new(&view()));
    assert!(!doubted(&view(), Age::New));
    drop(watching);
    drop(stop);
    publishing.join().unwrap();
}

fn is_new(view: &View) -> bool {
    CASES.iter().all(|(name, rtype, data)| ask(view, name, *rtype).is(data[1]))
}
