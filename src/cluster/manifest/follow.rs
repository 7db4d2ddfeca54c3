//! The thread that follows the disk: polls, and hands on what changed.

use std::io;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::source::{Loaded, Manifests};

/// How often the disk is looked at. A change is visible after this, the time it takes to settle
/// and the reading: well within the second that is promised.
pub const POLL: Duration = Duration::from_millis(250);
/// The pause after a look that found nothing is at least this many times as long as the look was,
/// so that following very many files takes about a tenth of a CPU.
const PAUSE: u32 = 9;
/// The longest pause, whatever a look takes, for the sake of the same promise.
const MAX_PAUSE: Duration = Duration::from_millis(600);

/// Follows `manifests`, which have been loaded, on a thread of its own named `manifests`, and
/// hands every batch that is not empty to `sink`. It ends when `stop` receives something or its
/// sender is dropped, at once but for a batch under way.
pub fn follow(
    mut manifests: Manifests,
    stop: Receiver<()>,
    mut sink: impl FnMut(Loaded) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    Builder::new().name("manifests".into()).spawn(move || {
        let mut pause = POLL;
        while stop.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            let began = Instant::now();
            let loaded = manifests.poll();
            if loaded.is_empty() {
                pause = began.elapsed().saturating_mul(PAUSE).clamp(POLL, MAX_PAUSE);
            } else {
                sink(loaded);
            }
        }
    })
}
