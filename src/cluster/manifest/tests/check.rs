//! Which files are read, and what a check says of those that cannot be.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::super::{Grade, Manifests, check};
use super::{Bench, service, write};

#[test]
fn only_manifests_are_read_in_a_folder() {
    let db = |name: &str| service("shop", name, "10.0.0.1");
    let (bench, loaded) = Bench::new(&[
        ("a.yaml", &db("a")),
        ("deep/er/b.yml", &db("b")),
        ("c.json", r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"c"}}"#),
        ("readme.md", "no: manifest: at all"),
        (".hidden.yaml", &db("d")),
        ("#a.yaml", &db("e")),
        ("a.yaml~", &db("f")),
        ("a.yaml.swp", &db("g")),
        ("a.yaml.tmp", &db("h")),
        ("..2026/x.yaml", &db("i")),
        ("kustomization.yaml", "resources: [a.yaml]"),
    ]);
    assert_eq!(bench.told(&loaded.faults), Vec::<String>::new());
    assert_eq!(
        bench.world.names(),
        [
            "Namespace default",
            "Namespace shop",
            "Service shop/a",
            "Service shop/b",
            "Pod default/c"
        ]
    );
}

#[test]
fn a_file_named_directly_is_read_whatever_its_ending() {
    let folder = tempfile::tempdir().unwrap();
    let (yaml, json) = (folder.path().join("services"), folder.path().join(".objects.tmp"));
    write(&yaml, &service("shop", "a", "10.0.0.1"));
    write(
        &json,
        "\n {\"kind\":\"Service\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"\\u0062\"}}",
    );
    let loaded = Manifests::new(vec![yaml, json]).load().unwrap();
    assert_eq!(loaded.faults, []);
    let mut world = super::World::default();
    world.take(&loaded.changes);
    assert_eq!(
        world.names(),
        ["Namespace default", "Namespace shop", "Service default/b", "Service shop/a"]
    );
}

#[test]
fn a_named_path_that_is_missing_is_an_error_of_the_load_only() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nowhere");
    let mut manifests = Manifests::new(vec![folder.path().into(), missing.clone()]);
    let told = format!("{}: does not exist; name a file or folder of manifests", missing.display());
    assert_eq!(manifests.load().unwrap_err().to_string(), told);
    write(&folder.path().join("a.yaml"), "kind: [");
    let faults = check(vec![missing, folder.path().into()], &|_| Vec::new());
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert_eq!(faults[0].to_string(), told);
    assert_eq!((faults[1].line, faults[1].column), (1, 7));
}

#[test]
fn what_is_no_file_is_told_and_never_opened() {
    let (bench, _) = Bench::new(&[]);
    let fifo = bench.path("pipe.yaml");
    make_fifo(&fifo);
    symlink("/dev/zero", bench.path("zero.yaml")).unwrap();
    symlink("self.yaml", bench.path("self.yaml")).unwrap();
    symlink("nowhere", bench.path("dangling.yaml")).unwrap();
    std::fs::create_dir(bench.path("loop")).unwrap();
    symlink("..", bench.path("loop/back")).unwrap();
    let faults = bench.told(&check(vec![bench.folder.path().into()], &|_| Vec::new()));
    assert_eq!(
        faults,
        [
            "dangling.yaml: is a symbolic link that leads nowhere; mend or remove it",
            "loop/back: leads back to a folder that it stands in; remove this symbolic link",
            "pipe.yaml: is a FIFO and not opened; name a regular file",
            "self.yaml: cannot be read: Too many levels of symbolic links (os error 40); mend the \
             symbolic links that lead to each other",
            "zero.yaml: is a device or a socket and not opened; name a regular file",
        ]
    );
    let faults = check(vec![fifo], &|_| Vec::new());
    assert!(faults.len() == 1 && faults[0].message.starts_with("is a FIFO"), "{faults:?}");
}

/// A FIFO by way of the `mkfifo` program, since the call itself would need unsafe code.
fn make_fifo(path: &std::path::Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn folders_deeper_than_any_use_are_told() {
    let (bench, _) = Bench::new(&[]);
    let mut path = bench.folder.path().to_path_buf();
    for _ in 0..40 {
        path.push("d");
    }
    write(&path.join("a.yaml"), &service("shop", "db", "10.0.0.1"));
    let faults = check(vec![bench.folder.path().into()], &|_| Vec::new());
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].message, "stands more than 32 folders deep and is not read");
    assert_eq!(faults[0].grade, Grade::Broken);
}

#[test]
fn a_file_without_the_right_to_read_it_is_told() {
    let (bench, _) = Bench::new(&[("a.yaml", "")]);
    std::fs::set_permissions(bench.path("a.yaml"), PermissionsExt::from_mode(0o000)).unwrap();
    // Root may read it all the same: then there is nothing to tell.
    let may_read = std::fs::read(bench.path("a.yaml")).is_ok();
    for path in [bench.path("a.yaml"), bench.folder.path().into()] {
        let faults = bench.told(&check(vec![path], &|_| Vec::new()));
        let told = "a.yaml: cannot be read: Permission denied (os error 13); give this user the \
                    right to read it";
        assert_eq!(faults, if may_read { vec![] } else { vec![told] });
    }
}
