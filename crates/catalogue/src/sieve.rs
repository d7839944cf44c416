//! The keys of a query, held against answers that others gave: archives ignore keys they do not know, and compare as they like.

use outrigger_dataset::dictionary;
use outrigger_dataset::text::Declared;
use outrigger_model::{Answer, Level, Query, Tag};

use crate::attributes::{Kind, kind, known};
use crate::items::items_of;
use crate::matching::{Matcher, date_digits};
use crate::plan::{Filter, filters};

/// The keys of a query that must match.
#[derive(Debug, Clone)]
pub struct Sieve {
    level: Level,
    filters: Vec<Filter>,
    /// Keys with characters that not every character set holds.
    beyond_ascii: Vec<(Tag, String)>,
}

/// What the keys say of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// It is no answer to the query.
    Fails,
    /// What is there matches; a key has no value to be compared with.
    Undecided,
    /// It is an answer.
    Matches,
}

/// What a decoder leaves where a character could not be read.
const UNREADABLE: char = char::REPLACEMENT_CHARACTER;

/// Keys that every archive matches on and returns at their level (PS3.4 tables C.6-1 to C.6-4): without a value there, an
/// answer matches none.
const REQUIRED: [Tag; 12] = [
    Tag::PATIENT_NAME,
    Tag::PATIENT_ID,
    Tag::STUDY_INSTANCE_UID,
    Tag::STUDY_DATE,
    Tag::STUDY_TIME,
    Tag::ACCESSION_NUMBER,
    Tag::STUDY_ID,
    Tag::SERIES_INSTANCE_UID,
    Tag::MODALITY,
    Tag::SERIES_NUMBER,
    Tag::SOP_INSTANCE_UID,
    Tag::INSTANCE_NUMBER,
];

impl Sieve {
    /// The keys of a query that the catalogue matches on too.
    pub fn of(query: &Query) -> Self {
        let keys = query.keys.iter().filter(|key| !key.value.is_ascii());
        let beyond_ascii = keys.map(|key| (key.tag, key.value.clone())).collect();
        Self { level: query.level, filters: filters(query), beyond_ascii }
    }

    /// Holds an answer against them.
    pub fn hold(&self, answer: &Answer) -> Held {
        self.filters.iter().map(|filter| self.hold_key(filter, answer)).min().unwrap_or(Held::Matches)
    }

    /// Whether an answer matches in which a value that is not there is known to be empty, as in the catalogue's own.
    pub fn passes(&self, answer: &Answer) -> bool {
        self.filters.iter().all(|filter| is_held(filter, answer))
    }

    /// Whether an answer matches but for keys whose characters its declared character set does not hold.
    pub fn passes_as_shown(&self, answer: &Answer) -> bool {
        self.filters.iter().all(|filter| is_held(filter, answer) || self.is_beyond(filter.tag, answer))
    }

    fn hold_key(&self, filter: &Filter, answer: &Answer) -> Held {
        let value = |tag| said(answer, tag);
        match value(filter.tag) {
            // Nothing there may be nothing said: many archives return few attributes.
            None if filter.matcher == Matcher::Nothing => Held::Undecided,
            _ if is_held(filter, answer) => Held::Matches,
            Some(_) if filter.matcher.time_tag().is_some_and(|time| value(time).is_none()) => Held::Undecided,
            // Some archives match what is stored, and show it in a set that does not hold it: Orthanc leaves such characters out.
            Some(_) | None if self.is_beyond(filter.tag, answer) => Held::Undecided,
            Some(_) => Held::Fails,
            None if REQUIRED.contains(&filter.tag) && self.is_of_level(filter.tag) => Held::Fails,
            None => Held::Undecided,
        }
    }

