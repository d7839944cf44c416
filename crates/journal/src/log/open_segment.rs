//! The segment that takes appends.

use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::Bytes;
use outrigger_runtime::DiskFile;
use sha2::{Digest, Sha256};

use crate::ahead::Ahead;
use crate::ids::{Epoch, JournalId, Seq};
use crate::log::contents::{Tally, Written};
use crate::log::frame::{
    COMMIT_ALIGN, FRAME_ALIGN, FrameHead, FrameKind, HEAD_BYTES, Place, TRAILER_BYTES, Trailer,
};
use crate::log::seal::{Opening, SEAL_END_BYTES, encode_seal_body, seal_end};
use crate::ranges::Ranges;

const ZEROS: [u8; 8] = [0; 8];

/// The segment that takes appends.
#[derive(Debug)]
pub(crate) struct OpenSegment {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) opening: Opening,
    pub(crate) tally: Tally,
    /// Where the frames end.
    pub(crate) end: u64,
    ahead: Ahead,
    layout: Layout,
}

/// How frames are put into a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Each write begins at a multiple of this.
    pub(crate) align: u64,
    /// No room is made in advance beyond this.
    pub(crate) size_max: u64,
}

impl Layout {
    /// For appends: each commit in blocks of its own, and room in advance.
    pub(crate) fn append(size_max: u64) -> Self {
        Self { align: COMMIT_ALIGN, size_max }
    }

    /// For carrying forward, where nothing counts before all is synced: frame behind frame.
    pub(crate) const PACKED: Self = Self { align: FRAME_ALIGN, size_max: 0 };

    fn start(self, offset: u64) -> u64 {
        offset.div_ceil(self.align).saturating_mul(self.align)
    }
}

/// A frame ready to be written.
#[derive(Debug)]
pub(crate) struct Ready<'a> {
    pub(crate) head: FrameHead,
    pub(crate) header: &'a [u8],
    /// The body, where it stands in the frame.
    pub(crate) pieces: &'a [Bytes],
    pub(crate) trailer: Trailer,
    head_bytes: [u8; HEAD_BYTES],
    trailer_bytes: [u8; TRAILER_BYTES],
}

impl<'a> Ready<'a> {
    pub(crate) fn new(head: FrameHead, header: &'a [u8], pieces: &'a [Bytes], trailer: Trailer) -> Self {
        let head_bytes = head.encode();
        let trailer_bytes = trailer.encode(&head_bytes, header);
        Self { head, header, pieces, trailer, head_bytes, trailer_bytes }
    }

    /// Its parts, in order, with the zeros up to the next frame.
    pub(crate) fn parts(&self) -> impl Iterator<Item = IoSlice<'_>> {
        let unpadded = self.head.trailer_offset() + TRAILER_BYTES as u64;
        let padding = usize::try_from(self.head.frame_length() - unpadded).unwrap_or(0);
        let before = [self.head_bytes.as_slice(), self.header].map(IoSlice::new);
        let behind =
            [self.trailer_bytes.as_slice(), ZEROS.get(..padding).unwrap_or_default()].map(IoSlice::new);
        before.into_iter().chain(self.pieces.iter().map(|piece| IoSlice::new(piece))).chain(behind)
    }

    /// How it counts, once it stands at `offset`.
    pub(crate) fn written(&self, offset: u64) -> Written<'_> {
        Written {
            offset,
            head: &self.head,
            head_bytes: &self.head_bytes,
            header: self.header,
            trailer_bytes: &self.trailer_bytes,
            name: self.trailer.name,
        }
    }
}

/// The frame of an opening or a seal.
pub(crate) fn structural<'a>(
    journal: JournalId,
    epoch: Epoch,
    (kind, seq): (FrameKind, Seq),
    header: &'a [u8],
    pieces: &'a [Bytes],
) -> Ready<'a> {
    let body_length = pieces.iter().map(|piece| piece.len() as u64).sum();
    let place = if body_length == 0 { Place::None } else { Place::Inline };
    let header_length = u32::try_from(header.len()).unwrap_or(u32::MAX);
    let head = FrameHead { journal, epoch, kind, place, seq, batch: seq, header_length, body_length };
    let mut sha256 = Sha256::new();
    let mut body_crc = 0;
    for piece in pieces {
        sha256.update(piece);
        body_crc = crc32c::crc32c_append(body_crc, piece);
    }
    let sha256 = if place == Place::None { [0; 32] } else { sha256.finalize().into() };
    Ready::new(head, header, pieces, Trailer { at_us: 0, sha256, name: 0, body_crc })
}

