//! Members that by the books have an entry, and were seen not to: nothing is promised or let go on their word.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use outrigger_model::{MemberNumber, MemberSet, Seq, WallTime};

use crate::entry::EntryRow;
use crate::finding::{Finding, FindingKind};
use crate::ledger::crosscheck::all;
use crate::ledger::members::entry_rows;
use crate::store::{LedgerReads, StoreError};

/// Members whose word counts for nothing, by entry, while a difference stands open that says so; with when it was seen.
#[derive(Debug, Default)]
pub(crate) struct Doubted(BTreeMap<Seq, Vec<(MemberNumber, WallTime)>>);

/// The same, read when it is asked for first: most requests wait for what nobody has confirmed.
pub(crate) struct WhenAsked<'b> {
    books: &'b dyn LedgerReads,
    read: OnceCell<Doubted>,
}

impl<'b> WhenAsked<'b> {
    pub(crate) fn new(books: &'b dyn LedgerReads) -> Self {
        Self { books, read: OnceCell::new() }
    }

    pub(crate) fn get(&self) -> Result<&Doubted, StoreError> {
        match self.read.get() {
            Some(doubted) => Ok(doubted),
            None => Doubted::read(self.books).map(|doubted| self.read.get_or_init(|| doubted)),
        }
    }
}

impl Doubted {
    /// Reads the differences that stand open: there are few, or a member needs a person.
    pub(crate) fn read(books: &dyn LedgerReads) -> Result<Self, StoreError> {
        let mut doubted = Self::default();
        for (note, said) in all(books)? {
            let is_loss =
                matches!(Finding::of_note(&note).kind, FindingKind::Forgotten | FindingKind::Altered);
            let Some(member) = note.member.filter(|_| is_loss) else { continue };
            let seen = (member, said.last_seen.unwrap_or(note.at));
            match (note.entry, &said.instance) {
                (Some(entry), Some(_)) => doubted.add(entry, seen),
                // Many instances of a study in one difference: which of them, it does not say.
                (_, None) => {
                    entry_rows(books, &said.study)?.iter().for_each(|row| doubted.add(row.seq, seen));
                }
                // It was never stored here.
                (None, Some(_)) => {}
            }
        }
        Ok(doubted)
    }

    fn add(&mut self, entry: Seq, seen: (MemberNumber, WallTime)) {
        self.0.entry(entry).or_default().push(seen);
    }

    /// Whether nothing is doubted.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many entries are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether anybody is doubted to have an entry.
    pub(crate) fn is_about(&self, entry: Seq) -> bool {
        self.0.contains_key(&entry)
    }

    /// The members that are doubted to have an entry: not those that confirmed it since.
    pub(crate) fn of(&self, row: &EntryRow) -> MemberSet {
        let since = |seen: &WallTime| row.balanced_at.is_some_and(|balanced_at| balanced_at > *seen);
        let seen = self.0.get(&row.seq).into_iter().flatten();
        seen.filter(|(_, seen)| !since(seen)).map(|(member, _)| *member).collect()
    }

    /// The entry as it stands without the word of those members: it is as if it were owed to them.
    pub(crate) fn without(&self, mut row: EntryRow) -> EntryRow {
        let lost = self.of(&row).common(row.marks.confirmed);
        lost.iter().for_each(|member| row.marks.reopen(member));
        row
    }
}
