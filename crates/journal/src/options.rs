//! What a journal is opened with, and the limits that were decided once.

use std::path::PathBuf;

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
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory that holds it; made if missing.
    pub directory: PathBuf,
    /// A segment is sealed when it has grown to this many bytes; [`SEGMENT_BYTES`] in service, at most 16 GiB.
    pub segment_bytes_max: u64,
    /// Bytes kept back so that what is owed can be finished: closings and decisions may use them, objects not.
    pub reserve_bytes: u64,
    /// Bytes the journal may take in all, the reserve included.
    pub max_size_bytes: u64,
}

/// The index of a sealed segment is at most this long: [`SEGMENT_ENTRIES_MAX`] entries of 21 bytes.
pub(crate) const SEAL_BODY_BYTES_MAX: u64 = 8 << 20;

/// A segment is sealed when it holds this many entries, so that its index stays small.
pub(crate) const SEGMENT_ENTRIES_MAX: u64 = 1 << 18;

/// Left over when objects are refused for want of room: padding of a commit, an opening and a seal.
pub(crate) const ROOM_MARGIN_BYTES: u64 = 64 << 10;

/// A segment's index counts in units of eight bytes with 32 bits; half of that leaves room behind a full segment.
pub(crate) const SEGMENT_BYTES_LIMIT: u64 = 16 << 30;
