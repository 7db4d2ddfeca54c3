//! Tests of the manifest source as a whole: texts to objects, faults to places, disk to changes.

mod check;
mod faults;
mod followed;
mod objects;
mod property;
mod scale;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use crate::cluster::{Change, Kind, Object, ObjectKey};

use super::{Fault, Loaded, Manifests};

/// What a stream of changes leaves behind.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct World(BTreeMap<(Kind, ObjectKey), Object>);

impl World {
    /// Takes a batch, which must not say anything twice or take away what was never there.
    fn take(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Put(object) => {
                    let id = (object.kind(), object.meta().key.clone());
                    self.0.insert(id, object.clone());
                }
                Change::Remove(kind, key) => {
                    assert!(self.0.remove(&(*kind, key.clone())).is_some(), "{kind:?} {key}");
                }
                Change::ListBegins(_) | Change::ListEnds(_) | Change::NotServed(_) => {}
                Change::Triggered(..) => panic!("nobody says so in manifests: {change:?}"),
            }
        }
    }

    fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Object> {
        self.0.get(&(kind, ObjectKey::new(namespace, name)))
    }

    /// `Service shop/db`, and so on, sorted.
    fn names(&self) -> Vec<String> {
        self.0.keys().map(|(kind, key)| format!("{kind:?} {key}")).collect()
    }
}

/// A folder of manifests, the source that follows it, and what the source has told.
struct Bench {
    folder: tempfile::TempDir,
    manifests: Manifests,
    world: World,
}

impl Bench {
    /// Files by name and text, loaded.
    fn new(files: &[(&str, &str)]) -> (Self, Loaded) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            write(&folder.path().join(name), text);
        }
        let mut manifests = Manifests::new(vec![folder.path().into()]);
        let loaded = manifests.load().unwrap();
        let mut world = World::default();
        world.take(&loaded.changes);
        (Self { folder, manifests, world }, loaded)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        write(&self.path(name), text);
    }

    fn poll(&mut self) -> Loaded {
        let loaded = self.manifests.poll();
        self.world.take(&loaded.changes);
        loaded
    }

    /// Polls until there is something to tell.
    fn poll_until_told(&mut self) -> Loaded {
        for _ in 0..20 {
            let loaded = self.poll();
            if !loaded.is_empty() {
                return loaded;
            }
        }
        panic!("nothing was told");
    }

    /// The faults without the folder's name.
    fn told(&self, faults: &[Fault]) -> Vec<String> {
        let folder = format!("{}/", self.folder.path().display());
        faults.iter().map(|fault| fault.to_string().replace(&folder, "")).collect()
    }
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The objects of one text, and its faults.
fn read(name: &str, text: &str) -> (Vec<Object>, Vec<String>) {
    let (bench, loaded) = Bench::new(&[(name, text)]);
    let faults = bench.told(&loaded.faults);
    let objects = loaded.changes.into_iter().filter_map(|change| match change {
        Change::Put(object) => Some(object),
        _ => None,
    });
    (objects.filter(|object| object.kind() != Kind::Namespace).collect(), faults)
}

/// How many changes of each sort a batch has: puts, removals.
fn counts(changes: &[Change]) -> (usize, usize) {
    let puts = changes.iter().filter(|change| matches!(change, Change::Put(_))).count();
    let removals = changes.iter().filter(|change| matches!(change, Change::Remove(..))).count();
    (puts, removals)
}

/// A Service `name` in `namespace` with this cluster IP.
fn service(namespace: &str, name: &str, ip: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {{clusterIP: {ip}, ports: [{{port: 80}}]}}\n"
    )
}

#[test]
fn a_first_load_is_full_lists_of_every_kind() {
    let (_, loaded) = Bench::new(&[("a.yaml", &service("shop", "db", "10.0.0.1"))]);
    let mut open: HashMap<Kind, bool> = HashMap::new();
    for change in &loaded.changes {
        match change {
            Change::ListBegins(kind) => assert!(open.insert(*kind, true).is_none()),
            Change::ListEnds(kind) => assert_eq!(open.insert(*kind, false), Some(true)),
            Change::Put(object) => assert_eq!(open.get(&object.kind()), Some(&true)),
            Change::Remove(..) | Change::NotServed(_) | Change::Triggered(..) => {
                panic!("not in a first list: {change:?}")
            }
        }
    }
    assert_eq!(open.len(), 5);
    assert!(open.values().all(|is_open| !is_open));
}
