//! What each name answers.
#![forbid(unsafe_code)]

mod spec;

pub use spec::{
    DEFAULT_TTL, Fallthrough, MAX_TTL, NamespaceFilter, Pods, Selectorless, Spec, Zone, ZoneKind,
};
