//! Servers measured against each other: each a process of its own on one core, asked the same mix of
//! queries from another, in turns. For `floor` and `peers`.

pub mod asking;
pub mod echo;
pub mod names;
pub mod process;
pub mod turns;

use std::path::Path;
use std::process::{Command, Stdio};

use process::{Cores, Result, Running};

/// How much is measured.
pub struct Effort {
    /// Rounds, in each of which everybody has a turn.
    pub rounds: usize,
    /// Queries a turn.
    pub queries: usize,
    /// Different queries that there are.
    pub pool: usize,
}

impl Effort {
    pub fn new(smoke: bool) -> Self {
        if smoke {
            Self { rounds: 1, queries: 2_000, pool: 1_000 }
        } else {
            Self { rounds: 9, queries: 300_000, pool: 1 << 20 }
        }
    }
}

/// The binary with one worker, on the manifests of a folder.
pub fn fingerpost(binary: &str, manifests: &Path, cores: Cores) -> Result<Running> {
    let mut command = Command::new(binary);
    command.args(["serve", "--listen", "127.0.0.1:0", "--workers", "1", "--manifests"]);
    Running::telling(
        command.arg(manifests).stdout(Stdio::null()).stderr(Stdio::piped()),
        Some(cores),
    )
}

/// This program once more, as an echo with responses of so many octets at least.
pub fn echo(length: usize, cores: Cores) -> Result<Running> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--echo", &length.to_string()]);
    Running::telling(command.stdout(Stdio::piped()), Some(cores))
}

/// The number behind this option of the command line, if it is there.
pub fn number(option: &str) -> Result<Option<usize>> {
    let mut arguments = std::env::args().skip_while(|argument| argument != option);
    if arguments.next().is_none() {
        return Ok(None);
    }
    let value = arguments.next().ok_or_else(|| format!("{option} wants a number"))?;
    value.parse().map(Some).map_err(|_| format!("{option} wants a number, not {value}").into())
}

/// Whether the command line has this word.
pub fn says(word: &str) -> bool {
    std::env::args().any(|argument| argument == word)
}
