//! The objects of one file: first a survey, which tells whether the file is whole and by which
//! hash each object is known, then the objects themselves.

use std::hash::BuildHasher;
use std::path::Path;
use std::sync::Arc;

use foldhash::quality::RandomState;

use crate::cluster::{Kind, Object, ObjectKey};

use super::document::{Documents, Out};
use super::fault::{Bag, Fault, Lines, Place};
use super::{json, yaml};

/// Up to this weight (objects, and endpoints in them) a survey keeps the objects of a file; a
/// larger file is decoded a second time, so that its objects never stand in memory together.
const MAX_KEPT: usize = 4096;

/// Which object.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Id {
    pub(super) kind: Kind,
    pub(super) key: ObjectKey,
}

/// An object of a file.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: Arc<Id>,
    /// The hash of its content.
    pub(super) hash: u64,
    pub(super) place: Place,
}

/// A file's text, by its format.
#[derive(Debug)]
pub(super) struct Contents {
    text: String,
    is_json: bool,
}

/// What a file holds.
#[derive(Debug)]
pub(super) struct Survey {
    /// The objects in the order of the text; one may be there twice.
    pub(super) entries: Vec<Entry>,
    /// The objects of `entries`, unless they weigh too much.
    pub(super) kept: Option<Vec<Object>>,
}

impl Contents {
    /// Takes what was read from `file`.
    pub(super) fn new(file: &Path, bytes: Vec<u8>) -> Result<Self, Fault> {
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let mut bag = Bag::default();
                bag.add(valid, "the text is not UTF-8 from here on; save the file as UTF-8".into());
                let text = String::from_utf8_lossy(error.as_bytes().get(..valid).unwrap_or(&[]));
                let told = bag.into_faults(file, &text).pop();
                return Err(told.unwrap_or_else(|| Fault::of_file(file, "is not UTF-8")));
            }
        };
        let start = text.trim_start_matches('\u{feff}').trim_start();
        let is_json = match file.extension().and_then(|ending| ending.to_str()) {
            Some("json") => true,
            Some("yaml" | "yml") => false,
            _ => start.starts_with(['{', '[']),
        };
        Ok(Self { text, is_json })
    }

    /// Reads all of it; every fault if there is any.
    pub(super) fn survey(&self, file: &Path, hasher: &RandomState) -> Result<Survey, Vec<Fault>> {
        let mut surveyor =
            Surveyor { hasher, found: Vec::new(), kept: Some(Vec::new()), weight: 0 };
        let bag = self.read(&mut surveyor);
        let text = self.text();
        if !bag.is_empty() {
            return Err(bag.into_faults(file, text));
        }
        let mut lines = Lines::new(text);
        let entries = surveyor.found.into_iter().map(|(id, hash, at)| Entry {
            id,
            hash,
            place: lines.locate(at),
        });
        Ok(Survey { entries: entries.collect(), kept: surveyor.kept })
    }

    /// Hands every object and its hash to `each`, decoding the text again.
    pub(super) fn objects(&self, hasher: &RandomState, each: &mut dyn FnMut(u64, Object)) {
        self.read(&mut Teller { hasher, each });
    }

    fn read(&self, out: &mut dyn Out) -> Bag {
        let mut documents = Documents::new(out);
        if self.is_json {
            json::read(self.text(), &mut documents);
        } else {
            yaml::read(self.text(), &mut documents);
        }
        documents.into_bag()
    }

    /// The text behind the byte order mark, which no one counts as a column.
    fn text(&self) -> &str {
        self.text.strip_prefix('\u{feff}').unwrap_or(&self.text)
    }
}

struct Surveyor<'h> {
    hasher: &'h RandomState,
    found: Vec<(Arc<Id>, u64, usize)>,
    kept: Option<Vec<Object>>,
    weight: usize,
}

impl Out for Surveyor<'_> {
    fn put(&mut self, at: usize, object: Object) {
        let id = Arc::new(Id { kind: object.kind(), key: object.meta().key.clone() });
        self.found.push((id, self.hasher.hash_one(&object), at));
        self.weight = self.weight.saturating_add(weight(&object));
        if self.weight > MAX_KEPT {
            self.kept = None;
        } else if let Some(kept) = &mut self.kept {
            kept.push(object);
        }
    }

    fn count(&self) -> usize {
        self.found.len()
    }

    fn rewind(&mut self, count: usize) {
        self.found.truncate(count);
        if let Some(kept) = &mut self.kept {
            kept.truncate(count);
        }
    }
}

fn weight(object: &Object) -> usize {
    1 + match object {
        Object::EndpointSlice(slice) => slice.endpoints.len(),
        Object::Endpoints(endpoints) => {
            endpoints.subsets.iter().map(|subset| subset.endpoints.len()).sum()
        }
        Object::Namespace(_) | Object::Service(_) | Object::Pod(_) => 0,
    }
}

/// Passes objects on. What a document takes back has gone by then; whoever listens knows from the
/// survey which hashes are meant.
struct Teller<'h, 'e> {
    hasher: &'h RandomState,
    each: &'e mut dyn FnMut(u64, Object),
}

impl Out for Teller<'_, '_> {
    fn put(&mut self, _at: usize, object: Object) {
        (self.each)(self.hasher.hash_one(&object), object);
    }

    fn count(&self) -> usize {
        0
    }

    fn rewind(&mut self, _count: usize) {}
}
