//! What happens on the disk, and the changes that it makes.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use super::super::{Manifests, follow};
use super::{Bench, counts, service, write};
use crate::cluster::{Change, Kind, Object};

fn db(ip: &str) -> String {
    service("shop", "db", ip)
}

fn ip_of(bench: &Bench, name: &str) -> Option<String> {
    let Some(Object::Service(service)) = bench.world.get(Kind::Service, "shop", name) else {
        return None;
    };
    Some(format!("{:?}", service.cluster_ips))
}

fn has_ip(bench: &Bench, name: &str, ip: &str) -> bool {
    ip_of(bench, name).is_some_and(|ips| ips.contains(ip))
}

#[test]
fn nothing_changed_is_nothing_told() {
    let (mut bench, _) = Bench::new(&[("a.yaml", &db("10.0.0.1"))]);
    assert!(bench.poll().is_empty());
    // The same text written again is no change either.
    bench.write("a.yaml", &db("10.0.0.1"));
    assert!(bench.poll().is_empty());
}

#[test]
fn a_second_load_is_a_full_list_again() {
    let (mut bench, first) = Bench::new(&[("a.yaml", &db("10.0.0.1"))]);
    assert_eq!(bench.manifests.load().unwrap(), first);
}

#[test]
fn edits_give_differences_only() {
    let two = |ip: &str| format!("{}---\n{}", db(ip), service("shop", "web", "10.0.0.9"));
    let (mut bench, _) = Bench::new(&[("a.yaml", &two("10.0.0.1"))]);
    bench.write("a.yaml", &two("10.0.0.2"));
    assert_eq!(counts(&bench.poll().changes), (1, 0));
    assert!(has_ip(&bench, "db", "10.0.0.2"));
    bench.write("a.yaml", &db("10.0.0.2"));
    assert_eq!(counts(&bench.poll().changes), (0, 1));
    assert_eq!(bench.world.names(), ["Namespace shop", "Service shop/db"]);
}

#[test]
fn a_file_renamed_over_another_is_read() {
    let (mut bench, _) = Bench::new(&[("a.yaml", &db("10.0.0.1"))]);
    bench.write(".a.yaml.new", &db("10.0.0.2"));
    fs::rename(bench.path(".a.yaml.new"), bench.path("a.yaml")).unwrap();
    assert_eq!(counts(&bench.poll().changes), (1, 0));
    assert!(has_ip(&bench, "db", "10.0.0.2"));
}

#[test]
fn files_and_folders_come_and_go() {
    let (mut bench, _) = Bench::new(&[("a.yaml", &db("10.0.0.1"))]);
    bench.write("x/y/b.yaml", &service("shop", "web", "10.0.0.2"));
    assert_eq!(counts(&bench.poll().changes), (1, 0));
    // Renaming a folder moves objects, which is no change of theirs.
    fs::rename(bench.path("x"), bench.path("z")).unwrap();
    assert!(bench.poll().is_empty());
    fs::remove_dir_all(bench.path("z")).unwrap();
    assert_eq!(counts(&bench.poll().changes), (0, 1));
    fs::remove_file(bench.path("a.yaml")).unwrap();
    // The Service, and the namespace that it implied.
    assert_eq!(counts(&bench.poll().changes), (0, 2));
    assert!(bench.world.names().is_empty());
}

#[test]
fn a_config_map_mount_is_read_once_and_swapped_whole() {
    let (mut bench, _) = Bench::new(&[
        ("..one/a.yaml", &db("10.0.0.1")),
        ("..one/b.yaml", &service("shop", "web", "10.0.1.1")),
        ("..two/a.yaml", &db("10.0.0.2")),
        ("..two/b.yaml", &service("shop", "web", "10.0.1.2")),
    ]);
    assert!(bench.world.names().is_empty());
    symlink("..one", bench.path("..data")).unwrap();
    symlink("..data/a.yaml", bench.path("a.yaml")).unwrap();
    symlink("..data/b.yaml", bench.path("b.yaml")).unwrap();
    let loaded = bench.poll();
    assert_eq!((counts(&loaded.changes), loaded.faults), ((3, 0), vec![]));
    symlink("..two", bench.path("..data_tmp")).unwrap();
    fs::rename(bench.path("..data_tmp"), bench.path("..data")).unwrap();
    fs::remove_dir_all(bench.path("..one")).unwrap();
    assert_eq!(counts(&bench.poll().changes), (2, 0));
    assert!(has_ip(&bench, "db", "10.0.0.2") && has_ip(&bench, "web", "10.0.1.2"));
}

