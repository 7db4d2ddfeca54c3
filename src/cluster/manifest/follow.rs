//! The thread that follows the disk: polls, and hands on what changed.

use std::io;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::source::{Loaded, Manifests};

/// How often the disk is looked at. A change is visible after this, the time it takes to settle
/// and the reading: well within the second that is promised.
pub const POLL: Duration = Duration::from_millis(250);

/// Follows `manifests`, which have been loaded, on a thread of its own named `manifests`, and
/// hands every batch that is not empty to `sink`. It ends when `stop` receives something or its
/// sender is dropped, at once but for a batch under way.
pub fn follow(
    mut manifests: Manifests,
    stop: Receiver<()>,
    mut sink: impl FnMut(Loaded) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    Builder::new().name("manifests".into()).spawn(move || {
        while stop.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
            let loaded = manifests.poll();
            if !loaded.is_empty() {
                sink(loaded);
            }
        }
    })
}
