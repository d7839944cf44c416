//! The journal itself, owned by one thread.

use std::path::{Path, PathBuf};

use outrigger_runtime::disk::ArcDisk;
use outrigger_runtime::{Clock, Random};
use tokio::sync::watch;

use crate::commit::Durable;
use crate::damage::Damage;
use crate::engine::{self, Engine, Found, Opening};
use crate::error::{AppendError, OpenError};
use crate::ids::{Epoch, JournalId, Seq};
use crate::options::{HEADER_BYTES_MAX, Options};
use crate::ranges::Ranges;
use crate::reader::JournalReader;
use crate::record::Append;
use crate::state::JournalState;

/// The journal itself, owned by one thread.
#[derive(Debug)]
pub struct Journal {
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) epoch: Epoch,
    /// The number of the next record.
    pub(crate) next: Seq,
    /// Numbers of refused batches that no void record explains yet.
    pub(crate) void: Ranges,
    /// Tells the last durable number.
    pub(crate) tail: watch::Sender<Seq>,
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
        let opening = Opening { disk, clock, random, options, applied };
        let Found { engine, epoch, tail, cut, damaged, orphans } = engine::open(opening)?;
        let (next, void) = (tail.next(), Ranges::default());
        let mut journal = Self { engine, epoch, next, void, tail: watch::Sender::new(tail) };
        let adopted = journal.adopt(orphans)?;
        let entries = journal.state().entries;
        Ok(Opened { journal, report: RecoveryReport { entries, cut, damaged, adopted } })
    }

    /// Appends records in one commit; each has its own outcome.
    pub fn append(&mut self, batch: Vec<Append>) -> Vec<Result<Durable, AppendError>> {
        let epoch = self.epoch;
        let prepared = batch.into_iter().map(|append| {
            check(&append)?;
            self.engine.home().prepare(epoch, append)
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
        self.engine.close()
    }

    /// Reads while this writes.
    pub fn reader(&self) -> JournalReader {
        self.engine.reader()
    }

    /// How it is doing.
    pub fn state(&self) -> JournalState {
        self.engine.reader().state()
    }

    /// The name of the journal.
    pub fn journal(&self) -> JournalId {
        self.engine.home().journal
    }

    /// Where large bodies stream to while they arrive.
    pub fn spool_directory(&self) -> &Path {
        &self.engine.home().paths.spool
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
