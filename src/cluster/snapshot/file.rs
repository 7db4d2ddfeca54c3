//! The file: put in place whole, taken back whole or not at all.
//!
//! A new file is written under a name of its own beside the old one, brought to the disk, and then
//! renamed over it, so that a crash or a full disk at any moment leaves the old or the new one.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::decode::{self, CHECK, PREFIX};
use super::encode::MAGIC;
use super::{Header, Origin, Packed, VERSION};
use crate::cluster::Object;

/// The longest header that is read: no origin that anybody configures comes near, and a damaged
/// length must not have gigabytes fetched.
const MAX_HEADER: u32 = 1 << 20;
/// How many hexadecimal digits make a temporary file's name its own.
const UNIQUE: usize = 16;

/// Where the state is kept: a file's path that has a folder and a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    file: PathBuf,
    folder: PathBuf,
    name: OsString,
}

impl Place {
    /// The place of this path.
    ///
    /// # Errors
    /// If the path has no file name, as `/` and `..` have none.
    pub fn new(path: &Path) -> Result<Self, StoreError> {
        let Some(name) = path.file_name() else {
            return Err(StoreError::NoName { file: path.into() });
        };
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        Ok(Self { file: path.into(), folder: folder.into(), name: name.into() })
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Where what cannot be used is put.
    fn aside(&self, why: &str) -> PathBuf {
        let mut name = self.name.clone();
        name.push(".");
        name.push(why);
        self.folder.join(name)
    }

    /// A new name for a temporary file.
    fn temporary(&self) -> Result<PathBuf, StoreError> {
        let unique = getrandom::u64().map_err(|error| {
            self.failed("name", &self.file, io::Error::other(error.to_string()))
        })?;
        let mut name = OsString::from(".");
        name.push(&self.name);
        name.push(format!(".{unique:0UNIQUE$x}.tmp"));
        Ok(self.folder.join(name))
    }

    /// Whether a file of this name is a temporary one of this place.
    fn is_temporary(&self, name: &OsStr) -> bool {
        let middle = name.as_encoded_bytes().strip_prefix(b".");
        let middle = middle.and_then(|name| name.strip_prefix(self.name.as_encoded_bytes()));
        let middle = middle.and_then(|name| name.strip_prefix(b"."));
        let middle = middle.and_then(|name| name.strip_suffix(b".tmp"));
        middle.is_some_and(|unique| {
            unique.len() == UNIQUE && unique.iter().all(u8::is_ascii_hexdigit)
        })
    }

    fn failed(&self, step: &'static str, at: &Path, error: io::Error) -> StoreError {
        let cure = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                "make room on its file system"
            }
            ErrorKind::PermissionDenied => "let this process write in its folder",
            ErrorKind::ReadOnlyFilesystem => "name a file on a volume that can be written",
            ErrorKind::NotFound | ErrorKind::NotADirectory => "make its folder",
            ErrorKind::IsADirectory => "name a file, not a folder",
            _ => "mend that, or name a file elsewhere",
        };
        StoreError::Failed { file: self.file.clone(), step, at: at.into(), error, cure }
    }
}

