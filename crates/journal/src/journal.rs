//! The journal itself, owned by one thread.

use std::io;
use std::path::Path;

use outrigger_runtime::disk::ArcDisk;
use outrigger_runtime::{Clock, Random, Threads};

use crate::damage::Damage;
use crate::durable::Durable;
use crate::error::{AppendError, OpenError, ReleaseError};
use crate::handle::JournalHandle;
use crate::ids::{JournalId, Seq};
use crate::options::Options;
use crate::reader::JournalReader;
use crate::record::Append;

/// The journal itself, owned by one thread.
#[derive(Debug)]
pub struct Journal {
    reader: JournalReader,
}

/// A journal and what was found when it was opened.
#[derive(Debug)]
pub struct Opened {
    /// The journal.
    pub journal: Journal,
    /// What was found.
    pub report: RecoveryReport,
}

/// What was found when a journal was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Entries in it.
    pub entries: u64,
    /// Bytes of a torn end that were never acknowledged and were cut.
    pub cut_bytes: u64,
    /// What was acknowledged, or may have been, and is damaged.
    pub damaged: Vec<Damage>,
    /// Entries made of complete large files that no frame named.
    pub adopted: Vec<Seq>,
}

impl Journal {
    /// Opens the journal in `options.directory`, or makes a new one; `applied` is the position the ledger has applied, 0 if unknown.
    ///
    /// Checks every byte of the segment that was open, and the index of the others; the rest is checked by reads and by [`JournalHandle::scrub`].
    pub fn open(
        disk: ArcDisk,
        clock: Clock,
        random: Random,
        options: Options,
        applied: Seq,
    ) -> Result<Opened, OpenError> {
        drop((disk, clock, random, applied));
        Err(OpenError::Locked { directory: options.directory })
    }

    /// Appends records in one commit; each has its own outcome.
    pub fn append(&mut self, batch: Vec<Append>) -> Vec<Result<Durable, AppendError>> {
        batch.into_iter().map(|_| Err(AppendError::Closed)).collect()
    }

    /// Lets the bodies of these entries go.
    pub fn release(&mut self, seqs: &[Seq]) -> Result<(), ReleaseError> {
        seqs.iter().try_for_each(|seq| Err(ReleaseError::Unknown(*seq)))
    }

    /// Starts the writer on a thread of its own; must be called from within a tokio runtime.
    pub fn start(self, threads: Threads) -> io::Result<JournalHandle> {
        drop(threads);
        Err(io::ErrorKind::Other.into())
    }

    /// Reads while this writes.
    pub fn reader(&self) -> JournalReader {
        self.reader.clone()
    }

    /// The name of the journal.
    pub fn journal(&self) -> JournalId {
        self.reader.journal()
    }

    /// Where large bodies stream to while they arrive.
    pub fn spool_directory(&self) -> &Path {
        self.reader.spool_directory()
    }
}
