//! One transaction's work on the books: rows are read once, altered, and written together at the end.
//!
//! Accounts and studies follow from what happens to entries and postings, so that no caller can forget them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use outrigger_model::{MemberName, MemberNumber, Seq, WallTime};

use crate::changes::{Changes, EntryChange, EntryChangeKind, Place, PostingChange};
use crate::entry::{EntryRow, LaneNumber};
use crate::healing::Healing;
use crate::posting::{PostingKey, PostingRow, Stage};
use crate::record::MemberState;
use crate::store::{LedgerReads, LedgerTx, MemberRow, StoreError};

pub(crate) struct Desk<'t> {
    tx: &'t mut dyn LedgerTx,
    pub(crate) changes: Changes,
    /// The time of what is being done.
    pub(crate) at: WallTime,
    members: BTreeMap<MemberNumber, MemberRow>,
}

/// Whether what was to be altered is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Here,
    Nowhere,
}

impl<'t> Desk<'t> {
    pub(crate) fn new(tx: &'t mut dyn LedgerTx, at: WallTime) -> Result<Self, StoreError> {
        let members = tx.members()?.into_iter().map(|member| (member.number, member)).collect();
        Ok(Self { tx, changes: Changes::default(), at, members })
    }

    /// The books as they were before this desk's changes.
    pub(crate) fn reads(&self) -> &dyn LedgerReads {
        &*self.tx
    }

    /// Members that are not retired, those named by this desk included.
    pub(crate) fn active(&self) -> impl Iterator<Item = &MemberRow> {
        self.members.values().filter(|member| member.state != MemberState::Retired)
    }

    /// Whether the number or the name is taken, by a retired member too.
    pub(crate) fn knows(&self, number: MemberNumber, name: &MemberName) -> bool {
        self.members.values().any(|member| member.number == number || member.name == *name)
    }

    /// Takes a member in.
    pub(crate) fn name_member(&mut self, member: MemberRow) {
        self.changes.members.push(member.clone());
        self.members.insert(member.number, member);
    }

    /// Changes whether a member is delivered to.
    pub(crate) fn set_member_state(&mut self, member: MemberNumber, state: MemberState) {
        if let Some(row) = self.members.get_mut(&member) {
            row.state = state;
            self.changes.member_states.insert(member, state);
        }
    }

    /// An entry, as it stands with this desk's changes.
    pub(crate) fn entry(&mut self, seq: Seq) -> Result<Option<&EntryRow>, StoreError> {
        Ok(self.entry_change(seq)?.map(|change| &change.row))
    }

    fn entry_change(&mut self, seq: Seq) -> Result<Option<&mut EntryChange>, StoreError> {
        match self.changes.entries.entry(seq) {
            Entry::Occupied(known) => Ok(Some(known.into_mut())),
            Entry::Vacant(place) => match self.tx.entry(seq)? {
                Some(row) => Ok(Some(place.insert(EntryChange { kind: EntryChangeKind::Same, row }))),
                None => Ok(None),
            },
        }
    }

    /// Enters a new entry: one more in every account, and a posting for every member that is owed it.
    pub(crate) fn enter(&mut self, mut row: EntryRow) {
        row.note_balance(self.at);
        for member in self.members.values().filter(|member| member.state != MemberState::Retired) {
            let account = self.changes.accounts.entry(member.number).or_default();
            account.accepted += 1;
            account.add(row.marks.standing(member.number), 1);
        }
        for member in row.marks.open().iter() {
            let key = PostingKey { entry: row.seq, member };
            let after = Some(PostingRow::fresh(key, row.lane));
            let lane = self.changes.lanes.entry((member, row.lane)).or_default();
            lane.untried += 1;
            lane.newest = lane.newest.max(Some((row.seq, row.at)));
            self.changes.postings.insert(key, PostingChange { before: None, after });
        }
        self.changes.entries.insert(row.seq, EntryChange { kind: EntryChangeKind::New, row });
    }

    /// Alters an entry apart from its postings.
    pub(crate) fn alter_entry(
        &mut self,
        seq: Seq,
        alter: impl FnOnce(&mut EntryRow),
    ) -> Result<Found, StoreError> {
        let Some(change) = self.entry_change(seq)? else { return Ok(Found::Nowhere) };
        let before = change.row.clone();
        alter(&mut change.row);
        change.note_alteration(&before);
        Ok(Found::Here)
    }

