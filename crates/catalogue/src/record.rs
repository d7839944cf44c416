//! Records: what is kept beside the rows, each a short JSON text under a kind and a key, the same over every database.

use outrigger_model::{SeriesUid, SopInstanceUid, StudyUid, WallTime};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::CatalogueError;
use crate::tables::{Tables, View};

/// What a record is about; its number stands in databases and never changes. Changes come last, so that they are appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RecordKind {
    /// Numbers that go up, by name.
    Position = 1,
    /// Why an instance is not shown, by SOP Instance UID.
    State = 2,
    /// Instances that are not shown, by study, series and SOP Instance UID.
    Withheld = 3,
    /// Deleted instances whose bytes are to go, by that time and SOP Instance UID.
    Due = 4,
    /// Which version a person chose, by SOP Instance UID.
    Chosen = 5,
    /// What was decided of the attributes of a study or series, by its UIDs.
    Edited = 6,
    /// Changes, by number.
    Change = 9,
}

impl RecordKind {
    /// All of them.
    pub(crate) const ALL: [Self; 7] =
        [Self::Position, Self::State, Self::Withheld, Self::Due, Self::Chosen, Self::Edited, Self::Change];

    /// Its number in databases.
    pub(crate) fn number(self) -> u64 {
        self as u64
    }
}

/// A record as it is kept: key and value.
pub(crate) type Record = (String, String);

/// Between the parts of a key: no UID has it, and it sorts before all that one has.
const BETWEEN: char = ' ';
/// Above all characters that a key has: no UID has it.
const ABOVE_EVERY_KEY: char = '\u{7f}';

/// A number as a key: by text it sorts as it counts.
pub(crate) fn number_key(number: u64) -> String {
    format!("{number:016x}")
}

/// A time and an instance as a key; times before 1970 are its beginning.
pub(crate) fn due_key(due: WallTime, instance: &SopInstanceUid) -> String {
    format!("{}{BETWEEN}{instance}", number_key(u64::try_from(due.0).unwrap_or(0)))
}

/// A place in a study as a key.
pub(crate) fn place_key(study: &StudyUid, series: &SeriesUid, instance: &SopInstanceUid) -> String {
    format!("{study}{BETWEEN}{series}{BETWEEN}{instance}")
}

/// A series of a study as a key.
pub(crate) fn series_key(study: &StudyUid, series: &SeriesUid) -> String {
    format!("{study}{BETWEEN}{series}")
}

/// What the keys of all places in a study begin with.
pub(crate) fn start_of(study: &StudyUid) -> String {
    format!("{study}{BETWEEN}")
}

/// What the keys of all places in a series begin with.
pub(crate) fn start_of_series(study: &StudyUid, series: &SeriesUid) -> String {
    format!("{study}{BETWEEN}{series}{BETWEEN}")
}

/// Where keys that begin with `start` end.
pub(crate) fn end_of(start: &str) -> String {
    format!("{start}{ABOVE_EVERY_KEY}")
}

/// Reads a record within a transaction that writes.
pub(crate) fn read<T: DeserializeOwned>(
    tables: &mut dyn Tables,
    kind: RecordKind,
    key: &str,
) -> Result<Option<T>, CatalogueError> {
    tables.record(kind, key)?.map(|value| parsed(kind, &value)).transpose()
}

/// Reads a record.
pub(crate) fn look<T: DeserializeOwned>(
    view: &dyn View,
    kind: RecordKind,
    key: &str,
) -> Result<Option<T>, CatalogueError> {
    view.record(kind, key)?.map(|value| parsed(kind, &value)).transpose()
}

/// Reads a record out of its text.
pub(crate) fn parsed<T: DeserializeOwned>(kind: RecordKind, value: &str) -> Result<T, CatalogueError> {
    serde_json::from_str(value).map_err(|source| bad(kind, source))
}

/// Writes a record in the place of the one there is.
pub(crate) fn write(
    tables: &mut dyn Tables,
    kind: RecordKind,
    key: &str,
    value: &impl Serialize,
) -> Result<(), CatalogueError> {
    let value = serde_json::to_string(value).map_err(|source| bad(kind, source))?;
    tables.save_record(kind, key, &value)
}

fn bad(kind: RecordKind, source: serde_json::Error) -> CatalogueError {
    CatalogueError::BadRow { table: "record", row: kind.number(), source: Box::new(source) }
}