/// Why a state was not written. What stood in the file before stands there still, but where the
/// folder could not be synced: there the new one does, and may be lost with the power.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The path names no file.
    #[error("snapshot {}: this is not the path of a file; name one, such as /var/lib/fingerpost/state", .file.display())]
    NoName {
        /// The path.
        file: PathBuf,
    },
    /// A step did not work.
    #[error("snapshot {} is not written: cannot {step} {}: {error}; {cure}", .file.display(), .at.display())]
    Failed {
        /// The place.
        file: PathBuf,
        /// What was tried: create, write, sync, rename.
        step: &'static str,
        /// The file or folder it was tried with.
        at: PathBuf,
        /// What the system says.
        error: io::Error,
        /// What to do.
        cure: &'static str,
    },
    /// The thread that writes could not be started.
    #[error("snapshot {}: cannot start the thread that writes it: {error}; allow this process more threads or memory", .file.display())]
    Thread {
        /// The place.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// A temporary file that goes unless it became the real one.
struct Temporary {
    path: PathBuf,
    is_kept: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_kept {
            // What cannot be removed now is removed at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Puts `packed` in place, and returns when it would survive the power going.
///
/// # Errors
/// If a step fails; the temporary file is then removed.
pub fn store(place: &Place, packed: &Packed) -> Result<(), StoreError> {
    let path = place.temporary()?;
    let failed = |step, error| place.failed(step, &path, error);
    let mut options = OpenOptions::new();
    // Names of workloads are nobody else's business.
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(&path).map_err(|error| failed("create", error))?;
    let mut temporary = Temporary { path: path.clone(), is_kept: false };
    // Tells another process that starts now not to take it for a leftover. Where the file system
    // knows no locks, that one may remove it: this write then fails and is tried again.
    let _ = file.try_lock();
    for piece in packed.pieces() {
        file.write_all(piece).map_err(|error| failed("write", error))?;
    }
    file.sync_all().map_err(|error| failed("sync", error))?;
    fs::rename(&path, &place.file).map_err(|error| failed("rename", error))?;
    temporary.is_kept = true;
    let folder = File::open(&place.folder).and_then(|folder| folder.sync_all());
    match folder {
        // Some file systems cannot sync a folder, and need not.
        Err(error) if error.kind() != ErrorKind::InvalidInput => {
            Err(place.failed("sync", &place.folder, error))
        }
        _ => Ok(()),
    }
}

/// Removes the temporary files that a crash left at `place`, and says how many there were. What
/// cannot be removed stays: it is in nobody's way.
pub fn clean(place: &Place) -> usize {
    let Ok(entries) = fs::read_dir(&place.folder) else { return 0 };
    let is_left = |path: &Path| match OpenOptions::new().write(true).open(path) {
        Ok(file) => !matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)),
        Err(_) => true,
    };
    let names = entries.flatten().filter(|entry| {
        place.is_temporary(&entry.file_name()) && entry.file_type().is_ok_and(|kind| kind.is_file())
    });
    names
        .map(|entry| entry.path())
        .filter(|path| is_left(path) && fs::remove_file(path).is_ok())
        .count()
}

/// What came of reading a file. The texts are whole sentences for the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Loaded {
    /// Every object was handed over.
    Restored(Header),
    /// There is no file.
    None,
    /// The file is of another origin or version; it was set aside.
    Foreign(String),
    /// The file is not what was once written; it was set aside.
    Damaged(String),
    /// The file cannot be read, and was left where it is.
    Unreadable(String),
}

/// Why a file is not restored.
enum Refusal {
    None,
    Foreign(String),
    Damaged(String),
    Unreadable(String),
}

impl From<decode::Flaw> for Refusal {
    fn from(flaw: &'static str) -> Self {
        Self::Damaged(flaw.to_owned())
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::None,
            ErrorKind::UnexpectedEof => Self::Damaged("it ends too early".to_owned()),
            _ => Self::Unreadable(error.to_string()),
        }
    }
}

/// Reads the state at `place`, if it is of this `origin`, and hands its objects to `sink`: all of
/// them or none. Only the packed octets are held besides, a few megabytes for a large cluster.
pub fn load(place: &Place, origin: &Origin, mut sink: impl FnMut(Object)) -> Loaded {
    let file = place.file.display();
    let result = whole(&place.file, Some(origin)).and_then(|(header, body)| {
        // The same octets were decoded a moment ago.
        decode::objects(&body, &mut sink)?;
        Ok(header)
    });
    let aside = |folder: &str| {
        let to = place.aside(folder);
        match fs::rename(&place.file, &to) {
            Ok(()) => format!("it was set aside as {}", to.display()),
            Err(error) => {
                format!("it could not be set aside as {} ({error}); remove it", to.display())
            }
        }
    };
    match result {
        Ok(header) => Loaded::Restored(header),
        Err(Refusal::None) => Loaded::None,
        Err(Refusal::Foreign(why)) => {
            let aside = aside("foreign");
            Loaded::Foreign(format!(
                "snapshot {file} is not used, since it is not ours: {why}; {aside}"
            ))
        }
        Err(Refusal::Damaged(why)) => {
            let aside = aside("damaged");
            Loaded::Damaged(format!(
                "snapshot {file} is not used, since it is damaged: {why}; {aside}"
            ))
        }
        Err(Refusal::Unreadable(why)) => Loaded::Unreadable(format!(
            "snapshot {file} cannot be read: {why}; let it be a file that this process may read and write"
        )),
    }
}

