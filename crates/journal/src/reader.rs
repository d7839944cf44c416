//! Reading, while the writer writes, whatever engine keeps the records.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use outrigger_runtime::BlockSource;

use crate::damage::Damage;
use crate::error::ReadError;
use crate::home::Home;
use crate::ids::{JournalId, Seq};
use crate::record::Entry;
use crate::state::JournalState;

/// What an engine has to read with; synchronous, may block.
pub(crate) trait Reads: fmt::Debug + Send + Sync {
    /// See [`JournalReader::records`].
    fn records(&self, after: Seq, limit: usize) -> Result<Vec<Entry>, ReadError>;
    /// See [`JournalReader::body`].
    fn body(&self, seq: Seq) -> Result<Arc<dyn BlockSource>, ReadError>;
    /// See [`JournalReader::is_known_released`].
    fn is_known_released(&self, seq: Seq) -> bool;
    /// The last durable number.
    fn tail(&self) -> Seq;
    /// How the copy is doing.
    fn state(&self) -> JournalState;
    /// Begins to check everything anew.
    fn scrub(&self) -> Scrub;
}

/// Reads while the writer writes; synchronous, may block; clones share the index.
#[derive(Debug, Clone)]
pub struct JournalReader {
    pub(crate) home: Arc<Home>,
    reads: Arc<dyn Reads>,
}

impl JournalReader {
    pub(crate) fn new(home: Arc<Home>, reads: Arc<dyn Reads>) -> Self {
        Self { home, reads }
    }

    /// Up to `limit` entries behind `after`, in sequence order, released and damaged ones included; empty at the tail.
    ///
    /// Numbers of refused batches have no entry. Bodies are not read, so damage to them shows in [`JournalReader::body`].
    pub fn records(&self, after: Seq, limit: usize) -> Result<Vec<Entry>, ReadError> {
        self.reads.records(after, limit)
    }

    /// The bytes of an entry; each block is checked when it is read, and damaged bytes are never served.
    pub fn body(&self, seq: Seq) -> Result<Arc<dyn BlockSource>, ReadError> {
        self.reads.body(seq)
    }

    /// Whether the bytes of an entry are known to have been let go. It never blocks: what is not in memory is not looked up.
    pub fn is_known_released(&self, seq: Seq) -> bool {
        self.reads.is_known_released(seq)
    }

    /// The last durable number.
    pub fn tail(&self) -> Seq {
        self.reads.tail()
    }

    /// How the journal is doing.
    pub fn state(&self) -> JournalState {
        self.reads.state()
    }

    /// Leaves so many bytes of the disk free of objects: whoever follows the journal on the same disk gives up as much of its own
    /// to go on when that is full, and it would be gone at once.
    pub fn leave_free(&self, bytes: u64) {
        self.home.leave_free(bytes);
    }

    /// The name of the journal.
    pub fn journal(&self) -> JournalId {
        self.home.journal
    }

    /// Where large bodies stream to while they arrive.
    pub fn spool_directory(&self) -> &Path {
        &self.home.paths.spool
    }

    /// Begins to check everything anew.
    pub fn scrub(&self) -> Scrub {
        self.reads.scrub()
    }
}

/// A walk through everything that the journal keeps, from its beginning to where the tail was when it began: one that went on to
/// the tail would not end while entries come.
pub struct Scrub(Box<dyn Steps>);

/// How an engine checks what it keeps.
pub(crate) trait Steps: Send {
    /// See [`Scrub::step`].
    fn step(&mut self) -> Option<ScrubStep>;
}

/// What one step of a scrub has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScrubStep {
    /// Bytes read.
    pub bytes: u64,
    /// What was found damaged.
    pub damaged: Vec<Damage>,
}

impl Scrub {
    pub(crate) fn new(steps: impl Steps + 'static) -> Self {
        Self(Box::new(steps))
    }

    /// Checks about the next 4 MiB; `None` when all is done. What the disk cannot read is damage like other damage.
    pub fn step(&mut self) -> Option<ScrubStep> {
        self.0.step()
    }
}

impl fmt::Debug for Scrub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrub").finish_non_exhaustive()
    }
}
