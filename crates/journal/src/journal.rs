//! The journal itself, owned by one thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use outrigger_runtime::disk::{ArcDisk, DiskFile};
use outrigger_runtime::reserve::Reserve;
use outrigger_runtime::{Clock, Random};
use tokio::sync::watch;

use crate::commit::Durable;
use crate::damage::Damage;
use crate::error::{AppendError, OpenError};
use crate::head::Head;
use crate::ids::{Epoch, JournalId, Seq};
use crate::index::SegmentKey;
use crate::open_segment::OpenSegment;
use crate::options::{HEADER_BYTES_MAX, Options};
use crate::ranges::Ranges;
use crate::reader::JournalReader;
use crate::record::Append;
use crate::shared::Shared;
use crate::state::JournalState;

/// The journal itself, owned by one thread.
#[derive(Debug)]
pub struct Journal {
    pub(crate) shared: Arc<Shared>,
    pub(crate) head: Head,
    pub(crate) epoch: Epoch,
    /// The number of the next record.
    pub(crate) next: Seq,
    /// Numbers of refused batches that no void record explains yet.
    pub(crate) void: Ranges,
    /// Made by the first append.
    pub(crate) open: Option<OpenSegment>,
    pub(crate) reserve: Reserve,
    /// Segments that could not be carried forward, as long as this process lives.
    pub(crate) stuck: Vec<SegmentKey>,
    /// Tells the last durable number.
    pub(crate) tail: watch::Sender<Seq>,
    /// Held as long as this lives.
    pub(crate) _lock: Arc<dyn DiskFile>,
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
    /// The torn end that was never acknowledged and was cut.
    pub cut: Option<Cut>,
    /// What was acknowledged, or may have been, and is damaged.
    pub damaged: Vec<Damage>,
    /// Entries made of complete large files that no frame named.
    pub adopted: Vec<Seq>,
}

/// A torn end that was never acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The file it was cut off.
    pub file: PathBuf,
    /// Where it was cut, in bytes from its start.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
}

impl Journal {
    /// Opens the journal in `options.directory`, or makes a new one; `applied` is the position the ledger has applied, 0 if unknown.
    ///
    /// Checks every byte of the segment that was open, and the index of the others; the rest is checked when it is read,
    /// and by [`JournalHandle::scrub`](crate::JournalHandle::scrub).
    pub fn open(
        disk: ArcDisk,
        clock: Clock,
        random: Random,
        options: Options,
        applied: Seq,
    ) -> Result<Opened, OpenError> {
        crate::recovery::open(disk, clock, random, options, applied)
    }

    /// Appends records in one commit; each has its own outcome.
    pub fn append(&mut self, batch: Vec<Append>) -> Vec<Result<Durable, AppendError>> {
        let epoch = self.epoch;
        let prepared = batch.into_iter().map(|append| {
            check(&append)?;
            self.shared.prepare(epoch, append)
        });
        let (mut ready, mut outcomes) = (Vec::new(), Vec::new());
        for prepared in prepared {
            outcomes.push(prepared.map(|prepared| ready.push(prepared)));
        }
        let mut committed = self.commit(ready).into_iter();
        let answer = |outcome: Result<(), AppendError>| {
            outcome.and_then(|()| committed.next().unwrap_or(Err(AppendError::Closed)))
        };
        outcomes.into_iter().map(answer).collect()
    }

    /// Seals the open segment and stops.
    pub fn close(mut self) -> Result<(), AppendError> {
        match self.explain() {
            // Without room they stay unexplained; no one was ever told of them.
            Ok(()) | Err(AppendError::Full) => {}
            Err(error) => return Err(error),
        }
        self.seal_open()?;
        self.head.certain = self.shared.index().last_number();
        self.head.release_mark = self.shared.index().release_mark();
        let written = self.head.write(&*self.shared.disk, &self.shared.paths.head());
        written.map_err(|error| self.shared.refused("writing the head", &error))
    }

    /// Reads while this writes.
    pub fn reader(&self) -> JournalReader {
        JournalReader { shared: self.shared.clone() }
    }

    /// How it is doing.
    pub fn state(&self) -> JournalState {
        self.shared.state()
    }

    /// The name of the journal.
    pub fn journal(&self) -> JournalId {
        self.shared.journal
    }

    /// Where large bodies stream to while they arrive.
    pub fn spool_directory(&self) -> &Path {
        &self.shared.paths.spool
    }
}

/// Refuses what no version of this format can hold.
pub(crate) fn check(append: &Append) -> Result<(), AppendError> {
    let length = append.header.len();
    if length > HEADER_BYTES_MAX {
        return Err(AppendError::HeaderTooLong { length, limit: HEADER_BYTES_MAX });
    }
    Ok(())
}
