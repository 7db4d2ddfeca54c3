//! What can go wrong between here and an API server, classed by what is to be done about it.

use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use super::split::SplitError;
use super::trust::distrust;
use super::version::Version;
use crate::cluster::Refusal;

/// Why a list or a watch ended before its time.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Fault {
    /// No connection, or none that answers.
    #[error("the API server cannot be reached: {0}")]
    Unreachable(String),
    /// One side does not trust the other's certificate.
    #[error("the TLS handshake with the API server fails: {error}; {cure}")]
    Tls {
        /// What is wrong.
        error: String,
        /// What to do about it.
        cure: &'static str,
    },
    /// An HTTP status that says no, or the same in a watch.
    #[error("the API server answers {code}: {message}")]
    Http {
        /// The HTTP status.
        code: u16,
        /// The server's own words.
        message: String,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// 410: the version that a watch would go on from, or a list's token, is too old.
    #[error("the version to go on from has expired: {0}")]
    Gone(String),
    /// The server will not stream its lists.
    #[error("the API server does not stream lists: {0}")]
    NoStreaming(String),
    /// The body ended in the middle, or is not what it should be.
    #[error("the API server's answer is broken: {0}")]
    Broken(String),
    /// Nothing came for too long.
    #[error("the API server has been silent for {} s", .0.as_secs())]
    Silent(Duration),
    /// A list that has no end.
    #[error("the list does not end: {0}")]
    Endless(&'static str),
    /// The list is older than what has been seen.
    #[error("the list has version {found}, older than {newest} seen before; another is asked for")]
    Backwards {
        /// The list's version.
        found: Version,
        /// The newest version seen.
        newest: Version,
    },
}

impl Fault {
    /// The class of an HTTP status, or of a Status in a watch.
    pub(super) fn of(code: u16, message: String, retry_after: Option<Duration>) -> Self {
        match code {
            410 => Self::Gone(message),
            _ => Self::Http { code, message, retry_after },
        }
    }

    /// What the HTTP status says, if it is one that no retry will change by itself.
    pub(super) fn needs_human(&self) -> Option<Refusal> {
        match self {
            Self::Http { code, .. } => Refusal::of(*code),
            _ => None,
        }
    }

    /// One word for the metric.
    pub(super) fn cause(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Tls { .. } => "tls",
            Self::Http { code: 401 | 403, .. } => "forbidden",
            Self::Http { code: 404, .. } => "missing",
            Self::Http { code: 429, .. } => "throttled",
            Self::Http { .. } => "http",
            Self::Gone(_) => "gone",
            Self::NoStreaming(_) => "no-streaming",
            Self::Broken(_) => "broken",
            Self::Silent(_) => "silent",
            Self::Endless(_) => "endless",
            Self::Backwards { .. } => "backwards",
        }
    }

    /// Whether other credentials or authorities could mend it.
    pub(super) fn is_distrust(&self) -> bool {
        matches!(self, Self::Tls { .. } | Self::Http { code: 401, .. })
    }

    /// A failure of the client before there was an answer.
    pub(super) fn unreachable(error: &(dyn Error + 'static)) -> Self {
        match distrust(error) {
            Some((error, cure)) => Self::Tls { error, cure },
            None => Self::Unreachable(chain(error)),
        }
    }
}

impl From<SplitError> for Fault {
    fn from(error: SplitError) -> Self {
        Self::Broken(error.to_string())
    }
}

/// An error and its causes in one line, none said twice.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {said}");
        }
        next = cause.source();
    }
    text
}
