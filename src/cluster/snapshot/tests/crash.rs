//! Writers that are killed at any moment, and writers that run out of disk: real processes, which
//! are this test binary running one test of it alone.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::super::clean;
use super::*;

/// Tells the child where to write.
const PLACE: &str = "FINGERPOST_TEST_SNAPSHOT";
/// How often a writer is killed.
const KILLS: u32 = 30;
/// How often at most, if all of those have met it between two files.
const MOST_KILLS: u32 = 120;

/// A state that is one of a kind: `number` Namespaces and large slices, all of which bear the
/// number.
fn state(number: usize) -> Vec<Object> {
    let slice = sample().remove(2);
    let Object::EndpointSlice(mut slice) = slice else { panic!("a slice") };
    slice.endpoints = vec![slice.endpoints[1].clone(); 6_000];
    slice.service = Some(format!("s{number}").into());
    let slices = (0..3 + number % 3).map(|at| {
        slice.meta = Meta::new(&format!("n{number}"), &format!("web-{at}"));
        Object::EndpointSlice(slice.clone())
    });
    slices.collect()
}

/// In the child: writes one state after the other until it is killed.
#[test]
fn child_that_writes() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let place = Place::new(Path::new(&place)).unwrap();
    // Packed beforehand, so that it is nearly always at its writing.
    let states: Vec<_> = (1..=5).map(|number| packed(&state(number))).collect();
    for state in states.iter().cycle() {
        store(&place, state).unwrap();
    }
}

/// In the child: writes a state that there is no room for.
#[test]
fn child_without_room() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let place = Place::new(Path::new(&place)).unwrap();
    let error = store(&place, &packed(&state(1))).unwrap_err().to_string();
    assert!(error.contains("cannot write"), "{error}");
    assert!(error.ends_with("make room on its file system"), "{error}");
}

fn test_name(name: &str) -> [String; 2] {
    let module = module_path!().split_once("::").unwrap().1;
    [format!("{module}::{name}"), "--exact".to_owned()]
}

fn is_whole(objects: &[Object]) -> bool {
    let Some(Object::EndpointSlice(first)) = objects.first() else { return false };
    let number = first.service.as_ref().unwrap()[1..].parse().unwrap();
    objects == state(number)
}

/// Ends the child whatever becomes of the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_writer_killed_at_any_moment_leaves_a_whole_file() {
    let bench = Bench::new();
    let mut unfinished = 0;
    for kill in 0..MOST_KILLS {
        if kill >= KILLS && unfinished > 0 {
            break;
        }
        let child = Command::new(std::env::current_exe().unwrap())
            .args(test_name("child_that_writes"))
            .env(PLACE, bench.place.file())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let child = Killed(child);
        // It is at work as soon as there is a name in the folder that was not there before.
        let before = bench.names();
        let deadline = Instant::now() + Duration::from_secs(20);
        while bench.names().iter().all(|name| before.contains(name)) {
            assert!(Instant::now() < deadline, "the child writes nothing");
            std::thread::yield_now();
        }
        // Not waiting for something to happen, but choosing the moment of the kill.
        std::thread::sleep(Duration::from_micros(u64::from(kill * kill) * 61 % 17_000));
        drop(child);

        let (loaded, objects) = bench.load();
        match loaded {
            Loaded::None => {}
            Loaded::Restored(_) => assert!(is_whole(&objects), "kill {kill}: half a state"),
            other => panic!("kill {kill}: {other:?}"),
        }
        unfinished += clean(&bench.place);
        assert!(bench.names().iter().all(|name| name == "state"), "{:?}", bench.names());
    }
    assert!(unfinished > 0, "no kill met a writer at work: the test proves nothing");
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    let bench = Bench::new();
    bench.store(&sample());
    // No file may grow beyond some dozen blocks, which a write is told of as it is of a full disk.
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"";
    let child = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(test_name("child_without_room"))
        .env(PLACE, bench.place.file())
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && out.contains("1 passed"), "{out}");
    assert_eq!(bench.load(), (Loaded::Restored(header()), sample()));
    assert_eq!(bench.names(), ["state"]);
}
