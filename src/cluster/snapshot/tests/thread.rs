//! The thread that writes, told of changes.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::super::Writer;
use super::*;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A state that changes, and a writer of it.
struct Office {
    bench: Bench,
    serial: Arc<AtomicU32>,
    is_there: Arc<AtomicBool>,
    reads: Arc<Mutex<Vec<Instant>>>,
    writer: Writer,
}

impl Office {
    fn new() -> Self {
        Self::at(Bench::new())
    }

    fn at(bench: Bench) -> Self {
        let serial = Arc::new(AtomicU32::new(0));
        let is_there = Arc::new(AtomicBool::new(true));
        let reads = Arc::new(Mutex::new(Vec::new()));
        let (now, there, log) = (Arc::clone(&serial), Arc::clone(&is_there), Arc::clone(&reads));
        let state = move |visit: &mut dyn FnMut(Stored<'_>)| {
            log.lock().unwrap().push(Instant::now());
            let serial = now.load(Ordering::SeqCst);
            sample().iter().filter_map(Stored::of).for_each(visit);
            let state = State { serial, ..STATE };
            there.load(Ordering::SeqCst).then_some(state)
        };
        let writer = Writer::start(bench.place.clone(), origin(), state).unwrap();
        Self { bench, serial, is_there, reads, writer }
    }

    fn change(&self) {
        self.serial.fetch_add(1, Ordering::SeqCst);
        self.writer.notifier().notify();
    }

    fn serial_on_disk(&self) -> Option<u32> {
        match self.bench.load().0 {
            Loaded::Restored(header) => Some(header.state.serial),
            Loaded::None => None,
            other => panic!("{other:?}"),
        }
    }

    fn wait(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "{what}");
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_burst_is_written_once_and_nothing_without_a_change() {
    let office = Office::new();
    let tally = office.writer.tally();
    for _ in 0..10_000 {
        office.change();
    }
    office.wait("the burst is not written", |office| office.serial_on_disk() == Some(10_000));
    // Telling it took less than the writer rests between two writes, or the pace was kept.
    let reads = office.reads.lock().unwrap().clone();
    assert!(reads.len() < 10, "{}", reads.len());
    assert!(reads.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_secs(1)), "{reads:?}");
    office.wait("the writer does not count", |_| tally.written() == reads.len() as u64);
    assert_eq!(tally.failed(), 0);
    assert!(tally.last() > 0);
    let size = std::fs::metadata(office.bench.place.file()).unwrap().len();
    assert_eq!(tally.octets(), size);

    // What the writer was told of last may have come after it had read that: one more at most.
    let before = tally.written();
    assert!(office.writer.stop(PATIENCE));
    assert!(tally.written() <= before + 1);
}

#[test]
fn a_clean_stop_writes_what_has_changed_and_only_that() {
    let office = Office::new();
    office.change();
    office.wait("the first change is not written", |office| office.serial_on_disk() == Some(1));
    // Within the second after a write: this one is still waiting when the stop comes.
    office.change();
    let Office { bench, writer, .. } = office;
    let tally = writer.tally();
    assert!(writer.stop(PATIENCE));
    assert_eq!(tally.written(), 2);
    let Loaded::Restored(found) = bench.load().0 else { panic!("no state") };
    assert_eq!(found.state.serial, 2);

    let office = Office::at(bench);
    let tally = office.writer.tally();
    assert!(office.writer.stop(PATIENCE));
    assert_eq!(tally.written(), 0);
}

#[test]
fn a_failure_is_mended_at_the_next_change() {
    let bench = Bench::new();
    let folder = bench.folder.path().join("later");
    let place = Place::new(&folder.join("state")).unwrap();
    let office = Office::at(Bench { place, ..bench });
    let tally = office.writer.tally();
    office.change();
    office.wait("no failure", |_| tally.failed() == 1);
    assert_eq!(tally.written(), 0);
    std::fs::create_dir(&folder).unwrap();
    office.change();
    office.wait("not written after all", |office| office.serial_on_disk() == Some(2));
    assert_eq!(tally.failed(), 1);
}

#[test]
fn without_a_state_the_old_file_stays_until_there_is_one() {
    let office = Office::new();
    office.bench.store(&sample());
    office.is_there.store(false, Ordering::SeqCst);
    office.change();
    office.wait("it never asked", |office| !office.reads.lock().unwrap().is_empty());
    assert_eq!(office.serial_on_disk(), Some(STATE.serial));
    // It asks again by itself.
    office.is_there.store(true, Ordering::SeqCst);
    office.wait("it did not ask again", |office| office.serial_on_disk() == Some(1));
}

#[test]
fn a_start_removes_leftovers_and_a_drop_ends_the_thread() {
    let bench = Bench::new();
    let leftover = bench.folder.path().join(".state.0123456789abcdef.tmp");
    std::fs::write(&leftover, "x").unwrap();
    let office = Office::at(bench);
    assert!(!leftover.exists());
    let notifier = office.writer.notifier();
    let tally = Arc::downgrade(&office.writer.tally());
    drop(office.writer);
    let deadline = Instant::now() + PATIENCE;
    while tally.upgrade().is_some() {
        assert!(Instant::now() < deadline, "the thread runs on");
        std::thread::yield_now();
    }
    // Nobody listens, and nobody is held up.
    notifier.notify();
    notifier.notify();
}