#[test]
fn a_broken_file_keeps_its_last_good_state_and_is_told_once() {
    let (mut bench, _) = Bench::new(&[("a.yaml", &db("10.0.0.1"))]);
    // One good object beside the fault: the file counts as a whole.
    bench.write("a.yaml", &format!("{}---\nkind: @\n", db("10.0.0.2")));
    let first = bench.poll();
    assert!(first.is_empty(), "it may be half written: {first:?}");
    let loaded = bench.poll_until_told();
    assert_eq!(
        bench.told(&loaded.faults),
        [
            "a.yaml:6:7: not YAML: unexpected character: `@'; check indentation, quotes and brackets \
          here and above"
        ]
    );
    assert_eq!(loaded.changes, []);
    assert!(bench.poll().is_empty(), "told once");
    assert!(has_ip(&bench, "db", "10.0.0.1"));
    bench.write("a.yaml", &db("10.0.0.3"));
    let loaded = bench.poll();
    assert_eq!(loaded.whole, [bench.path("a.yaml")]);
    assert!(has_ip(&bench, "db", "10.0.0.3"));
}

#[test]
fn a_file_broken_for_a_moment_is_not_told() {
    let (mut bench, _) = Bench::new(&[("a.yaml", &db("10.0.0.1"))]);
    bench.write("a.yaml", "kind: [");
    assert!(bench.poll().is_empty());
    bench.write("a.yaml", &db("10.0.0.2"));
    let loaded = bench.poll();
    assert_eq!((counts(&loaded.changes), loaded.faults, loaded.whole), ((1, 0), vec![], vec![]));
}

#[test]
fn at_first_a_broken_file_contributes_nothing_and_the_others_do() {
    let broken = format!("{}---\nkind: @\n", db("10.0.0.1"));
    let (mut bench, loaded) =
        Bench::new(&[("a.yaml", &broken), ("b.yaml", &service("shop", "web", "10.0.0.2"))]);
    assert_eq!(loaded.faults.len(), 1);
    assert_eq!(bench.world.names(), ["Namespace shop", "Service shop/web"]);
    assert!(bench.poll().is_empty());
    bench.write("a.yaml", &db("10.0.0.1"));
    assert_eq!(counts(&bench.poll().changes), (1, 0));
}

#[test]
fn namespaces_are_implied_and_replaced_and_withdrawn() {
    let real = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {a: b}}}";
    let labels = |bench: &Bench| {
        bench.world.get(Kind::Namespace, "", "shop").map(|object| object.meta().labels.len())
    };
    let (mut bench, _) = Bench::new(&[("a.yaml", &db("10.0.0.1"))]);
    assert_eq!(labels(&bench), Some(0));
    bench.write("n.yaml", real);
    assert_eq!(counts(&bench.poll().changes), (1, 0));
    assert_eq!(labels(&bench), Some(1));
    fs::remove_file(bench.path("n.yaml")).unwrap();
    assert_eq!(counts(&bench.poll().changes), (1, 0));
    assert_eq!(labels(&bench), Some(0));
    bench.write("n.yaml", real);
    bench.poll();
    fs::remove_file(bench.path("a.yaml")).unwrap();
    assert_eq!(counts(&bench.poll().changes), (0, 1));
    assert_eq!(labels(&bench), Some(1));
    fs::remove_file(bench.path("n.yaml")).unwrap();
    assert_eq!(counts(&bench.poll().changes), (0, 1));
    assert_eq!(labels(&bench), None);
}

#[test]
fn the_last_file_that_defines_an_object_counts() {
    let (mut bench, _) = Bench::new(&[("b.yaml", &db("10.0.0.2"))]);
    bench.write("a.yaml", &db("10.0.0.1"));
    let loaded = bench.poll();
    assert_eq!(counts(&loaded.changes), (0, 0));
    assert_eq!(
        bench.told(&loaded.faults),
        ["b.yaml:1:1: Service shop/db is defined at a.yaml:1:1 too; this definition is used, \
          remove the other"]
    );
    bench.write("c.yaml", &db("10.0.0.3"));
    assert_eq!(counts(&bench.poll().changes), (1, 0));
    assert!(has_ip(&bench, "db", "10.0.0.3"));
    // The one before it comes back out of a file that has not changed.
    fs::remove_file(bench.path("c.yaml")).unwrap();
    assert_eq!(counts(&bench.poll().changes), (1, 0));
    assert!(has_ip(&bench, "db", "10.0.0.2"));
    fs::rename(bench.path("b.yaml"), bench.path("0.yaml")).unwrap();
    bench.poll();
    assert!(has_ip(&bench, "db", "10.0.0.1"));
}

