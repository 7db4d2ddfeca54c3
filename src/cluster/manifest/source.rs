//! The files of the named paths, and what each of them is known to hold.
//!
//! Runs on whichever thread calls it: the main one for the first load, then the follower's. It
//! keeps the rule that a file counts as a whole: with a fault anywhere in it, its last good state
//! stays.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use foldhash::quality::RandomState;

use crate::cluster::{Change, Kind, Object};

use super::contents::{Contents, Entry, Id, Survey};
use super::disk::{self, Look, Reading, Stamp};
use super::fault::{Fault, Grade, LoadError, MAX_FAULTS, Place};
use super::told::{Sink, Told};

/// How long the disk must have been quiet before a change is read, so that what is written in
/// several steps (truncate and write, one file after the other) is seen as one change.
const SETTLE: Duration = Duration::from_millis(40);
/// How coarse the clock of a file's times may be. A file touched less than this before it was read
/// may be changed again without its stamp showing it, so its stamp is not trusted.
const TICK: Duration = Duration::from_millis(10);
/// How many looks are waited for quiet; then what is quiet is read and the rest left for later.
const MAX_LOOKS: usize = 5;
/// A file found broken this soon after it was touched may be half written: it is read once more
/// at the next poll before anything is said.
const MOMENT: Duration = Duration::from_secs(1);
/// How often a file may be found half written, each time with another stamp, before it is
/// reported all the same.
const MAX_SUSPICIONS: u8 = 8;
/// How often a file that changes while it is read is read again at the first load.
const MAX_RETRIES: usize = 5;

/// What was wrong, and what has come right again.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// Each fault once, when the file that has it changes.
    pub faults: Vec<Fault>,
    /// The files and folders that were reported and are whole again.
    pub whole: Vec<PathBuf>,
}

/// One batch of changes, to become visible at once, and what there is to report.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Loaded {
    /// The differences.
    pub changes: Vec<Change>,
    /// Each fault once, when the file that has it changes.
    pub faults: Vec<Fault>,
    /// The files and folders that were reported and are whole again.
    pub whole: Vec<PathBuf>,
}

impl Loaded {
    /// Whether there is nothing to do and nothing to say.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.faults.is_empty() && self.whole.is_empty()
    }

    fn new(changes: Vec<Change>, report: Report) -> Self {
        Self { changes, faults: report.faults, whole: report.whole }
    }
}

/// Files and folders of manifests as a source of objects.
///
/// [`Self::load`] once, then [`Self::poll`] as often as wanted; or hand it to
/// [`follow`](super::follow()) after the load.
#[derive(Debug)]
pub struct Manifests {
    paths: Vec<PathBuf>,
    files: BTreeMap<Arc<Path>, Known>,
    told: Told,
    /// What was reported of paths that cannot be looked at or read, or are missing.
    troubles: BTreeMap<PathBuf, String>,
    hasher: RandomState,
}

/// What is known of a file.
#[derive(Debug, Default)]
struct Known {
    /// The stamp of what was last read; none if it is to be read whatever its stamp.
    stamp: Option<Stamp>,
    /// The objects of its last good state.
    objects: BTreeMap<Arc<Id>, (u64, Place)>,
    /// Faults were reported of the text it has now.
    is_broken: bool,
    /// The stamp that it was found broken with a moment after, and how many times so.
    suspicion: Option<(Stamp, u8)>,
}

/// One batch in the making.
struct Batch<'s> {
    sink: Sink<'s>,
    report: Report,
    /// The objects whose definition changed.
    touched: BTreeSet<Arc<Id>>,
    /// Faults are told at once; nothing is suspected to be half written.
    is_first: bool,
}

