//! Domain names in wire form: the one representation that every room uses.
//!
//! A [`Name`] is complete (it ends with the root label), at most 255 octets long with labels of at
//! most 63 (RFC 1035, section 2.3.4), and lower-cased, since every comparison here is
//! case-insensitive in ASCII (RFC 4343). The case that a client wrote is kept where it belongs: in
//! the client's own question.

use std::fmt;

/// The longest name in wire form, in octets (RFC 1035, section 2.3.4).
pub const MAX_NAME: usize = 255;
/// The longest label, in octets (RFC 1035, section 2.3.4).
pub const MAX_LABEL: usize = 63;

/// A domain name: wire form, lower case, ending with the root label.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Name(Box<[u8]>);

/// Why a text or a run of octets is not a domain name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NameError {
    /// Two dots stand side by side, or the text begins with one.
    #[error("a label is empty")]
    EmptyLabel,
    /// A label exceeds [`MAX_LABEL`].
    #[error("a label is longer than {MAX_LABEL} octets")]
    LongLabel,
    /// The name exceeds [`MAX_NAME`].
    #[error("the name is longer than {MAX_NAME} octets on the wire")]
    LongName,
    /// A character that this server does not take in a written name.
    #[error("'{0}' may not stand in a name")]
    Character(char),
    /// Wire octets that end in the middle of a label, or go on behind the root.
    #[error("the octets are not one whole name")]
    Wire,
}

impl Name {
    /// The root, `.`.
    pub fn root() -> Self {
        Self(Box::new([0]))
    }

    /// Reads `text`, with or without its trailing dot. Letters, digits, `-` and `_` are taken, and
    /// a label of one `*`; an empty text or `.` is the root.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let mut wire = Vec::with_capacity(text.len() + 2);
        push_relative(&mut wire, text)?;
        wire.push(0);
        if wire.len() > MAX_NAME {
            return Err(NameError::LongName);
        }
        Ok(Self(wire.into_boxed_slice()))
    }

    /// Takes an uncompressed name in wire form, whatever its case.
    pub fn from_wire(wire: &[u8]) -> Result<Self, NameError> {
        if wire.len() > MAX_NAME {
            return Err(NameError::LongName);
        }
        let mut at = 0;
        loop {
            match wire.get(at) {
                Some(0) if at + 1 == wire.len() => break,
                Some(&len) if len != 0 && usize::from(len) <= MAX_LABEL => {
                    at += 1 + usize::from(len);
                }
                _ => return Err(NameError::Wire),
            }
        }
        Ok(Self(wire.to_ascii_lowercase().into_boxed_slice()))
    }

    /// The octets, the root label included.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// The octets without the root label: what stands in front of a parent.
    pub fn relative(&self) -> &[u8] {
        self.0.split_last().map_or(&[], |(_, rest)| rest)
    }

    /// Whether this is `.`.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// How many labels there are, the root not counted.
    pub fn label_count(&self) -> usize {
        self.labels().count()
    }

    /// The labels from left to right, the root not among them.
    pub fn labels(&self) -> Labels<'_> {
        labels(self.relative())
    }

    /// Whether this name is `zone` or stands below it.
    pub fn is_within(&self, zone: &Self) -> bool {
        is_within(self.as_wire(), zone.as_wire())
    }

    /// The name `prefix` (labels in wire form, no root) in front of this one.
    pub fn prepend(&self, prefix: &[u8]) -> Result<Self, NameError> {
        let mut wire = prefix.to_ascii_lowercase();
        wire.extend_from_slice(&self.0);
        Self::from_wire(&wire)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Presentation form with the trailing dot (RFC 1035, section 5.1).
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for label in self.labels() {
            write_label(f, label)?;
            f.write_str(".")?;
        }
        Ok(())
    }
}

/// Writes one label in presentation form, escaping what RFC 1035, section 5.1 wants escaped.
pub fn write_label(f: &mut impl fmt::Write, label: &[u8]) -> fmt::Result {
    for &octet in label {
        match octet {
            b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => {
                write!(f, "\\{}", char::from(octet))?;
            }
            0x21..=0x7e => f.write_char(char::from(octet))?,
            _ => write!(f, "\\{octet:03}")?,
        }
    }
    Ok(())
}

