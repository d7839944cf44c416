//! Reading everything again, in steps.

use std::io;
use std::path::Path;
use std::sync::Arc;

use outrigger_runtime::DiskFile;

use crate::check::{self, Checking, Named, STEP_BYTES, no_entry};
use crate::damage::{Certainty, Damage, DamagedPart};
use crate::ids::Seq;
use crate::log::contents::{Behind, Contents};
use crate::log::frame::Place;
use crate::log::reader::LogReader;
use crate::log::recovery::{Position, judge};
use crate::log::scan::{Found, Scan, Soundness};
use crate::log::seal::{SEAL_END_BYTES, Seal, seal_offset};
use crate::log::segment::{ReadFrame, Segment, Stage};
use crate::ranges::Ranges;
use crate::reader::{ScrubStep, Steps};

/// A walk through everything that the journal keeps, from the first segment to that in which the tail was when it began: one that
/// went on to the tail would not end while entries come.
#[derive(Debug)]
pub(crate) struct LogScrub {
    reader: LogReader,
    next: Next,
    /// The last number that was durable when it began.
    until: Seq,
    /// What the next segment ought to name as the hash of the one before.
    chain: Option<String>,
}

#[derive(Debug)]
enum Next {
    Head,
    /// The segment that holds this number, or the first behind it.
    SegmentAt(Seq),
    Within(Box<Walk>),
    /// The files that the frames of a segment name, and what comes after them.
    Files {
        frames: Vec<ReadFrame>,
        reading: Option<Box<Checking>>,
        after: Seq,
    },
    Done,
}

/// A walk through one segment and the files that its frames name.
#[derive(Debug)]
struct Walk {
    segment: Segment,
    file: Arc<dyn DiskFile>,
    scan: Scan,
    contents: Contents,
    files: Vec<ReadFrame>,
    /// Where the walk had to begin; a segment that begins before was merged since.
    from: Seq,
}

impl LogScrub {
    pub(crate) fn new(reader: LogReader) -> Self {
        let until = reader.shared.index().tail;
        Self { reader, next: Next::Head, until, chain: None }
    }
}

impl Steps for LogScrub {
    fn step(&mut self) -> Option<ScrubStep> {
        let mut step = ScrubStep::default();
        self.next = match std::mem::replace(&mut self.next, Next::Done) {
            Next::Done => return None,
            Next::Head => {
                step.damaged.extend(check::head(&self.reader.shared.home));
                Next::SegmentAt(Seq(1))
            }
            Next::SegmentAt(from) => self.begin(from, &mut step),
            Next::Within(walk) => self.walk(walk, &mut step),
            Next::Files { mut frames, reading: None, after } => match frames.pop() {
                Some(frame) => {
                    let shared = &self.reader.shared;
                    let named = Named {
                        seq: frame.head.seq,
                        name: frame.trailer.name,
                        length: frame.head.body_length,
                        crc: frame.trailer.body_crc,
                    };
                    let is_kept = |seq| shared.index().is_kept(seq);
                    let reading = Checking::begin(&shared.home, named, &is_kept, &mut step);
                    Next::Files { frames, reading, after }
                }
                None => Next::SegmentAt(after),
            },
            Next::Files { frames, reading: Some(reading), after } => {
                let shared = &self.reader.shared;
                let reading = reading.go_on(&shared.home, &|seq| shared.index().is_kept(seq), &mut step);
                Next::Files { frames, reading, after }
            }
        };
        Some(step)
    }
}

impl LogScrub {
    fn begin(&mut self, from: Seq, step: &mut ScrubStep) -> Next {
        if from > self.until {
            return Next::Done;
        }
        let shared = self.reader.shared.clone();
        loop {
            let segment = {
                let index = shared.index();
                let at = index.segments.partition_point(|segment| segment.end <= from);
                index.segments.get(at).filter(|segment| segment.end > segment.first).cloned()
            };
            let Some(segment) = segment else { return Next::Done };
            // By its name, as the next start will look for it: what is held open is there though its name is gone.
            let file = match shared.file_anew(segment.key()) {
                Ok(Some(file)) => file,
                // Carried forward in between.
                Ok(None) => continue,
                Err(error) => {
                    step.damaged.push(self.unreadable(&segment, 0, &error));
                    self.chain = chain(&segment);
                    return Next::SegmentAt(segment.end);
                }
            };
            let end = match segment.stage {
                Stage::Open => 0,
                Stage::Sealed => SEAL_END_BYTES as u64,
            };
            let scan = Scan::new(file.clone(), segment.length.saturating_sub(end), shared.home.journal);
            let contents = Contents::new(from.max(Seq(1)), Seq(u64::MAX));
            return Next::Within(Box::new(Walk { segment, file, scan, contents, files: Vec::new(), from }));
        }
    }

