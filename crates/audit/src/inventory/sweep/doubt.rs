//! Days that seem empty at an archive that answers a question for too much as if there were nothing.
//!
//! Such a day may have more than the archive gives. It is asked for in a few short parts, of which some would have few enough, where days
//! near it have something. Where two days together were answered with nothing, and one of them by itself with something, there is no
//! doubt: the other has too much. What is known to have too much is cut on though its parts are answered with nothing.

use serde::{Deserialize, Serialize};

use super::{Half, Nothing, Pending, Phase, Slice, Sweep};
use crate::inventory::day::Day;
use crate::inventory::slice::Dates;

/// Days from one with something to one that seems empty, in which an archive is taken to be in use.
const NEAR_DAYS: i32 = 7;

/// Parts of a day, in minutes, of which some have little if the day has much: the night, the evening, and the first minutes of hours in
/// which most is done.
const CONTROLS: [(u32, u32); 6] = [(0, 359), (360, 449), (480, 484), (600, 604), (840, 844), (1_140, 1_439)];

/// Seconds of the shortest part of a day that is cut on though it is answered with nothing: a 64th of the day.
const SHORTEST: u32 = 1_350;

/// What is known of a part before it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) enum Part {
    #[default]
    Usual,
    /// It tells whether its day has something.
    Control,
    /// Its day has more than is given at once.
    OfHidden,
    /// The same; it is asked for where nothing of the day was found by its times.
    IfNothing,
}

/// What was seen of days, the last ones first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Days {
    /// The last one asked for that had something.
    filled: Option<Day>,
    /// Those near it that seemed empty, with nothing before them.
    empty: Vec<Day>,
}

impl Sweep {
    /// Takes note of how many studies were shown of a part, and puts in line what follows from doubts.
    pub(super) fn look_closer(&mut self, pending: &Pending, dated: u64) {
        let Dates::Between(day, to) = pending.slice.dates else { return };
        if self.nothing == Nothing::Believed || self.phase != Phase::ByDate || day != to {
            return;
        }
        match (pending.part, dated) {
            (Part::Usual, 0) if pending.slice.seconds.is_none() => self.seems_empty(day, pending.half),
            (Part::Usual, _) if pending.slice.seconds.is_none() => self.has_something(day, pending.half),
            (Part::Control, 1..) => {
                self.drop_parts(day, Part::Control);
                self.put_hidden(day);
            }
            (Part::OfHidden, 0) => self.cut_hidden(&pending.slice),
            (Part::OfHidden, _) => self.drop_parts(day, Part::IfNothing),
            (Part::Usual | Part::Control | Part::IfNothing, _) => {}
        }
    }

    fn seems_empty(&mut self, day: Day, half: Half) {
        match half {
            // Both together were nothing, and the other has something.
            Half::Second { whole: 0, first: 1.. } => self.put_surely_hidden(day),
            _ if self.days.filled.is_some_and(|filled| is_near(filled, day)) => self.put_controls(day),
            _ => self.days.empty.push(day),
        }
    }

    fn has_something(&mut self, day: Day, half: Half) {
        self.days.filled = Some(day);
        let empty = std::mem::take(&mut self.days.empty);
        let sibling = day.after();
        for empty in empty.into_iter().filter(|empty| is_near(*empty, day) && *empty != sibling) {
            self.put_controls(empty);
        }
        if let Half::Second { whole: 0, first: 0 } = half {
            self.put_surely_hidden(sibling);
        }
    }

    fn put_controls(&mut self, day: Day) {
        for (from, to) in CONTROLS {
            let seconds = Some((from * 60, to * 60 + 59));
            let slice = Slice { seconds, ..Slice::dated(Dates::Between(day, day)) };
            self.put_part(slice, Part::Control);
        }
    }

    /// The same where nothing but the day itself is known: times may be the same for all.
    fn put_surely_hidden(&mut self, day: Day) {
        let before = self.todo.len();
        self.cut_by_start(&Slice::dated(Dates::Between(day, day)));
        for pending in self.todo.iter_mut().skip(before) {
            pending.part = Part::IfNothing;
        }
        self.put_hidden(day);
    }

    fn put_hidden(&mut self, day: Day) {
        self.cut_hidden(&Slice::dated(Dates::Between(day, day)));
    }

    fn cut_hidden(&mut self, slice: &Slice) {
        let length = slice.seconds.map_or(u32::MAX, |(from, to)| to - from + 1);
        if let Some((earlier, later)) = slice.halves().filter(|_| length > SHORTEST) {
            self.put_part(earlier, Part::OfHidden);
            self.put_part(later, Part::OfHidden);
        }
    }

    fn drop_parts(&mut self, day: Day, part: Part) {
        let of_day = Dates::Between(day, day);
        self.todo.retain(|pending| pending.part != part || pending.slice.dates != of_day);
    }

    fn put_part(&mut self, slice: Slice, part: Part) {
        let before = self.todo.len();
        self.put(slice, Half::Not);
        if let Some(pending) = self.todo.get_mut(before) {
            pending.part = part;
        }
    }

    /// Whether no answers to the next question are believed only if nothing is known of what it asks for: the archive hides what is too
    /// much, and studies that were seen there already would be among it.
    pub fn doubts_next(&self) -> bool {
        self.nothing == Nothing::Doubted
            && self
                .todo
                .last()
                .is_some_and(|pending| pending.probe.is_none() && pending.slice.start.is_some())
    }

    /// Takes note that the next part was answered with nothing though studies of it are known.
    pub fn hidden(&mut self) {
        let Some(pending) = self.todo.pop() else { return };
        self.asked += 1;
        self.answered += 1;
        self.cut(&pending.slice, &[]);
        if self.todo.is_empty() {
            self.next_phase(&[]);
        }
    }
}

fn is_near(one: Day, other: Day) -> bool {
    one.0.abs_diff(other.0) <= NEAR_DAYS.unsigned_abs()
}
