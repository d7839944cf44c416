//! Carrying forward: what is still needed of sealed segments is written into a new file, which then takes their place.
//!
//! Crash-safe at every step: the new file counts only when it has been renamed over the first of the old ones, complete and
//! synced; any others that it stands for are removed after that, and by the next start if this one does not get so far.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use outrigger_runtime::disk::{DiskFile, read_exact_at, remove_if_there};

use crate::commit::{Setback, before_sync, for_good};
use crate::engine::{Forwarded, Obstacle, Plan};
use crate::head::FORMAT;
use crate::ids::{Epoch, Seq};
use crate::log::copy::Log;
use crate::log::frame::{FrameHead, FrameKind, Place};
use crate::log::open_segment::{Layout, OpenSegment, Ready};
use crate::log::scan::{Found, FoundFrame, Scan, Soundness};
use crate::log::seal::{Opening, SEAL_END_BYTES};
use crate::log::segment::{Segment, Stage};
use crate::log::shared::Shared;
use crate::log::table::Table;
use crate::options::SEGMENT_ENTRIES_MAX;
use crate::paths::SegmentKey;

/// A segment is carried forward when one part in this many of it would be free.
const WORTH_WHILE: u64 = 2;
/// Segments that together stay below this part of the greatest size are merged even where they still hold bodies.
const SMALL: u64 = 8;
/// Written and synced at once: bounds memory, and how long a commit waits behind it.
const STEP_BYTES: u64 = 4 << 20;

/// Which segments to carry forward together.
#[derive(Debug)]
pub(crate) struct Together {
    shared: Arc<Shared>,
    epoch: Epoch,
    sources: Vec<Segment>,
}

/// A complete and synced file that may take the place of others.
#[derive(Debug)]
pub(crate) struct Written {
    path: PathBuf,
    segment: Segment,
    table: Table,
    replaced: Vec<SegmentKey>,
}

impl Log {
    /// Chooses what to carry forward.
    pub(crate) fn worth_while(&self) -> Option<Together> {
        let index = self.shared.index();
        let is_free = |segment: &&Segment| {
            segment.stage == Stage::Sealed
                && segment.file == segment.numbers.0
                && !self.keeping.stuck.contains(&segment.key())
        };
        let wasteful = index
            .segments
            .iter()
            .filter(is_free)
            .find(|segment| segment.reclaimable_bytes().saturating_mul(WORTH_WHILE) >= segment.length);
        let size_max = self.shared.home.options.segment_bytes_max;
        let pair = || {
            index.segments.windows(2).find(|pair| {
                pair.iter().all(|segment| is_free(&segment))
                    && matches!(pair, [a, b] if fit_together(a, b, size_max))
            })
        };
        let sources = wasteful.map(std::slice::from_ref).or_else(pair)?.to_vec();
        Some(Together { shared: self.shared.clone(), epoch: self.keeping.epoch(), sources })
    }

    /// Puts a new file in the place of those it was made from.
    pub(crate) fn replace(&mut self, written: Written) -> Result<(), Setback> {
        let Written { path, mut segment, mut table, replaced } = written;
        let paths = &self.shared.home.paths;
        {
            let mut index = self.shared.index_mut();
            // Bodies that were let go while the file was written.
            let released: Vec<Seq> = table
                .slots()
                .filter(|slot| slot.place.is_kept() && !index.is_kept(slot.seq))
                .map(|slot| slot.seq)
                .collect();
            segment.let_go(released.iter().filter(|seq| table.release(**seq).is_some()).count() as u64);
            segment.table = (segment.bodies > 0).then(|| Arc::new(table));
            let renamed = self.shared.home.disk.rename(&path, &paths.segment(segment.file));
            renamed.map_err(before_sync("renaming a segment carried forward"))?;
            let at = index.segments.iter().position(|old| replaced.contains(&old.key())).unwrap_or(0);
            index.segments.retain(|old| !replaced.contains(&old.key()));
            index.segments.insert(at, segment);
        }
        self.shared.forget(&replaced);
        let synced = self.shared.home.disk.sync_directory(&paths.segments);
        synced.map_err(for_good("syncing the directory of segments"))?;
        for key in replaced.iter().skip(1) {
            let removed = self.shared.home.disk.remove(&paths.segment(key.number));
            removed.map_err(for_good("removing a segment carried forward"))?;
        }
        self.keeping.reserve.refill().map_err(for_good("taking the reserve back"))
    }
}

