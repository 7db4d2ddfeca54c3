//! A manifest's values with their places in the text: what YAML and JSON have in common.
//!
//! Only one object at a time is held in this form, and of it only the fields that are looked at.

use std::borrow::Cow;

/// The deepest nesting that is built; what is skipped may be deeper. The deepest field that is
/// looked at, `items[].subsets[].addresses[].targetRef.name`, needs 9.
pub(super) const MAX_DEPTH: usize = 64;

/// The fields that are looked at somewhere, and the annotations. All others are skipped unbuilt.
const LOOKED_AT: [&str; 42] = [
    "<<",
    "addressType",
    "addresses",
    "annotations",
    "apiVersion",
    "clusterIP",
    "clusterIPs",
    "conditions",
    "control-plane.alpha.kubernetes.io/leader",
    "deletionTimestamp",
    "endpoints",
    "externalName",
    "fingerpost.dev/selectorless",
    "hostname",
    "internalTrafficPolicy",
    "ip",
    "ipFamilies",
    "items",
    "kind",
    "labels",
    "metadata",
    "name",
    "namespace",
    "nodeName",
    "notReadyAddresses",
    "phase",
    "podIP",
    "podIPs",
    "port",
    "ports",
    "protocol",
    "publishNotReadyAddresses",
    "ready",
    "resourceVersion",
    "selector",
    "sessionAffinity",
    "spec",
    "status",
    "subsets",
    "targetRef",
    "type",
    "uid",
];

/// What of a mapping is built.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Keep {
    /// The fields that are looked at.
    LookedAt,
    /// Every field: keys are the writer's own, or an alias may put the value anywhere.
    All,
}

impl Keep {
    /// What to build of the value of `field`; `None` to skip it.
    pub(super) fn below(self, field: &str) -> Option<Self> {
        match (self, field) {
            (Self::All, _) | (_, "labels" | "selector") => Some(Self::All),
            _ => LOOKED_AT.binary_search(&field).is_ok().then_some(self),
        }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    /// The octet offset in the text.
    pub(super) at: usize,
    pub(super) value: Value<'a>,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    /// A string: quoted, a block, or tagged as one.
    Text(Cow<'a, str>),
    /// A word without quotes. What type it has is for the YAML 1.2 core schema to say; JSON's
    /// numbers, booleans and null are such words too.
    Plain(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Map(Vec<(Key<'a>, Node<'a>)>),
}

/// A field's name and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Key<'a> {
    pub(super) at: usize,
    pub(super) name: Cow<'a, str>,
}

/// The type of a word without quotes (YAML 1.2.2, section 10.3.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Word {
    Null,
    Boolean(bool),
    Number,
    Text,
}

impl Word {
    pub(super) fn of(word: &str) -> Self {
        match word {
            "" | "~" | "null" | "Null" | "NULL" => Self::Null,
            "true" | "True" | "TRUE" => Self::Boolean(true),
            "false" | "False" | "FALSE" => Self::Boolean(false),
            _ if is_number(word) => Self::Number,
            _ => Self::Text,
        }
    }
}

fn is_number(word: &str) -> bool {
    let radix =
        |digits: &str, base| !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(base));
    if let Some(digits) = word.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = word.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let unsigned = word.strip_prefix(['-', '+']).unwrap_or(word);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(word, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    // Rust's own reading of a float also takes words such as `infinity`.
    unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') && word.parse::<f64>().is_ok()
}

impl<'a> Node<'a> {
    /// Whether this is null, in any of its spellings.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Plain(word) if Word::of(word) == Word::Null)
    }

    /// The value of `field`, if this is a mapping that has it and it is not null.
    pub(super) fn field(&self, field: &str) -> Option<&Self> {
        let Value::Map(fields) = &self.value else { return None };
        fields
            .iter()
            .find(|(key, _)| key.name == field)
            .map(|(_, node)| node)
            .filter(|n| !n.is_null())
    }

    /// What this is, in words.
    pub(super) fn type_name(&self) -> &'static str {
        match &self.value {
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
            Value::Plain(word) => match Word::of(word) {
                Word::Null => "null",
                Word::Boolean(_) => "a boolean",
                Word::Number => "a number",
                Word::Text => "a string",
            },
        }
    }

    /// The string, if this is one.
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Plain(word) if Word::of(word) == Word::Text => Some(word),
            _ => None,
        }
    }

    /// The words of a scalar, whatever its type.
    pub(super) fn as_written(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Plain(text) => Some(text),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// How many values this is made of, itself included.
    pub(super) fn size(&self) -> usize {
        1 + match &self.value {
            Value::List(items) => items.iter().map(Self::size).sum::<usize>(),
            Value::Map(fields) => fields.iter().map(|(_, node)| 1 + node.size()).sum(),
            Value::Text(_) | Value::Plain(_) => 0,
        }
    }

    /// A mapping of `fields` that begins at `at`.
    pub(super) fn map(at: usize, fields: Vec<(Key<'a>, Self)>) -> Self {
        Self { at, value: Value::Map(fields) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_fields_can_be_searched() {
        assert!(LOOKED_AT.is_sorted());
    }

    #[test]
    fn words_have_the_types_of_the_core_schema() {
        for (word, expected) in [
            ("", Word::Null),
            ("~", Word::Null),
            ("true", Word::Boolean(true)),
            ("FALSE", Word::Boolean(false)),
            ("80", Word::Number),
            ("-1", Word::Number),
            ("0x50", Word::Number),
            ("0o17", Word::Number),
            ("1e3", Word::Number),
            (".5", Word::Number),
            ("1.", Word::Number),
            ("-.inf", Word::Number),
            (".nan", Word::Number),
            ("99999999999999999999999999", Word::Number),
            ("infinity", Word::Text),
            ("nan", Word::Text),
            (".", Word::Text),
            ("-", Word::Text),
            ("0x", Word::Text),
            ("10.0.0.1", Word::Text),
            ("1-2", Word::Text),
            ("yes", Word::Text),
            ("None", Word::Text),
        ] {
            assert_eq!(Word::of(word), expected, "{word}");
        }
    }
}
