//! How a journal is doing.

use std::path::PathBuf;

use crate::engine::EngineKind;

/// How a journal is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalState {
    /// What keeps it.
    pub engine: EngineKind,
    /// Its directory.
    pub directory: PathBuf,
    /// Whether it takes records.
    pub health: Health,
    /// Entries in it.
    pub entries: u64,
    /// Entries whose bytes are here.
    pub bodies: u64,
    /// Bytes it takes on the disk, without the reserve.
    pub bytes: u64,
    /// Bytes it may take for objects: up to its greatest size, or to what its disk holds if that is less.
    pub capacity: u64,
    /// The generation of its set of copies.
    pub generation: u64,
}

/// Whether a journal takes records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Healthy,
    /// No room for objects; it tries again by itself.
    Full,
    /// The disk failed; only a restart helps.
    Failed,
}
