//! What `/ready` says, and when: not before the first lists are complete and the sockets open, then
//! always, and no more from the signal to stop on (schema.md, section 9).
#![forbid(unsafe_code)]

use std::sync::{Mutex, PoisonError};

use super::cluster::Observed;

/// How far the process has come. Losing the API server never takes it back.
#[derive(Default)]
pub(super) struct Readiness(Mutex<Stage>);

#[derive(Default)]
enum Stage {
    /// Sources are being read or begun to be watched.
    #[default]
    Reading,
    /// First lists or sockets are still missing.
    Waiting { sources: Vec<Observed>, listening: bool },
    /// Sticky: nothing is looked at any more.
    Ready,
    /// The signal to stop has come.
    Stopping,
}

impl Readiness {
    /// All sources are read, or watched.
    pub(super) fn reads(&self, sources: Vec<Observed>) {
        self.advance(|stage| match stage {
            Stage::Reading => Stage::Waiting { sources, listening: false },
            further => further,
        });
    }

    /// The sockets for DNS are open.
    pub(super) fn listens(&self) {
        self.advance(|stage| match stage {
            Stage::Waiting { sources, .. } => Stage::Waiting { sources, listening: true },
            further => further,
        });
    }

    /// The process is about to stop.
    pub(super) fn stops(&self) {
        self.advance(|_| Stage::Stopping);
    }

    /// Nothing if ready; else what is not. The first line holds what CoreDNS says, the names of
    /// directives; the others say more.
    pub(super) fn lacks(&self) -> Option<String> {
        let mut stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lacks = match &*stage {
            Stage::Ready => None,
            Stage::Stopping => Some("stopping\n".to_owned()),
            Stage::Reading => Some("kubernetes\nthe sources are being read\n".to_owned()),
            Stage::Waiting { sources, listening } => waiting(sources, *listening),
        };
        if lacks.is_none() {
            *stage = Stage::Ready;
        }
        lacks
    }

    fn advance(&self, to: impl FnOnce(Stage) -> Stage) {
        let mut stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *stage = to(std::mem::take(&mut *stage));
    }
}

fn waiting(sources: &[Observed], listening: bool) -> Option<String> {
    let lines = sources.iter().filter_map(|source| {
        let missing = source.missing()?;
        let place = source.place.as_ref().map_or_else(String::new, |place| format!("{place}: "));
        Some(format!("{place}names wait for {missing}\n"))
    });
    let lines: String = lines.collect();
    match (lines.is_empty(), listening) {
        (false, _) => Some(format!("kubernetes\n{lines}")),
        (true, false) => Some("sockets\nno query is answered yet\n".to_owned()),
        (true, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_comes_once_and_goes_for_good() {
        let readiness = Readiness::default();
        let first = |readiness: &Readiness| {
            readiness.lacks().map(|text| text.lines().next().unwrap_or_default().to_owned())
        };
        assert_eq!(first(&readiness).as_deref(), Some("kubernetes"));
        readiness.listens();
        assert_eq!(first(&readiness).as_deref(), Some("kubernetes"), "nothing is read yet");
        readiness.reads(Vec::new());
        assert_eq!(first(&readiness).as_deref(), Some("sockets"));
        readiness.listens();
        assert_eq!(readiness.lacks(), None);
        readiness.reads(Vec::new());
        assert_eq!(readiness.lacks(), None, "sticky");
        readiness.stops();
        assert_eq!(first(&readiness).as_deref(), Some("stopping"));
        readiness.listens();
        assert_eq!(first(&readiness).as_deref(), Some("stopping"));
    }
}
