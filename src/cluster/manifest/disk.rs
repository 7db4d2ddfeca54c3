//! What lies on the disk under the named paths, and the reading of one file.
//!
//! Looking is by `stat` alone, since that works alike on local disks, NFS and ConfigMap mounts;
//! nothing but regular files is ever opened.

use std::collections::BTreeMap;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The largest file that is read: a List of 150,000 endpoints is about 50 MiB.
pub(super) const MAX_FILE: u64 = 512 << 20;
/// The deepest folder below a named one that is looked into.
const MAX_DEPTH: usize = 32;
/// The most files that are followed: each costs a `stat` four times a second.
const MAX_FILES: usize = 100_000;

/// By what a file is known to be the same, and unchanged.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// How long ago the file was last touched; zero if that seems to be in the future.
    pub(super) fn age(&self) -> Duration {
        let (seconds, nanoseconds) = self.changed.max(self.modified);
        let since_epoch = Duration::new(
            u64::try_from(seconds).unwrap_or(0),
            u32::try_from(nanoseconds).unwrap_or(0),
        );
        let touched = SystemTime::UNIX_EPOCH.checked_add(since_epoch);
        touched.and_then(|at| SystemTime::now().duration_since(at).ok()).unwrap_or_default()
    }
}

/// What one look at the disk found.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Look {
    /// The manifest files, sorted.
    pub(super) files: Vec<(PathBuf, Stamp)>,
    /// What could not be looked at, and why: files, and folders with all below them.
    pub(super) troubles: BTreeMap<PathBuf, String>,
    /// The named paths that are not there.
    pub(super) missing: Vec<PathBuf>,
    /// Manifests that are symbolic links to what is not there.
    pub(super) dangling: Vec<PathBuf>,
    /// There are more files than are followed.
    is_full: bool,
}

impl Look {
    /// Looks under all of `paths`.
    pub(super) fn at(paths: &[PathBuf]) -> Self {
        let mut look = Self::default();
        for path in paths {
            match std::fs::metadata(path) {
                Ok(metadata) => look.entry(path, &metadata, &mut Vec::new()),
                Err(error) if is_absence(&error) => look.missing.push(path.clone()),
                Err(error) => look.trouble(path, &error),
            }
            if std::mem::take(&mut look.is_full) {
                let told = format!("holds more than {MAX_FILES} manifests; name smaller folders");
                look.troubles.insert(path.clone(), told);
            }
        }
        // Folders are walked in this order; what overlaps or comes from several paths is merged.
        look.files.sort();
        look.files.dedup_by(|one, other| one.0 == other.0);
        look
    }

    /// The stamp of the file at `path`, if it was found.
    pub(super) fn stamp(&self, path: &Path) -> Option<&Stamp> {
        let at = self.files.binary_search_by(|(found, _)| found.as_path().cmp(path)).ok()?;
        self.files.get(at).map(|(_, stamp)| stamp)
    }

    /// Whether `path` is, or stands below, something that could not be looked at.
    pub(super) fn is_hidden(&self, path: &Path) -> bool {
        path.ancestors().any(|above| self.troubles.contains_key(above))
    }

    fn trouble(&mut self, path: &Path, error: &io::Error) {
        self.troubles.insert(path.into(), cannot_be_read(error));
    }

    /// `above` are device and inode of the folders on the way here.
    fn entry(&mut self, path: &Path, metadata: &Metadata, above: &mut Vec<(u64, u64)>) {
        let kind = metadata.file_type();
        if kind.is_dir() {
            self.folder(path, metadata, above);
            return;
        }
        let trouble = if kind.is_fifo() {
            "is a FIFO and not opened; name a regular file"
        } else if !kind.is_file() {
            "is a device or a socket and not opened; name a regular file"
        } else if self.files.len() >= MAX_FILES {
            self.is_full = true;
            return;
        } else {
            self.files.push((path.into(), Stamp::of(metadata)));
            return;
        };
        self.troubles.insert(path.into(), trouble.into());
    }