impl Manifests {
    /// A source of the objects under `paths`. Nothing is read yet.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        let (files, told, hasher) = (BTreeMap::new(), Told::default(), RandomState::default());
        Self { paths, files, told, troubles: BTreeMap::new(), hasher }
    }

    /// Reads everything for the first time: full lists of all five kinds. Broken files contribute
    /// nothing yet. An error if a named path is missing or cannot be read at all.
    pub fn load(&mut self) -> Result<Loaded, LoadError> {
        let mut changes = Vec::new();
        let report = self.load_into(&mut |change| changes.push(change))?;
        Ok(Loaded::new(changes, report))
    }

    /// As [`Self::load`], but hands the changes over one by one: however much there is, only
    /// one file's text and one object at a time are held. Nothing is handed over on an error.
    pub fn load_into(&mut self, sink: &mut dyn FnMut(Change)) -> Result<Report, LoadError> {
        let (look, _) = self.look();
        if let Some(fault) = self.unreadable_paths(&look).into_iter().next() {
            return Err(LoadError(fault));
        }
        Ok(self.load_all(&look, sink))
    }

    /// Looks at the disk again: one batch of all differences, or nothing. May wait some ten
    /// milliseconds for a change to be complete.
    pub fn poll(&mut self) -> Loaded {
        let mut changes = Vec::new();
        let report = self.poll_into(&mut |change| changes.push(change));
        Loaded::new(changes, report)
    }

    /// As [`Self::poll`], but hands the changes over one by one.
    pub fn poll_into(&mut self, sink: &mut dyn FnMut(Change)) -> Report {
        let (look, moving) = self.look();
        let mut batch = Batch::new(sink, false);
        if self.is_known(&look) {
            return batch.report;
        }
        self.apply(&look, &moving, &mut batch);
        batch.report
    }

    /// Looks at the disk until it has been quiet for a while. What is still changing after some
    /// looks is named.
    fn look(&self) -> (Look, BTreeSet<PathBuf>) {
        let mut look = Look::at(&self.paths);
        let mut moving = BTreeSet::new();
        for _ in 1..MAX_LOOKS {
            if !self.is_fresh(&look) {
                break;
            }
            std::thread::sleep(SETTLE);
            let next = Look::at(&self.paths);
            moving = differences(&look, &next);
            look = next;
            if moving.is_empty() {
                break;
            }
        }
        (look, moving)
    }

    fn load_all(&mut self, look: &Look, sink: Sink<'_>) -> Report {
        // A list names everything, whatever was told before.
        *self = Self::new(std::mem::take(&mut self.paths));
        for kind in Kind::ALL {
            sink(Change::ListBegins(kind));
        }
        let mut batch = Batch::new(sink, true);
        self.apply(look, &BTreeSet::new(), &mut batch);
        let Batch { sink, report, .. } = batch;
        for kind in Kind::ALL {
            sink(Change::ListEnds(kind));
        }
        report
    }

    /// The named paths that there is nothing to be had from.
    fn unreadable_paths(&self, look: &Look) -> Vec<Fault> {
        let told = |path: &PathBuf| {
            let trouble = match look.troubles.get(path) {
                Some(trouble) => trouble.clone(),
                None if look.missing.contains(path) => {
                    "does not exist; name a file or folder of manifests".into()
                }
                None if look.stamp(path).is_some() => disk::refusal(path)?,
                None => return None,
            };
            Some(Fault::of_file(path, trouble))
        };
        self.paths.iter().filter_map(told).collect()
    }

    /// Whether everything is as it was at the last poll: the usual case, made cheap.
    fn is_known(&self, look: &Look) -> bool {
        let is_same =
            |((file, known), (path, stamp)): ((&Arc<Path>, &Known), &(PathBuf, Stamp))| {
                known.stamp == Some(*stamp) && **file == **path
            };
        let troubles = look.troubles.len() + look.missing.len() + self.troubles.len();
        troubles == 0
            && self.files.len() == look.files.len()
            && self.files.iter().zip(&look.files).all(is_same)
    }

    /// Whether something changed so lately that it may still be going on.
    fn is_fresh(&self, look: &Look) -> bool {
        if self.is_known(look) {
            return false;
        }
        let is_gone = |path: &Path| look.stamp(path).is_none() && !look.is_hidden(path);
        let is_read = |path: &Path, stamp: &Stamp| {
            self.files.get(path).is_some_and(|known| {
                known.stamp == Some(*stamp) || known.suspicion.is_some_and(|(old, _)| old == *stamp)
            })
        };
        self.files.keys().any(|path| is_gone(path))
            || look.files.iter().any(|(path, stamp)| !is_read(path, stamp) && stamp.age() < SETTLE)
    }

    /// Takes over what `look` found, except at the paths that are still `moving`.
    fn apply(&mut self, look: &Look, moving: &BTreeSet<PathBuf>, batch: &mut Batch<'_>) {
        self.tell_troubles(look, batch);
        let known: Vec<Arc<Path>> = self.files.keys().cloned().collect();
        for file in known {
            let is_there = look.stamp(&file).is_some() || moving.contains(&*file);
            if !is_there && !look.is_hidden(&file) {
                self.forget(&file, batch);
            }
        }
        for (path, stamp) in &look.files {
            let known = self.files.get(&**path);
            let is_same = known.is_some_and(|known| known.stamp == Some(*stamp));
            if !is_same && !moving.contains(path) {
                self.read(&Arc::from(&**path), batch);
            }
        }
        self.settle(batch);
        self.told.settle_namespaces(batch.sink);
    }

    /// Reports what cannot be looked at, once, and that it can be again.
    fn tell_troubles(&mut self, look: &Look, batch: &mut Batch<'_>) {
        let mut now = look.troubles.clone();
        for path in &look.missing {
            now.insert(path.clone(), "is gone, and its objects with it; put it back".into());
        }
        // What the reading of a file said stays until it can be read.
        let is_unread = |path: &Path| self.files.get(path).is_some_and(|k| k.stamp.is_none());
        let is_there = |path: &PathBuf| look.stamp(path).is_some() && is_unread(path);
        let files = self.troubles.iter().filter(|(path, _)| is_there(path));
        now.extend(files.map(|(path, trouble)| (path.clone(), trouble.clone())));
        for (path, trouble) in &now {
            if self.troubles.get(path) != Some(trouble) {
                batch.report.faults.push(Fault::of_file(path, trouble.as_str()));
            }
        }
        let healed = self.troubles.keys().filter(|path| !now.contains_key(*path));
        batch.report.whole.extend(healed.filter(|path| path.exists()).cloned());
        self.troubles = now;
    }

    /// The file is gone, and so are its objects.
    fn forget(&mut self, file: &Arc<Path>, batch: &mut Batch<'_>) {
        for (id, _) in self.files.remove(file).unwrap_or_default().objects {
            self.told.undefine(&id, file);
            batch.touched.insert(id);
        }
    }

    /// Reads a file that is new or changed.
    fn read(&mut self, file: &Arc<Path>, batch: &mut Batch<'_>) {
        let mut reading = disk::read(file);
        for _ in 0..MAX_RETRIES {
            if !(batch.is_first && matches!(reading, Reading::Moving)) {
                break;
            }
            std::thread::sleep(SETTLE);
            reading = disk::read(file);
        }
        let known = self.files.entry(Arc::clone(file)).or_default();
        known.stamp = None;
        match reading {
            Reading::Moving if batch.is_first => {
                let told = "changed while it was read; it is read again when it keeps still";
                batch.report.faults.push(Fault::of_file(&**file, told));
            }
            // Left as it is: the next poll will see.
            Reading::Moving | Reading::Gone => {}
            Reading::Unreadable(trouble) => {
                if self.troubles.get(&**file) != Some(&trouble) {
                    batch.report.faults.push(Fault::of_file(&**file, trouble.as_str()));
                    self.troubles.insert(file.to_path_buf(), trouble);
                }
            }
            Reading::Whole(bytes, stamp) => {
                if self.troubles.remove(&**file).is_some() {
                    batch.report.whole.push(file.to_path_buf());
                }
                self.take(file, bytes, stamp, batch);
            }
        }
    }

    /// Takes the text of a file over if it is whole.
    fn take(&mut self, file: &Arc<Path>, bytes: Vec<u8>, stamp: Stamp, batch: &mut Batch<'_>) {
        let surveyed = survey(file, bytes, &self.hasher);
        let known = self.files.entry(Arc::clone(file)).or_default();
        let (contents, survey) = match surveyed {
            Ok(whole) => whole,
            Err(faults) => {
                let (suspect, times) = known.suspicion.unwrap_or((stamp, 0));
                let is_settled = times > 0 && suspect == stamp || times >= MAX_SUSPICIONS;
                if batch.is_first || is_settled || stamp.age() >= MOMENT {
                    known.stamp = Some(stamp);
                    known.suspicion = None;
                    known.is_broken = true;
                    batch.report.faults.extend(faults);
                } else {
                    known.suspicion = Some((stamp, times + 1));
                }
                return;
            }
        };
        known.stamp = (stamp.age() >= TICK).then_some(stamp);
        known.suspicion = None;
        if std::mem::take(&mut known.is_broken) {
            batch.report.whole.push(file.to_path_buf());
        }
        self.define(file, &survey.entries, batch);
        let Self { files, told, hasher, .. } = self;
        let objects = files.get(file).map(|known| &known.objects);
        let mut tell = |hash: u64, object: Object| {
            let id = Id { kind: object.kind(), key: object.meta().key.clone() };
            let is_meant =
                objects.and_then(|o| o.get(&id)).is_some_and(|(meant, _)| *meant == hash);
            if is_meant && told.definer(&id) == Some(file) && !told.is_told(&id, hash) {
                told.put(&id, hash, object, batch.sink);
            }
        };
        tell_objects(&contents, survey, hasher, &mut tell);
    }

    /// The file defines these objects from now on.
    fn define(&mut self, file: &Arc<Path>, entries: &[Entry], batch: &mut Batch<'_>) {
        let mut doubles = Vec::new();
        let mut objects = BTreeMap::new();
        for Entry { id, hash, place } in entries {
            if let Some((_, before)) = objects.insert(Arc::clone(id), (*hash, *place)) {
                doubles.push(twice(id, (file, *place), (file, before)));
            }
        }
        let before = self.files.get_mut(file).map(|known| std::mem::take(&mut known.objects));
        let mut before = before.unwrap_or_default();
        for (id, (hash, place)) in &objects {
            match before.remove(id) {
                Some((old, _)) if old == *hash => {}
                _ => {
                    batch.touched.insert(Arc::clone(id));
                }
            }
            let Some((other, is_used)) = self.told.define(id, file) else { continue };
            let there = self.files.get(&other).and_then(|known| known.objects.get(id));
            let (this, that) = ((file, *place), (&other, there.map_or(*place, |there| there.1)));
            let (used, unused) = if is_used { (that, this) } else { (this, that) };
            doubles.push(twice(id, used, unused));
        }
        let more = doubles.len().saturating_sub(MAX_FAULTS);
        if more > 0 {
            doubles.truncate(MAX_FAULTS);
            let message = format!("{more} more objects of this file are defined twice");
            doubles.push(Fault { grade: Grade::Warning, ..Fault::of_file(&**file, message) });
        }
        batch.report.faults.append(&mut doubles);
        for (id, _) in before {
            self.told.undefine(&id, file);
            batch.touched.insert(id);
        }
        if let Some(known) = self.files.get_mut(file) {
            known.objects = objects;
        }
    }

    /// Tells what touched objects have become: gone, or what another file makes of them.
    fn settle(&mut self, batch: &mut Batch<'_>) {
        let mut wanted: BTreeMap<Arc<Path>, HashMap<Arc<Id>, u64>> = BTreeMap::new();
        for id in std::mem::take(&mut batch.touched) {
            let Some(file) = self.told.definer(&id).cloned() else {
                self.told.remove(&id, batch.sink);
                continue;
            };
            let meant = self.files.get(&file).and_then(|known| known.objects.get(&id));
            let Some((hash, _)) = meant.copied() else { continue };
            if !self.told.is_told(&id, hash) {
                wanted.entry(file).or_default().insert(id, hash);
            }
        }
        for (file, mut wanted) in wanted {
            self.revive(&file, &mut wanted, batch);
            if wanted.is_empty() {
                continue;
            }
            // The file has become something else, or is broken: its objects are not to be had.
            if let Some(known) = self.files.get_mut(&file) {
                known.stamp = None;
            }
            for id in wanted.into_keys() {
                self.told.remove(&id, batch.sink);
            }
        }
    }

    /// Tells objects that an unchanged file defines, out of the `wanted`.
    fn revive(
        &mut self,
        file: &Arc<Path>,
        wanted: &mut HashMap<Arc<Id>, u64>,
        batch: &mut Batch<'_>,
    ) {
        let Reading::Whole(bytes, _) = disk::read(file) else { return };
        let Ok((contents, survey)) = survey(file, bytes, &self.hasher) else { return };
        let Self { told, hasher, .. } = self;
        tell_objects(&contents, survey, hasher, &mut |hash, object| {
            let id = Id { kind: object.kind(), key: object.meta().key.clone() };
            if wanted.get(&id) == Some(&hash) {
                wanted.remove(&id);
                told.put(&id, hash, object, batch.sink);
            }
        });
    }
}