#[test]
fn a_definition_that_cannot_be_had_again_is_gone() {
    let (mut bench, _) = Bench::new(&[("a.yaml", &db("10.0.0.1")), ("b.yaml", &db("10.0.0.2"))]);
    bench.write("a.yaml", "kind: [");
    bench.poll_until_told();
    fs::remove_file(bench.path("b.yaml")).unwrap();
    bench.poll();
    assert_eq!(ip_of(&bench, "db"), None);
    bench.write("a.yaml", &db("10.0.0.1"));
    bench.poll();
    assert!(has_ip(&bench, "db", "10.0.0.1"));
}

#[test]
fn a_file_that_never_keeps_still_does_not_hold_up_the_others() {
    let (mut bench, _) = Bench::new(&[("a.yaml", &db("10.0.0.1")), ("b.yaml", "")]);
    let busy = bench.path("b.yaml");
    let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
    let writer = std::thread::spawn(move || {
        let mut lines = 0;
        while stopped.recv_timeout(Duration::from_millis(5)).is_err_and(|e| e.is_timeout()) {
            lines = (lines + 1) % 100;
            fs::write(&busy, "# busy\n".repeat(lines)).unwrap();
        }
    });
    bench.write("a.yaml", &db("10.0.0.2"));
    let loaded = bench.poll_until_told();
    drop(stop);
    writer.join().unwrap();
    assert_eq!((counts(&loaded.changes), loaded.faults), ((1, 0), vec![]));
    assert!(has_ip(&bench, "db", "10.0.0.2"));
    assert!(bench.poll().is_empty());
}

#[test]
fn a_heavy_file_is_followed_without_keeping_its_objects() {
    let list = |ip: &str| {
        let services = (0..5000).map(|n| service("shop", &format!("s{n}"), "10.0.0.1") + "---\n");
        services.collect::<String>() + &db(ip)
    };
    let (mut bench, _) = Bench::new(&[("a.yaml", &list("10.0.0.1"))]);
    bench.write("a.yaml", &list("10.0.0.2"));
    assert_eq!(counts(&bench.poll().changes), (1, 0));
    assert!(has_ip(&bench, "db", "10.0.0.2"));
}

#[test]
fn a_named_path_that_goes_takes_its_objects_along() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    write(&path, &db("10.0.0.1"));
    let mut manifests = Manifests::new(vec![path.clone()]);
    manifests.load().unwrap();
    fs::remove_file(&path).unwrap();
    let loaded = manifests.poll();
    assert_eq!(counts(&loaded.changes), (0, 2));
    assert_eq!(loaded.faults.len(), 1);
    assert!(manifests.poll().is_empty());
    write(&path, &db("10.0.0.1"));
    let loaded = manifests.poll();
    assert_eq!((counts(&loaded.changes), loaded.whole), ((2, 0), vec![path]));
}

#[test]
fn what_cannot_be_looked_at_keeps_its_last_good_state() {
    let (mut bench, _) = Bench::new(&[("a.yaml", &db("10.0.0.1"))]);
    // A link that leads to itself cannot be followed, by root neither.
    fs::rename(bench.path("a.yaml"), bench.path("a.old")).unwrap();
    symlink("a.yaml", bench.path("a.yaml")).unwrap();
    let loaded = bench.poll();
    assert_eq!((counts(&loaded.changes), loaded.faults.len()), ((0, 0), 1));
    assert!(bench.poll().is_empty());
    assert!(has_ip(&bench, "db", "10.0.0.1"));
    fs::remove_file(bench.path("a.yaml")).unwrap();
    fs::rename(bench.path("a.old"), bench.path("a.yaml")).unwrap();
    let loaded = bench.poll();
    assert_eq!((loaded.changes, loaded.whole), (vec![], vec![bench.path("a.yaml")]));
}

#[test]
fn the_follower_tells_a_change_within_a_second_and_stops_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    write(&path, &db("10.0.0.1"));
    let mut manifests = Manifests::new(vec![folder.path().into()]);
    manifests.load().unwrap();
    let (stop, stopped) = crossbeam_channel::bounded(1);
    let (told, batches) = crossbeam_channel::unbounded();
    let thread = follow(manifests, stopped, move |loaded| told.send(loaded).unwrap()).unwrap();
    // Written in two steps, as a shell does: that is one change, and no removal between.
    fs::write(&path, "").unwrap();
    fs::write(&path, db("10.0.0.2")).unwrap();
    let written = Instant::now();
    let loaded = batches.recv_timeout(Duration::from_secs(10)).unwrap();
    // Half a second is meant; a busy machine is granted twice that.
    assert!(written.elapsed() < Duration::from_secs(1), "{:?}", written.elapsed());
    assert!(matches!(&loaded.changes[..], [Change::Put(Object::Service(_))]), "{loaded:?}");
    let told_to_stop = Instant::now();
    drop(stop);
    thread.join().unwrap();
    assert!(told_to_stop.elapsed() < Duration::from_millis(500));
}
