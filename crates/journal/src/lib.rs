//! The book of original entry: an append-only, framed log of records and the bytes of objects.
//!
//! What is appended is on stable storage before its receipt exists. Knows no DICOM. The format stands in
//! docs/journal-format.md.

mod damage;
mod durable;
mod error;
mod handle;
mod ids;
mod journal;
mod options;
mod reader;
mod record;
mod shared;
mod state;

pub use damage::{Certainty, Damage, DamagedPart};
pub use durable::Durable;
pub use error::{AppendError, OpenError, ReadError, ReleaseError};
pub use handle::JournalHandle;
pub use ids::{Epoch, JournalId, Seq};
pub use journal::{Journal, Opened, RecoveryReport};
pub use options::{FRAME_BODY_BYTES_MAX, HEADER_BYTES_MAX, Options, SEGMENT_BYTES};
pub use reader::JournalReader;
pub use record::{Append, BodyFacts, Entry, Presence, Record, RecordKind};
pub use state::{Health, JournalState};