    /// Whether a key asks for characters that the declared character set of an answer does not hold, so that a value which does not
    /// match may be the rest of one that does. A value with such characters of its own came from elsewhere, and is what it is.
    fn is_beyond(&self, tag: Tag, answer: &Answer) -> bool {
        let mut keys = self.beyond_ascii.iter().filter(|(key, _)| *key == tag).peekable();
        let Some(set) = answer.value(Tag::SPECIFIC_CHARACTER_SET).filter(|_| keys.peek().is_some()) else {
            return false;
        };
        let set = Declared::new(set);
        let holds = |text: &str| set.encode(text, dictionary::vr(tag)).is_some();
        let is_of_elsewhere = |shown: char| shown != UNREADABLE && !holds(shown.encode_utf8(&mut [0; 4]));
        keys.any(|(_, key)| !holds(key))
            && !answer.value(tag).unwrap_or_default().chars().any(is_of_elsewhere)
    }

    /// Whether an attribute belongs to the entities asked for: a study names its patient itself.
    fn is_of_level(&self, tag: Tag) -> bool {
        known(tag).is_some_and(|known| {
            known.level == self.level || (known.level == Level::Patient && self.level == Level::Study)
        })
    }
}

/// What an answer says of an attribute, unless that is empty.
fn said(answer: &Answer, tag: Tag) -> Option<&str> {
    answer.value(tag).filter(|value| !value.is_empty())
}

fn is_held(filter: &Filter, answer: &Answer) -> bool {
    filter.holds(|tag| said(answer, tag).map(str::to_owned))
}

/// A value as the catalogue would keep it: without padding, dates and times without the marks of the old form (PS3.5 section
/// 6.2).
pub fn normalised(tag: Tag, value: &str) -> String {
    let kind = kind(tag);
    if kind == Kind::Items {
        return normalised_items(value);
    }
    let one = |value: &str| match kind {
        Kind::Date => date_digits(value),
        Kind::Time => value.chars().filter(|character| *character != ':').collect(),
        Kind::Name => value.trim_end_matches(['^', '=', ' ']).to_owned(),
        Kind::Uid | Kind::Text | Kind::Number | Kind::Items => value.to_owned(),
    };
    let values = value.split('\\').map(|value| one(value.trim_matches([' ', '\0'])));
    values.collect::<Vec<_>>().join("\\")
}

/// The same of what is known of each item; of a text that is none of a sequence, nothing.
fn normalised_items(text: &str) -> String {
    let mut items = items_of(text);
    for (tag, value) in items.0.iter_mut().flatten() {
        *value = if kind(*tag) == Kind::Items { String::new() } else { normalised(*tag, value) };
    }
    items.known().to_text()
}