/// The labels of wire octets that hold no root label.
#[derive(Clone, Debug)]
pub struct Labels<'a>(&'a [u8]);

/// The labels of `relative`, octets in wire form without a root label.
pub fn labels(relative: &[u8]) -> Labels<'_> {
    Labels(relative)
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let (&len, rest) = self.0.split_first()?;
        if len == 0 {
            return None;
        }
        let (label, rest) = rest.split_at_checked(usize::from(len))?;
        self.0 = rest;
        Some(label)
    }
}

/// Whether `name` is `parent` or stands below it, both in lower case and wire form.
pub fn is_within(name: &[u8], parent: &[u8]) -> bool {
    let mut rest = name;
    while rest.len() > parent.len() {
        match rest.first() {
            Some(&len) if len != 0 => rest = rest.get(1 + usize::from(len)..).unwrap_or(&[]),
            _ => return false,
        }
    }
    rest == parent
}

/// Appends `text`'s labels in wire form, lower-cased, without a root label.
pub fn push_relative(wire: &mut Vec<u8>, text: &str) -> Result<(), NameError> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.is_empty() {
        return Ok(());
    }
    for label in text.split('.') {
        push_label(wire, label)?;
    }
    Ok(())
}

/// Appends one label in wire form, lower-cased.
pub fn push_label(wire: &mut Vec<u8>, label: &str) -> Result<(), NameError> {
    if label.is_empty() {
        return Err(NameError::EmptyLabel);
    }
    let len = u8::try_from(label.len()).map_err(|_| NameError::LongLabel)?;
    if usize::from(len) > MAX_LABEL {
        return Err(NameError::LongLabel);
    }
    if label != "*" {
        let odd = |c: &char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if let Some(c) = label.chars().find(odd) {
            return Err(NameError::Character(c));
        }
    }
    wire.push(len);
    wire.extend(label.bytes().map(|b| b.to_ascii_lowercase()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_wire_are_one_name() {
        let name = Name::parse("Svc.Cluster.LOCAL.").unwrap();
        assert_eq!(name.as_wire(), b"\x03svc\x07cluster\x05local\x00");
        assert_eq!(name.to_string(), "svc.cluster.local.");
        assert_eq!(Name::from_wire(b"\x03SVC\x07cluster\x05local\x00").unwrap(), name);
        assert_eq!(name.label_count(), 3);
        assert!(name.is_within(&Name::parse("cluster.local").unwrap()));
        assert!(name.is_within(&Name::root()));
        assert!(!name.is_within(&Name::parse("luster.local").unwrap()));
    }

    #[test]
    fn limits_are_those_of_the_rfc() {
        let label = "a".repeat(63);
        assert!(Name::parse(&label).is_ok());
        assert_eq!(Name::parse(&"a".repeat(64)), Err(NameError::LongLabel));
        // Three labels of 63 and one of 61 make 255 octets with the root.
        let longest = format!("{label}.{label}.{label}.{}", "b".repeat(61));
        assert_eq!(Name::parse(&longest).unwrap().as_wire().len(), 255);
        assert_eq!(Name::parse(&format!("{longest}b")), Err(NameError::LongName));
        assert_eq!(Name::parse("a..b"), Err(NameError::EmptyLabel));
        assert_eq!(Name::parse("a b"), Err(NameError::Character(' ')));
        assert_eq!(Name::from_wire(b"\x03ab\x00"), Err(NameError::Wire));
        assert_eq!(Name::from_wire(b"\x01a\x00\x00"), Err(NameError::Wire));
        assert_eq!(Name::from_wire(b""), Err(NameError::Wire));
    }

    #[test]
    fn odd_octets_are_escaped() {
        let name = Name::from_wire(b"\x04a.b\x07\x00").unwrap();
        assert_eq!(name.to_string(), "a\\.b\\007.");
    }
}
