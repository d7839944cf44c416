//! Making the books anew from the journal.

use outrigger_journal::{Entry, JournalReader, ReadError, Seq as JournalSeq};
use outrigger_model::{JournalId, Seq};

use crate::applier::{Fact, Incoming, apply};
use crate::ledger::Ledger;
use crate::record::RecordError;
use crate::store::{LedgerStore, StoreError};

/// Records applied in one transaction: many, as nobody waits between.
const BATCH_RECORDS: usize = 2_048;

/// What a rebuild read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RebuildReport {
    /// Accepted objects.
    pub objects: u64,
    /// Records of closed postings.
    pub closings: u64,
    /// Decisions, the numbering of members included.
    pub decisions: u64,
    /// Records that cannot be read.
    pub damaged: u64,
}

/// Why the books could not be made anew.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The journal could not be read.
    #[error("the journal could not be read behind record {after}")]
    Journal {
        /// The last record applied.
        after: Seq,
        /// The cause.
        #[source]
        source: ReadError,
    },
    /// A record is of a newer version.
    #[error("a record behind {after} could not be used")]
    Record {
        /// The last record applied.
        after: Seq,
        /// The cause.
        #[source]
        source: RecordError,
    },
    /// The database failed.
    #[error("the new books could not be written behind record {after}")]
    Store {
        /// The last record applied.
        after: Seq,
        /// The cause.
        #[source]
        source: StoreError,
    },
}

impl Ledger {
    /// Brings books, usually empty ones, up to the end of the journal: catalogue rows and closings equal those of any other books of this journal.
    pub fn rebuild(
        reader: &JournalReader,
        store: &mut dyn LedgerStore,
    ) -> Result<RebuildReport, RebuildError> {
        let journal = JournalId(reader.journal().0);
        let position = store.position().map_err(|source| RebuildError::Store { after: Seq(0), source })?;
        let mut after = position.map_or(Seq(0), |position| position.applied);
        let mut entries = position.map_or(0, |position| position.entries);
        let mut report = RebuildReport::default();
        loop {
            let found = reader.records(JournalSeq(after.0), BATCH_RECORDS);
            let found = found.map_err(|source| RebuildError::Journal { after, source })?;
            let mut batch = Vec::with_capacity(found.len());
            for entry in &found {
                report.damaged += beyond_the_first(entry);
                batch.extend(Incoming::read(entry).map_err(|source| RebuildError::Record { after, source })?);
            }
            let Some(last) = batch.last().map(|incoming| incoming.seq) else { return Ok(report) };
            let before = entries;
            let applied = store.transact(&mut |tx| apply(tx, journal, before, &batch).map(drop));
            applied.map_err(|source| RebuildError::Store { after, source })?;
            let objects = report.objects;
            for incoming in &batch {
                report.count(&incoming.fact);
            }
            entries += report.objects - objects;
            after = last;
        }
    }
}

/// Entries of a damaged stretch beside the one that stands for it.
fn beyond_the_first(entry: &Entry) -> u64 {
    match entry {
        Entry::Damaged(damage) => damage.entries.map_or(0, |(first, last)| last.0.saturating_sub(first.0)),
        Entry::Record(_) => 0,
    }
}

impl RebuildReport {
    fn count(&mut self, fact: &Fact) {
        match fact {
            Fact::Object(..) => self.objects += 1,
            Fact::Closing(_) => self.closings += 1,
            Fact::Member(_) | Fact::Decision(_) => self.decisions += 1,
            Fact::Unreadable(_) => self.damaged += 1,
            Fact::Nothing => {}
        }
    }
}
