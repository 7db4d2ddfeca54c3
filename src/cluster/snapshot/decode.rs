//! A file's octets into its header and objects, trusting none of them.

use super::encode::MAGIC;
use super::{Header, Origin, State};
pub(super) use crate::cluster::packed::Flaw;
use crate::cluster::packed::{self, Cursor, Recent};
use crate::cluster::{Kind, KindSet, Object};

/// How long magic, version and the header's length are together.
pub(super) const PREFIX: usize = 16;
/// How long the header's checksum is.
pub(super) const CHECK: usize = 4;

/// The version and the header's length, from the first octets of a file.
pub(super) fn prefix(octets: &[u8; PREFIX]) -> Result<(u32, u32), Flaw> {
    let mut cursor = Cursor::new(octets);
    if cursor.array()? != MAGIC {
        return Err("it does not begin as a snapshot does");
    }
    Ok((u32::from_le_bytes(cursor.array()?), u32::from_le_bytes(cursor.array()?)))
}

/// What the header says of the body.
#[derive(Debug)]
pub(super) struct Promise {
    pub(super) len: u64,
    check: u32,
    counts: [u64; Kind::ALL.len()],
}

/// Reads a header's fields.
pub(super) fn header(fields: &[u8]) -> Result<(Header, Promise), Flaw> {
    let mut cursor = Cursor::new(fields);
    let serial = cursor.small()?;
    let written = cursor.number()?;
    let bits = cursor.octet()?;
    let mut kinds = KindSet::EMPTY;
    Kind::ALL.into_iter().filter(|kind| bits & (1 << *kind as u8) != 0).for_each(|kind| {
        kinds.insert(kind);
    });
    let mut counts = [0; Kind::ALL.len()];
    for count in &mut counts {
        *count = cursor.number()?;
    }
    let len = cursor.number()?;
    let check = u32::from_le_bytes(cursor.array()?);
    let mut parts = Vec::new();
    for _ in 0..cursor.count()? {
        parts.push((cursor.lone_text()?.into(), cursor.lone_text()?.into()));
    }
    if bits >> Kind::ALL.len() != 0 || !cursor.is_at_end() {
        return Err("its header holds more than a header does");
    }
    let state = State { serial, kinds };
    let header = Header { origin: Origin::of_parts(parts), state, written };
    Ok((header, Promise { len, check, counts }))
}

/// Whether `body` is all that was promised, down to its last object.
pub(super) fn verify(body: &[u8], promise: &Promise) -> Result<(), Flaw> {
    if crc32fast::hash(body) != promise.check {
        return Err("the checksum of its objects is wrong");
    }
    let mut counts = [0; Kind::ALL.len()];
    objects(body, |object| {
        if let Some(count) = counts.get_mut(object.kind() as usize) {
            *count += 1;
        }
    })?;
    if counts != promise.counts {
        return Err("it does not hold as many objects as its header says");
    }
    Ok(())
}

/// Hands over every object of `body`.
pub(super) fn objects(body: &[u8], mut sink: impl FnMut(Object)) -> Result<(), Flaw> {
    let (mut cursor, mut recent) = (Cursor::new(body), Recent::default());
    while !cursor.is_at_end() {
        sink(packed::read(&mut cursor, &mut recent)?);
    }
    Ok(())
}
