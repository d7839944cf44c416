//! Which one index a database uses before the matching in code: it may leave too much, never too little.

use outrigger_model::Tag;

use crate::matching::{Matcher, Range};
use crate::plan::Filter;

/// What an index narrows a search to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Narrow {
    /// Nothing: every row is looked at.
    All,
    /// SOP Instance UIDs.
    Instances(Vec<String>),
    /// Series Instance UIDs.
    Series(Vec<String>),
    /// Study Instance UIDs.
    Studies(Vec<String>),
    /// One accession number.
    Accession(String),
    /// One patient ID, of any issuer.
    PatientId(String),
    /// Names one of whose component groups lies in a range of folded text.
    Names(Range<String>),
    /// Study dates.
    StudyDates(Range<String>),
}

/// Shortest start of a name that is better than a range of dates: three letters leave some thousandth of the names.
const NAME_START_CHARS_MIN: usize = 3;

impl Narrow {
    /// Chooses the index that leaves least, by the kind of key.
    pub(crate) fn of(filters: &[Filter]) -> Self {
        let found = filters.iter().filter_map(|filter| Some((rank(filter)?, filter)));
        let Some((_, best)) = found.min_by_key(|(rank, _)| *rank) else { return Self::All };
        match (best.tag, &best.matcher) {
            (Tag::SOP_INSTANCE_UID, Matcher::Uids(uids)) => Self::Instances(uids.clone()),
            (Tag::SERIES_INSTANCE_UID, Matcher::Uids(uids)) => Self::Series(uids.clone()),
            (Tag::STUDY_INSTANCE_UID, Matcher::Uids(uids)) => Self::Studies(uids.clone()),
            (Tag::ACCESSION_NUMBER, Matcher::Text(values)) => {
                values.first().cloned().map_or(Self::All, Self::Accession)
            }
            (Tag::PATIENT_ID, Matcher::Text(values)) => {
                values.first().cloned().map_or(Self::All, Self::PatientId)
            }
            (Tag::STUDY_DATE, Matcher::Dates(range)) => Self::StudyDates(range.clone()),
            (Tag::STUDY_DATE, Matcher::Moments(moments)) => Self::StudyDates(moments.dates()),
            (Tag::PATIENT_NAME, Matcher::Name(groups)) => name_start(groups).map_or(Self::All, |start| {
                // U+10FFFF is no character: it comes behind every name that begins so.
                Self::Names(Range { from: start.to_owned(), to: format!("{start}\u{10FFFF}") })
            }),
            _ => Self::All,
        }
    }
}

/// How little an index leaves, least first; `None` where none helps.
fn rank(filter: &Filter) -> Option<u8> {
    let one_value = |values: &[String]| matches!(values, [only] if !only.contains(['*', '?']));
    match (filter.tag, &filter.matcher) {
        (Tag::SOP_INSTANCE_UID, Matcher::Uids(_)) => Some(0),
        (Tag::SERIES_INSTANCE_UID, Matcher::Uids(_)) => Some(1),
        (Tag::STUDY_INSTANCE_UID, Matcher::Uids(_)) => Some(2),
        (Tag::ACCESSION_NUMBER, Matcher::Text(values)) if one_value(values) => Some(3),
        (Tag::PATIENT_ID, Matcher::Text(values)) if one_value(values) => Some(4),
        (Tag::PATIENT_NAME, Matcher::Name(groups)) => {
            let length = name_start(groups)?.chars().count();
            Some(if length >= NAME_START_CHARS_MIN { 5 } else { 7 })
        }
        (Tag::STUDY_DATE, Matcher::Dates(_) | Matcher::Moments(_)) => Some(6),
        _ => None,
    }
}

/// What every match of a name of one group begins with.
fn name_start(groups: &[String]) -> Option<&str> {
    let [only] = groups else { return None };
    only.split(['*', '?']).next().filter(|start| !start.is_empty())
}
