//! Reading everything again, in steps.

use std::collections::VecDeque;

use outrigger_runtime::body::BLOCK_BYTES;
use outrigger_runtime::{BlockError, BlockSource};

use crate::damage::{Certainty, Damage, DamagedPart};
use crate::head::{FoundHead, Head};
use crate::ids::Seq;
use crate::log::{FileBody, hex};
use crate::reader::{Reads as _, ScrubStep, Steps};
use crate::sqlite::index::{Segment, Spot, Stage};
use crate::sqlite::names;
use crate::sqlite::reader::SqliteReader;
use crate::sqlite::row::{Place, Read, RecordRow};
use crate::sqlite::segment::link;

/// Read in one step, about: short beside a commit, long beside its overhead.
const STEP_BYTES: u64 = 4 << 20;
/// Rows read at once.
const ROWS: usize = 64;

/// A walk through everything that the engine keeps.
#[derive(Debug)]
pub(crate) struct SqliteScrub {
    reader: SqliteReader,
    next: Next,
    /// The last number that was durable when it began.
    until: Seq,
}

#[derive(Debug)]
enum Next {
    Head,
    /// The segment that holds this number, or the first behind it.
    SegmentAt(Seq),
    Within(Box<Walk>),
    /// Large objects of a segment, and the number behind it.
    Files {
        rows: VecDeque<RecordRow>,
        reading: Option<Box<Reading>>,
        after: Seq,
    },
    Done,
}

/// A walk through one segment.
#[derive(Debug)]
struct Walk {
    segment: Segment,
    at: Seq,
    /// The link of the chain behind the last record read.
    chain: [u8; 32],
    files: VecDeque<RecordRow>,
    is_sound: bool,
}

/// A body in a file of its own, checked up to a block.
#[derive(Debug)]
struct Reading {
    seq: Seq,
    name: u128,
    body: FileBody,
    block: u64,
}

impl SqliteScrub {
    pub(crate) fn new(reader: SqliteReader) -> Self {
        let until = reader.tail();
        Self { reader, next: Next::Head, until }
    }