impl OpenSegment {
    /// Begins a segment in an empty file: makes room and writes the opening, without sync.
    pub(crate) fn begin(
        file: Arc<dyn DiskFile>,
        opening: Opening,
        (journal, epoch, next): (JournalId, Epoch, Seq),
        layout: Layout,
    ) -> io::Result<Self> {
        let header = serde_json::to_vec(&opening).map_err(io::Error::other)?;
        let ready = structural(journal, epoch, (FrameKind::Opening, next), &header, &[]);
        let tally = Tally::starting_at(next);
        let ahead = Ahead::new(0, layout.size_max);
        let mut segment = Self { file, opening, tally, end: 0, ahead, layout };
        let length = ready.head.frame_length();
        segment.ahead.make(&*segment.file, 0, length)?;
        segment.file.write_at(&ready.parts().collect::<Vec<_>>(), 0)?;
        segment.tally.frame(&ready.written(0));
        segment.end = length;
        Ok(segment)
    }

    /// A segment that was open before a crash, to be sealed.
    pub(crate) fn resumed(file: Arc<dyn DiskFile>, opening: Opening, tally: Tally, end: u64) -> Self {
        let layout = Layout::append(end);
        Self { file, opening, tally, end, ahead: Ahead::new(end, layout.size_max), layout }
    }

    /// Writes frames behind the last, without sync; nothing counts until [`OpenSegment::written`].
    pub(crate) fn write(&mut self, frames: &[Ready<'_>]) -> io::Result<()> {
        let start = self.layout.start(self.end);
        let length: u64 = frames.iter().map(|frame| frame.head.frame_length()).sum();
        self.ahead.make(&*self.file, self.end, start.saturating_add(length))?;
        let parts: Vec<IoSlice<'_>> = frames.iter().flat_map(Ready::parts).collect();
        self.file.write_at(&parts, start)
    }

    /// Counts frames that were written and synced, and gives where each stands.
    pub(crate) fn written(&mut self, frames: &[Ready<'_>]) -> Vec<u64> {
        let mut offset = self.layout.start(self.end);
        let mut offsets = Vec::with_capacity(frames.len());
        for frame in frames {
            self.tally.frame(&frame.written(offset));
            offsets.push(offset);
            offset += frame.head.frame_length();
        }
        self.end = offset;
        offsets
    }

    /// Takes back whatever was written behind the last frame that counts.
    pub(crate) fn roll_back(&mut self) -> io::Result<()> {
        self.ahead.roll_back(&*self.file, self.end)
    }

    /// Writes the seal at `start` or behind it and cuts the file there, without sync; gives the length of the file.
    pub(crate) fn seal(
        &mut self,
        (journal, epoch): (JournalId, Epoch),
        start: u64,
        doubtful: Ranges,
    ) -> io::Result<u64> {
        let start = self.layout.start(start);
        let seal = self.tally.seal(self.opening.clone(), doubtful);
        let header = serde_json::to_vec(&seal).map_err(io::Error::other)?;
        let body = [Bytes::from(encode_seal_body(&self.tally.table, &self.tally.names))];
        let next = self.tally.table.end();
        let ready = structural(journal, epoch, (FrameKind::Seal, next), &header, &body);
        let end = start + ready.head.frame_length();
        self.ahead.roll_back(&*self.file, start)?;
        let mark = seal_end(start);
        let parts: Vec<IoSlice<'_>> = ready.parts().chain([IoSlice::new(&mark)]).collect();
        self.file.write_at(&parts, start)?;
        Ok(end + SEAL_END_BYTES as u64)
    }
}

const _: () = assert!(FRAME_ALIGN == ZEROS.len() as u64);
