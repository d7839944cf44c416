//! Archives whose limit does not stay the same, and what is believed of them.
//!
//! That an archive which once gave more answers does not stop at fewer spares most questions. One whose limit falls, or is another each
//! time, as where it is one of time, contradicts itself: a part is answered with fewer studies than were shown of it among the answers
//! to a larger one, or everything with fewer in the end than at the beginning. Then no more answers than any archive gives are believed
//! to be all, and it is gone through again. Studies taken out meanwhile look the same, and cost questions alone.

use serde::{Deserialize, Serialize};

use super::{Half, Pending, Phase, SURELY_WHOLE, Shown, Slice, Sweep, Whole};

/// Whether an archive that once gave more answers is believed not to stop at fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Steadiness {
    /// It is.
    #[default]
    Steady,
    /// It contradicted itself in the last or present going through.
    Wavering,
}

/// Whether the answers of an archive contradicted one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) enum Contradiction {
    #[default]
    None,
    Seen,
}

impl Sweep {
    /// Takes note of how many studies were seen already of the parts put in line behind the first `before`. Archives make too much of
    /// the starts of values, and what times they compare is not shown.
    pub(super) fn expect(&mut self, before: usize, shown: &[Shown]) {
        for pending in self.todo.iter_mut().skip(before) {
            let slice = &pending.slice;
            if slice.start.is_none() && slice.held.is_none() && slice.seconds.is_none() {
                pending.known = dated(slice, shown);
            }
        }
    }

    /// Whether a part was answered with fewer studies than it has; then it is begun anew.
    pub(super) fn contradicts_known(&mut self, pending: &Pending, dated: u64, whole: Whole) -> bool {
        let is_fewer = whole == Whole::Surely && dated >= u64::from(SURELY_WHOLE) && dated < pending.known;
        is_fewer && self.contradicted()
    }

    /// Takes the second answer to the question for everything.
    pub(super) fn compare_everything(&mut self, answers: u64) {
        if self.everything.is_some_and(|found| answers < found.answers) {
            self.contradicted();
        }
    }

    /// Whether it is begun anew, as it is where the archive was believed.
    fn contradicted(&mut self) -> bool {
        self.contradiction = Contradiction::Seen;
        if self.learnt.steadiness == Steadiness::Wavering {
            return false;
        }
        self.learnt.steadiness = Steadiness::Wavering;
        let again = Self::new(std::mem::take(&mut self.learnt), self.today);
        let contradiction = self.contradiction;
        let (unlisted, asked, answered) = (self.unlisted, self.asked, self.answered);
        *self = Self { contradiction, unlisted, asked, answered, ..again };
        true
    }

    /// Asks for everything once more where it was cut short, else ends.
    pub(super) fn end_or_ask_again(&mut self) {
        if self.phase != Phase::Again && self.everything.is_some_and(|found| found.whole == Whole::Perhaps) {
            self.phase = Phase::Again;
            self.put(Slice::all(), Half::Not);
            return;
        }
        self.phase = Phase::Ended;
        if self.contradiction == Contradiction::None {
            self.learnt.steadiness = Steadiness::Steady;
        }
    }
}

/// How many studies of these have a date that falls into a part.
pub(super) fn dated(slice: &Slice, shown: &[Shown]) -> u64 {
    let falls = |study: &&Shown| study.date.is_some() && slice.includes_date(study.date);
    shown.iter().filter(falls).count() as u64
}
