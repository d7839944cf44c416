//! How a journal is doing.

use std::path::PathBuf;

use crate::engine::EngineKind;

/// How a journal is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalState {
    /// Its copies, in the order in which they are configured.
    pub copies: Vec<CopyState>,
    /// Whether it takes records.
    pub health: Health,
    /// Entries in it.
    pub entries: u64,
    /// Entries whose bytes are here.
    pub bodies: u64,
    /// Bytes it takes on the disk, without the reserve; of the copy that takes most.
    pub bytes: u64,
    /// Bytes it may take for objects: up to its greatest size, or to what its disk holds if that is less; of the copy that may take least.
    pub capacity: u64,
    /// The generation of its set of copies.
    pub generation: u64,
}

/// How a copy of the journal is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyState {
    /// What keeps it.
    pub engine: EngineKind,
    /// Its place.
    pub directory: PathBuf,
    /// Whether records go there.
    pub standing: CopyStanding,
}

/// Whether records go to a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyStanding {
    /// They do.
    Healthy,
    /// No room for objects; it tries again by itself.
    Full,
    /// The disk failed under the only copy; only a restart helps.
    Failed,
    /// It was taken out, for a reason in words, and is made anew by itself.
    Out(String),
    /// It is being made anew from the others.
    Rebuilding,
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
