//! Books in memory, for the simulator: the same decisions over plain maps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outrigger_catalogue::{
    CatalogueInstance, Cursor, Inheritance, Located, MemoryCatalogue, Page, PutOutcome, SeenStudy,
};
use outrigger_model::{
    AeTitle, Answer, MemberNumber, MemberSet, Query, Selection, Seq, SopInstanceUid, StudyUid,
    TransactionUid, WallTime,
};

use crate::changes::{Changes, EntryChangeKind, LaneChange, Urgency};
use crate::commitment::Commitment;
use crate::entry::{Bytes, EntryRow, LaneNumber, Relation};
use crate::healing::Healing;
use crate::inventory::{Inventory, Seen, Shortfall, Sighting};
use crate::ledger::Passed;
use crate::note::{Note, NoteKind, NotesOf};
use crate::peer::Peer;
use crate::posting::{PostingKey, PostingRow, Stage};
use crate::promise::{Promise, PromiseHead};
use crate::store::{
    Come, DueQuery, DueRows, EntryList, First, Interrupt, Lanes, Lately, LedgerReader, LedgerReads,
    LedgerStore, LedgerTx, MemberRow, Owed, Position, Releasable, StoreError,
};

mod promises;

/// Books in memory; clones share them, so that they outlive a simulated crash.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    books: Arc<Mutex<Books>>,
    away: Arc<AtomicBool>,
    full: Arc<AtomicBool>,
}

impl MemoryStore {
    /// Lets every operation fail from now on, as a database that is down would.
    pub fn go_away(&self) {
        self.away.store(true, Ordering::SeqCst);
    }

    /// Lets every write fail from now on, as on a full disk.
    pub fn fill_up(&self) {
        self.full.store(true, Ordering::SeqCst);
    }

    /// Ends both.
    pub fn come_back(&self) {
        self.away.store(false, Ordering::SeqCst);
        self.full.store(false, Ordering::SeqCst);
    }