/// Whether a file begins as one of a state does.
pub fn is_one(file: &mut impl Read) -> io::Result<bool> {
    let mut head = Vec::new();
    file.take(MAGIC.len() as u64).read_to_end(&mut head)?;
    Ok(head == MAGIC)
}

/// Why a state cannot be looked at.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("snapshot {} cannot be used: {why}", .file.display())]
pub struct LookError {
    file: PathBuf,
    why: String,
}

/// Reads the state in a file, of whatever origin, and hands its objects to `sink`. The file is left
/// as it is.
///
/// # Errors
/// If there is none, it cannot be read, is damaged, or of another version of the format.
pub fn look(path: &Path, mut sink: impl FnMut(Object)) -> Result<Header, LookError> {
    let result = whole(path, None).and_then(|(header, body)| {
        decode::objects(&body, &mut sink)?;
        Ok(header)
    });
    result.map_err(|refusal| {
        let why = match refusal {
            Refusal::None => {
                "it does not exist; name a file that 'serve --snapshot' has written".into()
            }
            Refusal::Damaged(why) => format!("it is damaged: {why}; take another one"),
            Refusal::Foreign(why) => format!("{why}; take another one"),
            Refusal::Unreadable(why) => format!("it cannot be read: {why}"),
        };
        LookError { file: path.into(), why }
    })
}

/// The header and the body of a file that is whole, and of this origin where one is named.
fn whole(path: &Path, origin: Option<&Origin>) -> Result<(Header, Vec<u8>), Refusal> {
    let mut options = OpenOptions::new();
    // A named pipe would otherwise wait for somebody to write.
    let file = options.read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Refusal::Unreadable("it is not a regular file".to_owned()));
    }
    if metadata.len() == 0 {
        return Err(Refusal::Damaged("it is empty".to_owned()));
    }
    let mut file = BufReader::new(file);
    let mut head = vec![0; PREFIX];
    file.read_exact(&mut head)?;
    let prefix = head.first_chunk().ok_or("it ends too early")?;
    let (version, fields_len) = decode::prefix(prefix)?;
    if fields_len > MAX_HEADER {
        return Err(Refusal::Damaged("its header's length is wrong".to_owned()));
    }
    let mut rest = vec![0; fields_len as usize + CHECK];
    file.read_exact(&mut rest)?;
    let (fields, check) = rest.split_last_chunk::<CHECK>().ok_or("it ends too early")?;
    head.extend_from_slice(fields);
    if crc32fast::hash(&head) != u32::from_le_bytes(*check) {
        return Err(Refusal::Damaged("the checksum of its header is wrong".to_owned()));
    }
    if version != VERSION {
        let why = format!("it is of version {version} of the format, this is version {VERSION}");
        return Err(Refusal::Foreign(why));
    }
    let (header, promise) = decode::header(fields)?;
    if let Some(difference) = origin.and_then(|origin| origin.difference(&header.origin)) {
        return Err(Refusal::Foreign(difference));
    }
    let before = (head.len() + CHECK) as u64;
    if metadata.len().checked_sub(before) != Some(promise.len) {
        let should = promise.len.saturating_add(before);
        let why = format!("it has {} octets, and should have {should}", metadata.len());
        return Err(Refusal::Damaged(why));
    }
    let len = usize::try_from(promise.len).map_err(|_| "it is too large")?;
    let mut body = Vec::new();
    if body.try_reserve_exact(len).is_err() {
        return Err(Refusal::Unreadable(format!("there is no memory for its {len} octets")));
    }
    body.resize(len, 0);
    file.read_exact(&mut body)?;
    decode::verify(&body, &promise)?;
    Ok((header, body))
}
