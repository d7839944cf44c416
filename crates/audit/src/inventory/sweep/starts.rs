//! Cutting by the starts of values: what they may go on with is what was seen anywhere.
//!
//! A part that was cut before a character came up is cut by that too. Some values cannot be asked for, as what they hold stands for other
//! characters in a query (`*`, `?`); a study is found if one of its patient ID, name and accession number can be. Accession numbers are
//! asked for where a study was seen that needs it, and where more studies have one patient ID or name than are given at once.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Half, Learnt, Limit, Shown, Slice, Sweep, Whole, Wildcards};
use crate::inventory::slice::{Dates, End, Key, START_CHARS_MAX};

/// Cuts that are remembered: more than any archive needs that has no date for a few.
const CUTS_MAX: usize = 2_000;

/// What is remembered of the cuts by starts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Starts {
    cuts: Vec<Cut>,
    /// Characters that were known when a cut was first not remembered.
    forgotten: Option<usize>,
    /// Cut by patient ID and name, and not by accession number.
    by_patient: Vec<Slice>,
    /// What showed nothing that belongs there, and how many parts of it did so in a row.
    fruitless: Option<(Slice, usize)>,
    /// What was given up last, but for its last character.
    given_up: Option<Slice>,
    /// Whether a study was seen that cannot be asked for, where there may be more of them.
    unreached: bool,
}

/// A part that was cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Cut {
    slice: Slice,
    key: Key,
    /// How many of the characters were known.
    known: usize,
}

impl Starts {
    /// Forgets what was cut, as something else begins.
    pub(super) fn begin(&mut self) {
        *self = Self { unreached: self.unreached, ..Self::default() };
    }

    /// Forgets what was cut by a key.
    pub(super) fn forget(&mut self, key: Key) {
        self.cuts.retain(|cut| cut.key != key);
    }
}

impl Learnt {
    /// Takes note of what the values of a study are made of.
    pub(super) fn learn(&mut self, study: &Shown) {
        for (seen, value) in [
            (&mut self.in_ids, &study.patient_id),
            (&mut self.in_names, &study.patient_name),
            (&mut self.in_accessions, &study.accession),
        ] {
            for char in value.chars() {
                if !seen.contains(&char) {
                    seen.push(char);
                }
            }
        }
        let is_odd = |is_lost: &dyn Fn(Key, char) -> bool| {
            [Key::PatientId, Key::PatientName].iter().all(|key| !is_reached(*key, study, is_lost))
        };
        if is_odd(&|_, char| is_suspect(char)) {
            self.is_odd |= is_odd(&|key, char| self.is_lost(key, char));
            self.is_perhaps_odd = true;
        }
    }

    fn is_lost(&self, key: Key, char: char) -> bool {
        self.lost.contains(&(key, char))
    }

    fn seen(&self, key: Key) -> &[char] {
        match key {
            Key::StudyUid => &[],
            Key::PatientId => &self.in_ids,
            Key::PatientName => &self.in_names,
            Key::AccessionNumber => &self.in_accessions,
        }
    }

    fn known(&self) -> usize {
        self.in_ids.len() + self.in_names.len() + self.in_accessions.len()
    }
}

impl Sweep {
    pub(super) fn cut_by_start(&mut self, slice: &Slice) {
        let parts = match &slice.start {
            Some(start) if start.end == End::Closed => match start.key {
                Key::PatientId | Key::PatientName => self.cut_by(&slice.held(), Key::AccessionNumber),
                Key::StudyUid | Key::AccessionNumber => 0,
            },
            Some(start) => self.cut_by(slice, start.key),
            None if self.learnt.wildcards == Wildcards::Taken => self.cut_by(slice, Key::StudyUid),
            None => {
                self.starts.by_patient.push(slice.clone());
                self.cut_by(slice, Key::PatientName) + self.cut_by(slice, Key::PatientId)
            }
        };
        // Where nothing shows that there is a limit, all of the archive is in this one part.
        if parts == 0 && self.learnt.limit == Limit::Proven {
            self.unlisted += 1;
        }
    }

