//! The book of original entry: an append-only, framed log of records and the bytes of objects.
//!
//! What is appended is on stable storage before its receipt exists. Knows no DICOM. See docs/journal-format.md.

// What is appended and read.
mod damage;
mod error;
mod ids;
mod options;
mod record;
mod state;

// The path of an append, outside in.
mod commit;
mod handle;
mod journal;
mod large;
mod open_segment;
mod roll;
mod writer;

// Letting go and making room.
mod carry;
mod release;

// The format.
mod frame;
mod head;
mod paths;
mod seal;

// Reading.
mod body;
mod index;
mod ranges;
mod reader;
mod segment;
mod shared;
mod table;
mod window;

// Starting again.
mod contents;
mod recovery;
mod scan;
mod scrub;

pub use carry::Carried;
pub use commit::Durable;
pub use damage::{Certainty, Damage, DamagedPart};
pub use error::{AppendError, HeadError, OpenError, ReadError, ReleaseError};
pub use handle::JournalHandle;
pub use ids::{Epoch, JournalId, Seq};
pub use journal::{Cut, Journal, Opened, RecoveryReport};
pub use options::{FRAME_BODY_BYTES_MAX, HEADER_BYTES_MAX, Options, OptionsError, SEGMENT_BYTES};
pub use reader::JournalReader;
pub use record::{Append, BodyFacts, Entry, Presence, Record, RecordKind};
pub use recovery::{HeadRestored, restore_head};
pub use scrub::{Scrub, ScrubStep};
pub use state::{Health, JournalState};
