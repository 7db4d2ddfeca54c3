//! A worker that hears nothing.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use fingerpost::serve::{Asker, Clerk, Client, Desk, Options, Server, Step};

use crate::toy::{eventually, listen};

/// What is answered from, of which each clerk holds what it has seen last.
#[derive(Default)]
struct State(Arc<ArcSwap<()>>);

struct Holder {
    newest: Arc<ArcSwap<()>>,
    held: Arc<()>,
}

impl Desk for State {
    type Clerk = Holder;

    fn clerk(&self) -> Holder {
        Holder { newest: Arc::clone(&self.0), held: self.0.load_full() }
    }

    async fn finish(&self, _: Vec<u8>, _: Client) -> Option<Vec<u8>> {
        None
    }
}

impl Clerk for Holder {
    fn refresh(&mut self) {
        self.held = self.newest.load_full();
    }

    fn read<'q>(&mut self, _: impl ExactSizeIterator<Item = &'q [u8]>) {}

    fn settle(&mut self, _: Duration) {}

    fn answer(&mut self, _: usize, _: &[u8], _: Asker<'_>, _: &mut [u8]) -> Step {
        Step::Silence
    }
}

#[test]
fn workers_that_hear_nothing_let_go_of_what_is_old() {
    let state = Arc::new(State::default());
    let newest = Arc::clone(&state.0);
    let options = Options { workers: 2, ..Options::default() };
    let _server = Server::start(state, &[listen("127.0.0.1:0")], options).expect("start");
    for _ in 0..2 {
        let old = Arc::downgrade(&newest.load_full());
        let holds = || old.strong_count();
        eventually("both workers hold it", || holds() > 2);
        newest.store(Arc::default());
        eventually("nobody holds it any more", || holds() == 0);
    }
}