    fn books(&self) -> Result<MutexGuard<'_, Books>, StoreError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(StoreError::Away);
        }
        // Work that failed or panicked changed a draft only, so the books are whole.
        Ok(self.books.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl LedgerReader for MemoryStore {
    fn read(
        &self,
        work: &mut dyn FnMut(&dyn LedgerReads) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        work(&*self.books()?)
    }

    fn integrity(&self) -> Result<Vec<String>, StoreError> {
        self.books().map(|_| Vec::new())
    }

    fn interrupt(&self) -> Interrupt {
        // Every look at them is short.
        Box::new(|| {})
    }
}

impl LedgerStore for MemoryStore {
    fn transact(
        &mut self,
        work: &mut dyn FnMut(&mut dyn LedgerTx) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut books = self.books()?;
        if self.full.load(Ordering::SeqCst) {
            return Err(StoreError::Away);
        }
        let mut draft = books.clone();
        work(&mut draft)?;
        *books = draft;
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn LedgerReader>, StoreError> {
        Ok(Box::new(self.clone()))
    }

    fn reconnect(&mut self) -> Result<(), StoreError> {
        self.books().map(drop)
    }
}

#[derive(Debug, Clone, Default)]
struct Books {
    position: Option<Position>,
    members: BTreeMap<MemberNumber, MemberRow>,
    entries: BTreeMap<Seq, EntryRow>,
    postings: BTreeMap<PostingKey, PostingRow>,
    lanes: BTreeMap<(MemberNumber, LaneNumber), LaneRow>,
    closings: BTreeMap<PostingKey, WallTime>,
    healings: BTreeMap<PostingKey, Healing>,
    peers: BTreeMap<AeTitle, Peer>,
    notes: BTreeMap<(NoteKind, u64), Note>,
    notes_ever: BTreeMap<NoteKind, u64>,
    commitments: BTreeMap<TransactionUid, Commitment>,
    promises: BTreeMap<TransactionUid, Promise>,
    pins: BTreeSet<(SopInstanceUid, TransactionUid)>,
    inventories: BTreeMap<MemberNumber, Inventory>,
    sightings: BTreeMap<(StudyUid, MemberNumber), Sighting>,
    shortfalls: BTreeMap<(StudyUid, MemberNumber), u64>,
    catalogue: MemoryCatalogue,
}

#[derive(Debug, Clone, Copy)]
struct LaneRow {
    untried: i64,
    newest: Seq,
    newest_at: WallTime,
    urgency: Urgency,
}

impl LaneRow {
    const NEW: Self = Self { untried: 0, newest: Seq(0), newest_at: WallTime(0), urgency: Urgency::Usual };

    fn changed(mut self, change: &LaneChange) -> Self {
        self.untried += change.untried;
        if let Some((newest, at)) = change.newest
            && newest > self.newest
        {
            (self.newest, self.newest_at) = (newest, at);
        }
        self.urgency = change.urgency.unwrap_or(self.urgency);
        self
    }
}

impl LedgerTx for Books {
    fn put_instances(&mut self, instances: &[CatalogueInstance]) -> Result<Vec<PutOutcome>, StoreError> {
        Ok(self.catalogue.put_instances(instances)?)
    }

    fn inherit(
        &mut self,
        member: MemberNumber,
        at: WallTime,
        seen: &SeenStudy,
    ) -> Result<Inheritance, StoreError> {
        Ok(self.catalogue.inherit_study(member, at, seen)?)
    }

    fn depart(&mut self, member: MemberNumber, gone: &[SopInstanceUid]) -> Result<u64, StoreError> {
        Ok(self.catalogue.depart(member, gone)?)
    }

    fn write(&mut self, changes: &Changes) -> Result<(), StoreError> {
        self.write_books(changes);
        self.write_work(changes);
        self.write_notes(changes);
        self.write_promises(changes);
        Ok(())
    }
}

impl Books {
    fn write_books(&mut self, changes: &Changes) {
        let mut entries = self.position.map_or(0, |position| position.entries);
        for (seq, change) in &changes.entries {
            match change.kind {
                EntryChangeKind::New => entries += 1,
                EntryChangeKind::Altered => {}
                EntryChangeKind::Same => continue,
            }
            self.entries.insert(*seq, change.row.clone());
        }
        if let Some(position) = &mut self.position {
            position.entries = entries;
        }
        if let Some((journal, applied)) = changes.position {
            self.position = Some(Position { journal, applied, entries });
        }
        for member in &changes.members {
            self.members.insert(member.number, member.clone());
        }
        for (number, state) in &changes.member_states {
            if let Some(member) = self.members.get_mut(number) {
                member.state = *state;
            }
        }
        for (number, change) in &changes.accounts {
            if let Some(member) = self.members.get_mut(number) {
                member.account = member.account.changed(change);
            }
        }
    }

    fn write_work(&mut self, changes: &Changes) {
        for (key, change) in &changes.postings {
            match &change.after {
                Some(row) => self.postings.insert(*key, row.clone()),
                None => self.postings.remove(key),
            };
        }
        for (key, change) in &changes.lanes {
            let lane = self.lanes.get(key).copied().unwrap_or(LaneRow::NEW).changed(change);
            if lane.untried > 0 {
                self.lanes.insert(*key, lane);
            } else {
                self.lanes.remove(key);
            }
        }
        self.healings
            .retain(|key, healing| !changes.healings_forgotten.contains(&(key.member, healing.lane)));
        self.healings.extend(changes.healings.iter().map(|(key, healing)| (*key, *healing)));
        self.closings.extend(changes.closings.iter().copied());
        if let Some(before) = changes.closings_forgotten {
            self.closings.retain(|_, at| *at >= before);
        }
    }

    fn write_notes(&mut self, changes: &Changes) {
        for (ae_title, seen) in &changes.peers {
            let objects = self.peers.get(ae_title).map_or(0, |peer| peer.objects);
            self.peers.insert(ae_title.clone(), Peer { objects: objects + seen.objects, ..seen.clone() });
        }
        for note in &changes.notes {
            let id = self.notes_ever.entry(note.kind).or_default();
            *id += 1;
            self.notes.insert((note.kind, *id), Note { id: *id, ..note.clone() });
        }
        self.notes.retain(|key, note| {
            let newest = self.notes_ever.get(&note.kind).copied().unwrap_or_default();
            !changes.notes_closed.contains(key) && note.id + note.kind.kept() > newest
        });
        self.inventories.extend(changes.inventories.iter().map(|(member, row)| (*member, row.clone())));
        let key = |sighting: &Sighting| (sighting.study.clone(), sighting.member);
        self.sightings.extend(changes.sightings.iter().map(|sighting| (key(sighting), sighting.clone())));
        for row in &changes.shortfalls {
            self.shortfalls.insert((row.study.clone(), row.member), row.says);
        }
        for begun in &changes.commitments_begun {
            self.commitments.insert(begun.transaction.clone(), begun.clone());
        }
        for ended in &changes.commitments_ended {
            self.commitments.remove(ended);
        }
    }

    fn owed<'b>(
        &'b self,
        member: MemberNumber,
        matches: impl Fn(&PostingRow) -> bool + 'b,
    ) -> impl Iterator<Item = Owed> + 'b {
        let of_member = self.postings.values().filter(move |posting| posting.key.member == member);
        of_member.filter(move |posting| matches(posting)).filter_map(|posting| {
            let entry = self.entries.get(&posting.key.entry)?.clone();
            Some(Owed { entry, posting: posting.clone() })
        })
    }

    fn lanes_in_order(&self, query: &DueQuery) -> Vec<LaneNumber> {
        let fresh = |row: &LaneRow, lately: Lately| {
            row.urgency == Urgency::Expedited || lately.includes(row.newest_at)
        };
        let mut lanes: Vec<(Urgency, (WallTime, Seq), LaneNumber)> = self
            .lanes
            .iter()
            .filter(|((member, _), row)| {
                *member == query.member
                    && match query.lanes {
                        Lanes::Fresh(lately) => fresh(row, lately),
                        Lanes::Backlog(lately) => !fresh(row, lately),
                    }
            })
            .map(|((_, lane), row)| (row.urgency, (row.newest_at, row.newest), *lane))
            .collect();
        lanes.sort_by_key(|(_, newest, _)| *newest);
        if let Lanes::Fresh(_) = query.lanes {
            lanes.reverse();
            lanes.sort_by_key(|(urgency, ..)| *urgency == Urgency::Usual);
        }
        lanes.into_iter().map(|(_, _, lane)| lane).collect()
    }
}

