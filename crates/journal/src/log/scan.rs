//! Finding the frames of a segment, also behind damage.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use outrigger_runtime::DiskFile;

use crate::ids::{JournalId, Seq};
use crate::log::frame::{
    COMMIT_ALIGN, FRAME_ALIGN, FrameHead, HEAD_BYTES, MAGIC, NotAFrame, TRAILER_BYTES, Trailer,
};
use crate::log::window::Window;
use crate::options::{HEADER_BYTES_MAX, SEAL_BODY_BYTES_MAX};

/// Bytes read at once; a scan reads everything.
const AHEAD_BYTES: usize = 1 << 20;

/// A place in a segment, as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// A frame whose head, header and trailer are as written.
    Frame(Box<FoundFrame>),
    /// Bytes that are no frame and ought to be, or ought to be zero.
    Bad(Bad),
}

/// A frame and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundFrame {
    pub(crate) offset: u64,
    pub(crate) head: FrameHead,
    pub(crate) header: Bytes,
    pub(crate) trailer: Trailer,
    pub(crate) body: Soundness,
    /// The body of a seal; other bodies are checked and passed over.
    pub(crate) seal_body: Bytes,
}

/// Whether the bytes of a body in a frame are as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Soundness {
    /// They are, or there are none in the frame.
    Sound,
    /// They are not.
    Damaged,
}

/// Bytes that are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bad {
    pub(crate) offset: u64,
    pub(crate) end: u64,
    /// The sequence, where a sound head names it.
    pub(crate) seq: Option<Seq>,
    /// A sound head of a kind that this version does not know.
    pub(crate) unknown_kind: Option<u8>,
}

impl FoundFrame {
    /// Where its trailer ends.
    pub(crate) fn unfilled_end(&self) -> u64 {
        self.offset.saturating_add(self.head.trailer_offset()).saturating_add(TRAILER_BYTES as u64)
    }

    /// Where the frame ends, with the bytes that fill it up.
    pub(crate) fn end(&self) -> u64 {
        self.offset.saturating_add(self.head.frame_length())
    }
}

/// Walks through the frames of a segment from front to back.
#[derive(Debug)]
pub(crate) struct Scan {
    window: Window,
    journal: JournalId,
    position: u64,
    /// Sequences only grow, so that bytes of a body that look like an older frame are not taken for one.
    least: Seq,
}

enum At {
    Frame(Box<FoundFrame>),
    /// No frame begins here.
    Nothing,
    /// A sound head, but what follows is not what it announces.
    Broken {
        seq: Seq,
        end: u64,
    },
    UnknownKind(u8),
}

impl Scan {
    /// A scan of the first `length` bytes of a segment of `journal`.
    pub(crate) fn new(file: Arc<dyn DiskFile>, length: u64, journal: JournalId) -> Self {
        Self { window: Window::new(file, length, AHEAD_BYTES), journal, position: 0, least: Seq(0) }
    }

    /// Up to where it has looked.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next frame or bad place; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Found>> {
        let Some(found) = self.skip_zeros(self.position)? else { return Ok(None) };
        let start = found / FRAME_ALIGN * FRAME_ALIGN;
        // Bytes that fill a frame up ought to be zero too; no frame begins there.
        let at = if start < self.position { At::Nothing } else { self.frame_at(start)? };
        match at {
            At::Frame(frame) => {
                self.position = frame.unfilled_end();
                self.least = frame.head.seq;
                Ok(Some(Found::Frame(frame)))
            }
            At::Broken { seq, end } => {
                self.position = end;
                Ok(Some(Found::Bad(Bad { offset: start, end, seq: Some(seq), unknown_kind: None })))
            }
            At::UnknownKind(kind) => {
                let end = self.resume(start)?;
                Ok(Some(Found::Bad(Bad { offset: start, end, seq: None, unknown_kind: Some(kind) })))
            }
            At::Nothing => {
                let end = self.resume(start)?;
                Ok(Some(Found::Bad(Bad { offset: start, end, seq: None, unknown_kind: None })))
            }
        }
    }

    /// The first byte at or behind `from` that is not zero.
    fn skip_zeros(&mut self, from: u64) -> io::Result<Option<u64>> {
        let mut position = from;
        loop {
            let room = usize::try_from(self.window.end().saturating_sub(position)).unwrap_or(usize::MAX);
            let step =
                room.min(usize::try_from(COMMIT_ALIGN - position % COMMIT_ALIGN).unwrap_or(usize::MAX));
            if step == 0 {
                return Ok(None);
            }
            let Some(bytes) = self.window.get(position, step)? else { return Ok(None) };
            if let Some(at) = bytes.iter().position(|byte| *byte != 0) {
                return Ok(Some(position + at as u64));
            }
            position += step as u64;
        }
    }

    /// Goes on to the next sound frame behind the bad place at `from`, and gives where the bad place ends.
    fn resume(&mut self, from: u64) -> io::Result<u64> {
        let mut position = from + FRAME_ALIGN;
        let mut bad_end = position;
        while let Some(magic) = self.window.array::<8>(position)? {
            if magic == MAGIC && !matches!(self.frame_at(position)?, At::Nothing) {
                self.position = position;
                return Ok(position);
            }
            position += FRAME_ALIGN;
            if magic != [0; 8] {
                bad_end = position;
            }
        }
        self.position = self.window.end();
        Ok(bad_end.min(self.position))
    }

    fn frame_at(&mut self, offset: u64) -> io::Result<At> {
        let Some(head_bytes) = self.window.array::<HEAD_BYTES>(offset)? else { return Ok(At::Nothing) };
        let head = match FrameHead::decode(&head_bytes) {
            Ok(head) => head,
            Err(NotAFrame::Unsound) => return Ok(At::Nothing),
            Err(NotAFrame::UnknownKind(kind)) => return Ok(At::UnknownKind(kind)),
        };
        if head.journal != self.journal || head.seq < self.least {
            return Ok(At::Nothing);
        }
        let end = offset.saturating_add(head.frame_length());
        let broken = At::Broken { seq: head.seq, end: end.min(self.window.end()) };
        let header_length = usize::try_from(head.header_length).unwrap_or(usize::MAX);
        if header_length > HEADER_BYTES_MAX || head.inline_length() > SEAL_BODY_BYTES_MAX {
            return Ok(At::Nothing);
        }
        let Some(header) = self.window.get(offset + HEAD_BYTES as u64, header_length)? else {
            return Ok(broken);
        };
        let header = Bytes::copy_from_slice(header);
        let body_length = usize::try_from(head.inline_length()).unwrap_or(usize::MAX);
        let Some(body) = self.window.get(offset + head.body_offset(), body_length)? else {
            return Ok(broken);
        };
        let body_crc = crc32c::crc32c(body);
        let is_seal = head.kind == crate::log::frame::FrameKind::Seal;
        let seal_body = if is_seal { Bytes::copy_from_slice(body) } else { Bytes::new() };
        let Some(trailer) = self.window.array::<TRAILER_BYTES>(offset + head.trailer_offset())? else {
            return Ok(broken);
        };
        let Some(trailer) = Trailer::decode(&trailer, &head_bytes, &header) else { return Ok(broken) };
        let in_frame = head.place == crate::log::frame::Place::Inline;
        let body =
            if in_frame && body_crc != trailer.body_crc { Soundness::Damaged } else { Soundness::Sound };
        Ok(At::Frame(Box::new(FoundFrame { offset, head, header, trailer, body, seal_body })))
    }
}
