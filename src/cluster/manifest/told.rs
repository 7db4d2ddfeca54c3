//! What has been told of each object, and which files define it: turns the contents of files into
//! the fewest changes, and names the namespaces that objects imply.
//!
//! Of an object its key and a hash are kept, never the object.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use foldhash::quality::RandomState;
use smallvec::SmallVec;

use crate::cluster::{Change, Kind, Meta, Namespace, Object, ObjectKey};

use super::contents::Id;

/// All objects that are told or defined.
#[derive(Debug, Default)]
pub(super) struct Told {
    objects: HashMap<Arc<Id>, Known, RandomState>,
    namespaces: HashMap<Box<str>, Space, RandomState>,
    /// The namespaces whose state may have changed in this batch.
    touched: BTreeSet<Box<str>>,
}

#[derive(Debug, Default)]
struct Known {
    /// The hash of what was last told.
    told: Option<u64>,
    /// The files that define it, sorted; the last one counts.
    files: SmallVec<[Arc<Path>; 1]>,
}

#[derive(Debug, Default)]
struct Space {
    /// How many told objects are in it.
    objects: usize,
    /// A Namespace object of a file is told.
    is_real: bool,
    shown: Shown,
}

/// What stands for a namespace in the stream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Shown {
    #[default]
    Nothing,
    Implied,
    Real,
}

impl Told {
    /// `file` defines `id` from now on. Names another file that does, and whether that one counts.
    pub(super) fn define(&mut self, id: &Arc<Id>, file: &Arc<Path>) -> Option<(Arc<Path>, bool)> {
        let files = &mut self.objects.entry(Arc::clone(id)).or_default().files;
        let Err(at) = files.binary_search(file) else { return None };
        files.insert(at, Arc::clone(file));
        let last = files.len().saturating_sub(1);
        let other = if at == last { at.checked_sub(1) } else { Some(last) }?;
        files.get(other).map(|other| (Arc::clone(other), at != last))
    }

    /// `file` no longer defines `id`.
    pub(super) fn undefine(&mut self, id: &Id, file: &Arc<Path>) {
        if let Some(known) = self.objects.get_mut(id) {
            known.files.retain(|path| path != file);
        }
    }

    /// The file whose definition of `id` counts.
    pub(super) fn definer(&self, id: &Id) -> Option<&Arc<Path>> {
        self.objects.get(id).and_then(|known| known.files.last())
    }

    /// Whether this content of `id` has been told.
    pub(super) fn is_told(&self, id: &Id, hash: u64) -> bool {
        self.objects.get(id).is_some_and(|known| known.told == Some(hash))
    }

    /// Tells `object`.
    pub(super) fn put(&mut self, id: &Id, hash: u64, object: Object, sink: Sink<'_>) {
        let Some(known) = self.objects.get_mut(id) else { return };
        let is_new = known.told.replace(hash).is_none();
        if id.kind == Kind::Namespace {
            let space = self.space(&id.key.name);
            space.is_real = true;
            space.shown = Shown::Real;
        } else if is_new {
            let space = self.space(&id.key.namespace);
            space.objects = space.objects.saturating_add(1);
        }
        sink(Change::Put(object));
    }

    /// Tells that `id` is gone, if it was ever told.
    pub(super) fn remove(&mut self, id: &Id, sink: Sink<'_>) {
        let Some(known) = self.objects.get_mut(id) else { return };
        let was_told = known.told.take().is_some();
        if known.files.is_empty() {
            self.objects.remove(id);
        }
        if !was_told {
            return;
        }
        if id.kind == Kind::Namespace {
            // Whether it goes is seen at the end of the batch: objects may imply it.
            self.space(&id.key.name).is_real = false;
        } else {
            let space = self.space(&id.key.namespace);
            space.objects = space.objects.saturating_sub(1);
            sink(Change::Remove(id.kind, id.key.clone()));
        }
    }

    fn space(&mut self, name: &str) -> &mut Space {
        self.touched.insert(name.into());
        self.namespaces.entry(name.into()).or_default()
    }

    /// Tells what became of the namespaces in this batch.
    pub(super) fn settle_namespaces(&mut self, sink: Sink<'_>) {
        for name in std::mem::take(&mut self.touched) {
            let Some(space) = self.namespaces.get_mut(&name) else { continue };
            let meant = match space {
                Space { is_real: true, .. } => Shown::Real,
                Space { objects: 0, .. } => Shown::Nothing,
                Space { .. } => Shown::Implied,
            };
            let before = std::mem::replace(&mut space.shown, meant);
            if meant == Shown::Nothing {
                self.namespaces.remove(&name);
            }
            match (before, meant) {
                (Shown::Nothing | Shown::Real, Shown::Implied) => {
                    sink(Change::Put(Object::Namespace(Namespace { meta: Meta::new("", &name) })));
                }
                (Shown::Implied | Shown::Real, Shown::Nothing) => {
                    sink(Change::Remove(Kind::Namespace, ObjectKey::new("", &name)));
                }
                _ => {}
            }
        }
    }
}

/// Takes one change after the other.
pub(super) type Sink<'s> = &'s mut dyn FnMut(Change);
