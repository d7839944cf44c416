//! Reading everything again, in steps.

use std::collections::VecDeque;

use outrigger_runtime::BlockError;

use crate::check::{self, Checking, Named, STEP_BYTES, no_entry};
use crate::damage::{Certainty, Damage, DamagedPart};
use crate::ids::Seq;
use crate::log::hex;
use crate::reader::{Reads as _, ScrubStep, Steps};
use crate::sqlite::index::{Segment, Spot, Stage};
use crate::sqlite::names;
use crate::sqlite::reader::SqliteReader;
use crate::sqlite::row::{Place, Read, RecordRow};
use crate::sqlite::segment::link;

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
        files: VecDeque<Named>,
        reading: Option<Box<Checking>>,
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
    files: VecDeque<Named>,
    is_sound: bool,
}

impl SqliteScrub {
    pub(crate) fn new(reader: SqliteReader) -> Self {
        let until = reader.tail();
        Self { reader, next: Next::Head, until }
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
        Next::Files { files: walk.files, reading: None, after: walk.segment.tally.end }
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
                    Place::File(name) => {
                        let (seq, length, crc) = (row.seq, row.length, row.crc);
                        walk.files.push_back(Named { seq, name, length, crc });
                    }
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

    fn of_segment(&self, segment: &Segment, part: DamagedPart) -> Damage {
        no_entry(names::database(&self.reader.shared.home.paths, segment.key().number), 0, part)
    }
}

impl Steps for SqliteScrub {
    fn step(&mut self) -> Option<ScrubStep> {
        let mut step = ScrubStep::default();
        self.next = match std::mem::replace(&mut self.next, Next::Done) {
            Next::Done => return None,
            Next::Head => {
                step.damaged.extend(check::head(&self.reader.shared.home));
                Next::SegmentAt(Seq(1))
            }
            Next::SegmentAt(from) => self.begin(from),
            Next::Within(walk) => self.walk(walk, &mut step),
            Next::Files { mut files, reading: None, after } => match files.pop_front() {
                Some(named) => {
                    let shared = &self.reader.shared;
                    let is_kept = |seq| shared.index().is_kept(seq);
                    let reading = Checking::begin(&shared.home, named, &is_kept, &mut step);
                    Next::Files { files, reading, after }
                }
                None => Next::SegmentAt(after),
            },
            Next::Files { files, reading: Some(reading), after } => {
                let shared = &self.reader.shared;
                let reading = reading.go_on(&shared.home, &|seq| shared.index().is_kept(seq), &mut step);
                Next::Files { files, reading, after }
            }
        };
        Some(step)
    }
}