impl LedgerReads for Books {
    fn position(&self) -> Result<Option<Position>, StoreError> {
        Ok(self.position)
    }

    fn members(&self) -> Result<Vec<MemberRow>, StoreError> {
        Ok(self.members.values().cloned().collect())
    }

    fn entry(&self, seq: Seq) -> Result<Option<EntryRow>, StoreError> {
        Ok(self.entries.get(&seq).cloned())
    }

    fn entries(&self, list: EntryList, after: Seq, limit: usize) -> Result<Vec<EntryRow>, StoreError> {
        let listed = |entry: &&EntryRow| {
            let kept = entry.bytes == Bytes::Kept;
            let unverified = entry.marks.verified == MemberSet::EMPTY;
            match list {
                EntryList::All => true,
                EntryList::Unverified | EntryList::LatestUnverified => {
                    kept && unverified && !entry.marks.confirmed.is_empty()
                }
                EntryList::Verified => kept && !unverified,
                EntryList::Repeats => kept && matches!(entry.relation, Relation::RepeatOf(_)),
            }
        };
        let behind = self.entries.range(Seq(after.0 + 1)..).map(|(_, entry)| entry);
        Ok(if list == EntryList::LatestUnverified {
            behind.rev().filter(listed).take(limit).cloned().collect()
        } else {
            behind.filter(listed).take(limit).cloned().collect()
        })
    }

