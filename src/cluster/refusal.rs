//! Kinds that an API server will not have listed, and in which words.

use super::{Kind, KindSet};

/// Why a kind may not be listed: somebody has to do something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// HTTP 401: the credentials are not accepted.
    Unauthorized = 0,
    /// HTTP 403: there is no right to it.
    Forbidden = 1,
    /// HTTP 404: the server does not have the kind.
    NotFound = 2,
}

impl Refusal {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Unauthorized, Self::Forbidden, Self::NotFound];

    /// What an HTTP status says, if it is one that no retry will change by itself.
    pub fn of(code: u16) -> Option<Self> {
        match code {
            401 => Some(Self::Unauthorized),
            403 => Some(Self::Forbidden),
            404 => Some(Self::NotFound),
            _ => None,
        }
    }

    /// The reason in a word or two, as askers are told it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not found",
        }
    }
}

/// The kinds that may not be listed, by reason.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Refused([KindSet; Refusal::ALL.len()]);

impl Refused {
    /// Adds a kind that is in no set yet.
    pub fn insert(&mut self, kind: Kind, why: Refusal) {
        self.0[why as usize].insert(kind);
    }

    /// The kinds that may not be listed for this reason.
    pub fn by(self, why: Refusal) -> KindSet {
        self.0[why as usize]
    }
}
