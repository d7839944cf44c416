//! The frame: head, header, body, trailer. Everything in a segment is one.

use bytes::{Buf, BufMut};

use crate::ids::{Epoch, JournalId, Seq};
use crate::record::RecordKind;

/// Length of a frame's head in bytes.
pub(crate) const HEAD_BYTES: usize = 64;
/// Length of a frame's trailer in bytes.
pub(crate) const TRAILER_BYTES: usize = 64;
/// Frames begin at multiples of this, so that a lost place is found again with few attempts.
pub(crate) const FRAME_ALIGN: u64 = 8;
/// Commits begin at multiples of this, so that none rewrites a disk block that holds something acknowledged.
pub(crate) const COMMIT_ALIGN: u64 = 4096;
/// What every frame begins with.
pub(crate) const MAGIC: [u8; 8] = *b"\x89OUTRFRM";

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// A record.
    Record(RecordKind),
    /// The first frame of a segment; its sequence is that of the first record to come.
    Opening,
    /// The last frame of a sealed segment; its sequence is that of the record after the last.
    Seal,
}

impl FrameKind {
    fn code(self) -> u8 {
        match self {
            Self::Record(kind) => kind.code(),
            Self::Opening => 0x40,
            Self::Seal => 0x41,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        match code {
            0x40 => Some(Self::Opening),
            0x41 => Some(Self::Seal),
            _ => RecordKind::from_code(code).map(Self::Record),
        }
    }
}

/// Where the body of a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// There is none.
    None,
    /// In the frame.
    Inline,
    /// In a file of its own, which the trailer names.
    File,
    /// It was let go.
    Released,
}

impl Place {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Inline => 1,
            Self::File => 2,
            Self::Released => 3,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [Self::None, Self::Inline, Self::File, Self::Released].into_iter().find(|place| place.code() == code)
    }

    /// Whether the bytes are still here.
    pub(crate) fn is_kept(self) -> bool {
        matches!(self, Self::Inline | Self::File)
    }
}

/// The first 64 bytes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHead {
    pub(crate) journal: JournalId,
    pub(crate) epoch: Epoch,
    pub(crate) kind: FrameKind,
    pub(crate) place: Place,
    pub(crate) seq: Seq,
    /// The first sequence of the commit it was written in.
    pub(crate) batch: Seq,
    pub(crate) header_length: u32,
    pub(crate) body_length: u64,
}

/// The last 64 bytes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) at_us: i64,
    /// SHA-256 of the body; zeros without one.
    pub(crate) sha256: [u8; 32],
    /// The name of the body's file; 0 if it has none.
    pub(crate) name: u128,
    /// CRC-32C of the body, or of the block table at the end of its file.
    pub(crate) body_crc: u32,
}

/// Why 64 bytes are not the head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAFrame {
    /// Something else stands there, or it is damaged.
    Unsound,
    /// A sound head of a kind this version does not know.
    UnknownKind(u8),
}

impl FrameHead {
    pub(crate) fn encode(&self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        let mut rest = bytes.as_mut_slice();
        rest.put_slice(&MAGIC);
        rest.put_u128(self.journal.0);
        rest.put_u32_le(self.epoch.0);
        rest.put_u8(self.kind.code());
        rest.put_u8(self.place.code());
        rest.put_u16_le(0);
        rest.put_u64_le(self.seq.0);
        rest.put_u64_le(self.batch.0);
        rest.put_u32_le(self.header_length);
        rest.put_u64_le(self.body_length);
        put_crc(&mut bytes);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; HEAD_BYTES]) -> Result<Self, NotAFrame> {
        let mut rest = bytes.as_slice();
        if !rest.starts_with(&MAGIC) || !crc_holds(bytes) {
            return Err(NotAFrame::Unsound);
        }
        rest.advance(MAGIC.len());
        let journal = JournalId(rest.get_u128());
        let epoch = Epoch(rest.get_u32_le());
        let (kind, place) = (rest.get_u8(), rest.get_u8());
        rest.advance(2);
        Ok(Self {
            journal,
            epoch,
            kind: FrameKind::from_code(kind).ok_or(NotAFrame::UnknownKind(kind))?,
            place: Place::from_code(place).ok_or(NotAFrame::UnknownKind(kind))?,
            seq: Seq(rest.get_u64_le()),
            batch: Seq(rest.get_u64_le()),
            header_length: rest.get_u32_le(),
            body_length: rest.get_u64_le(),
        })
    }

    /// Bytes of the body that stand in the frame.
    pub(crate) fn inline_length(&self) -> u64 {
        if self.place == Place::Inline { self.body_length } else { 0 }
    }

    /// Bytes between the start of the frame and its trailer.
    pub(crate) fn trailer_offset(&self) -> u64 {
        self.body_offset().saturating_add(self.inline_length())
    }

    /// Bytes between the start of the frame and its body.
    pub(crate) fn body_offset(&self) -> u64 {
        HEAD_BYTES as u64 + u64::from(self.header_length)
    }

    /// Bytes from the start of the frame to where the next may begin.
    pub(crate) fn frame_length(&self) -> u64 {
        self.trailer_offset().saturating_add(TRAILER_BYTES as u64).saturating_add(FRAME_ALIGN - 1)
            / FRAME_ALIGN
            * FRAME_ALIGN
    }
}