    fn walk(&mut self, mut walk: Box<Walk>, step: &mut ScrubStep) -> Next {
        let start = walk.scan.position();
        while walk.scan.position() - start < STEP_BYTES {
            match walk.scan.next() {
                Ok(Some(found)) => {
                    if let Found::Frame(frame) = &found
                        && frame.head.place == Place::File
                    {
                        let (offset, head, trailer) = (frame.offset, frame.head, frame.trailer);
                        walk.files.push(ReadFrame { offset, head, header: frame.header.clone(), trailer });
                    }
                    walk.contents.add(found);
                }
                Ok(None) => {
                    step.bytes = walk.scan.position() - start;
                    return self.end(*walk, step);
                }
                Err(error) => {
                    step.damaged.push(self.unreadable(&walk.segment, walk.scan.position(), &error));
                    self.chain = chain(&walk.segment);
                    return Next::SegmentAt(walk.segment.end);
                }
            }
        }
        step.bytes = walk.scan.position() - start;
        Next::Within(walk)
    }

    /// After the last frame of a segment: its seal, its place in the chain, and the files its frames name.
    fn end(&mut self, mut walk: Walk, step: &mut ScrubStep) -> Next {
        walk.contents.end();
        let shared = &self.reader.shared;
        let path = shared.home.paths.segment(walk.segment.file);
        let mut damaged = {
            let index = shared.index();
            // The writer publishes a batch before the void record in it.
            let mut void = index.void.clone();
            void.add(&walk.contents.tally.void);
            let mut verdict = judge(&path, &walk.contents, Position::Inner, index.tail, &void);
            verdict.damaged.extend(at_the_end(&path, &walk, &void));
            let before = index.segments.iter().rev().find(|other| other.end <= walk.segment.first);
            let before = before.map(|other| (shared.home.paths.segment(other.file), other.length));
            let placed =
                verdict.damaged.into_iter().map(|damage| damage.placed(walk.segment.first, before.as_ref()));
            placed.map(|damage| index.weigh(damage)).collect::<Vec<_>>()
        };
        if walk.segment.stage == Stage::Sealed {
            damaged.extend(self.sealed(&walk, damaged.is_empty()));
        }
        self.chain = chain(&walk.segment);
        step.damaged.extend(damaged);
        Next::Files { frames: walk.files, reading: None, after: walk.segment.end }
    }

    /// What is wrong with the seal of a segment, its hash, or its place behind the one before.
    fn sealed(&self, walk: &Walk, are_frames_sound: bool) -> Option<Damage> {
        let Walk { segment, file, contents, from, .. } = walk;
        let path = || self.reader.shared.home.paths.segment(segment.file);
        let frame = contents.seal.as_ref().filter(|frame| frame.body == Soundness::Sound);
        let seal =
            frame.and_then(|frame| Some((frame.offset, serde_json::from_slice::<Seal>(&frame.header).ok()?)));
        let mark_at = segment.length.saturating_sub(SEAL_END_BYTES as u64);
        let mut mark = [0; SEAL_END_BYTES];
        let is_marked = matches!(file.read_at(&mut mark, mark_at), Ok(SEAL_END_BYTES));
        let marked = seal_offset(&mark).filter(|_| is_marked);
        let Some((offset, seal)) = seal.filter(|(offset, _)| marked == Some(*offset)) else {
            return Some(no_entry(path(), contents.records_end, DamagedPart::Seal));
        };
        let follows = segment.first < *from
            || match (&self.chain, &seal.opening.previous) {
                (Some(chain), Some(previous)) => chain == previous,
                // The first there is, the one before still grew, or this one lost its opening.
                (None, _) | (_, None) => true,
            };
        let is_same = contents.tally.hash() == seal.hash && seal.hash == segment.hash;
        (are_frames_sound && !(is_same && follows)).then(|| no_entry(path(), offset, DamagedPart::Hash))
    }

    fn unreadable(&self, segment: &Segment, offset: u64, error: &io::Error) -> Damage {
        let file = self.reader.shared.home.paths.segment(segment.file);
        tracing::warn!(file = %file.display(), offset, %error, "a segment of the journal cannot be read");
        let entries = Some((segment.first, segment.end.before()));
        let part = match error.kind() {
            io::ErrorKind::NotFound => DamagedPart::Gone,
            _ => DamagedPart::Unreadable,
        };
        Damage { file, offset, part, entries, certainty: Certainty::Acknowledged }
    }
}

/// What the next segment ought to name as the hash of this one; that of one that still grew is not known.
fn chain(segment: &Segment) -> Option<String> {
    (segment.stage == Stage::Sealed).then(|| segment.chain().to_owned())
}

/// What is wrong behind the last sound frame of a segment without a sound seal: all of it was durable once.
fn at_the_end(path: &Path, walk: &Walk, void: &Ranges) -> Vec<Damage> {
    let Walk { segment, contents, .. } = walk;
    if contents.seal.is_some() {
        return Vec::new();
    }
    let bad = contents.gaps.last().filter(|gap| gap.behind == Behind::Nothing);
    let offset = bad.map_or(contents.records_end, |gap| gap.offset);
    let part = if bad.is_some() { DamagedPart::Frame } else { DamagedPart::Missing };
    let lost = if contents.next() < segment.end {
        void.missing(contents.next(), segment.end.before())
    } else {
        Vec::new()
    };
    if lost.is_empty() && bad.is_some() && segment.stage == Stage::Open {
        return vec![no_entry(path.to_owned(), offset, DamagedPart::Padding)];
    }
    let damage = |entries| Damage {
        file: path.to_owned(),
        offset,
        part,
        entries: Some(entries),
        certainty: Certainty::Acknowledged,
    };
    lost.into_iter().map(damage).collect()
}
