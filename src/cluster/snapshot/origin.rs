//! Where a state comes from: what must be the same for a file to be used.

use std::fmt::Write;

use crate::zone::{NamespaceFilter, Pods, Spec};

/// The API server, the zones and the filters of a `kubernetes` block, as text that two blocks share
/// if and only if the one may answer from the other's objects.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin(Vec<(Box<str>, Box<str>)>);

impl Origin {
    /// What is read from `api_server` for a block that is configured thus.
    ///
    /// The time to live and other things that only shape answers are left out: they are taken from
    /// the configuration of the day.
    pub fn new(api_server: &str, spec: &Spec) -> Self {
        let mut zones: Vec<_> = spec.zones.iter().map(|zone| zone.name.to_string()).collect();
        zones.sort_unstable();
        zones.dedup();
        let namespaces = match &spec.namespaces {
            NamespaceFilter::All => "all".to_owned(),
            NamespaceFilter::Named(names) => {
                let mut names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
                names.sort_unstable();
                names.dedup();
                format!("named {}", names.join(" "))
            }
            NamespaceFilter::Selected(selector) => format!("selected by {selector}"),
        };
        let labels = spec.labels.as_ref().map_or_else(|| "any".to_owned(), ToString::to_string);
        let pods = if spec.pods == Pods::Verified { "listed" } else { "not listed" };
        let mut endpoints = match (spec.no_endpoints, spec.headless_endpoints_only) {
            (true, _) => "none",
            (false, true) => "headless",
            (false, false) => "all",
        }
        .to_owned();
        if spec.endpoint_pod_names {
            endpoints += ", with pod names";
        }
        Self(vec![
            ("API server".into(), api_server.into()),
            ("zones".into(), zones.join(" ").into()),
            ("namespaces".into(), namespaces.into()),
            ("labels".into(), labels.into()),
            ("pods".into(), pods.into()),
            ("endpoints".into(), endpoints.into()),
        ])
    }

    /// How `theirs`, an origin read from a file, differs from this one.
    pub(super) fn difference(&self, theirs: &Self) -> Option<String> {
        let mut text = String::new();
        let of = |origin: &Self, what: &str| {
            let found = origin.0.iter().find(|(name, _)| **name == *what);
            found.map_or_else(|| "not known".to_owned(), |(_, value)| format!("'{value}'"))
        };
        let known = |(name, _): &&(Box<str>, Box<str>)| !self.0.iter().any(|our| our.0 == *name);
        for (what, _) in self.0.iter().chain(theirs.0.iter().filter(known)) {
            let (ours, found) = (of(self, what), of(theirs, what));
            if ours != found {
                let comma = if text.is_empty() { "" } else { "; " };
                // Writing to a String cannot fail.
                let _ = write!(text, "{comma}its {what}: {found}, here: {ours}");
            }
        }
        if text.is_empty() && self != theirs {
            text.push_str("its origin is written differently");
        }
        (!text.is_empty()).then_some(text)
    }

    pub(super) fn parts(&self) -> &[(Box<str>, Box<str>)] {
        &self.0
    }

    pub(super) fn of_parts(parts: Vec<(Box<str>, Box<str>)>) -> Self {
        Self(parts)
    }
}