/// Whether two neighbours are worth merging: like sizes, so that nothing is copied over and over.
fn fit_together(a: &Segment, b: &Segment, size_max: u64) -> bool {
    let length = a.length.saturating_add(b.length);
    let limit = if a.bodies + b.bodies == 0 { size_max } else { size_max / SMALL };
    length <= limit
        && a.length <= b.length.saturating_mul(2)
        && a.entries.saturating_add(b.entries) <= SEGMENT_ENTRIES_MAX
}

impl Plan for Together {
    fn keys(&self) -> Vec<SegmentKey> {
        self.sources.iter().map(Segment::key).collect()
    }

    fn write(&self) -> Result<Forwarded, Obstacle> {
        let setback = |setback| Obstacle::Setback(setback);
        let shared = &self.shared;
        let keys = self.keys();
        let (Some(first), Some(last)) = (self.sources.first(), self.sources.last()) else {
            return Err(Obstacle::Stuck(keys));
        };
        // Their frames are about to stop naming the files that were removed; those must not come back.
        let synced = shared.home.disk.sync_directory(&shared.home.paths.objects);
        synced.map_err(for_good("syncing the directory of objects")).map_err(setback)?;
        let path = shared.home.paths.unfinished(first.file);
        // Nothing has been written yet: without room it is tried again.
        let removed = remove_if_there(&*shared.home.disk, &path);
        removed.map_err(before_sync("removing an unfinished segment")).map_err(setback)?;
        let opening = Opening {
            format: FORMAT,
            segments: (first.numbers.0, last.numbers.1),
            rewrites: self.sources.iter().map(|source| source.rewrites).max().unwrap_or(0).saturating_add(1),
            previous: first.previous.clone(),
            original: Some(last.chain().to_owned()),
        };
        let made = shared.home.disk.create(&path).map_err(before_sync("making a segment"));
        let identity = (shared.home.journal, self.epoch, first.first);
        let open = made.map_err(setback).and_then(|file| {
            let begun = OpenSegment::begin(file, opening, identity, Layout::PACKED);
            begun.map_err(before_sync("beginning a segment")).map_err(setback)
        });
        let written = open.and_then(|open| self.fill(open, &keys));
        match written {
            Ok((segment, table)) => Ok(Forwarded::Log(Written { path, segment, table, replaced: keys })),
            Err(obstacle) => {
                if let Err(error) = shared.home.disk.remove(&path) {
                    tracing::warn!(file = %path.display(), %error, "an unfinished segment could not be removed");
                }
                Err(obstacle)
            }
        }
    }
}

impl Together {
    fn fill(&self, mut open: OpenSegment, keys: &[SegmentKey]) -> Result<(Segment, Table), Obstacle> {
        for source in &self.sources {
            self.copy(source, &mut open, keys)?;
        }
        let doubtful = self.shared.index().doubtful.clone();
        let length = open.seal((self.shared.home.journal, self.epoch), open.end, doubtful);
        let length = length.map_err(before_sync("sealing a segment")).map_err(Obstacle::Setback)?;
        let synced = open.file.sync_data().map_err(for_good("syncing a segment carried forward"));
        synced.map_err(Obstacle::Setback)?;
        let segment = Segment::of(&open.tally, &open.opening, length, Stage::Sealed);
        Ok((segment, open.tally.table))
    }