    /// Puts the parts by a key in line, and says how many there are.
    fn cut_by(&mut self, slice: &Slice, key: Key) -> usize {
        let parts = slice.by_next(key, &self.next_characters(key, slice));
        if key != Key::StudyUid && self.starts.cuts.len() < CUTS_MAX {
            self.starts.cuts.push(Cut { slice: slice.clone(), key, known: self.learnt.seen(key).len() });
        } else if key != Key::StudyUid {
            self.starts.forgotten.get_or_insert(self.learnt.known());
        }
        let count = parts.len();
        for part in parts {
            self.put(part, Half::Not);
        }
        count
    }

    /// Puts in line what was not known to be there when a part was cut.
    pub(super) fn cut_again(&mut self) {
        let mut cuts = std::mem::take(&mut self.starts.cuts);
        for cut in &mut cuts {
            let seen = self.learnt.seen(cut.key);
            let before = last(&cut.slice);
            let is_new = |char: &char| {
                may_follow(cut.key, before, *char)
                    && !is_always_tried(before, *char)
                    && !self.learnt.is_lost(cut.key, *char)
            };
            let next: BTreeSet<char> = seen.iter().skip(cut.known).copied().filter(is_new).collect();
            cut.known = seen.len();
            for part in cut.slice.by_next(cut.key, &next) {
                if part.start.as_ref().is_some_and(|start| start.end == End::Open) {
                    self.put(part, Half::Not);
                }
            }
        }
        self.starts.cuts = cuts;
        if self.learnt.is_odd {
            for slice in std::mem::take(&mut self.starts.by_patient) {
                self.cut_by(&slice, Key::AccessionNumber);
            }
        }
        if self.todo.is_empty()
            && self.starts.forgotten.take().is_some_and(|known| known < self.learnt.known())
        {
            self.unlisted += 1;
        }
    }

    /// Characters that a value may go on with: all of them at its beginning, later those that were seen anywhere.
    fn next_characters(&self, key: Key, slice: &Slice) -> BTreeSet<char> {
        if key == Key::StudyUid {
            return ".0123456789".chars().collect();
        }
        let before = last(slice);
        let tried = ('!'..='~').filter(|char| is_always_tried(before, *char));
        let next = self.learnt.seen(key).iter().copied().chain(tried);
        next.filter(|char| may_follow(key, before, *char) && !self.learnt.is_lost(key, *char)).collect()
    }

    /// Takes note that so many studies were shown that belong to a part.
    pub(super) fn bears_fruit(&mut self, slice: &Slice, fit: u64) {
        if let Some((top, count)) = &mut self.starts.fruitless
            && fit > 0
            && slice.is_under(top)
        {
            *count = 0;
        }
    }

    /// Whether nothing comes of cutting a part on, which showed nothing that belongs there: so did longer and longer starts.
    pub(super) fn is_fruitless(&mut self, slice: &Slice) -> bool {
        let Some(start) = &slice.start else { return false };
        let suspects = start.text.chars().filter(|char| is_suspect(*char)).count();
        if suspects > 1 || (suspects == 1 && start.end == End::Closed) {
            return self.give_up(slice);
        }
        let before = self.starts.fruitless.take().filter(|(top, _)| slice.is_under(top));
        let (top, count) = before.map_or_else(|| (slice.clone(), 1), |(top, count)| (top, count + 1));
        if count <= START_CHARS_MAX {
            self.starts.fruitless = Some((top, count));
            return false;
        }
        self.give_up(&top);
        true
    }

