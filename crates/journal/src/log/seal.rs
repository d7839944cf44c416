//! The two frames of a segment that are no records: its opening and its seal.

use bytes::{Buf, BufMut, Bytes};
use serde::{Deserialize, Serialize};

use crate::ids::Seq;
use crate::log::frame::Place;
use crate::log::table::Table;
use crate::ranges::Ranges;

/// The last 16 bytes of a sealed segment: where its seal begins, and this.
pub(crate) const SEAL_MARK: [u8; 8] = *b"\x89OUTSEAL";
/// Length of the end of a sealed segment behind its seal.
pub(crate) const SEAL_END_BYTES: usize = 16;

/// What the opening of a segment says, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Opening {
    /// Version of the format.
    pub(crate) format: u32,
    /// The first and last segment number that this file stands for.
    pub(crate) segments: (u32, u32),
    /// How often what is in it was carried forward.
    pub(crate) rewrites: u32,
    /// The hash of the segment before, in hex; none for the first.
    pub(crate) previous: Option<String>,
    /// What the next segment names as its previous, where this file was rewritten since; in hex.
    pub(crate) original: Option<String>,
}

/// What the seal of a segment says, as JSON; its body holds the table and the names of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seal {
    /// What the opening says.
    pub(crate) opening: Opening,
    /// The first number in the table.
    pub(crate) first: Seq,
    /// Numbers in the table.
    pub(crate) numbers: u32,
    /// Frames of records.
    pub(crate) entries: u64,
    /// Bodies that are kept.
    pub(crate) bodies: u64,
    /// Bytes of kept bodies in frames.
    pub(crate) inline_bytes: u64,
    /// Bytes of frames without those bodies.
    pub(crate) frame_bytes: u64,
    /// Bodies that the release records in this segment let go.
    pub(crate) released: Ranges,
    /// Numbers that the void records in this segment explain.
    pub(crate) void: Ranges,
    /// Lost numbers, anywhere in the journal, that may never have been acknowledged.
    pub(crate) doubtful: Ranges,
    /// SHA-256 of all frames but this one without bodies and padding, in hex.
    pub(crate) hash: String,
}

/// The body of a seal: the table, then the name of each body kept in a file, in order.
pub(crate) fn encode_seal_body(table: &Table, names: &[u128]) -> Vec<u8> {
    let mut body = Vec::new();
    table.encode(&mut body);
    for name in names {
        body.put_u128(*name);
    }
    body
}

/// The table and the names in the body of a seal.
pub(crate) fn decode_seal_body(seal: &Seal, mut body: Bytes) -> Option<(Table, Vec<u128>)> {
    let table = Table::decode(seal.first, usize::try_from(seal.numbers).ok()?, &mut body)?;
    let count = table.slots().filter(|slot| slot.place == Place::File).count();
    if body.len() != count.checked_mul(16)? {
        return None;
    }
    let names = (0..count).map(|_| body.get_u128()).collect();
    Some((table, names))
}

/// The end of a sealed segment.
pub(crate) fn seal_end(offset: u64) -> [u8; SEAL_END_BYTES] {
    let mut end = [0; SEAL_END_BYTES];
    let mut rest = end.as_mut_slice();
    rest.put_u64_le(offset);
    rest.put_slice(&SEAL_MARK);
    end
}

/// Where the seal begins, from the end of a sealed segment.
pub(crate) fn seal_offset(end: &[u8; SEAL_END_BYTES]) -> Option<u64> {
    let mut rest = end.as_slice();
    let offset = rest.get_u64_le();
    (rest == SEAL_MARK.as_slice()).then_some(offset)
}

/// A hash in hex, as it stands in openings and seals.
pub(crate) fn hex(hash: &[u8]) -> String {
    hash.iter().fold(String::with_capacity(hash.len() * 2), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('?'));
        }
        text
    })
}
