//! Identifiers of C-FIND, C-MOVE and C-GET (PS3.4 Annex C), to and from the words of the model.

mod find;
mod items;
mod keys;
mod read;
mod write;

use outrigger_model::{Level, QueryRoot, Tag, UidError};

pub use find::{Asked, check_key, read_find};
pub use keys::{compared, is_supported, item_keys, level_of};
pub use read::{read_answer, read_declared_answer, read_failed, read_query, read_selection};
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

/// The key that an empty value matches, where that was negotiated (PS3.4 section C.2.2.2.7).
const EMPTY_VALUE: &str = "\"\"";
/// Most values of a key that is no UID: each is compared with each entity, and no dialog offers as many modalities or names.
const VALUES_MAX: usize = 100;

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
    /// The unique key of a level above that of the query has no single value (PS3.4 section C.4.1.2.1).
    #[error("{tag} needs a single value at level {level:?} (not relational)")]
    NoSingleKey {
        /// The level asked for.
        level: Level,
        /// The key.
        tag: Tag,
    },
    /// A key has more values than are compared with every entity.
    #[error("{tag} has {found} values; at most {VALUES_MAX} are compared")]
    TooManyValues {
        /// The key.
        tag: Tag,
        /// How many.
        found: usize,
    },
    /// The key of a sequence has more than one item (PS3.4 section C.2.2.2.6).
    #[error("{tag} has {found} items; the key of a sequence has one")]
    TooManyItems {
        /// The sequence.
        tag: Tag,
        /// How many.
        found: usize,
    },
    /// A date or time cannot be one, nor a range of them.
    #[error("{tag} holds no {what}, nor a range of them")]
    NoMoment {
        /// The key.
        tag: Tag,
        /// What was expected.
        what: &'static str,
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

impl IdentifierError {
    /// The element that is to blame (0000,0901).
    pub fn offending(&self) -> Option<Tag> {
        match self {
            Self::Unreadable(_) => None,
            Self::NoLevel | Self::UnknownLevel { .. } | Self::LevelOutsideModel { .. } => {
                Some(Tag::QUERY_RETRIEVE_LEVEL)
            }
            Self::MissingKey { tag }
            | Self::NoSingleKey { tag, .. }
            | Self::TooManyValues { tag, .. }
            | Self::TooManyItems { tag, .. }
            | Self::NoMoment { tag, .. }
            | Self::BadUid { tag, .. } => Some(*tag),
        }
    }
}