    /// Asks for nothing more of a part; it is counted once for all that begin the same but for the last character. Where it is for a
    /// character that is suspect, no value with that is asked for any more.
    pub(super) fn give_up(&mut self, top: &Slice) -> bool {
        let Some(start) = &top.start else { return false };
        let lost: Vec<(Key, char)> =
            start.text.chars().filter(|char| is_suspect(*char)).map(|char| (start.key, char)).collect();
        let has_lost = |slice: &Slice| {
            let start = slice.start.as_ref();
            start.is_some_and(|start| start.text.chars().any(|char| lost.contains(&(start.key, char))))
        };
        self.todo.retain(|pending| !pending.slice.is_under(top) && !has_lost(&pending.slice));
        self.starts.cuts.retain(|cut| !cut.slice.is_under(top) && !has_lost(&cut.slice));
        let mut shorter = top.clone();
        if let Some(start) = &mut shorter.start {
            start.text.pop();
        }
        if lost.is_empty() && self.starts.given_up.as_ref() != Some(&shorter) {
            self.unlisted += 1;
            self.starts.given_up = Some(shorter);
        } else if !lost.is_empty() {
            self.learnt.is_odd |= self.learnt.is_perhaps_odd;
            self.learnt.lost.extend(lost);
        }
        true
    }

    /// Takes note of studies that cannot be asked for by any of their values, where more of them may not be shown.
    pub(super) fn look_for_unreached(&mut self, slice: &Slice, shown: &[Shown], whole: Whole) {
        let is_crowded = whole == Whole::Perhaps && slice.dates != Dates::Any && slice.halves().is_none();
        let is_lost = |key, char| self.learnt.is_lost(key, char);
        let reached_by =
            |study: &Shown, keys: &[Key]| keys.iter().any(|key| is_reached(*key, study, &is_lost));
        let all = [Key::PatientId, Key::PatientName, Key::AccessionNumber];
        let is_unreached = |study: &Shown| (is_crowded || study.date.is_none()) && !reached_by(study, &all);
        // What has one value is cut by accession number alone.
        let is_value = slice.start.as_ref().is_some_and(|start| {
            start.end == End::Closed && matches!(start.key, Key::PatientId | Key::PatientName)
        });
        let is_cut = whole == Whole::Perhaps && is_value && self.learnt.limit == Limit::Proven;
        let is_cut = is_cut && shown.iter().any(|study| !reached_by(study, &[Key::AccessionNumber]));
        self.starts.unreached |= shown.iter().any(is_unreached);
        self.unlisted += u64::from(is_cut);
    }

    /// Whether there may be studies that cannot be asked for.
    pub(super) fn may_lack_unreached(&self) -> bool {
        let is_cut = self.learnt.limit == Limit::Proven && self.learnt.wildcards != Wildcards::Taken;
        is_cut && self.starts.unreached
    }
}

fn last(slice: &Slice) -> Option<char> {
    slice.start.as_ref().and_then(|start| start.text.chars().next_back())
}

/// Whether archives are known to make something else of a character in a question: they leave out what is beyond ASCII, and take `%` and
/// `_` for what they stand for in SQL.
fn is_suspect(char: char) -> bool {
    !char.is_ascii() || matches!(char, '%' | '_')
}

/// Whether a character is asked for behind another, or at the beginning, though it was not seen. Where case does not count, each would be
/// asked for twice.
fn is_always_tried(before: Option<char>, char: char) -> bool {
    match before {
        None => ('!'..='~').contains(&char) && !char.is_ascii_lowercase(),
        Some(_) => char.is_ascii_digit(),
    }
}

/// Whether a value may be asked for with a character behind another, or at the beginning.
fn may_follow(key: Key, before: Option<char>, char: char) -> bool {
    // `=` and a `^` at the beginning divide a name: some archives take what begins so for any name.
    let divides = key == Key::PatientName && (char == '=' || (char == '^' && before.is_none()));
    // Archives leave out the blanks at the end of what they are asked for.
    let is_lost = char == ' ' && before.is_none_or(|before| before == ' ');
    !matches!(char, '*' | '?' | '\\') && !char.is_control() && !divides && !is_lost
}

/// Whether a study can be asked for by a value of it.
fn is_reached(key: Key, study: &Shown, is_lost: &dyn Fn(Key, char) -> bool) -> bool {
    let mut before = None;
    let mut may_follow = |char| may_follow(key, before.replace(char), char) && !is_lost(key, char);
    !study.value(key).is_empty() && study.value(key).chars().all(&mut may_follow)
}