impl<'s> Batch<'s> {
    fn new(sink: Sink<'s>, is_first: bool) -> Self {
        Self { sink, report: Report::default(), touched: BTreeSet::new(), is_first }
    }
}

/// Reads the manifests under `paths` and tells everything that is wrong, missing paths included, and
/// what `oddities` says of each object.
pub fn check(paths: Vec<PathBuf>, oddities: &dyn Fn(&Object) -> Vec<String>) -> Vec<Fault> {
    let mut manifests = Manifests::new(paths);
    let (mut look, _) = manifests.look();
    let mut faults = manifests.unreadable_paths(&look);
    let named = faults.len();
    look.missing.clear();
    for path in &look.dangling {
        let message = "is a symbolic link that leads nowhere; mend or remove it";
        faults.push(Fault { grade: Grade::Odd, ..Fault::of_file(path, message) });
    }
    let mut odd = BTreeMap::new();
    let report = manifests.load_all(&look, &mut |change| {
        if let Change::Put(object) = change {
            // The last one counts, where several files define it.
            let id = Id { kind: object.kind(), key: object.meta().key.clone() };
            match oddities(&object) {
                told if told.is_empty() => drop(odd.remove(&id)),
                told => drop(odd.insert(id, told)),
            }
        }
    });
    for fault in report.faults {
        if !faults.iter().take(named).any(|told| *told == fault) {
            faults.push(fault);
        }
    }
    let mut placed: Vec<Fault> =
        odd.into_iter().flat_map(|(id, told)| manifests.odd(&id, told)).collect();
    placed.sort();
    faults.append(&mut placed);
    faults
}

