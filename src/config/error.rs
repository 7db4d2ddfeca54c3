//! What is wrong or odd in a configuration, with the place where it stands.

use std::fmt;

/// A place in a text: line and column from 1, the column in characters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Position {
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
        Some(Position { line, column }) => write!(f, "{file}:{line}:{column}: "),
        None => write!(f, "{file}: "),
    }
}

/// How many faults, and how many remarks, are kept of one file: more than anybody reads, few enough
/// for a file that is something else altogether.
const MAX_FINDINGS: usize = 100;

/// Where everything that is found while a file is read comes together.
#[derive(Debug)]
pub(super) struct Findings {
    file: String,
    pub(super) errors: Vec<ConfigError>,
    pub(super) warnings: Vec<Warning>,
}

impl Findings {
    pub(super) fn new(file: &str) -> Self {
        Self { file: file.into(), errors: Vec::new(), warnings: Vec::new() }
    }

    /// The file and the place, as messages begin with them.
    pub(super) fn place(&self, at: Position) -> String {
        format!("{}:{}:{}", self.file, at.line, at.column)
    }

    pub(super) fn error(&mut self, at: impl Into<Option<Position>>, message: impl Into<String>) {
        if self.errors.len() >= MAX_FINDINGS {
            return;
        }
        self.errors.push(ConfigError {
            file: self.file.clone(),
            position: at.into(),
            message: message.into(),
        });
    }

    pub(super) fn warn(&mut self, at: impl Into<Option<Position>>, message: impl fmt::Display) {
        if self.warnings.len() >= MAX_FINDINGS {
            return;
        }
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = place(&mut text, &self.file, at.into());
        self.warnings.push(Warning(format!("{text}{message}")));
    }
}
