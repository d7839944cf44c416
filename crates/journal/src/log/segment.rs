//! What is known of a segment without reading its records.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use outrigger_runtime::DiskFile;
use outrigger_runtime::disk::{Access, Disk};

use crate::ids::{JournalId, Seq};
use crate::log::contents::Tally;
use crate::log::frame::{COMMIT_ALIGN, FrameHead, FrameKind, HEAD_BYTES, TRAILER_BYTES, Trailer};
use crate::log::seal::{Opening, SEAL_END_BYTES, Seal, decode_seal_body, seal_offset};
use crate::log::table::Table;
use crate::log::window::Window;
use crate::options::{HEADER_BYTES_MAX, SEAL_BODY_BYTES_MAX};
use crate::ranges::Ranges;

/// Bytes read at once for one frame: head, a usual header and trailer.
const FRAME_AHEAD_BYTES: usize = 4096;

/// What is known of a segment without reading its records.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    /// The number its file is named by.
    pub(crate) file: u32,
    /// The first and last number it stands for.
    pub(crate) numbers: (u32, u32),
    pub(crate) rewrites: u32,
    pub(crate) stage: Stage,
    /// Its first sequence and the one behind its last.
    pub(crate) first: Seq,
    pub(crate) end: Seq,
    /// Bytes of the file that hold frames.
    pub(crate) length: u64,
    pub(crate) entries: u64,
    pub(crate) bodies: u64,
    /// Bytes of kept bodies in frames.
    pub(crate) inline_bytes: u64,
    /// Bytes of frames without bodies.
    pub(crate) frame_bytes: u64,
    /// Its hash in hex.
    pub(crate) hash: String,
    /// What it names as the hash of the segment before.
    pub(crate) previous: Option<String>,
    /// What the next segment names as its previous, if not `hash`.
    pub(crate) original: Option<String>,
    /// Where its frames are; only while it holds a body, else it is read when asked for.
    pub(crate) table: Option<Arc<Table>>,
}

/// Whether a segment still grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It does.
    Open,
    /// It does not.
    Sealed,
}

/// A sealed segment as its opening and seal describe it.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) segment: Segment,
    pub(crate) table: Table,
    pub(crate) names: Vec<u128>,
    pub(crate) released: Ranges,
    pub(crate) void: Ranges,
    pub(crate) doubtful: Ranges,
}

impl Segment {
    /// The segment of which `tally` has counted all frames.
    pub(crate) fn of(tally: &Tally, opening: &Opening, length: u64, stage: Stage) -> Self {
        Self {
            file: opening.segments.0,
            numbers: opening.segments,
            rewrites: opening.rewrites,
            stage,
            first: tally.table.first(),
            end: tally.table.end(),
            length,
            entries: tally.entries,
            bodies: tally.bodies,
            inline_bytes: tally.inline_bytes,
            frame_bytes: tally.frame_bytes,
            hash: tally.hash(),
            previous: opening.previous.clone(),
            original: opening.original.clone(),
            table: None,
        }
    }

    /// Notes that `gone` bodies were let go.
    pub(crate) fn let_go(&mut self, gone: u64) {
        let left = self.bodies.saturating_sub(gone);
        // How long each was would have to be read; on average is enough to choose what to carry forward.
        let share = self.inline_bytes.checked_div(self.bodies).unwrap_or(0);
        self.inline_bytes = if left == 0 { 0 } else { share.saturating_mul(left) };
        self.bodies = left;
        if left == 0 && self.stage == Stage::Sealed {
            self.table = None;
        }
    }

    /// What the next segment names as the hash of this one.
    pub(crate) fn chain(&self) -> &str {
        self.original.as_deref().unwrap_or(&self.hash)
    }

    /// Bytes that would be free if it were carried forward.
    pub(crate) fn reclaimable_bytes(&self) -> u64 {
        // The seal of the new file takes room too: five bytes an entry.
        let kept = self.frame_bytes + self.inline_bytes + self.entries * 5 + COMMIT_ALIGN;
        self.length.saturating_sub(kept)
    }
}

/// One frame read at a known place, without its body.
#[derive(Debug, Clone)]
pub(crate) struct ReadFrame {
    pub(crate) offset: u64,
    pub(crate) head: FrameHead,
    pub(crate) header: Bytes,
    pub(crate) trailer: Trailer,
}

