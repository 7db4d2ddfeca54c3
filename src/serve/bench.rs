//! What a thread of the runtime answers streams with: a clerk and buffers, one set a thread.
//!
//! Between two awaits a thread does one connection's work alone. So a connection needs neither a
//! clerk nor buffers while it is idle, and no lock to get at them when it is not.
#![forbid(unsafe_code)]

use std::any::Any;
use std::cell::Cell;
use std::sync::Arc;

use super::server::Common;
use super::tally::Counters;
use super::{Desk, MAX_STREAM_RESPONSE};

/// Octets read from a connection at once.
const READ_BUFFER: usize = 32 << 10;

/// Octets of responses that are gathered before they are written.
pub(super) const WRITE_BATCH: usize = 32 << 10;

/// The working place of one thread.
pub(super) struct Bench<D: Desk> {
    pub(super) clerk: D::Clerk,
    pub(super) counters: Arc<Counters>,
    /// What was read.
    pub(super) input: Box<[u8]>,
    /// What is to be written: a batch, and one more response of any length with its prefix.
    pub(super) output: Box<[u8]>,
}

thread_local! {
    static BENCH: Cell<Option<Box<dyn Any>>> = const { Cell::new(None) };
}

impl<D: Desk> Bench<D> {
    /// The bench of this thread, to be [put back](Self::put). If a panic comes up in between, the
    /// bench is lost with it and the next one is new.
    #[expect(clippy::unnecessary_box_returns, reason = "it is kept in its box")]
    pub(super) fn take(common: &Common<D>) -> Box<Self> {
        let kept = BENCH.take().and_then(|kept| kept.downcast::<Self>().ok());
        kept.unwrap_or_else(|| Box::new(Self::new(common)))
    }

    pub(super) fn put(self: Box<Self>) {
        BENCH.set(Some(self));
    }

    fn new(common: &Common<D>) -> Self {
        Self {
            clerk: common.desk.clerk(),
            counters: common.stream_counters(),
            input: vec![0; READ_BUFFER].into_boxed_slice(),
            output: vec![0; WRITE_BATCH + 2 + MAX_STREAM_RESPONSE].into_boxed_slice(),
        }
    }
}
