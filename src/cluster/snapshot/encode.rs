//! A state into a file's octets: the header, and one object behind the other.
//!
//! A state is packed in memory first, so that its length and its checksum can stand before it, and
//! no disk holds up whoever hands it over: packed, an endpoint takes half a dozen octets.

use super::{Header, Origin, State, Stored, VERSION};
use crate::cluster::Kind;
use crate::cluster::packed::{self, Recent, put_count, put_lone_text, put_number};

/// What every file of every version begins with. The line end in it tells a copy that was mangled
/// as text.
pub(super) const MAGIC: [u8; 8] = *b"FPSTATE\n";
/// How much of the packed body is kept in one piece: a growing single one would be copied as it
/// grows, and be there twice.
const PIECE: usize = 256 << 10;

/// A whole file, ready to be written.
#[derive(Debug)]
pub struct Packed {
    head: Vec<u8>,
    body: Vec<Vec<u8>>,
}

impl Packed {
    /// How many octets the file has.
    pub fn len(&self) -> usize {
        self.pieces().map(<[u8]>::len).sum()
    }

    /// Never: a file without objects has a header.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The file's octets, piece by piece.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(&*self.head).chain(self.body.iter().map(|piece| &**piece))
    }
}

/// Packs what `state` hands over. Nothing comes of it if `state` says that there is none now.
pub fn pack(
    origin: &Origin,
    written: u64,
    state: impl FnOnce(&mut dyn FnMut(Stored<'_>)) -> Option<State>,
) -> Option<Packed> {
    let mut body = Body::default();
    let state = state(&mut |object| body.put(object))?;
    let header = Header { origin: origin.clone(), state, written };
    Some(Packed { head: head(&header, &body), body: body.pieces })
}

/// The header with what goes before and behind it: magic, version and length, and its checksum.
/// That frame is the same in every version, so that a newer one is told from a damaged one.
fn head(header: &Header, body: &Body) -> Vec<u8> {
    let mut fields = Vec::new();
    put_number(&mut fields, u64::from(header.state.serial));
    put_number(&mut fields, header.written);
    let kinds = header.state.kinds.iter();
    fields.push(kinds.fold(0, |bits, kind| bits | 1 << kind as u8));
    for count in body.counts {
        put_number(&mut fields, count);
    }
    put_number(&mut fields, body.len);
    fields.extend_from_slice(&body.check.clone().finalize().to_le_bytes());
    let parts = header.origin.parts();
    put_count(&mut fields, parts.len());
    for (what, value) in parts {
        put_lone_text(&mut fields, what);
        put_lone_text(&mut fields, value);
    }
    let mut head = MAGIC.to_vec();
    head.extend_from_slice(&VERSION.to_le_bytes());
    // A header of four gigabytes has no origin that was ever configured; it would be refused.
    head.extend_from_slice(&u32::try_from(fields.len()).unwrap_or(u32::MAX).to_le_bytes());
    head.extend_from_slice(&fields);
    let check = crc32fast::hash(&head);
    head.extend_from_slice(&check.to_le_bytes());
    head
}

/// The objects packed so far.
#[derive(Default)]
struct Body {
    pieces: Vec<Vec<u8>>,
    len: u64,
    check: crc32fast::Hasher,
    counts: [u64; Kind::ALL.len()],
    recent: Recent,
    object: Vec<u8>,
}

impl Body {
    fn put(&mut self, object: Stored<'_>) {
        self.object.clear();
        let kind = packed::write(&mut self.object, &mut self.recent, object);
        if let Some(count) = self.counts.get_mut(kind as usize) {
            *count += 1;
        }
        self.len += self.object.len() as u64;
        self.check.update(&self.object);
        let mut rest = &*self.object;
        while !rest.is_empty() {
            let room = self.pieces.last().map_or(0, |piece| PIECE.saturating_sub(piece.len()));
            let (now, later) = rest.split_at(rest.len().min(room));
            match self.pieces.last_mut() {
                Some(piece) if room > 0 => piece.extend_from_slice(now),
                _ => self.pieces.push(Vec::with_capacity(PIECE)),
            }
            rest = later;
        }
    }
}
