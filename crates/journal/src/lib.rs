//! The book of original entry: an append-only, framed log of records and the bytes of objects.
//!
//! What is appended is on stable storage before its receipt exists. Knows no DICOM. See docs/journal-format.md.

// What is appended and read.
mod book;
mod damage;
mod engine;
mod error;
mod head;
mod held;
mod home;
mod ids;
mod options;
mod paths;
mod ranges;
mod reader;
mod record;
mod renew;
mod state;

// The path of an append, outside in.
mod adopt;
mod ahead;
mod begin;
mod carry;
mod check;
mod commit;
mod copies;
mod generation;
mod handle;
mod journal;
mod keeping;
mod open;
mod release;
mod remake;
mod room;
mod start;
mod transfer;
mod writer;

// The engines that keep it.
mod log;
mod sqlite;

pub use carry::Carried;
pub use commit::Durable;
pub use damage::{Certainty, Damage, DamagedPart};
pub use engine::EngineKind;
pub use error::{AppendError, HeadError, OpenError, ReadError, ReleaseError};
pub use handle::JournalHandle;
pub use ids::{Epoch, JournalId, Seq};
pub use journal::{Cut, Journal, Opened, RecoveryReport};
pub use log::recovery::{HeadRestored, restore_head};
pub use options::{FRAME_BODY_BYTES_MAX, HEADER_BYTES_MAX, Options, OptionsError, Place, SEGMENT_BYTES};
pub use reader::{JournalReader, Scrub, ScrubStep};
pub use record::{Append, BodyFacts, Entry, Presence, Record, RecordKind};
pub use remake::RemakeError;
pub use start::Loss;
pub use state::{CopyStanding, CopyState, Health, JournalState};
