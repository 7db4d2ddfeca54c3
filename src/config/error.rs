//! What is wrong or odd in a configuration, with the place where it stands.

use std::fmt;

/// A place in a text: line and column from 1, the column in characters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Position {
    /// Which of the files that were read, in the order of reading; the Corefile itself is 0.
    pub(super) file: u16,
    /// The line, from 1.
    pub line: u32,
    /// The column, in characters, from 1.
    pub column: u32,
}

/// A fault in a Corefile.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    /// The file, as it was named.
    pub file: String,
    /// Where the fault stands; nothing for the file as a whole.
    pub position: Option<Position>,
    /// What is wrong, and the cure.
    pub message: String,
}

/// A remark about the configuration: what has no effect, or looks like a mistake.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning(pub String);

/// `Corefile:12:5: unknown directive 'kubernets'; did you mean 'kubernetes'?`
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, &self.file, self.position)?;
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn place(f: &mut impl fmt::Write, file: &str, position: Option<Position>) -> fmt::Result {
    match position {
        Some(Position { line, column, .. }) => write!(f, "{file}:{line}:{column}: "),
        None => write!(f, "{file}: "),
    }
}

/// How many faults, and how many remarks, are kept of a Corefile with what it imports: more than
/// anybody reads, few enough for a file that is something else altogether.
const MAX_FINDINGS: usize = 100;

/// Where everything that is found while a Corefile and what it imports are read comes together.
#[derive(Debug)]
pub(super) struct Findings {
    /// The Corefile, then the files that it imports, as messages name them.
    files: Vec<String>,
    pub(super) errors: Vec<ConfigError>,
    pub(super) warnings: Vec<Warning>,
}

impl Findings {
    pub(super) fn new(file: &str) -> Self {
        Self { files: vec![file.into()], errors: Vec::new(), warnings: Vec::new() }
    }

    /// Takes in one more file, and gives back what [`Position::file`] says of it.
    pub(super) fn add_file(&mut self, name: String) -> u16 {
        self.files.push(name);
        u16::try_from(self.files.len() - 1).unwrap_or(u16::MAX)
    }

    fn file_of(&self, at: Option<Position>) -> &str {
        let number = at.map_or(0, |at| usize::from(at.file));
        self.files.get(number).map_or("", String::as_str)
    }

    /// The file and the place, as messages begin with them.
    pub(super) fn place(&self, at: Position) -> String {
        format!("{}:{}:{}", self.file_of(Some(at)), at.line, at.column)
    }

    pub(super) fn error(&mut self, at: impl Into<Option<Position>>, message: impl Into<String>) {
        if self.errors.len() >= MAX_FINDINGS {
            return;
        }
        let position = at.into();
        let file = self.file_of(position).to_owned();
        let message = one_line(message.into());
        self.errors.push(ConfigError { file, position, message });
    }

    pub(super) fn warn(&mut self, at: impl Into<Option<Position>>, message: impl fmt::Display) {
        if self.warnings.len() >= MAX_FINDINGS {
            return;
        }
        let mut text = String::new();
        let at = at.into();
        // Writing into a String cannot fail.
        let _ = place(&mut text, self.file_of(at), at);
        self.warnings.push(Warning(one_line(format!("{text}{message}"))));
    }
}

/// A quoted word goes over lines where its quote is forgotten; what is said of it does not.
fn one_line(message: String) -> String {
    if !message.contains(char::is_control) {
        return message;
    }
    let mut line = String::with_capacity(message.len());
    for c in message.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}
