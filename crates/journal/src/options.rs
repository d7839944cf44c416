//! What a journal is opened with, and the limits that were decided once.

use std::path::PathBuf;

use crate::engine::EngineKind;

/// Bodies up to this many bytes are frames of a segment; larger ones are files of their own.
///
/// Decided by measurement, see docs/journal-layout.md.
pub const FRAME_BODY_BYTES_MAX: u64 = 1 << 20;

/// Size at which a segment is sealed unless configured otherwise.
///
/// What recovery reads in full after a crash is one segment, so this bounds the time until stores are accepted again.
pub const SEGMENT_BYTES: u64 = 128 << 20;

/// A header longer than this is refused: it is metadata, and recovery holds it in memory.
pub const HEADER_BYTES_MAX: usize = 1 << 20;

/// What a journal is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where its copies are kept, one or more; the first that is healthy is read first.
    pub copies: Vec<Place>,
    /// A segment is sealed when it has grown to this many bytes; [`SEGMENT_BYTES`] in service, at most 16 GiB.
    pub segment_bytes_max: u64,
    /// Bytes each copy keeps back so that what is owed can be finished: closings and decisions may use them, objects not.
    pub reserve_bytes: u64,
    /// Bytes each copy may take in all, the reserve included.
    pub max_size_bytes: u64,
    /// The person who accepts that copies of the newest generation are lost; without one such a start is refused.
    pub accept_loss: Option<String>,
}

/// Where a copy is kept, and what keeps it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What keeps the records.
    pub engine: EngineKind,
    /// The directory that holds them; made if missing.
    pub directory: PathBuf,
}

impl Place {
    /// A place of this engine.
    pub fn new(engine: EngineKind, directory: impl Into<PathBuf>) -> Self {
        Self { engine, directory: directory.into() }
    }
}

/// The index of a sealed segment is at most this long: [`SEGMENT_ENTRIES_MAX`] entries of 21 bytes.
pub(crate) const SEAL_BODY_BYTES_MAX: u64 = 8 << 20;

/// A segment is sealed when it holds this many entries, so that its index stays small.
pub(crate) const SEGMENT_ENTRIES_MAX: u64 = 1 << 18;

/// Left over when objects are refused for want of room: padding of a commit, an opening and a seal.
pub(crate) const ROOM_MARGIN_BYTES: u64 = 64 << 10;

/// A segment's index counts in units of eight bytes with 32 bits; half of that leaves room behind a full segment.
pub(crate) const SEGMENT_BYTES_LIMIT: u64 = 16 << 30;

/// Given back to the disk at once by the reserve: room for a good many closings, few of these in a reserve of usual size.
pub(crate) const RESERVE_STEP_BYTES: u64 = 16 << 20;

/// Why the limits of a journal do not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// A segment may not grow to that, or not at all.
    #[error("a segment may take from 1 byte to 16 GiB")]
    Segment,
    /// There is no copy.
    #[error("a journal has one copy at least")]
    NoCopy,
    /// Not even one object has room.
    #[error("the greatest size leaves no room for objects beside the reserve")]
    NoRoom,
}

impl Options {
    /// Whether a journal can be opened with these limits; opening asks it first, and so may whoever reads a configuration.
    pub fn check(&self) -> Result<(), OptionsError> {
        if self.copies.is_empty() {
            return Err(OptionsError::NoCopy);
        }
        if self.segment_bytes_max == 0 || self.segment_bytes_max > SEGMENT_BYTES_LIMIT {
            return Err(OptionsError::Segment);
        }
        if self.max_size_bytes < self.reserve_bytes.saturating_add(FRAME_BODY_BYTES_MAX) {
            return Err(OptionsError::NoRoom);
        }
        Ok(())
    }
}
