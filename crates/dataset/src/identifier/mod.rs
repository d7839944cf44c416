//! Identifiers of C-FIND, C-MOVE and C-GET (PS3.4 Annex C), to and from the words of the model.

mod read;
mod write;

use outrigger_model::{Level, QueryRoot, Tag, UidError};

pub use read::{read_answer, read_failed, read_query, read_selection};
pub use write::{write_answer, write_failed, write_instances, write_query, write_selection};

use crate::read::ReadError;

/// Failed SOP Instance UID List.
const FAILED_UIDS: Tag = Tag(0x0008, 0x0058);

const LEVELS: [(Level, &str); 4] = [
    (Level::Patient, "PATIENT"),
    (Level::Study, "STUDY"),
    (Level::Series, "SERIES"),
    (Level::Image, "IMAGE"),
];

/// Why an identifier cannot be answered; each is status A900 (identifier does not match SOP class).
#[derive(Debug, thiserror::Error)]
pub enum IdentifierError {
    /// It is no data set.
    #[error("the identifier cannot be read")]
    Unreadable(#[source] ReadError),
    /// Query/Retrieve Level is absent or empty.
    #[error("the identifier has no Query/Retrieve Level (0008,0052)")]
    NoLevel,
    /// Query/Retrieve Level is none of the four.
    #[error("the Query/Retrieve Level `{value}` is not known; PATIENT, STUDY, SERIES or IMAGE is expected")]
    UnknownLevel {
        /// The value given.
        value: String,
    },
    /// The information model has no such level.
    #[error("the information model {root:?} Root has no level {level:?}")]
    LevelOutsideModel {
        /// The model of the presentation context.
        root: QueryRoot,
        /// The level asked for.
        level: Level,
    },
    /// A unique key that says what to retrieve is absent or empty.
    #[error("the unique key {tag} has no value")]
    MissingKey {
        /// The key.
        tag: Tag,
    },
    /// A unique key has a value that cannot be a UID.
    #[error("the unique key {tag} has a value that is no UID")]
    BadUid {
        /// The key.
        tag: Tag,
        /// What is wrong with it.
        #[source]
        source: UidError,
    },
}