    fn copy(&self, source: &Segment, open: &mut OpenSegment, keys: &[SegmentKey]) -> Result<(), Obstacle> {
        let stuck = |error: io::Error| {
            tracing::warn!(segment = source.file, %error, "a segment cannot be carried forward and stays as it is");
            Obstacle::Stuck(keys.to_vec())
        };
        let file = self.shared.file(source.key()).map_err(stuck)?;
        let Some(file) = file else { return Err(Obstacle::Stuck(keys.to_vec())) };
        let length = source.length.saturating_sub(SEAL_END_BYTES as u64);
        let mut scan = Scan::new(file.clone(), length, self.shared.home.journal);
        let mut step = Vec::new();
        let mut step_bytes = 0;
        let mut expected = source.first;
        let mut is_whole = Soundness::Sound;
        while let Some(found) = scan.next().map_err(stuck)? {
            let frame = match found {
                Found::Bad(_) => {
                    is_whole = Soundness::Damaged;
                    continue;
                }
                Found::Frame(frame) if matches!(frame.head.kind, FrameKind::Record(_)) => frame,
                Found::Frame(_) => continue,
            };
            if is_whole == Soundness::Damaged && frame.head.seq > expected {
                return Err(stuck(io::Error::other(format!("entries from {expected} on are damaged"))));
            }
            is_whole = Soundness::Sound;
            expected = frame.head.seq.next();
            let kept = kept(source, &frame, &*file).map_err(stuck)?;
            step_bytes += kept.head.frame_length();
            step.push(kept);
            if step_bytes >= STEP_BYTES {
                put(open, &step).map_err(Obstacle::Setback)?;
                step.clear();
                step_bytes = 0;
            }
        }
        if expected < source.end || is_whole == Soundness::Damaged {
            return Err(stuck(io::Error::other(format!("entries from {expected} on are damaged"))));
        }
        put(open, &step).map_err(Obstacle::Setback)
    }
}

/// A frame as it is carried forward: with its body only where that is still kept.
fn kept(source: &Segment, frame: &FoundFrame, file: &dyn DiskFile) -> io::Result<Kept> {
    let slot = source.table.as_ref().and_then(|table| table.get(frame.head.seq));
    let is_kept = slot.is_some_and(|slot| slot.place.is_kept());
    let place = if frame.head.place.is_kept() && !is_kept { Place::Released } else { frame.head.place };
    let head = FrameHead { place, ..frame.head };
    let mut pieces = Vec::new();
    if place == Place::Inline {
        if frame.body == Soundness::Damaged {
            return Err(io::Error::other(format!("the bytes of entry {} are damaged", head.seq)));
        }
        let length = usize::try_from(head.body_length).map_err(io::Error::other)?;
        let body = read_exact_at(file, frame.offset + head.body_offset(), length)?;
        if crc32c::crc32c(&body) != frame.trailer.body_crc {
            return Err(io::Error::other(format!(
                "the bytes of entry {} changed while they were read",
                head.seq
            )));
        }
        pieces.push(Bytes::from(body));
    }
    let mut trailer = frame.trailer;
    if place == Place::Released {
        trailer.name = 0;
    }
    Ok(Kept { head, header: frame.header.clone(), pieces, trailer })
}

/// A frame to be written into the new file.
#[derive(Debug)]
struct Kept {
    head: FrameHead,
    header: Bytes,
    pieces: Vec<Bytes>,
    trailer: crate::log::frame::Trailer,
}

/// Writes and syncs a step.
fn put(open: &mut OpenSegment, step: &[Kept]) -> Result<(), Setback> {
    if step.is_empty() {
        return Ok(());
    }
    let frames: Vec<Ready<'_>> =
        step.iter().map(|kept| Ready::new(kept.head, &kept.header, &kept.pieces, kept.trailer)).collect();
    open.write(&frames).map_err(before_sync("writing a segment"))?;
    open.file.sync_data().map_err(for_good("syncing a segment carried forward"))?;
    open.written(&frames);
    Ok(())
}