    fn head(&self) -> Option<Damage> {
        let file = self.reader.shared.home.paths.head();
        let (offset, part) = match Head::read(&*self.reader.shared.home.disk, &file) {
            Ok(FoundHead::Head { damaged_at, .. }) => (damaged_at?, DamagedPart::Head),
            Ok(FoundHead::Nothing) => (0, DamagedPart::Gone),
            Ok(FoundHead::Newer(_) | FoundHead::Unreadable) => (0, DamagedPart::Head),
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "the head of the journal cannot be read");
                (0, DamagedPart::Unreadable)
            }
        };
        Some(Damage { file, offset, part, entries: None, certainty: Certainty::NoEntry })
    }

    fn begin(&self, from: Seq) -> Next {
        if from > self.until {
            return Next::Done;
        }
        match self.reader.shared.index().find(from) {
            Spot::End => Next::Done,
            // The start told of what is lost.
            Spot::Void { last } | Spot::Lost { last } => Next::SegmentAt(last.next()),
            Spot::In(segment) => {
                let chain = link(&segment.opening.previous);
                let at = segment.opening.first;
                let files = VecDeque::new();
                Next::Within(Box::new(Walk { segment: *segment, at, chain, files, is_sound: true }))
            }
        }
    }

    fn walk(&self, mut walk: Box<Walk>, step: &mut ScrubStep) -> Next {
        while step.bytes < STEP_BYTES && walk.at < walk.segment.tally.end {
            let rows = match self.reader.rows(&walk.segment, walk.at, ROWS) {
                Ok(Some(rows)) => rows,
                // Written anew in between.
                Ok(None) => return Next::SegmentAt(walk.at),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(
                        segment = walk.segment.key().number,
                        error,
                        "a segment of the journal cannot be read"
                    );
                    let (first, last) = (walk.segment.opening.first, walk.segment.tally.end.before());
                    let damage = self.of_segment(&walk.segment, DamagedPart::Unreadable);
                    step.damaged.push(Damage {
                        entries: Some((first, last)),
                        certainty: Certainty::Acknowledged,
                        ..damage
                    });
                    return Next::SegmentAt(walk.segment.tally.end);
                }
            };
            let is_last = rows.len() < ROWS;
            for row in rows {
                self.row(&mut walk, row, step);
            }
            if is_last {
                self.missing(&mut walk, None, step);
                walk.at = walk.segment.tally.end;
            }
        }
        if walk.at < walk.segment.tally.end {
            return Next::Within(walk);
        }
        let is_same = hex(&walk.chain) == walk.segment.tally.chain;
        if walk.is_sound && walk.segment.stage == Stage::Sealed && !is_same {
            step.damaged.push(self.of_segment(&walk.segment, DamagedPart::Hash));
        }
        Next::Files { rows: walk.files, reading: None, after: walk.segment.tally.end }
    }

    fn row(&self, walk: &mut Walk, read: Read, step: &mut ScrubStep) {
        let seq = match &read {
            Read::Sound(row) => row.seq,
            Read::Damaged(seq) => *seq,
        };
        self.missing(walk, Some(seq), step);
        walk.at = seq.next();
        match read {
            Read::Damaged(seq) => {
                walk.is_sound = false;
                step.damaged.push(self.reader.damage(walk.segment.key(), DamagedPart::Frame, seq));
            }
            Read::Sound(row) => {
                walk.chain = row.link(walk.chain);
                step.bytes += row.header.len() as u64;
                match row.place {
                    Place::Beside(_) => self.body(&walk.segment, &row, step),
                    Place::File(_) => walk.files.push_back(row),
                    Place::None | Place::Released => {}
                }
            }
        }
    }

    /// Tells of numbers up to `next`, or to the end of the segment, that no void record explains.
    fn missing(&self, walk: &mut Walk, next: Option<Seq>, step: &mut ScrubStep) {
        let end = next.unwrap_or(walk.segment.tally.end);
        if walk.at >= end {
            return;
        }
        for entries in self.reader.shared.index().void.missing(walk.at, end.before()) {
            walk.is_sound = false;
            let damage = self.of_segment(&walk.segment, DamagedPart::Missing);
            let certainty = Certainty::Acknowledged;
            step.damaged.push(Damage { entries: Some(entries), certainty, ..damage });
        }
    }

    fn body(&self, segment: &Segment, row: &RecordRow, step: &mut ScrubStep) {
        let is_kept = || self.reader.shared.index().is_kept(row.seq);
        if !is_kept() {
            return;
        }
        let read = self.reader.body(row.seq).map(|body| body.read_block(0));
        let part = match read {
            Ok(Ok(bytes)) => {
                step.bytes += bytes.len() as u64;
                return;
            }
            Ok(Err(BlockError::Damaged { .. })) => DamagedPart::Body,
            Ok(Err(BlockError::Read { .. })) | Err(_) => DamagedPart::Unreadable,
        };
        // Released in between, it may be gone.
        if is_kept() {
            let file = names::bodies(&self.reader.shared.home.paths, segment.key());
            step.damaged.push(Damage { file, ..self.reader.damage(segment.key(), part, row.seq) });
        }
    }

    /// Begins to check the file of a large object.
    fn file(&self, row: &RecordRow, step: &mut ScrubStep) -> Option<Box<Reading>> {
        let Place::File(name) = row.place else { return None };
        let home = &self.reader.shared.home;
        let opened = FileBody::of(&*home.disk, &home.paths.object(name), row.length, row.crc);
        match opened {
            Ok(Some(body)) => return Some(Box::new(Reading { seq: row.seq, name, body, block: 0 })),
            Ok(None) => self.of_file(row.seq, name, DamagedPart::Body, step),
            Err(error) => {
                tracing::warn!(entry = %row.seq, %error, "a large object of the journal cannot be read");
                self.of_file(row.seq, name, DamagedPart::Unreadable, step);
            }
        }
        None
    }

    /// Checks the next blocks of a file.
    fn blocks(&self, mut reading: Box<Reading>, step: &mut ScrubStep) -> Option<Box<Reading>> {
        let until = reading.block.saturating_add(STEP_BYTES / BLOCK_BYTES as u64).min(reading.body.blocks());
        for index in reading.block..until {
            let part = match reading.body.read_block(index) {
                Ok(bytes) => {
                    step.bytes += bytes.len() as u64;
                    continue;
                }
                Err(BlockError::Damaged { .. }) => DamagedPart::Body,
                Err(BlockError::Read { .. }) => DamagedPart::Unreadable,
            };
            self.of_file(reading.seq, reading.name, part, step);
            return None;
        }
        reading.block = until;
        (until < reading.body.blocks()).then_some(reading)
    }

    fn of_file(&self, seq: Seq, name: u128, part: DamagedPart, step: &mut ScrubStep) {
        let shared = &self.reader.shared;
        if shared.index().is_kept(seq) {
            let file = shared.home.paths.object(name);
            let (entries, certainty) = (Some((seq, seq)), Certainty::Acknowledged);
            step.damaged.push(Damage { file, offset: 0, part, entries, certainty });
        }
    }

    fn of_segment(&self, segment: &Segment, part: DamagedPart) -> Damage {
        let file = names::database(&self.reader.shared.home.paths, segment.key().number);
        Damage { file, offset: 0, part, entries: None, certainty: Certainty::NoEntry }
    }
}

impl Steps for SqliteScrub {
    fn step(&mut self) -> Option<ScrubStep> {
        let mut step = ScrubStep::default();
        self.next = match std::mem::replace(&mut self.next, Next::Done) {
            Next::Done => return None,
            Next::Head => {
                step.damaged.extend(self.head());
                Next::SegmentAt(Seq(1))
            }
            Next::SegmentAt(from) => self.begin(from),
            Next::Within(walk) => self.walk(walk, &mut step),
            Next::Files { mut rows, reading: None, after } => match rows.pop_front() {
                Some(row) => Next::Files { reading: self.file(&row, &mut step), rows, after },
                None => Next::SegmentAt(after),
            },
            Next::Files { rows, reading: Some(reading), after } => {
                Next::Files { rows, reading: self.blocks(reading, &mut step), after }
            }
        };
        Some(step)
    }
}
