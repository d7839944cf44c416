//! Members that by the books have an entry, and were seen not to: nothing is promised or let go on their word.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use outrigger_catalogue::Located;
use outrigger_model::{MemberNumber, MemberSet, Seq, WallTime};

use crate::entry::EntryRow;
use crate::finding::{Finding, FindingKind};
use crate::ledger::crosscheck::all;
use crate::ledger::members::entry_rows;
use crate::store::{LedgerReads, StoreError};

/// Closings looked at of one member, the oldest first: more than are remembered of a quarter of an hour of the largest site. Who
/// confirmed in one beyond them is doubted until the cross-check has looked again.
const CLOSINGS_MAX: usize = 1 << 17;

/// Members whose word counts for nothing, by entry, while a difference stands open that says so; with when it was seen.
#[derive(Debug, Default)]
pub(crate) struct Doubted(BTreeMap<Seq, BTreeMap<MemberNumber, WallTime>>);

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
            match &said.instance {
                // All that came of it, in whatever encoding: the member has one copy at most.
                Some(instance) => {
                    let located = books.lookup(instance)?;
                    let versions = located.iter().flat_map(Located::versions);
                    versions.for_each(|version| doubted.add(Seq(version.place), seen));
                }
                // Many instances of a study in one difference: which of them, it does not say.
                None => {
                    entry_rows(books, &said.study)?.iter().for_each(|row| doubted.add(row.seq, seen));
                }
            }
        }
        doubted.believe_again(books)?;
        Ok(doubted)
    }

    /// It was seen to be missing when it was seen last.
    fn add(&mut self, entry: Seq, (member, seen): (MemberNumber, WallTime)) {
        let last = self.0.entry(entry).or_default().entry(member).or_insert(seen);
        *last = seen.max(*last);
    }

    /// Believes members that have confirmed an entry again since they were seen not to have it.
    fn believe_again(&mut self, books: &dyn LedgerReads) -> Result<(), StoreError> {
        let mut oldest: BTreeMap<MemberNumber, WallTime> = BTreeMap::new();
        for (member, seen) in self.0.values().flatten() {
            let first = oldest.entry(*member).or_insert(*seen);
            *first = (*seen).min(*first);
        }
        for (member, since) in oldest {
            for (entry, closed_at) in books.closed_since(member, since, CLOSINGS_MAX)? {
                let Some(doubts) = self.0.get_mut(&entry) else { continue };
                if doubts.get(&member).is_some_and(|seen| closed_at > *seen) {
                    doubts.remove(&member);
                }
            }
        }
        self.0.retain(|_, doubts| !doubts.is_empty());
        Ok(())
    }

    /// Whether nothing is doubted.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many entries are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The members that are doubted to have an entry.
    pub(crate) fn of(&self, entry: Seq) -> MemberSet {
        self.0.get(&entry).into_iter().flat_map(BTreeMap::keys).copied().collect()
    }

    /// The entry as it stands without the word of those members: it is as if it were owed to them.
    pub(crate) fn without(&self, mut row: EntryRow) -> EntryRow {
        let lost = self.of(row.seq).common(row.marks.confirmed);
        lost.iter().for_each(|member| row.marks.reopen(member));
        row
    }
}