    fn releasable(&self, rule: &Releasable, limit: usize) -> Result<Vec<Seq>, StoreError> {
        let mut free: Vec<_> = self.entries.values().filter(|entry| rule.allows(entry)).collect();
        free.sort_by_key(|entry| entry.balanced_at);
        Ok(free.into_iter().take(limit).map(|entry| entry.seq).collect())
    }

    fn releasable_early(
        &self,
        required: MemberSet,
        rule: &Releasable,
        limit: usize,
    ) -> Result<Vec<Seq>, StoreError> {
        Ok(self.early(required, rule).take(limit).collect())
    }

    fn promise_heads(&self) -> Result<Vec<PromiseHead>, StoreError> {
        let mut heads: Vec<_> = self.promises.values().map(|promise| promise.head.clone()).collect();
        heads.sort_by_key(|head| head.at);
        Ok(heads)
    }

    fn promise(&self, transaction: &TransactionUid) -> Result<Option<Promise>, StoreError> {
        Ok(self.promises.get(transaction).cloned())
    }

    fn unshown(&self, after: Passed, come: Come, limit: usize) -> Result<Vec<EntryRow>, StoreError> {
        let mut found: BTreeMap<Passed, &EntryRow> = BTreeMap::new();
        for entry in self.entries.values() {
            let marks = &entry.marks;
            let unshown = marks.confirmed.without(marks.present.and(marks.origin));
            let Some(balanced_at) = entry.balanced_at.filter(|at| come.includes(*at)) else { continue };
            if entry.bytes == Bytes::Kept && marks.open().is_empty() && !unshown.is_empty() {
                found.insert(Passed { balanced_at, entry: entry.seq }, entry);
            }
        }
        let behind = found.into_iter().filter(|(place, _)| *place > after);
        Ok(behind.take(limit).map(|(_, entry)| entry.clone()).collect())
    }

    fn posting(&self, key: PostingKey, _lane: LaneNumber) -> Result<Option<PostingRow>, StoreError> {
        Ok(self.postings.get(&key).cloned())
    }

    fn due(&self, query: &DueQuery) -> Result<DueRows, StoreError> {
        let mut untried = Vec::new();
        for lane in self.lanes_in_order(query) {
            let of_lane = self
                .owed(query.member, move |posting| posting.stage == Stage::Untried && posting.lane == lane);
            untried.extend(of_lane.take(query.limit - untried.len()));
        }
        Ok(DueRows {
            untried,
            retries: self.waiting(query.member, Stage::Retry, query.come, First::Longest, query.limit)?,
        })
    }

    fn waiting(
        &self,
        member: MemberNumber,
        stage: Stage,
        come: Come,
        first: First,
        limit: usize,
    ) -> Result<Vec<Owed>, StoreError> {
        let ready = move |posting: &PostingRow| posting.stage == stage && come.includes(posting.not_before);
        let mut waiting: Vec<Owed> = self.owed(member, ready).collect();
        waiting.sort_by_key(|owed| (owed.posting.not_before, owed.entry.seq));
        if first == First::Latest {
            waiting.retain(|owed| owed.posting.not_before <= come.by);
            waiting.reverse();
        }
        waiting.truncate(limit);
        Ok(waiting)
    }

    fn suspended(&self, member: MemberNumber, after: Seq, limit: usize) -> Result<Vec<Owed>, StoreError> {
        let suspended =
            move |posting: &PostingRow| posting.stage == Stage::Suspense && posting.key.entry > after;
        Ok(self.owed(member, suspended).take(limit).collect())
    }

    fn open_postings(&self, member: MemberNumber, limit: usize) -> Result<Vec<Seq>, StoreError> {
        Ok(self.owed(member, |_| true).take(limit).map(|owed| owed.entry.seq).collect())
    }

