//! The files that a Corefile is made of: itself, and what `import` names.
//!
//! An import is looked for from the folder of the file that it stands in, and may have one `*` and
//! one `?`, as CoreDNS has it. How much is read in all has a limit, since files import files.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::config::error::{Findings, Position};

/// The most octets of a Corefile with all that it imports: those of the largest ConfigMap.
pub(super) const MAX_COREFILE: u64 = 1_024 * 1_024;
/// How deep files may import each other; a file that imports itself ends here.
pub(super) const MAX_IMPORT_DEPTH: usize = 8;
/// The most files that are imported: far more than a cluster's owner writes.
pub(super) const MAX_IMPORTED_FILES: usize = 1_000;

/// Reads a file of at most `most` octets; the error says what is wrong with the file.
pub(super) fn octets(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {error}; mend its path or who may read it"))?;
    match u64::try_from(read) {
        Ok(read) if read <= most => Ok(bytes),
        _ if most == MAX_COREFILE => Err(format!("is larger than {MAX_COREFILE} octets")),
        _ => Err(format!("is larger than what is left of {MAX_COREFILE} octets for all files")),
    }
}

/// The text of a file, or nothing and a finding where it ceases to be one.
pub(super) fn text<'a>(bytes: &'a [u8], file: u16, findings: &mut Findings) -> Option<&'a str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let at = end_of(&String::from_utf8_lossy(good), file);
            findings.error(at, "the file is not UTF-8 text from here on");
            None
        }
    }
}

/// Where `text` ends.
fn end_of(text: &str, file: u16) -> Position {
    let last = text.rsplit('\n').next().unwrap_or_default();
    let lines = text.matches('\n').count();
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
    Position { file, line: number(lines), column: number(last.chars().count()) }
}

/// What `import` names.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// These files, in the order of their names.
    Files(Vec<PathBuf>),
    /// A pattern that no file fits.
    Nothing,
}

/// The files that `pattern` names in a file of `folder`; the error says what is wrong with it.
pub(super) fn find(pattern: &str, folder: &Path) -> Result<Found, String> {
    let wildcards = |wildcard: char| pattern.matches(wildcard).count();
    if wildcards('*') > 1 || wildcards('?') > 1 || (pattern.contains('[') && pattern.contains(']'))
    {
        return Err(format!(
            "'{pattern}' has more wildcards than one '*' and one '?'; import fewer at once"
        ));
    }
    if !pattern.contains(['*', '?']) {
        let path = folder.join(pattern);
        return match path.metadata() {
            Ok(_) => Ok(Found::Files(vec![path])),
            Err(error) => Err(format!("'{}' cannot be imported: {error}", path.display())),
        };
    }
    let within = match folder.to_str() {
        Some("") | None => String::new(),
        Some(_) if pattern.starts_with('/') => String::new(),
        Some(folder) => format!("{}/", glob::Pattern::escape(folder)),
    };
    // As Go has it: a wildcard does not stand for '/', and a leading dot is nothing special.
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: false,
    };
    let paths = glob::glob_with(&format!("{within}{pattern}"), options)
        .map_err(|error| format!("'{pattern}' is no pattern of files: {error}"))?;
    let mut files: Vec<PathBuf> =
        paths.take(MAX_IMPORTED_FILES + 1).filter_map(Result::ok).collect();
    files.sort();
    Ok(if files.is_empty() { Found::Nothing } else { Found::Files(files) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("[a]");
        std::fs::create_dir(&folder).unwrap();
        for name in ["b.server", "a.server", "c.override", ".d.server"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        for (pattern, expected) in [
            ("*.server", ".d.server a.server b.server"),
            ("?.server", "a.server b.server"),
            ("?.*", "a.server b.server c.override"),
            ("b.server", "b.server"),
        ] {
            let expected = expected.split(' ').map(|name| folder.join(name)).collect();
            assert_eq!(find(pattern, &folder), Ok(Found::Files(expected)), "{pattern}");
        }
        assert_eq!(find("*.none", &folder), Ok(Found::Nothing));
        let whole = dir.path().join("b.server");
        std::fs::write(&whole, "").unwrap();
        assert_eq!(find(whole.to_str().unwrap(), Path::new("x")), Ok(Found::Files(vec![whole])));
        for pattern in ["none", "*/*.server", "[ab].server", "??"] {
            assert!(find(pattern, &folder).is_err(), "{pattern}");
        }
    }
}
