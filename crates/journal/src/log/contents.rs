//! What a scan of one segment has found, put together.

use std::io;

use sha2::{Digest, Sha256};

use crate::ids::{Epoch, Seq};
use crate::log::frame::{FrameKind, Place};
use crate::log::scan::{Bad, Found, FoundFrame, Scan, Soundness};
use crate::log::seal::{Opening, Seal, hex};
use crate::log::table::{Slot, Table};
use crate::ranges::Ranges;
use crate::record::{RecordKind, Release, Void};

/// What a scan of one segment has found.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) opening: Option<Opening>,
    pub(crate) tally: Tally,
    /// Where the last sound record, or the opening, ends.
    pub(crate) records_end: u64,
    /// Where they end without the bytes that fill the last one up.
    unfilled_end: u64,
    /// The seal, if a sound one was found.
    pub(crate) seal: Option<FoundFrame>,
    /// Bad places and missing numbers, in order.
    pub(crate) gaps: Vec<Gap>,
    /// Records whose body in the frame is damaged.
    pub(crate) bodies: Vec<(u64, Seq)>,
    /// The batch of the last sound record.
    pub(crate) last_batch: Seq,
    /// The greatest epoch in it.
    pub(crate) epoch: Epoch,
    expected: Seq,
    applied: Seq,
    bad: Option<Bad>,
    /// Records with a damaged body behind which nothing sound was found yet: torn, if nothing ever is. Each with the bad place
    /// before it.
    doubtful: Vec<(Option<Bad>, FoundFrame)>,
}

/// A place where something is wrong between two sound frames, or behind the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) offset: u64,
    pub(crate) end: u64,
    /// Numbers without a frame here.
    pub(crate) lost: Option<(Seq, Seq)>,
    /// Whether there are bytes that are no frame, or only numbers are missing.
    pub(crate) bad: Option<Bad>,
    /// What stands behind it.
    pub(crate) behind: Behind,
}

/// What stands behind a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// A sound record, or the seal.
    Sound,
    /// Nothing sound.
    Nothing,
}

/// Sums over the sound frames of a segment: all that its seal says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) table: Table,
    /// Names of bodies kept in files of their own, in order.
    pub(crate) names: Vec<u128>,
    pub(crate) entries: u64,
    pub(crate) bodies: u64,
    pub(crate) inline_bytes: u64,
    pub(crate) frame_bytes: u64,
    pub(crate) released: Ranges,
    pub(crate) void: Ranges,
    hash: Sha256,
}

impl Tally {
    /// Nothing counted yet; the first record will be `first`.
    pub(crate) fn starting_at(first: Seq) -> Self {
        Self { table: Table::new(first), ..Self::default() }
    }

    /// Counts a frame, given its head, header and trailer as written.
    pub(crate) fn frame(&mut self, written: &Written<'_>) {
        for part in [written.head_bytes, written.header, written.trailer_bytes] {
            self.hash.update(part);
        }
        let head = written.head;
        self.frame_bytes += head.frame_length() - head.inline_length();
        self.inline_bytes += head.inline_length();
        let FrameKind::Record(kind) = head.kind else { return };
        self.entries += 1;
        self.bodies += u64::from(head.place.is_kept());
        if head.place == Place::File {
            self.names.push(written.name);
        }
        self.table.push(Slot { seq: head.seq, offset: written.offset, place: head.place });
        match kind {
            RecordKind::Release => self.released.add(&released(written.header)),
            RecordKind::Void => self.void.add(&void(written.header)),
            RecordKind::Object | RecordKind::Closing | RecordKind::Decision | RecordKind::Member => {}
        }
    }

    /// The hash of what was counted so far, in hex.
    pub(crate) fn hash(&self) -> String {
        hex(&self.hash.clone().finalize())
    }

    /// What the seal of these frames says.
    pub(crate) fn seal(&self, opening: Opening, doubtful: Ranges) -> Seal {
        Seal {
            opening,
            first: self.table.first(),
            numbers: u32::try_from(self.table.end().0 - self.table.first().0).unwrap_or(u32::MAX),
            entries: self.entries,
            bodies: self.bodies,
            inline_bytes: self.inline_bytes,
            frame_bytes: self.frame_bytes,
            released: self.released.clone(),
            void: self.void.clone(),
            doubtful,
            hash: self.hash(),
        }
    }
}

/// A frame as it was or will be written.
#[derive(Debug)]
pub(crate) struct Written<'a> {
    pub(crate) offset: u64,
    pub(crate) head: &'a crate::log::frame::FrameHead,
    pub(crate) head_bytes: &'a [u8],
    pub(crate) header: &'a [u8],
    pub(crate) trailer_bytes: &'a [u8],
    pub(crate) name: u128,
}

fn released(header: &[u8]) -> Ranges {
    match serde_json::from_slice::<Release>(header) {
        Ok(release) => release.released,
        Err(error) => {
            tracing::warn!(%error, "a release record of the journal says nothing readable; its bodies are kept");
            Ranges::default()
        }
    }
}

fn void(header: &[u8]) -> Ranges {
    match serde_json::from_slice::<Void>(header) {
        Ok(void) => void.void,
        Err(error) => {
            tracing::warn!(%error, "a void record of the journal says nothing readable");
            Ranges::default()
        }
    }
}

