//! Label selectors (`app=db,tier in (a, b),!legacy`), as Kubernetes writes and means them.

/// A parsed label selector.
#[derive(Clone, Debug, Default)]
pub struct LabelSelector {}

/// Why a text is not a label selector.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("'{text}' is not a label selector: {reason}")]
pub struct SelectorError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl LabelSelector {
    /// Reads an expression such as `app=db,tier in (a, b),!legacy`.
    pub fn parse(_text: &str) -> Result<Self, SelectorError> {
        Ok(Self {})
    }

    /// Whether an object with these labels is selected.
    pub fn matches(&self, _labels: &[(Box<str>, Box<str>)]) -> bool {
        true
    }
}
