//! What is known in memory of what the engine holds.

use std::sync::Arc;

use crate::ids::Seq;
use crate::paths::SegmentKey;
use crate::ranges::Ranges;
use crate::sqlite::row::Place;
use crate::sqlite::segment::{Opening, Tally};

/// Whether a segment still grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Open,
    Sealed,
}

/// The code of a number without a record.
const NO_RECORD: u8 = u8::MAX;

/// Where the bodies of a segment's records are, a byte each, from its first number on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Places(Vec<u8>);

impl Places {
    /// Notes a record; numbers left out before it have none.
    pub(crate) fn push(&mut self, first: Seq, seq: Seq, place: Place) {
        let at = usize::try_from(seq.0.saturating_sub(first.0)).unwrap_or(usize::MAX);
        if at >= self.0.len() {
            self.0.resize(at, NO_RECORD);
            self.0.push(place.code());
        }
    }

    fn get(&self, first: Seq, seq: Seq) -> Option<u8> {
        let at = usize::try_from(seq.0.checked_sub(first.0)?).ok()?;
        self.0.get(at).copied().filter(|code| *code != NO_RECORD)
    }

    fn is_kept(&self, first: Seq, seq: Seq) -> bool {
        let code = self.get(first, seq);
        code.is_some_and(|code| [Place::Beside(0).code(), Place::File(0).code()].contains(&code))
    }

    /// Notes that a body was let go; says whether it was kept.
    fn release(&mut self, first: Seq, seq: Seq) -> bool {
        let is_kept = self.is_kept(first, seq);
        let at = usize::try_from(seq.0.saturating_sub(first.0)).ok();
        if let Some(code) = at.and_then(|at| self.0.get_mut(at)).filter(|_| is_kept) {
            *code = Place::Released.code();
        }
        is_kept
    }
}

/// A segment.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) opening: Opening,
    pub(crate) tally: Tally,
    pub(crate) stage: Stage,
    /// Length of its database, about.
    pub(crate) database_bytes: u64,
    /// Only while it holds a body.
    pub(crate) places: Option<Arc<Places>>,
}

impl Segment {
    pub(crate) fn key(&self) -> SegmentKey {
        self.opening.key()
    }

    pub(crate) fn holds(&self, seq: Seq) -> bool {
        self.opening.first <= seq && seq < self.tally.end
    }

    pub(crate) fn is_kept(&self, seq: Seq) -> bool {
        self.places.as_ref().is_some_and(|places| places.is_kept(self.opening.first, seq))
    }

    /// Notes that a body was let go; says whether it was kept.
    pub(crate) fn release(&mut self, seq: Seq) -> bool {
        let first = self.opening.first;
        let Some(places) = self.places.as_mut() else { return false };
        if !Arc::make_mut(places).release(first, seq) {
            return false;
        }
        let left = self.tally.bodies.saturating_sub(1);
        // How long each was would have to be read; on average is enough to choose what to write anew.
        let share = self.tally.kept_bytes.checked_div(self.tally.bodies).unwrap_or(0);
        self.tally.kept_bytes = if left == 0 { 0 } else { share.saturating_mul(left) };
        self.tally.bodies = left;
        if left == 0 && self.stage == Stage::Sealed {
            self.places = None;
        }
        true
    }

    /// Bytes on the disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.database_bytes.saturating_add(self.tally.bytes)
    }
}

/// All segments, in order.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) segments: Vec<Segment>,
    pub(crate) void: Ranges,
    /// The last durable number.
    pub(crate) tail: Seq,
    /// Bytes of large objects in files of their own.
    pub(crate) file_bytes: u64,
}

/// Where a number is.
#[derive(Debug, Clone)]
pub(crate) enum Spot {
    /// In this segment, or in none behind it up to its end.
    In(Box<Segment>),
    /// There is no record up to `last`, and there ought to be.
    Lost { last: Seq },
    /// Void records say why there is none up to `last`.
    Void { last: Seq },
    /// Beyond the last.
    End,
}

impl Index {
    pub(crate) fn find(&self, seq: Seq) -> Spot {
        if seq > self.tail {
            return Spot::End;
        }
        let at = self.segments.partition_point(|segment| segment.tally.end <= seq);
        match self.segments.get(at) {
            Some(segment) if segment.holds(seq) => Spot::In(Box::new(segment.clone())),
            Some(segment) => self.absent(seq, segment.opening.first.before()),
            None => self.absent(seq, self.tail),
        }
    }

    /// Why there is no record from `seq` on, up to `last` at most.
    pub(crate) fn absent(&self, seq: Seq, last: Seq) -> Spot {
        let last = self.void.run(seq, last);
        if self.void.contains(seq) { Spot::Void { last } } else { Spot::Lost { last } }
    }

    fn segment_of(&self, seq: Seq) -> Option<&Segment> {
        let at = self.segments.partition_point(|segment| segment.tally.end <= seq);
        self.segments.get(at).filter(|segment| segment.holds(seq))
    }

    pub(crate) fn is_kept(&self, seq: Seq) -> bool {
        self.segment_of(seq).is_some_and(|segment| segment.is_kept(seq))
    }

    /// Whether a body is known to have been let go.
    pub(crate) fn is_released(&self, seq: Seq) -> bool {
        let segment = self.segment_of(seq);
        let places = segment.and_then(|segment| Some((segment.opening.first, segment.places.as_ref()?)));
        places.and_then(|(first, places)| places.get(first, seq)) == Some(Place::Released.code())
    }

    /// Notes that bodies were let go, and gives the numbers of those that were kept.
    pub(crate) fn release(&mut self, released: &Ranges) -> Vec<Seq> {
        let mut gone = Vec::new();
        for (first, last) in released.iter() {
            for segment in &mut self.segments {
                let numbers = first.max(segment.opening.first).0..last.next().min(segment.tally.end).0;
                gone.extend(numbers.map(Seq).filter(|seq| segment.release(*seq)));
            }
        }
        gone
    }

    pub(crate) fn last_number(&self) -> u32 {
        self.segments.iter().map(|segment| segment.opening.numbers.1).max().unwrap_or(0)
    }

    /// The link of the chain behind the last record.
    pub(crate) fn chain(&self) -> String {
        self.segments.last().map(|segment| segment.tally.chain.clone()).unwrap_or_default()
    }

    pub(crate) fn entries(&self) -> u64 {
        self.segments.iter().map(|segment| segment.tally.entries).sum()
    }

    pub(crate) fn bodies(&self) -> u64 {
        self.segments.iter().map(|segment| segment.tally.bodies).sum()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(Segment::bytes).sum::<u64>().saturating_add(self.file_bytes)
    }

    /// Every number up to this one has no body any more.
    pub(crate) fn release_mark(&self) -> Seq {
        let holding = self.segments.iter().find(|segment| segment.tally.bodies > 0);
        let first = holding.and_then(|segment| {
            (segment.opening.first.0..segment.tally.end.0).map(Seq).find(|seq| segment.is_kept(*seq))
        });
        first.map_or(self.tail, Seq::before)
    }
}