/// A window fit to read single frames.
pub(crate) fn frame_window(file: Arc<dyn DiskFile>, end: u64) -> Window {
    Window::new(file, end, FRAME_AHEAD_BYTES)
}

/// A window on the whole file of a segment.
pub(crate) fn whole(disk: &dyn Disk, path: &Path) -> io::Result<Window> {
    let file = disk.open(path, Access::Read)?;
    let length = file.length()?;
    Ok(frame_window(file, length))
}

/// The frame at `offset`; `None` if there is none as written.
pub(crate) fn read_frame(
    window: &mut Window,
    offset: u64,
    journal: JournalId,
) -> io::Result<Option<ReadFrame>> {
    let Some(head_bytes) = window.array::<HEAD_BYTES>(offset)? else { return Ok(None) };
    let Ok(head) = FrameHead::decode(&head_bytes) else { return Ok(None) };
    let header_length = usize::try_from(head.header_length).unwrap_or(usize::MAX);
    if head.journal != journal || header_length > HEADER_BYTES_MAX {
        return Ok(None);
    }
    let Some(header) = window.get(offset + HEAD_BYTES as u64, header_length)? else { return Ok(None) };
    let header = Bytes::copy_from_slice(header);
    let at = offset.saturating_add(head.trailer_offset());
    let Some(trailer_bytes) = window.array::<TRAILER_BYTES>(at)? else { return Ok(None) };
    let trailer = Trailer::decode(&trailer_bytes, &head_bytes, &header);
    Ok(trailer.map(|trailer| ReadFrame { offset, head, header, trailer }))
}

/// The head at `offset`, of whatever journal; `None` if there is none as written.
pub(crate) fn head_at(window: &mut Window, offset: u64) -> io::Result<Option<FrameHead>> {
    Ok(window.array::<HEAD_BYTES>(offset)?.and_then(|head| FrameHead::decode(&head).ok()))
}

/// Where the end of a segment says that its seal begins.
pub(crate) fn seal_at(window: &mut Window) -> io::Result<Option<u64>> {
    let Some(mark_at) = window.end().checked_sub(SEAL_END_BYTES as u64) else { return Ok(None) };
    Ok(window.array::<SEAL_END_BYTES>(mark_at)?.as_ref().and_then(seal_offset))
}

/// Reads opening and seal of the segment at `path`; `None` if it has no sound seal.
pub(crate) fn read_sealed(disk: &dyn Disk, path: &Path, journal: JournalId) -> io::Result<Option<Sealed>> {
    let mut window = whole(disk, path)?;
    let length = window.end();
    let Some(seal_at) = seal_at(&mut window)? else { return Ok(None) };
    let Some(frame) = read_frame(&mut window, seal_at, journal)? else { return Ok(None) };
    if frame.head.kind != FrameKind::Seal || frame.head.body_length > SEAL_BODY_BYTES_MAX {
        return Ok(None);
    }
    let Ok(seal) = serde_json::from_slice::<Seal>(&frame.header) else { return Ok(None) };
    let body_length = usize::try_from(frame.head.body_length).unwrap_or(usize::MAX);
    let body = window.get(seal_at + frame.head.body_offset(), body_length)?.map(Bytes::copy_from_slice);
    let Some(body) = body.filter(|body| crc32c::crc32c(body) == frame.trailer.body_crc) else {
        return Ok(None);
    };
    let Some((table, names)) = decode_seal_body(&seal, body) else { return Ok(None) };
    let opening = seal.opening;
    let segment = Segment {
        file: opening.segments.0,
        numbers: opening.segments,
        rewrites: opening.rewrites,
        stage: Stage::Sealed,
        first: table.first(),
        end: table.end(),
        length,
        entries: seal.entries,
        bodies: seal.bodies,
        inline_bytes: seal.inline_bytes,
        frame_bytes: seal.frame_bytes,
        hash: seal.hash,
        previous: opening.previous,
        original: opening.original,
        table: None,
    };
    Ok(Some(Sealed {
        segment,
        table,
        names,
        released: seal.released,
        void: seal.void,
        doubtful: seal.doubtful,
    }))
}
