//! Parts of an archive that one query asks for, and how they are cut into smaller ones.

use std::collections::BTreeSet;
use std::fmt;

use outrigger_model::{QueryKey, Tag};
use serde::{Deserialize, Serialize};

use super::day::Day;

/// Longest start of a value that is asked for: the longest a UID, a patient ID or a component of a name may be (PS3.5 table 6.2-1).
pub(super) const START_CHARS_MAX: usize = 64;

/// The last second of a day.
const LAST_SECOND: u32 = 86_399;

/// A part of an archive: studies that match all of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// By Study Date.
    pub dates: Dates,
    /// By Study Time, in seconds since midnight, both ends included.
    pub seconds: Option<(u32, u32)>,
    /// By the start of a value.
    pub start: Option<Start>,
    /// By another value too, where more studies have it than are given at once.
    #[serde(default)]
    pub held: Option<Start>,
}

/// Study dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dates {
    /// Any, or none.
    Any,
    /// Before this day.
    Before(Day),
    /// Between two days, both included.
    Between(Day, Day),
    /// After this day.
    After(Day),
}

/// The start of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Of which attribute.
    pub key: Key,
    /// How it begins.
    pub text: String,
    /// Whether it may go on.
    pub end: End,
}

/// Whether a value goes on behind its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// It may.
    Open,
    /// It does not.
    Closed,
}

/// Attributes by whose starts an archive is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Key {
    /// Study Instance UID: every study has one. Wildcards on it are beyond PS3.4 section C.2.2.2.4, and many archives take them.
    StudyUid,
    /// Patient ID.
    PatientId,
    /// Patient's Name, for studies without a patient ID.
    PatientName,
    /// Accession Number, for studies of one patient, and for those that neither ID nor name of the patient can be asked for.
    AccessionNumber,
}

impl Key {
    /// The attribute.
    pub fn tag(self) -> Tag {
        match self {
            Self::StudyUid => Tag::STUDY_INSTANCE_UID,
            Self::PatientId => Tag::PATIENT_ID,
            Self::PatientName => Tag::PATIENT_NAME,
            Self::AccessionNumber => Tag::ACCESSION_NUMBER,
        }
    }
}

impl Slice {
    /// Everything.
    pub fn all() -> Self {
        Self { dates: Dates::Any, seconds: None, start: None, held: None }
    }

    /// These dates.
    pub fn dated(dates: Dates) -> Self {
        Self { dates, ..Self::all() }
    }

    /// The keys that ask for it.
    pub fn keys(&self) -> Vec<QueryKey> {
        let mut keys = Vec::new();
        let mut key = |tag, value: String| keys.push(QueryKey { tag, value });
        match self.dates {
            Dates::Any => {}
            Dates::Before(day) => key(Tag::STUDY_DATE, format!("-{}", day.before())),
            Dates::Between(from, to) if from == to => key(Tag::STUDY_DATE, from.to_string()),
            Dates::Between(from, to) => key(Tag::STUDY_DATE, format!("{from}-{to}")),
            Dates::After(day) => key(Tag::STUDY_DATE, format!("{}-", day.after())),
        }
        if let Some((from, to)) = self.seconds {
            // The fraction, so that the last second is in it whole.
            key(Tag::STUDY_TIME, format!("{}-{}.999999", clock(from), clock(to)));
        }
        for start in self.held.iter().chain(&self.start) {
            let open = if start.end == End::Open { "*" } else { "" };
            key(start.key.tag(), format!("{}{open}", start.text));
        }
        keys
    }

    /// Whether a date falls into it.
    pub fn includes_date(&self, date: Option<Day>) -> bool {
        match (self.dates, date) {
            (Dates::Any, _) => true,
            (_, None) => false,
            (Dates::Before(day), Some(date)) => date < day,
            (Dates::Between(from, to), Some(date)) => from <= date && date <= to,
            (Dates::After(day), Some(date)) => date > day,
        }
    }

    /// Two halves by date, else by time, the earlier first.
    pub fn halves(&self) -> Option<(Self, Self)> {
        let Dates::Between(from, to) = self.dates else { return None };
        if self.start.is_some() {
            return None;
        }
        if from < to {
            let middle = from.middle(to);
            let half = |from, to| Self { dates: Dates::Between(from, to), ..self.clone() };
            return Some((half(from, middle), half(middle.after(), to)));
        }
        let (first, last) = self.seconds.unwrap_or((0, LAST_SECOND));
        if first >= last {
            return None;
        }
        let middle = first + (last - first) / 2;
        let half = |from, to| Self { seconds: Some((from, to)), ..self.clone() };
        Some((half(first, middle), half(middle + 1, last)))
    }

