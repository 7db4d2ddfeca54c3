//! What is wrong with a manifest, told so that its writer can put it right.

use std::fmt;
use std::path::PathBuf;

/// How much a [`Fault`] breaks.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Grade {
    /// The file, or the folder, counts for nothing new: it keeps its last good state as a whole.
    Broken,
    /// Everything is used, but DNS answers otherwise than it says; [`check`](super::check) alone
    /// tells of these.
    Odd,
    /// Everything is used; something of it is probably not meant so.
    Warning,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Fault {
    /// The file, or the folder that cannot be read, as it was found below the path named.
    pub file: PathBuf,
    /// The line, from 1; 0 where the fault is of the file and not of a place in it.
    pub line: u32,
    /// The column in characters, from 1; 0 where `line` is.
    pub column: u32,
    /// What it breaks.
    pub grade: Grade,
    /// The object, the field, the value and the cure.
    pub message: String,
}

impl Fault {
    /// A fault of the whole file.
    pub(super) fn of_file(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        let (file, message) = (file.into(), message.into());
        Self { file, line: 0, column: 0, grade: Grade::Broken, message }
    }
}

/// `file:line:column: message`, or `file: message` where there is no place.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if self.line != 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        write!(f, " {}", self.message)
    }
}

/// A path that was named for reading is not there or cannot be read at all.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct LoadError(pub Fault);

/// The most faults of one file that are told one by one: enough to work from, and what a file
/// that is wrong from end to end may cost in memory and log lines.
pub(super) const MAX_FAULTS: usize = 100;

/// The faults of one text, at octet offsets into it.
#[derive(Debug, Default)]
pub(super) struct Bag {
    told: Vec<(usize, String)>,
    untold: usize,
}

/// How full a [`Bag`] was at some time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark(usize, usize);

impl Bag {
    /// Adds a fault.
    pub(super) fn add(&mut self, at: usize, message: String) {
        if self.told.len() < MAX_FAULTS {
            self.told.push((at, message));
        } else {
            self.untold = self.untold.saturating_add(1);
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.told.len(), self.untold)
    }

    /// Whether nothing was added since `mark`.
    pub(super) fn is_clean_since(&self, mark: Mark) -> bool {
        self.told.len() == mark.0 && self.untold == mark.1
    }

    /// Forgets what was added since `mark`.
    pub(super) fn rewind(&mut self, mark: Mark) {
        self.told.truncate(mark.0);
        self.untold = mark.1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// The faults of `file`, whose text is `text`, in the order of their places.
    pub(super) fn into_faults(mut self, file: &std::path::Path, text: &str) -> Vec<Fault> {
        self.told.sort_by_key(|fault| fault.0);
        let mut lines = Lines::new(text);
        let mut faults: Vec<Fault> = self
            .told
            .into_iter()
            .map(|(at, message)| {
                let Place { line, column } = lines.locate(at);
                Fault { file: file.into(), line, column, grade: Grade::Broken, message }
            })
            .collect();
        if self.untold > 0 {
            let message = format!("{} more faults in this file; mend these first", self.untold);
            faults.push(Fault::of_file(file, message));
        }
        faults
    }
}

/// A place in a text, both from 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// Turns octet offsets into places. In rising order all of them cost one walk over the text, however
/// long its lines are.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    text: &'a str,
    /// The octet that was asked for last, and its place.
    at: usize,
    place: Place,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, place: Place { line: 1, column: 1 } }
    }

    /// The place of octet `at`; the end of the text for one beyond it.
    pub(super) fn locate(&mut self, at: usize) -> Place {
        let at = self.text.floor_char_boundary(at);
        if at < self.at {
            *self = Self::new(self.text);
        }
        let passed = self.text.get(self.at..at).unwrap_or("");
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let last_line = match passed.rsplit_once('\n') {
            Some((before, last)) => {
                let breaks = 1 + before.bytes().filter(|octet| *octet == b'\n').count();
                self.place.line = self.place.line.saturating_add(number(breaks));
                self.place.column = 1;
                last
            }
            None => passed,
        };
        let characters = number(last_line.chars().count());
        self.place.column = self.place.column.saturating_add(characters);
        self.at = at;
        self.place
    }
}

/// The longest piece of a value that a message shows, in characters.
const MAX_SHOWN: usize = 80;

/// Shows a value in quotes: clipped, and with nothing in it that could upset a terminal.
pub(super) struct Shown<'a>(pub(super) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars();
        f.write_str("'")?;
        for character in characters.by_ref().take(MAX_SHOWN) {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        f.write_str(if characters.next().is_some() { "…'" } else { "'" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        let mut lines = Lines::new("aä\nb\n\nc");
        for (at, line, column) in [
            (0, 1, 1),
            (1, 1, 2),
            (3, 1, 3),
            (4, 2, 1),
            (6, 3, 1),
            (7, 4, 1),
            (99, 4, 2),
            (4, 2, 1),
        ] {
            assert_eq!(lines.locate(at), Place { line, column }, "{at}");
        }
    }

    #[test]
    fn values_are_shown_clipped_and_tame() {
        assert_eq!(Shown("a\u{1b}[0m\n").to_string(), "'a\\u{1b}[0m\\n'");
        assert_eq!(Shown(&"x".repeat(81)).to_string(), format!("'{}…'", "x".repeat(80)));
    }

    #[test]
    fn a_file_wrong_from_end_to_end_is_told_in_short() {
        let mut bag = Bag::default();
        for at in (0..MAX_FAULTS + 5).rev() {
            bag.add(at, "wrong".into());
        }
        let faults = bag.into_faults("a.yaml".as_ref(), "");
        assert_eq!(faults.len(), MAX_FAULTS + 1);
        assert_eq!(
            faults.last().unwrap().to_string(),
            "a.yaml: 5 more faults in this file; mend these first"
        );
    }
}