    fn folder(&mut self, path: &Path, metadata: &Metadata, above: &mut Vec<(u64, u64)>) {
        let identity = (metadata.dev(), metadata.ino());
        if above.contains(&identity) {
            let trouble = "leads back to a folder that it stands in; remove this symbolic link";
            self.troubles.insert(path.into(), trouble.into());
            return;
        }
        if above.len() > MAX_DEPTH {
            let trouble = format!("stands more than {MAX_DEPTH} folders deep and is not read");
            self.troubles.insert(path.into(), trouble);
            return;
        }
        above.push(identity);
        match Self::entries(path) {
            Ok(entries) => {
                for path in entries {
                    self.found(&path, above);
                }
            }
            Err(error) if is_absence(&error) => {}
            Err(error) => self.trouble(path, &error),
        }
        above.pop();
    }

    /// An entry of a folder that may be a folder, or has a manifest's name.
    fn found(&mut self, path: &Path, above: &mut Vec<(u64, u64)>) {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() || is_manifest(path) => {
                self.entry(path, &metadata, above);
            }
            Err(error) if is_manifest(path) && !is_absence(&error) => self.trouble(path, &error),
            Err(_) if is_manifest(path) && path.is_symlink() && self.dangling.len() < MAX_FILES => {
                self.dangling.push(path.into());
            }
            _ => {}
        }
    }

    fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if !is_ignored(&name.to_string_lossy()) && (!is_file || is_manifest(name.as_ref())) {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names.iter().map(|name| folder.join(name)).collect())
    }
}

/// What cannot be read, in words.
fn cannot_be_read(error: &io::Error) -> String {
    let cure = match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => "give this user the right to read it",
        Some(libc::ELOOP) => "mend the symbolic links that lead to each other",
        _ => "see to the file system that it is on",
    };
    format!("cannot be read: {error}; {cure}")
}

/// Whether the thing is simply not there, rather than out of reach.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// What is left alone in a folder: hidden entries (the insides of a ConfigMap mount among them),
/// what editors leave, and kustomize's own file, which is no object.
fn is_ignored(name: &str) -> bool {
    name.starts_with(['.', '#'])
        || name.ends_with('~')
        || matches!(Path::new(name).extension(), Some(ending) if ending == "swp" || ending == "tmp")
        || matches!(name, "kustomization.yaml" | "kustomization.yml")
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml" || ending == "json")
}

/// How the reading of a file ended.
#[derive(Debug)]
pub(super) enum Reading {
    /// All of it, and the stamp it had.
    Whole(Vec<u8>, Stamp),
    /// It was changed meanwhile.
    Moving,
    /// It is gone.
    Gone,
    /// It cannot be read.
    Unreadable(String),
}

/// Reads the file at `path`.
pub(super) fn read(path: &Path) -> Reading {
    match read_whole(path) {
        Ok(reading) => reading,
        Err(error) if is_absence(&error) => Reading::Gone,
        Err(error) => Reading::Unreadable(cannot_be_read(&error)),
    }
}

/// Why the file at `path` cannot be opened for reading.
pub(super) fn refusal(path: &Path) -> Option<String> {
    open(path).err().map(|error| cannot_be_read(&error))
}

fn open(path: &Path) -> io::Result<File> {
    // What was a file when it was looked at may have become a FIFO, whose opening would wait.
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

fn read_whole(path: &Path) -> io::Result<Reading> {
    let mut file = open(path)?;
    let before = file.metadata()?;
    if !before.is_file() {
        return Ok(Reading::Moving);
    }
    if before.len() > MAX_FILE {
        let told = format!("is larger than {} MiB and not read; split it", MAX_FILE >> 20);
        return Ok(Reading::Unreadable(told));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(before.len()).unwrap_or(0));
    (&mut file).take(MAX_FILE).read_to_end(&mut bytes)?;
    let stamp = Stamp::of(&before);
    let is_still = stamp == Stamp::of(&file.metadata()?) && bytes.len() as u64 == before.len();
    Ok(if is_still { Reading::Whole(bytes, stamp) } else { Reading::Moving })
}