impl Trailer {
    /// The trailer's bytes; its checksum covers head and header too.
    pub(crate) fn encode(&self, head: &[u8; HEAD_BYTES], header: &[u8]) -> [u8; TRAILER_BYTES] {
        let mut bytes = [0; TRAILER_BYTES];
        let mut rest = bytes.as_mut_slice();
        rest.put_i64_le(self.at_us);
        rest.put_slice(&self.sha256);
        rest.put_u128(self.name);
        rest.put_u32_le(self.body_crc);
        let crc = trailer_crc(&bytes, head, header);
        if let Some(end) = bytes.last_chunk_mut::<4>() {
            *end = crc.to_le_bytes();
        }
        bytes
    }

    /// The trailer, if it belongs to this head and header and all three are as written.
    pub(crate) fn decode(
        bytes: &[u8; TRAILER_BYTES],
        head: &[u8; HEAD_BYTES],
        header: &[u8],
    ) -> Option<Self> {
        if bytes.last_chunk::<4>() != Some(&trailer_crc(bytes, head, header).to_le_bytes()) {
            return None;
        }
        let mut rest = bytes.as_slice();
        let at_us = rest.get_i64_le();
        let mut sha256 = [0; 32];
        rest.copy_to_slice(&mut sha256);
        Some(Self { at_us, sha256, name: rest.get_u128(), body_crc: rest.get_u32_le() })
    }
}

fn trailer_crc(trailer: &[u8; TRAILER_BYTES], head: &[u8; HEAD_BYTES], header: &[u8]) -> u32 {
    let covered = trailer.split_last_chunk::<4>().map_or(trailer.as_slice(), |(covered, _)| covered);
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(head), header), covered)
}

fn put_crc(bytes: &mut [u8; HEAD_BYTES]) {
    if let Some((covered, crc)) = bytes.split_last_chunk_mut::<4>() {
        *crc = crc32c::crc32c(covered).to_le_bytes();
    }
}

fn crc_holds(bytes: &[u8; HEAD_BYTES]) -> bool {
    bytes.split_last_chunk::<4>().is_some_and(|(covered, crc)| *crc == crc32c::crc32c(covered).to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> FrameHead {
        FrameHead {
            journal: JournalId(0x0123_4567_89AB_CDEF_0011_2233_4455_6677),
            epoch: Epoch(3),
            kind: FrameKind::Record(RecordKind::Object),
            place: Place::Inline,
            seq: Seq(77),
            batch: Seq(70),
            header_length: 2,
            body_length: 5,
        }
    }

    #[test]
    fn a_frame_is_read_as_written_and_any_flipped_bit_is_seen() {
        let trailer = Trailer { at_us: -4, sha256: [9; 32], name: 5, body_crc: 6 };
        let head_bytes = head().encode();
        let trailer_bytes = trailer.encode(&head_bytes, b"{}");
        assert_eq!(FrameHead::decode(&head_bytes), Ok(head()));
        assert_eq!(Trailer::decode(&trailer_bytes, &head_bytes, b"{}"), Some(trailer));
        for bit in 0..HEAD_BYTES * 8 {
            let mut flipped = head_bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FrameHead::decode(&flipped), Err(NotAFrame::Unsound), "bit {bit} of the head");
            let mut flipped = trailer_bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Trailer::decode(&flipped, &head_bytes, b"{}"), None, "bit {bit} of the trailer");
        }
        assert_eq!(Trailer::decode(&trailer_bytes, &head_bytes, b"{ "), None);
    }

    #[test]
    fn a_kind_of_a_newer_version_is_told_from_damage() {
        let mut bytes = head().encode();
        bytes[28] = 0x3F;
        put_crc(&mut bytes);
        assert_eq!(FrameHead::decode(&bytes), Err(NotAFrame::UnknownKind(0x3F)));
    }

    #[test]
    fn lengths_add_up() {
        assert_eq!(head().frame_length(), 136);
        let released = FrameHead { place: Place::Released, ..head() };
        assert_eq!(released.frame_length(), 136);
    }
}
