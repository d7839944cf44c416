//! Which entry is in which segment.

use std::sync::Arc;

use crate::damage::{Certainty, Damage, DamagedPart};
use crate::ids::Seq;
use crate::log::frame::Place;
use crate::log::segment::{Segment, Stage};
use crate::log::table::{Slot, Table};
use crate::paths::SegmentKey;
use crate::ranges::Ranges;

/// Which entry is in which segment; the writer changes it, readers look things up.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// In order; only the last may be open.
    pub(crate) segments: Vec<Segment>,
    /// Where the frames of the open segment are.
    pub(crate) open: Table,
    pub(crate) void: Ranges,
    /// Lost numbers that may never have been acknowledged.
    pub(crate) doubtful: Ranges,
    /// The last durable number.
    pub(crate) tail: Seq,
    /// Bytes of the bodies that are files of their own.
    pub(crate) file_bytes: u64,
}

/// Where to look for entries.
#[derive(Debug)]
pub(crate) enum Spot {
    /// In these frames.
    Frames { segment: SegmentKey, length: u64, slots: Vec<Slot> },
    /// The segment's table has to be read first.
    TableOnDisk(SegmentKey),
    /// There are none up to `last`, and there ought to be.
    Lost { near: SegmentKey, last: Seq },
    /// There are none up to `last`, and void records say why.
    Void { last: Seq },
    /// Beyond the last.
    End,
}

impl Segment {
    pub(crate) fn key(&self) -> SegmentKey {
        SegmentKey { number: self.file, rewrites: self.rewrites }
    }

    /// A place as its table on disk has it, now: the last bodies may have been let go since.
    fn place_now(&self, written: Place) -> Place {
        let all_gone = self.stage == Stage::Sealed && self.bodies == 0;
        if all_gone && written.is_kept() { Place::Released } else { written }
    }
}

impl Index {
    /// Where the entries from `from` on are, up to `limit` of them and within one segment.
    ///
    /// `known` is a table read from the disk.
    pub(crate) fn find(&self, from: Seq, limit: usize, known: Option<(SegmentKey, &Table)>) -> Spot {
        if from > self.tail {
            return Spot::End;
        }
        let at = self.segments.partition_point(|segment| segment.end <= from);
        let Some(segment) = self.segments.get(at) else { return self.absent(from, self.tail, None) };
        if from < segment.first {
            return self.absent(from, Seq(segment.first.0 - 1), Some(segment));
        }
        let known = known.filter(|(key, _)| *key == segment.key()).map(|(_, table)| table);
        let Some(table) = self.table(segment).or(known) else { return Spot::TableOnDisk(segment.key()) };
        let numbers = from.0..segment.end.0.min(self.tail.next().0);
        let slots = numbers.clone().map_while(|seq| table.get(Seq(seq))).take(limit);
        let slots: Vec<Slot> =
            slots.map(|slot| Slot { place: segment.place_now(slot.place), ..slot }).collect();
        if slots.is_empty() {
            let next = numbers.clone().find(|seq| table.get(Seq(*seq)).is_some()).unwrap_or(numbers.end);
            return self.absent(from, Seq(next.saturating_sub(1)), Some(segment));
        }
        Spot::Frames { segment: segment.key(), length: segment.length, slots }
    }

    fn absent(&self, from: Seq, last: Seq, near: Option<&Segment>) -> Spot {
        let last = self.void.run(from, last);
        if self.void.contains(from) {
            return Spot::Void { last };
        }
        let near = near.or(self.segments.last()).map_or(SegmentKey { number: 0, rewrites: 0 }, Segment::key);
        Spot::Lost { near, last }
    }

    /// Where the frames of a segment are, if that is in memory.
    pub(crate) fn table<'a>(&'a self, segment: &'a Segment) -> Option<&'a Table> {
        match segment.stage {
            Stage::Open => Some(&self.open),
            Stage::Sealed => segment.table.as_deref(),
        }
    }

    /// Notes that a body was let go, and tells where it was; nothing if it was not kept.
    pub(crate) fn release(&mut self, seq: Seq) -> Option<(SegmentKey, u64, Slot)> {
        let at = self.segments.partition_point(|segment| segment.end <= seq);
        let segment = self.segments.get_mut(at).filter(|segment| segment.first <= seq)?;
        let slot = match segment.stage {
            Stage::Open => self.open.release(seq)?,
            Stage::Sealed => Arc::make_mut(segment.table.as_mut()?).release(seq)?,
        };
        segment.let_go(1);
        Some((segment.key(), segment.length, slot))
    }

    /// Notes at a start that all bodies from `first` to `last` were let go.
    pub(crate) fn release_all(&mut self, first: Seq, last: Seq) {
        for segment in &mut self.segments {
            let range = first.max(segment.first).0..last.next().min(segment.end).0;
            let Some(table) = segment.table.as_mut().filter(|_| !range.is_empty()) else { continue };
            let table = Arc::make_mut(table);
            let gone = range.filter(|seq| table.release(Seq(*seq)).is_some()).count();
            segment.let_go(gone as u64);
        }
    }

    /// Whether a body is kept.
    pub(crate) fn is_kept(&self, seq: Seq) -> bool {
        let at = self.segments.partition_point(|segment| segment.end <= seq);
        let table = self.segments.get(at).and_then(|segment| self.table(segment));
        table.and_then(|table| table.get(seq)).is_some_and(|slot| slot.place.is_kept())
    }

    /// Whether a lost number had been acknowledged, as far as is known.
    pub(crate) fn certainty(&self, lost: Seq) -> Certainty {
        if self.doubtful.contains(lost) { Certainty::Perhaps } else { Certainty::Acknowledged }
    }

    /// The same damage, without an entry where the bytes concerned are needed no more.
    pub(crate) fn weigh(&self, damage: Damage) -> Damage {
        match (damage.part, damage.entries) {
            (DamagedPart::Body, Some((first, last)))
                if !(first.0..=last.0).any(|seq| self.is_kept(Seq(seq))) =>
            {
                Damage { part: DamagedPart::Padding, entries: None, certainty: Certainty::NoEntry, ..damage }
            }
            (_, Some((first, last))) if self.doubtful.missing(first, last).is_empty() => {
                Damage { certainty: Certainty::Perhaps, ..damage }
            }
            _ => damage,
        }
    }

    /// The greatest number of a segment.
    pub(crate) fn last_number(&self) -> u32 {
        self.segments.iter().map(|segment| segment.file.max(segment.numbers.1)).max().unwrap_or(0)
    }

    /// Entries in it.
    pub(crate) fn entries(&self) -> u64 {
        self.segments.iter().map(|segment| segment.entries).sum()
    }

    /// Bodies that are kept.
    pub(crate) fn bodies(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bodies).sum()
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.length).sum::<u64>().saturating_add(self.file_bytes)
    }

    /// Every number up to this one has no body any more.
    pub(crate) fn release_mark(&self) -> Seq {
        let holding = self.segments.iter().find(|segment| segment.bodies > 0);
        let first = holding
            .and_then(|segment| self.table(segment))
            .and_then(|table| table.slots().find(|slot| slot.place.is_kept()).map(|slot| slot.seq));
        first.map_or(self.tail, |first| Seq(first.0.saturating_sub(1)))
    }
}