/// Whether a key compares a single value with a single value: then every answer has it.
pub fn is_single(tag: Tag, value: &str) -> bool {
    match known(tag).and_then(|known| Matcher::new(known.kind, value)) {
        Some(Matcher::Uids(uids)) => uids.len() == 1,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use outrigger_model::{QueryKey, QueryRoot};

    use super::*;

    fn query(level: Level, keys: &[(Tag, &str)]) -> Query {
        let keys = keys.iter().map(|(tag, value)| QueryKey { tag: *tag, value: (*value).to_owned() });
        Query::new(QueryRoot::Study, level, keys.collect())
    }

    fn answer(attributes: &[(Tag, &str)]) -> Answer {
        let attributes = attributes.iter().map(|(tag, value)| (*tag, (*value).to_owned()));
        Answer { attributes: attributes.collect() }
    }

    #[test]
    fn answers_to_other_questions_fail() {
        let asked = query(
            Level::Study,
            &[(Tag::PATIENT_NAME, "DOE*"), (Tag::MODALITIES_IN_STUDY, "CT"), (Tag::STUDY_DATE, "20240101-")],
        );
        let sieve = Sieve::of(&asked);
        let (name, date) = ((Tag::PATIENT_NAME, "Doe^Jane "), (Tag::STUDY_DATE, "2024.02.01"));
        for (attributes, held) in [
            (vec![name, date, (Tag::MODALITIES_IN_STUDY, "PR\\CT")], Held::Matches),
            (vec![name, date, (Tag::MODALITIES_IN_STUDY, "MR")], Held::Fails),
            (vec![name, date], Held::Undecided),
            (vec![name, (Tag::STUDY_DATE, ""), (Tag::MODALITIES_IN_STUDY, "CT")], Held::Fails),
            (vec![(Tag::PATIENT_NAME, "ROE^JANE"), date], Held::Fails),
        ] {
            let answer = answer(&attributes);
            assert_eq!(sieve.hold(&answer), held, "{attributes:?}");
            assert_eq!(sieve.passes(&answer), held == Held::Matches, "{attributes:?}");
        }
    }

    #[test]
    fn what_an_answer_cannot_show_in_its_character_set_decides_nothing() {
        let sieve = |name: &str| Sieve::of(&query(Level::Study, &[(Tag::PATIENT_NAME, name)]));
        let shown =
            |set: &str, name: &str| answer(&[(Tag::SPECIFIC_CHARACTER_SET, set), (Tag::PATIENT_NAME, name)]);
        for (asked, set, name, held) in [
            ("\u{738B}*", "ISO_IR 100", "^", Held::Undecided),
            ("\u{738B}*", "ISO_IR 100", "", Held::Undecided),
            ("\u{43B}\u{44E}\u{43A}*", "ISO_IR 100", "ceyp", Held::Undecided),
            ("\u{738B}*", "ISO_IR 6", "?^??", Held::Undecided),
            ("\u{738B}*", "ISO_IR 6", "\u{FFFD}^X", Held::Undecided),
            // The set holds what is asked for, or every answer has what it says.
            ("M\u{FC}ller", "ISO_IR 100", "Mller", Held::Fails),
            ("\u{738B}*", "\\ISO 2022 IR 58", "X", Held::Fails),
            ("DOE*", "ISO_IR 100", "ROE", Held::Fails),
            // Another archive's or the catalogue's, beside a set that does not hold it.
            ("\u{738B}*", "ISO_IR 100", "\u{674E}^X", Held::Fails),
            ("\u{738B}*", "ISO_IR 100", "\u{738B}^X", Held::Matches),
        ] {
            assert_eq!(sieve(asked).hold(&shown(set, name)), held, "{asked} {set} {name}");
            let as_shown = sieve(asked).passes_as_shown(&shown(set, name));
            assert_eq!(as_shown, held != Held::Fails, "{asked} {set} {name}");
            assert_eq!(sieve(asked).passes(&shown(set, name)), held == Held::Matches, "{asked} {set} {name}");
        }
        let undeclared = answer(&[(Tag::PATIENT_NAME, "X")]);
        assert_eq!(sieve("\u{738B}*").hold(&undeclared), Held::Fails, "JSON holds every character");
    }

    #[test]
    fn an_upper_level_that_is_not_returned_decides_nothing() {
        let asked = query(Level::Series, &[(Tag::STUDY_INSTANCE_UID, "1.2"), (Tag::MODALITY, "CT")]);
        let sieve = Sieve::of(&asked);
        assert_eq!(sieve.hold(&answer(&[(Tag::MODALITY, "CT")])), Held::Undecided);
        let other = answer(&[(Tag::MODALITY, "CT"), (Tag::STUDY_INSTANCE_UID, "1.3")]);
        assert_eq!(sieve.hold(&other), Held::Fails);
    }

    #[test]
    fn values_lose_what_means_nothing() {
        for (tag, value, kept) in [
            (Tag::STUDY_DATE, "2024.01.02", "20240102"),
            (Tag::STUDY_TIME, "10:11:12 ", "101112"),
            (Tag::STUDY_INSTANCE_UID, "1.2\0", "1.2"),
            (Tag::PATIENT_NAME, "DOE^JANE^^^ ", "DOE^JANE"),
            (Tag::MODALITIES_IN_STUDY, "CT \\MR", "CT\\MR"),
        ] {
            assert_eq!(normalised(tag, value), kept);
        }
    }
}