    /// Alters what an entry is at one member: its marks, and its posting if it is open.
    pub(crate) fn alter(
        &mut self,
        key: PostingKey,
        alter: impl FnOnce(&mut EntryRow, &mut Option<PostingRow>),
    ) -> Result<Found, StoreError> {
        let Some(lane) = self.entry(key.entry)?.map(|entry| entry.lane) else { return Ok(Found::Nowhere) };
        if let Entry::Vacant(place) = self.changes.postings.entry(key) {
            let row = self.tx.posting(key, lane)?;
            place.insert(PostingChange { before: row.as_ref().map(PostingRow::place), after: row });
        }
        let (Some(entry), Some(posting)) =
            (self.changes.entries.get_mut(&key.entry), self.changes.postings.get_mut(&key))
        else {
            return Ok(Found::Nowhere);
        };
        let before = entry.row.clone();
        let stage_before = posting.after.as_ref().map(|posting| posting.stage);
        alter(&mut entry.row, &mut posting.after);
        let stage = posting.after.as_ref().map(|posting| posting.stage);
        match stage {
            Some(Stage::Suspense) => entry.row.marks.suspense.insert(key.member),
            Some(Stage::Untried | Stage::Retry | Stage::Stored(_)) | None => {
                entry.row.marks.suspense.remove(key.member);
            }
        }
        entry.row.note_balance(self.at);
        entry.note_alteration(&before);
        let (seq, at) = (entry.row.seq, entry.row.at);
        let standings = (before.marks.standing(key.member), entry.row.marks.standing(key.member));
        if standings.0 != standings.1 && self.members.contains_key(&key.member) {
            let account = self.changes.accounts.entry(key.member).or_default();
            account.add(standings.0, -1);
            account.add(standings.1, 1);
        }
        self.count_untried(key.member, lane, stage_before, stage, (seq, at));
        Ok(Found::Here)
    }

    fn count_untried(
        &mut self,
        member: MemberNumber,
        lane: LaneNumber,
        before: Option<Stage>,
        after: Option<Stage>,
        entry: (Seq, WallTime),
    ) {
        let untried = Some(Stage::Untried);
        if (before == untried) == (after == untried) {
            return;
        }
        let lane = self.changes.lanes.entry((member, lane)).or_default();
        if after == untried {
            lane.untried += 1;
            lane.newest = lane.newest.max(Some(entry));
        } else {
            lane.untried -= 1;
        }
    }

    /// Notes that a study grew at a member, though no entry of its own says so: what came now goes before what waits.
    pub(crate) fn grew(&mut self, posting: PostingKey, newest: (Seq, WallTime)) -> Result<(), StoreError> {
        let Some(lane) = self.entry(posting.entry)?.map(|entry| entry.lane) else { return Ok(()) };
        let lane = self.changes.lanes.entry((posting.member, lane)).or_default();
        lane.newest = lane.newest.max(Some(newest));
        Ok(())
    }

    /// Notes that an entry is sent again to a member that had lost it.
    pub(crate) fn heal(&mut self, posting: PostingKey) -> Result<(), StoreError> {
        let Some(lane) = self.entry(posting.entry)?.map(|entry| entry.lane) else { return Ok(()) };
        let before = match self.changes.healings.get(&posting) {
            Some(healing) => healing.times,
            None if self.changes.healings_forgotten.contains(&(posting.member, lane)) => 0,
            None => {
                let of_study = self.tx.healings(posting.member, lane)?;
                of_study.iter().find(|healing| healing.posting == posting).map_or(0, |healing| healing.times)
            }
        };
        let healing = Healing { posting, lane, times: before.saturating_add(1), at: self.at };
        self.changes.healings.insert(posting, healing);
        Ok(())
    }

    /// Forgets that anything of an entry's study was sent again to a member: a person has looked at it.
    pub(crate) fn forget_healings(&mut self, posting: PostingKey) -> Result<(), StoreError> {
        let Some(lane) = self.entry(posting.entry)?.map(|entry| entry.lane) else { return Ok(()) };
        let member = posting.member;
        self.changes.healings_forgotten.insert((member, lane));
        self.changes.healings.retain(|key, healing| (key.member, healing.lane) != (member, lane));
        Ok(())
    }

    /// Writes what was changed so far; what is read afterwards is as it was written.
    pub(crate) fn flush(&mut self) -> Result<(), StoreError> {
        self.tx.write(&std::mem::take(&mut self.changes))
    }
}

impl EntryChange {
    fn note_alteration(&mut self, before: &EntryRow) {
        if self.kind == EntryChangeKind::Same && self.row != *before {
            self.kind = EntryChangeKind::Altered;
        }
    }
}

impl PostingRow {
    /// Where it stands in the order of work.
    pub(crate) fn place(&self) -> Place {
        Place { lane: self.lane, stage: self.stage }
    }
}
