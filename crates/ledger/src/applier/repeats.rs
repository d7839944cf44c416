//! Entries whose bytes had come before: they owe nothing, and lend their bytes to the one they repeat.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use outrigger_journal::{JournalReader, Seq as JournalSeq};
use outrigger_model::Seq;
use outrigger_runtime::{BlockError, BlockSource};

use crate::entry::Relation;
use crate::store::{EntryList, LedgerStore, StoreError, read};

/// Entries with kept bytes that repeat others, by the one they repeat: in memory, so that an object is opened without the database.
///
/// There are as many as damaged objects came again, and objects while the database was away: some ten bytes each.
#[derive(Debug, Default)]
pub(crate) struct Repeats(Mutex<BTreeMap<Seq, Vec<Seq>>>);

/// An entry that repeats another, and that other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Repeat {
    pub(crate) entry: Seq,
    pub(crate) of: Seq,
}

impl Repeats {
    /// Those that the books know of; where a row is damaged none, as stores must go on: what can be lent is fewer then.
    pub(crate) fn of_books(store: &dyn LedgerStore) -> Result<Self, StoreError> {
        let repeats = Self::default();
        let rows = match read(store, |books| books.entries(EntryList::Repeats, Seq(0), usize::MAX)) {
            Ok(rows) => rows,
            Err(error) if error.is_damage() => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "it is not known which bytes came again; run `outrigger rebuild`");
                return Ok(repeats);
            }
            Err(error) => return Err(error),
        };
        for row in rows {
            if let Relation::RepeatOf(of) = row.relation {
                repeats.note(Repeat { entry: row.seq, of });
            }
        }
        Ok(repeats)
    }

    /// The lock is a leaf: nothing is awaited and nothing else locked under it.
    fn known(&self) -> MutexGuard<'_, BTreeMap<Seq, Vec<Seq>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one in; it may be known already.
    pub(crate) fn note(&self, Repeat { entry, of }: Repeat) {
        let mut known = self.known();
        let repeats = known.entry(of).or_default();
        if !repeats.contains(&entry) {
            repeats.push(entry);
        }
    }

    /// Forgets those whose bytes were let go.
    pub(crate) fn forget(&self, released: &[Seq]) {
        self.known().retain(|_, repeats| {
            repeats.retain(|entry| !released.contains(entry));
            !repeats.is_empty()
        });
    }

    /// The entries that repeat `entry`, the newest first.
    pub(crate) fn of(&self, entry: Seq) -> Vec<Seq> {
        self.known().get(&entry).map_or_else(Vec::new, |repeats| repeats.iter().rev().copied().collect())
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Repeat> {
        let of_one = |(of, repeats): (&Seq, &Vec<Seq>)| {
            let of = *of;
            repeats.iter().map(move |entry| Repeat { entry: *entry, of }).collect::<Vec<_>>()
        };
        self.known().iter().flat_map(of_one).collect()
    }
}

/// The bytes of an entry; where they cannot be read, those of an entry that repeats it, even of one that came meanwhile.
#[derive(Debug)]
pub(crate) struct Lent {
    pub(crate) own: Arc<dyn BlockSource>,
    /// All of it, where it was read when it was opened.
    pub(crate) whole: Option<Bytes>,
    pub(crate) entry: Seq,
    pub(crate) reader: JournalReader,
    pub(crate) repeats: Arc<Repeats>,
}

impl BlockSource for Lent {
    fn length(&self) -> u64 {
        self.own.length()
    }

    fn read_block(&self, index: u64) -> Result<Bytes, BlockError> {
        self.own.read_block(index).or_else(|error| self.lent(index).ok_or(error))
    }

    fn at_hand(&self, position: u64) -> Option<Bytes> {
        self.whole.as_ref()?.at_hand(position)
    }
}

impl Lent {
    fn lent(&self, index: u64) -> Option<Bytes> {
        self.repeats.of(self.entry).into_iter().find_map(|repeat| {
            let block = self.reader.body(JournalSeq(repeat.0)).ok()?.read_block(index).ok()?;
            tracing::info!(entry = %self.entry, %repeat, "bytes that cannot be read are taken from where they came again");
            Some(block)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_known_once_the_newest_first_until_they_are_let_go() {
        let repeats = Repeats::default();
        for (entry, of) in [(4, 1), (5, 2), (6, 1), (6, 1)] {
            repeats.note(Repeat { entry: Seq(entry), of: Seq(of) });
        }
        assert_eq!(repeats.of(Seq(1)), [Seq(6), Seq(4)]);
        assert_eq!(repeats.of(Seq(4)), []);
        repeats.forget(&[Seq(6), Seq(5), Seq(1)]);
        assert_eq!(repeats.all(), [Repeat { entry: Seq(4), of: Seq(1) }]);
    }
}