    fn closed_since(
        &self,
        member: MemberNumber,
        since: WallTime,
        limit: usize,
    ) -> Result<Vec<(Seq, WallTime)>, StoreError> {
        let closed = self.closings.iter().filter(|(key, at)| key.member == member && **at >= since);
        Ok(closed.map(|(key, at)| (key.entry, *at)).take(limit).collect())
    }

    fn healings(&self, member: MemberNumber, lane: LaneNumber) -> Result<Vec<Healing>, StoreError> {
        let of_study = |healing: &&Healing| healing.posting.member == member && healing.lane == lane;
        Ok(self.healings.values().filter(of_study).copied().collect())
    }

    fn oldest_owed(&self, member: MemberNumber) -> Result<Option<WallTime>, StoreError> {
        let owed = self.owed(member, |posting| posting.stage != Stage::Suspense);
        Ok(owed.map(|owed| owed.entry.at).next())
    }

    fn settling(&self, member: MemberNumber, come: Come) -> Result<(u64, Option<WallTime>), StoreError> {
        let stored = |posting: &PostingRow| {
            matches!(posting.stage, Stage::Stored(_)) && !come.includes(posting.not_before)
        };
        let times: Vec<WallTime> = self.owed(member, stored).map(|owed| owed.posting.not_before).collect();
        Ok((times.len() as u64, times.into_iter().min()))
    }

    fn notes(&self, kind: NoteKind, of: NotesOf, limit: usize) -> Result<Vec<Note>, StoreError> {
        let asked = self.notes.values().rev().filter(|note| note.kind == kind && of.includes(note));
        Ok(asked.take(limit).cloned().collect())
    }

    fn commitments(&self) -> Result<Vec<Commitment>, StoreError> {
        let mut commitments: Vec<Commitment> = self.commitments.values().cloned().collect();
        commitments.sort_by_key(|commitment| commitment.at);
        Ok(commitments)
    }

    fn inventories(&self) -> Result<Vec<Inventory>, StoreError> {
        Ok(self.inventories.values().cloned().collect())
    }

    fn sighting(&self, study: &StudyUid, member: MemberNumber) -> Result<Option<Sighting>, StoreError> {
        Ok(self.sightings.get(&(study.clone(), member)).cloned())
    }

    fn sightings(&self, member: MemberNumber, seen: Seen, limit: usize) -> Result<Vec<Sighting>, StoreError> {
        let is_seen = |sighting: &&Sighting| match seen {
            Seen::Before(time) => sighting.last_seen < time,
            Seen::Since(time) => sighting.last_seen >= time,
        };
        let of_member = self.sightings.values().filter(|sighting| sighting.member == member);
        let shown = of_member.filter(|sighting| sighting.instances > 0).filter(is_seen);
        Ok(shown.take(limit).cloned().collect())
    }

    fn shortfalls(&self, study: &StudyUid) -> Result<Vec<Shortfall>, StoreError> {
        let of_study = self.shortfalls.iter().filter(|((of, _), says)| of == study && **says > 0);
        let row = |((study, member), says): (&(StudyUid, MemberNumber), &u64)| Shortfall {
            study: study.clone(),
            member: *member,
            says: *says,
        };
        Ok(of_study.map(row).collect())
    }

    fn peers(&self) -> Result<Vec<Peer>, StoreError> {
        Ok(self.peers.values().cloned().collect())
    }

    fn lookup(&self, instance: &SopInstanceUid) -> Result<Option<Located>, StoreError> {
        Ok(self.catalogue.lookup(instance)?)
    }

    fn find(&self, query: &Query, after: Cursor, limit: usize) -> Result<Page<Answer>, StoreError> {
        Ok(self.catalogue.find(query, after, limit)?)
    }

    fn select(
        &self,
        selection: &Selection,
        after: Cursor,
        limit: usize,
    ) -> Result<Page<Located>, StoreError> {
        Ok(self.catalogue.select(selection, after, limit)?)
    }
}