impl Manifests {
    /// What is odd about an object, at its place.
    fn odd(&self, id: &Id, told: Vec<String>) -> Vec<Fault> {
        // A Namespace that objects imply stands nowhere.
        let Some(file) = self.told.definer(id) else { return Vec::new() };
        let known = self.files.get(file).and_then(|known| known.objects.get(id));
        let Some((_, Place { line, column })) = known.copied() else { return Vec::new() };
        let kind = super::decode::kind_name(id.kind);
        let fault = |message| Fault {
            file: file.to_path_buf(),
            line,
            column,
            grade: Grade::Odd,
            message: format!("{kind} {}: {message}", id.key),
        };
        told.into_iter().map(fault).collect()
    }
}

fn survey(
    file: &Path,
    bytes: Vec<u8>,
    hasher: &RandomState,
) -> Result<(Contents, Survey), Vec<Fault>> {
    let contents = Contents::new(file, bytes).map_err(|fault| vec![fault])?;
    let survey = contents.survey(file, hasher)?;
    Ok((contents, survey))
}

fn tell_objects(
    contents: &Contents,
    survey: Survey,
    hasher: &RandomState,
    each: &mut dyn FnMut(u64, Object),
) {
    match survey.kept {
        Some(kept) => {
            for (entry, object) in survey.entries.iter().zip(kept) {
                each(entry.hash, object);
            }
        }
        None => contents.objects(hasher, each),
    }
}

/// The files that differ between two looks.
fn differences(before: &Look, after: &Look) -> BTreeSet<PathBuf> {
    let of = |look: &Look, other: &Look| -> Vec<PathBuf> {
        let differs = |(path, stamp): &&(PathBuf, Stamp)| other.stamp(path) != Some(stamp);
        look.files.iter().filter(differs).map(|(path, _)| path.clone()).collect()
    };
    of(before, after).into_iter().chain(of(after, before)).collect()
}

/// The warning that an object is defined twice.
fn twice(id: &Id, used: (&Arc<Path>, Place), unused: (&Arc<Path>, Place)) -> Fault {
    let Place { line, column } = used.1;
    let message = format!(
        "{} {} is defined at {}:{}:{} too; this definition is used, remove the other",
        super::decode::kind_name(id.kind),
        id.key,
        unused.0.display(),
        unused.1.line,
        unused.1.column,
    );
    Fault { file: used.0.to_path_buf(), line, column, grade: Grade::Warning, message }
}
