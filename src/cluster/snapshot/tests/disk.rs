//! What file systems do to a file that is to be read or written.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::super::{StoreError, clean};
use super::*;

#[test]
fn no_file_is_no_fault() {
    let bench = Bench::new();
    assert_eq!(bench.load().0, Loaded::None);
    let nowhere = Place::new(&bench.folder.path().join("no/folder/state")).unwrap();
    assert_eq!(load(&nowhere, &origin(), |_| ()), Loaded::None);
    assert!(bench.names().is_empty());
}

#[test]
fn what_is_no_file_is_left_where_it_is() {
    let bench = Bench::new();
    fs::create_dir(bench.place.file()).unwrap();
    let (loaded, _) = bench.load();
    let Loaded::Unreadable(text) = loaded else { panic!("{loaded:?}") };
    assert!(text.contains("it is not a regular file"), "{text}");
    assert_eq!(bench.names(), ["state"]);

    let error = store(&bench.place, &packed(&sample())).unwrap_err().to_string();
    assert!(
        error.contains("cannot rename") && error.ends_with("name a file, not a folder"),
        "{error}"
    );
    assert_eq!(bench.names(), ["state"]);

    fs::remove_dir(bench.place.file()).unwrap();
    symlink("state", bench.place.file()).unwrap();
    assert!(matches!(bench.load().0, Loaded::Unreadable(_)));
}

#[test]
fn a_named_pipe_does_not_hang_it() {
    let bench = Bench::new();
    let made = std::process::Command::new("mkfifo").arg(bench.place.file()).status().unwrap();
    assert!(made.success());
    assert!(matches!(bench.load().0, Loaded::Unreadable(_)));
}

#[test]
fn only_the_owner_may_read_it() {
    let bench = Bench::new();
    bench.store(&sample());
    let mode = fs::metadata(bench.place.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_file_that_may_not_be_read_is_left_where_it_is() {
    let bench = Bench::new();
    bench.store(&sample());
    fs::set_permissions(bench.place.file(), fs::Permissions::from_mode(0o0)).unwrap();
    if fs::File::open(bench.place.file()).is_ok() {
        // Nothing is forbidden to root.
        return;
    }
    assert!(matches!(bench.load().0, Loaded::Unreadable(_)));
    assert_eq!(bench.names(), ["state"]);
}

#[test]
fn a_path_without_a_name_is_refused() {
    for path in ["/", "..", ""] {
        let refused = Place::new(Path::new(path));
        assert!(matches!(refused, Err(StoreError::NoName { .. })), "{path}");
    }
    assert!(Place::new(Path::new("state")).is_ok());
}

#[test]
fn a_missing_folder_is_named_with_its_cure() {
    let bench = Bench::new();
    let place = Place::new(&bench.folder.path().join("gone/state")).unwrap();
    let error = store(&place, &packed(&sample())).unwrap_err().to_string();
    assert!(error.contains("gone/state is not written: cannot create"), "{error}");
    assert!(error.ends_with("make its folder"), "{error}");
}

#[test]
fn leftovers_go_and_nothing_else() {
    let bench = Bench::new();
    bench.store(&sample());
    let others = [
        ".state.0123456789abcdef.tmp.bak",
        ".state.0123456789abcde.tmp",
        ".state.0123456789abcdeg.tmp",
        ".other.0123456789abcdef.tmp",
        "state.0123456789abcdef.tmp",
        "state.damaged",
    ];
    for name in others {
        fs::write(bench.folder.path().join(name), "x").unwrap();
    }
    let leftover = bench.folder.path().join(".state.0123456789abcdef.tmp");
    fs::write(&leftover, "x").unwrap();
    // One that another process is writing stays.
    let busy = bench.folder.path().join(".state.fedcba9876543210.tmp");
    let held = fs::File::create(&busy).unwrap();
    held.try_lock().unwrap();
    assert_eq!(clean(&bench.place), 1);
    assert!(!leftover.exists() && busy.exists());
    assert_eq!(bench.names().len(), others.len() + 2);
    drop(held);
    assert_eq!(clean(&bench.place), 1);
    assert_eq!(clean(&bench.place), 0);
    assert_eq!(bench.load().0, Loaded::Restored(header()));
}
