//! A change on disk is a change in DNS within a second; a broken file keeps its last good state.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use hickory_proto::op::ResponseCode;

use crate::run::{PATIENCE, Room, Served, manifest};

const NAME: &str = "db.shop.svc.cluster.local.";
/// What is promised.
const WITHIN: Duration = Duration::from_secs(1);

fn serve(room: &Room) -> Served {
    let served = room.serve(&["--manifests", "m", "--listen", "127.0.0.1:0"]);
    assert_eq!(served.a(NAME), Ok(vec!["192.0.2.1".into()]));
    served
}

/// How long changes took to be seen. The quickest is held to the promise: on a busy machine any of them
/// may wait for its turn, but not all.
#[derive(Default)]
struct Waits(Vec<Duration>);

impl Waits {
    /// The change that was just made is seen.
    fn for_address(&mut self, served: &Served, name: &str, address: &str) {
        self.0.push(served.until(name, address));
    }

    fn hold(self) {
        let quickest = self.0.iter().min().expect("changes");
        assert!(*quickest < WITHIN, "{:?}", self.0);
    }
}

#[test]
fn edited_replaced_removed_and_added() {
    let room = Room::new();
    let path = room.write("m/db.yaml", manifest("192.0.2.1"));
    let served = serve(&room);
    let mut waits = Waits::default();
    for last in 2..5 {
        let address = format!("192.0.2.{last}");
        fs::write(&path, manifest(&address)).expect("written");
        waits.for_address(&served, NAME, &address);
    }
    let next = room.write("next.yaml", manifest("192.0.2.5"));
    fs::rename(&next, &path).expect("renamed");
    waits.for_address(&served, NAME, "192.0.2.5");
    // Another file takes over as the first one goes: both at once.
    room.write("m/other.yaml", manifest("192.0.2.6"));
    fs::remove_file(&path).expect("removed");
    waits.for_address(&served, NAME, "192.0.2.6");
    fs::remove_file(room.path("m/other.yaml")).expect("removed");
    let start = std::time::Instant::now();
    while served.a(NAME) != Err(ResponseCode::NXDomain) {
        assert!(start.elapsed() < PATIENCE, "still there");
        std::thread::sleep(Duration::from_millis(2));
    }
    waits.0.push(start.elapsed());
    room.write("m/deep/db.yaml", manifest("192.0.2.7"));
    waits.for_address(&served, NAME, "192.0.2.7");
    waits.hold();
}

#[test]
fn a_config_map_is_swapped_by_its_link() {
    let room = Room::new();
    room.write("m/..2026_1/db.yaml", manifest("192.0.2.1"));
    symlink("..2026_1", room.path("m/..data")).expect("a link");
    symlink("..data/db.yaml", room.path("m/db.yaml")).expect("a link");
    let served = serve(&room);
    let mut waits = Waits::default();
    for last in 2..5 {
        let address = format!("192.0.2.{last}");
        room.write(&format!("m/..2026_{last}/db.yaml"), manifest(&address));
        symlink(format!("..2026_{last}"), room.path("m/..data_tmp")).expect("a link");
        fs::rename(room.path("m/..data_tmp"), room.path("m/..data")).expect("renamed");
        fs::remove_dir_all(room.path(&format!("m/..2026_{}", last - 1))).expect("removed");
        waits.for_address(&served, NAME, &address);
    }
    assert_eq!(served.times_told("ERROR"), 0);
    waits.hold();
}

#[test]
fn a_broken_file_keeps_its_last_good_state() {
    let room = Room::new();
    let path = room.write("m/db.yaml", manifest("192.0.2.1"));
    room.write("m/web.yaml", manifest("192.0.2.9").replace("name: db", "name: web"));
    let served = serve(&room);
    let mut waits = Waits::default();
    fs::write(&path, manifest("192.0.2.999")).expect("written");
    let line = served.told("m/db.yaml:10:20:");
    assert!(
        line.contains("ERROR") && line.contains("'192.0.2.999' is not an IP address"),
        "{line}"
    );
    assert_eq!(served.a(NAME), Ok(vec!["192.0.2.1".into()]));
    // Other files go on meanwhile.
    room.write("m/web.yaml", manifest("192.0.2.8").replace("name: db", "name: web"));
    waits.for_address(&served, "web.shop.svc.cluster.local.", "192.0.2.8");
    assert_eq!(served.a(NAME), Ok(vec!["192.0.2.1".into()]));
    assert_eq!(served.times_told("m/db.yaml:10:20:"), 1, "told once");
    fs::write(&path, "kind: Service\nmetadata: [\n").expect("written");
    served.told("m/db.yaml:2:11: not YAML");
    assert_eq!(served.a(NAME), Ok(vec!["192.0.2.1".into()]));
    fs::write(&path, manifest("192.0.2.2")).expect("written");
    waits.for_address(&served, NAME, "192.0.2.2");
    served.told("m/db.yaml: whole again");
    waits.hold();
}