    /// The part of all that have its one value, to be cut by another.
    #[must_use]
    pub fn held(&self) -> Self {
        Self { start: None, held: self.start.clone(), ..self.clone() }
    }

    /// Whether it is cut by the start of a value, out of another that is cut by a shorter one, or is that.
    pub fn is_under(&self, top: &Self) -> bool {
        let is_longer =
            |(own, of): (&Start, &Start)| own.key == of.key && own.text.starts_with(of.text.as_str());
        (self.dates, self.seconds, &self.held) == (top.dates, top.seconds, &top.held)
            && self.start.as_ref().zip(top.start.as_ref()).is_some_and(is_longer)
    }

    /// Its parts by the next character of a value, and the one whose value ends there.
    pub fn by_next(&self, key: Key, next: &BTreeSet<char>) -> Vec<Self> {
        let text = self.start.as_ref().map_or("", |start| &start.text);
        if text.chars().count() >= START_CHARS_MAX {
            return Vec::new();
        }
        let part = |text: String, end| Self { start: Some(Start { key, text, end }), ..self.clone() };
        let mut parts: Vec<Self> = next.iter().map(|next| part(format!("{text}{next}"), End::Open)).collect();
        if !text.is_empty() {
            parts.push(part(text.to_owned(), End::Closed));
        }
        parts
    }
}

impl fmt::Display for Slice {
    /// As what asks for it, `(0008,0020)=20240101-20240131`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys();
        if keys.is_empty() {
            return f.write_str("everything");
        }
        let words: Vec<String> = keys.iter().map(|key| format!("{}={}", key.tag, key.value)).collect();
        f.write_str(&words.join(" "))
    }
}

impl Start {
    /// Whether a value is as it should be; archives differ in whether case counts.
    pub fn fits(&self, value: &str) -> bool {
        let (value, text) = (value.trim().to_lowercase(), self.text.trim_end().to_lowercase());
        match self.end {
            End::Open => value.starts_with(&text),
            End::Closed => value == text,
        }
    }
}

fn clock(second: u32) -> String {
    format!("{:02}{:02}{:02}", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(slice: &Slice) -> Vec<(Tag, String)> {
        slice.keys().into_iter().map(|key| (key.tag, key.value)).collect()
    }

    #[test]
    fn slices_are_asked_for_as_the_standard_has_it() {
        assert_eq!(written(&Slice::all()), []);
        assert_eq!(Slice::all().to_string(), "everything");
        let day = Day::read("20240229").unwrap();
        let dated = |dates| written(&Slice::dated(dates)).pop().unwrap();
        assert_eq!(dated(Dates::Before(day)), (Tag::STUDY_DATE, "-20240228".to_owned()));
        assert_eq!(dated(Dates::After(day)), (Tag::STUDY_DATE, "20240301-".to_owned()));
        assert_eq!(dated(Dates::Between(day, day)), (Tag::STUDY_DATE, "20240229".to_owned()));
        assert_eq!(
            dated(Dates::Between(day, day.after())),
            (Tag::STUDY_DATE, "20240229-20240301".to_owned())
        );
        assert_eq!(Slice::dated(Dates::Between(day, day)).to_string(), "(0008,0020)=20240229");
        let second = Slice { seconds: Some((3_661, 3_661)), ..Slice::dated(Dates::Between(day, day)) };
        assert_eq!(written(&second).pop(), Some((Tag::STUDY_TIME, "010101-010101.999999".to_owned())));
    }

    #[test]
    fn halves_go_down_to_a_second_of_a_day() {
        let mut slice = Slice::dated(Dates::Between(Day::FIRST, Day::LAST));
        let mut cuts = 0;
        while let Some((earlier, later)) = slice.halves() {
            assert_ne!(earlier, later);
            slice = later;
            cuts += 1;
        }
        assert_eq!(slice.seconds, Some((LAST_SECOND, LAST_SECOND)));
        assert!(cuts < 40, "{cuts}");
        assert_eq!(Slice::all().halves(), None);
    }

    #[test]
    fn parts_by_the_next_character_have_one_that_ends() {
        let next = BTreeSet::from(['1', '.']);
        let first = Slice::all().by_next(Key::StudyUid, &next);
        assert_eq!(first.iter().flat_map(written).map(|(_, value)| value).collect::<Vec<_>>(), [".*", "1*"]);
        let second = first.last().unwrap().by_next(Key::StudyUid, &next);
        let values: Vec<_> = second.iter().flat_map(written).map(|(_, value)| value).collect();
        assert_eq!(values, ["1.*", "11*", "1"]);
        let end = Start { key: Key::PatientId, text: "1".repeat(64), end: End::Open };
        assert_eq!(Slice { start: Some(end), ..Slice::all() }.by_next(Key::PatientId, &next), []);
    }
}