impl Contents {
    /// Walks through a segment, see [`Contents::new`].
    pub(crate) fn read(mut scan: Scan, expected: Seq, applied: Seq) -> io::Result<Self> {
        let mut contents = Self::new(expected, applied);
        while let Some(found) = scan.next()? {
            contents.add(found);
        }
        contents.end();
        Ok(contents)
    }

    /// Nothing yet; `expected` is the first number there ought to be, and all up to `applied` is known to have been durable.
    pub(crate) fn new(expected: Seq, applied: Seq) -> Self {
        Self {
            opening: None,
            tally: Tally::starting_at(expected),
            records_end: 0,
            unfilled_end: 0,
            seal: None,
            gaps: Vec::new(),
            bodies: Vec::new(),
            last_batch: Seq(0),
            epoch: Epoch(0),
            expected,
            applied,
            bad: None,
            doubtful: Vec::new(),
        }
    }

    /// The number behind the last sound record.
    pub(crate) fn next(&self) -> Seq {
        self.expected
    }

    /// Where what is kept up to `end` is cut off: a torn write leaves anything behind the trailer of the last frame, where zeros fill
    /// it up.
    pub(crate) fn cut_at(&self, end: u64) -> u64 {
        if end == self.records_end { self.unfilled_end } else { end }
    }

    /// Takes what the scan found next.
    pub(crate) fn add(&mut self, found: Found) {
        match found {
            Found::Bad(next) => self.bad = Some(self.bad.map_or(next, |before| join(before, next))),
            Found::Frame(frame) => self.take(*frame),
        }
    }

    fn take(&mut self, frame: FoundFrame) {
        match frame.head.kind {
            FrameKind::Opening => {
                self.opening = match serde_json::from_slice(&frame.header) {
                    Ok(opening) => Some(opening),
                    Err(error) => {
                        tracing::warn!(%error, "the opening of a segment says nothing readable");
                        None
                    }
                };
                self.count(&frame);
            }
            FrameKind::Record(_) if frame.body == Soundness::Damaged && frame.head.seq > self.applied => {
                self.doubtful.push((self.bad.take(), frame));
            }
            FrameKind::Record(_) => {
                self.settle();
                self.record(&frame);
            }
            FrameKind::Seal => {
                self.settle();
                self.flush(frame.offset, frame.head.seq);
                self.seal = Some(frame);
            }
        }
    }

    /// Something sound stands behind the doubtful records, so they are damaged and not torn.
    fn settle(&mut self) {
        let behind = self.bad.take();
        for (before, frame) in std::mem::take(&mut self.doubtful) {
            self.bad = before;
            self.record(&frame);
        }
        self.bad = behind;
    }

    fn record(&mut self, frame: &FoundFrame) {
        self.flush(frame.offset, frame.head.seq);
        self.expected = frame.head.seq.next();
        self.last_batch = frame.head.batch;
        if frame.body == Soundness::Damaged {
            self.bodies.push((frame.offset, frame.head.seq));
        }
        self.count(frame);
    }

    fn count(&mut self, frame: &FoundFrame) {
        self.epoch = self.epoch.max(frame.head.epoch);
        self.records_end = frame.end();
        self.unfilled_end = frame.unfilled_end();
        let head_bytes = frame.head.encode();
        self.tally.frame(&Written {
            offset: frame.offset,
            head: &frame.head,
            head_bytes: &head_bytes,
            header: &frame.header,
            trailer_bytes: &frame.trailer.encode(&head_bytes, &frame.header),
            name: frame.trailer.name,
        });
    }

    /// Notes what is wrong before the frame at `offset` with number `seq`.
    fn flush(&mut self, offset: u64, seq: Seq) {
        let lost = (seq > self.expected).then(|| (self.expected, Seq(seq.0 - 1)));
        let bad = self.bad.take();
        if lost.is_none() && bad.is_none() {
            return;
        }
        let (start, end) = bad.map_or((offset, offset), |bad| (bad.offset, bad.end));
        self.gaps.push(Gap { offset: start, end, lost, bad, behind: Behind::Sound });
    }

    /// Notes what is bad behind the last sound frame; nothing is added after this.
    pub(crate) fn end(&mut self) {
        let doubtful = self.doubtful.drain(..).flat_map(|(before, frame)| {
            let (offset, end, seq) = (frame.offset, frame.end(), Some(frame.head.seq));
            [before, Some(Bad { offset, end, seq, unknown_kind: None })]
        });
        let bad = doubtful.chain([self.bad.take()]).flatten().reduce(join);
        let Some(bad) = bad else { return };
        let lost = Some((self.expected, self.expected));
        self.gaps.push(Gap {
            offset: bad.offset,
            end: bad.end,
            lost,
            bad: Some(bad),
            behind: Behind::Nothing,
        });
    }
}

fn join(before: Bad, next: Bad) -> Bad {
    Bad {
        offset: before.offset,
        end: next.end,
        seq: before.seq.or(next.seq),
        unknown_kind: before.unknown_kind.or(next.unknown_kind),
    }
}
