//! Reading, while the writer writes, from whichever copy has what is asked for.

use std::fmt;
use std::sync::Arc;

use outrigger_runtime::{BlockSource, SpoolPlace};

use crate::book::Book;
use crate::damage::Damage;
use crate::error::ReadError;
use crate::ids::{JournalId, Seq};
use crate::record::Entry;
use crate::state::JournalState;

mod copy;
mod mend;

pub(crate) use copy::{CopyReader, Reads};
pub(crate) use mend::weigh;

/// Reads while the writer writes; synchronous, may block; clones share the index.
#[derive(Debug, Clone)]
pub struct JournalReader {
    pub(crate) book: Arc<Book>,
}

impl JournalReader {
    /// Up to `limit` entries behind `after`, in sequence order, released and damaged ones included; empty at the tail.
    ///
    /// Numbers of refused batches have no entry. Bodies are not read, so damage to them shows in [`JournalReader::body`]. What one
    /// copy has lost is taken from another.
    pub fn records(&self, after: Seq, limit: usize) -> Result<Vec<Entry>, ReadError> {
        let tail = self.book.tail();
        let copies = self.copies_behind(after);
        let mut refused = None;
        for copy in &copies {
            let mut entries = match copy.records(after, limit) {
                Ok(entries) => entries,
                Err(error) => {
                    copy.home.note_harm();
                    refused.get_or_insert(error);
                    continue;
                }
            };
            if entries.iter().any(|entry| matches!(entry, Entry::Damaged(_))) {
                let mend = |entries, other| mend::mend(entries, other, limit);
                entries = copy.others(&copies).fold(entries, mend);
            }
            entries.retain(|entry| entry.first() <= tail);
            return Ok(entries);
        }
        refused.map_or(Ok(Vec::new()), Err)
    }

    /// The bytes of an entry; each block is checked when it is read, and damaged bytes are never served.
    pub fn body(&self, seq: Seq) -> Result<Arc<dyn BlockSource>, ReadError> {
        let copies = self.copies_behind(seq.before());
        let mut refused = None;
        for copy in &copies {
            match copy.body(seq) {
                Ok(first) if copies.len() == 1 => return Ok(first),
                Ok(first) => {
                    let others = copy.others(&copies).cloned().collect();
                    return Ok(Arc::new(mend::Either { seq, first, of: copy.clone(), others }));
                }
                Err(error @ ReadError::Released(_)) => return Err(error),
                Err(error) => {
                    if !matches!(error, ReadError::Unknown(_)) {
                        copy.home.note_harm();
                    }
                    refused.get_or_insert(error);
                }
            }
        }
        Err(refused.unwrap_or(ReadError::Unknown(seq)))
    }

    /// The copies that have entries behind this one.
    fn copies_behind(&self, after: Seq) -> Vec<CopyReader> {
        let mut copies = self.book.in_use();
        copies.retain(|copy| copy.tail() > after);
        copies
    }

    /// Whether the bytes of an entry are known to have been let go. It never blocks: what is not in memory is not looked up.
    pub fn is_known_released(&self, seq: Seq) -> bool {
        self.book.in_use().iter().any(|copy| copy.is_known_released(seq))
    }

    /// The last durable number.
    pub fn tail(&self) -> Seq {
        self.book.tail()
    }

    /// How the journal is doing.
    pub fn state(&self) -> JournalState {
        self.book.state()
    }

    /// Leaves so many bytes of the disks free of objects: whoever follows the journal on the same disk gives up as much of its own
    /// to go on when that is full, and it would be gone at once.
    pub fn leave_free(&self, bytes: u64) {
        self.book.leave_free(bytes);
    }

    /// The name of the journal.
    pub fn journal(&self) -> JournalId {
        self.book.journal
    }

    /// Where large bodies stream to while they arrive: beside the first copy in use.
    pub fn spool_directory(&self) -> SpoolPlace {
        self.book.spool.clone()
    }

    /// Begins to check everything anew, one copy after another.
    pub fn scrub(&self) -> Scrub {
        let mut copies = self.book.in_use();
        if copies.len() == 1
            && let Some(only) = copies.pop()
        {
            return only.scrub();
        }
        let waiting = copies.clone().into_iter().rev().collect();
        Scrub::new(OneAfterAnother { copies, waiting, at: None })
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

/// The scrub of all copies.
struct OneAfterAnother {
    copies: Vec<CopyReader>,
    /// Those to come, the next one last.
    waiting: Vec<CopyReader>,
    at: Option<(CopyReader, Scrub)>,
}

impl Steps for OneAfterAnother {
    fn step(&mut self) -> Option<ScrubStep> {
        loop {
            if self.at.is_none() {
                let next = self.waiting.pop()?;
                let scrub = next.scrub();
                self.at = Some((next, scrub));
            }
            let Some((copy, scrub)) = self.at.as_mut() else { continue };
            let Some(mut step) = scrub.step() else {
                self.at = None;
                continue;
            };
            if step.damaged.iter().any(|damage| damage.entries.is_some()) {
                let others: Vec<CopyReader> = copy.others(&self.copies).cloned().collect();
                step.damaged = step.damaged.into_iter().map(|damage| weigh(damage, copy, &others)).collect();
            }
            return Some(step);
        }
    }
}
