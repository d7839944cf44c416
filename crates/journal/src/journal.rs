//! The journal itself, owned by one thread.

use std::path::PathBuf;
use std::sync::Arc;

use outrigger_runtime::disk::ArcDisk;
use outrigger_runtime::{Clock, Random, SpoolPlace};

use crate::book::Book;
use crate::commit::{Debt, Durable, Setback};
use crate::copies::{self, InUse};
use crate::damage::Damage;
use crate::error::{AppendError, OpenError};
use crate::ids::{Epoch, JournalId, Seq};
use crate::open::open;
use crate::options::{HEADER_BYTES_MAX, Options};
use crate::ranges::Ranges;
use crate::reader::JournalReader;
use crate::record::Append;
use crate::start::{Locks, Loss};
use crate::state::{Health, JournalState};

/// The journal itself, owned by one thread.
#[derive(Debug)]
pub struct Journal {
    pub(crate) book: Arc<Book>,
    pub(crate) disk: ArcDisk,
    pub(crate) options: Options,
    /// Of each place, held as long as this lives.
    pub(crate) locks: Locks,
    /// Those that are written to, in the order of their places.
    pub(crate) copies: Vec<InUse>,
    /// The generation they are.
    pub(crate) generation: u64,
    /// Directories, by place, of copies that count no more.
    pub(crate) stale: Vec<(usize, PathBuf)>,
    pub(crate) epoch: Epoch,
    /// The number of the next record.
    pub(crate) next: Seq,
    /// Numbers of refused batches that no void record explains yet.
    pub(crate) void: Ranges,
    /// What some copies have and others had no room for.
    pub(crate) debt: Option<Debt>,
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
    /// The torn end that was never acknowledged and was cut, of the copy that lost most.
    pub cut: Option<Cut>,
    /// What was acknowledged, or may have been, and is damaged; nothing is lost of what another copy has.
    pub damaged: Vec<Damage>,
    /// Entries made of complete large files that no frame named.
    pub adopted: Vec<Seq>,
    /// Entries that some copy lacked and took from another.
    pub levelled: u64,
    /// Copies that a named person gave up.
    pub loss: Option<Loss>,
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
    /// Opens the journal in the places of `options`, or makes a new one; `applied` is the position the ledger has applied, 0 if unknown.
    ///
    /// Checks every byte of the segment that was open, and the index of the others; the rest is checked when it is read,
    /// and by [`JournalHandle::scrub`](crate::JournalHandle::scrub). Every copy of the newest generation is needed, and all are brought
    /// to the same end; an entry that one of them has is accepted, whether or not it was acknowledged.
    pub fn open(
        disk: ArcDisk,
        clock: Clock,
        random: Random,
        options: Options,
        applied: Seq,
    ) -> Result<Opened, OpenError> {
        open(disk, (clock, random), options, applied)
    }

    /// Appends records in one commit; each has its own outcome.
    pub fn append(&mut self, batch: Vec<Append>) -> Vec<Result<Durable, AppendError>> {
        let (epoch, book) = (self.epoch, self.book.clone());
        let prepared = batch.into_iter().map(|append| {
            check(&append)?;
            book.prepare(epoch, append)
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

    /// Seals the open segments and stops.
    pub fn close(mut self) -> Result<(), AppendError> {
        match self.explain() {
            // Without room they stay unexplained; no one was ever told of them.
            Ok(()) | Err(AppendError::Full) => {}
            Err(error) => return Err(error),
        }
        if self.book.health() == Health::Failed {
            return Err(AppendError::Failed);
        }
        let closed = copies::close(&mut self.copies);
        let mut refused = None;
        for (copy, outcome) in self.copies.iter().zip(closed) {
            let Err(setback) = outcome else { continue };
            if let Setback::Failed { doing, error } = &setback {
                copy.home.fail(doing, error);
            }
            refused = Some(setback.into());
        }
        refused.map_or(Ok(()), Err)
    }

    /// Reads while this writes.
    pub fn reader(&self) -> JournalReader {
        JournalReader { book: self.book.clone() }
    }

    /// How it is doing.
    pub fn state(&self) -> JournalState {
        self.book.state()
    }

    /// The name of the journal.
    pub fn journal(&self) -> JournalId {
        self.book.journal
    }

    /// Where large bodies stream to while they arrive: beside the first copy in use.
    pub fn spool_directory(&self) -> SpoolPlace {
        self.book.spool.clone()
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
