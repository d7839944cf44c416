//! What is asked of an archive (PS3.4 Annex C).

use serde::{Deserialize, Serialize};

use crate::{SeriesUid, SopInstanceUid, StudyUid, Tag};

/// Query/Retrieve Level (0008,0052).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// PATIENT.
    Patient,
    /// STUDY.
    Study,
    /// SERIES.
    Series,
    /// IMAGE: any composite instance.
    Image,
}

/// Information model (PS3.4 section C.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueryRoot {
    /// Patient Root.
    Patient,
    /// Study Root: patient attributes are study-level keys.
    Study,
}

/// One key of an identifier: an empty value asks for the attribute and matches everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryKey {
    /// The attribute.
    pub tag: Tag,
    /// The value to match, decoded, as the requestor wrote it; of a sequence the text of [`crate::Items`].
    pub value: String,
}

/// A C-FIND identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Information model.
    pub root: QueryRoot,
    /// Level asked for.
    pub level: Level,
    /// Keys other than the level and the character set.
    pub keys: Vec<QueryKey>,
    /// What was agreed on for the matching.
    pub rules: Rules,
}

/// What was agreed on by extended negotiation for queries (PS3.4 section C.5.1.1); the default is the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is agreed on by itself, by a byte of its own")]
pub struct Rules {
    /// Whether the unique keys of the levels above may be left out.
    pub relational: bool,
    /// Whether a range of dates and one of times are one range of moments.
    pub date_times: bool,
    /// Whether `""` matches the values that are empty.
    pub empty_values: bool,
    /// Whether every one of several values of a key must match.
    pub multiple_values: bool,
}

impl Query {
    /// A query by the baseline's rules.
    pub fn new(root: QueryRoot, level: Level, keys: Vec<QueryKey>) -> Self {
        Self { root, level, keys, rules: Rules::default() }
    }
}

/// One match: the attributes asked for, decoded; an attribute without a value is not listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Values by tag, multiple values joined by `\`; of a sequence the text of [`crate::Items`].
    pub attributes: Vec<(Tag, String)>,
}

impl Answer {
    /// The value of an attribute as it is listed.
    pub fn value(&self, tag: Tag) -> Option<&str> {
        self.attributes.iter().find(|(found, _)| *found == tag).map(|(_, value)| value.as_str())
    }
}

/// What is to be retrieved: the unique keys of a C-MOVE or C-GET identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All studies of a patient ID.
    Patient {
        /// Patient ID (0010,0020).
        patient_id: String,
    },
    /// Whole studies.
    Studies(Vec<StudyUid>),
    /// Whole series, of a study where it is named.
    Series {
        /// Their study; absent in a relational retrieval (PS3.4 section C.4.2.3.2.1).
        study: Option<StudyUid>,
        /// The series.
        series: Vec<SeriesUid>,
    },
    /// Single instances, wherever they stand.
    Instances {
        /// Their study as it was named, which says where they can be looked for; absent in a relational retrieval.
        study: Option<StudyUid>,
        /// The instances.
        instances: Vec<SopInstanceUid>,
    },
}
