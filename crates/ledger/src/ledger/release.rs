//! Which bytes may go: at no time before one member was read back.

use std::time::Duration;

use outrigger_model::{ConfirmLevel, MemberSet, Seq, WallTime};

use crate::applier::repeats::Repeat;
use crate::changes::Unpinned;
use crate::entry::{Bytes, EntryRow, Marks};
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::ledger::doubted::Doubted;
use crate::policy::{Need, Policies};
use crate::promise::required;
use crate::steady::Balanced;
use crate::store::{LedgerReads, Releasable, StoreError};

/// How urgently room is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseMode {
    /// Bytes go when nothing is open, every required member has them surely enough, and the retention time has passed.
    Normal,
    /// The journal is filling up: bytes go that were read back from some member; whoever lacks them gets them from there. Those
    /// that were promised to a modality stay until every required member has them.
    Early {
        /// As many go as make so much room, in bytes.
        room: u64,
    },
}

impl Ledger {
    /// Lists entries whose bytes may go, the longest balanced first, at most `limit`, and those that lend them bytes; in normal mode balanced for `retention`, as far as the node lived through it.
    ///
    /// Nothing goes on the word of a member that was seen not to have it, or not as it was accepted, while that stands open.
    ///
    /// Bytes that came again stay as long as those of the entry they repeat, and go with them: they may be all there is of it.
    pub async fn release_candidates(
        &self,
        limit: usize,
        retention: Duration,
        mode: ReleaseMode,
    ) -> Result<Vec<Seq>, LedgerError> {
        let (policies, retained) = (self.policies(), self.shared.steady.retained(retention));
        let repeats = self.shared.repeats.all();
        self.query(move |books| {
            let doubted = Doubted::read(books)?;
            // As many more as may have to stay.
            let most = limit + doubted.count();
            let mut free = match mode {
                ReleaseMode::Normal => {
                    let mut free = Vec::new();
                    for balanced in retained {
                        let rule = Releasable::of(&policies, balanced);
                        free.extend(books.releasable(&rule, most - free.len())?);
                    }
                    free
                }
                ReleaseMode::Early { .. } => {
                    let rule = Releasable::at_any_time(&policies);
                    books.releasable_early(required(&policies), &rule, most)?
                }
            };
            if !doubted.is_empty() {
                free = trusted(books, free, &doubted, mode)?;
            }
            free.truncate(limit);
            if let ReleaseMode::Early { room } = mode {
                free = making_room(books, free, room)?;
            }
            // With the entry they are lent to, in one record: an entry without its own has those for as long as they are there.
            let mut lent = Vec::new();
            for Repeat { entry, of } in repeats {
                if free.contains(&of) || books.entry(of)?.is_some_and(|row| row.bytes == Bytes::Released) {
                    lent.push(entry);
                }
            }
            free.extend(lent);
            Ok(free)
        })
        .await
    }

    /// Notes that the journal let the bytes of these entries go.
    pub async fn released(&self, entries: &[Seq]) -> Result<(), LedgerError> {
        let entries = entries.to_vec();
        self.write(move |writer| {
            writer.change(|desk| {
                for entry in &entries {
                    desk.alter_entry(*entry, |row| row.bytes = Bytes::Released)?;
                    let instance = desk.entry(*entry)?.map(|row| row.header.sop_instance.clone());
                    desk.changes.unpinned.extend(instance.map(|instance| Unpinned::Released { instance }));
                }
                Ok(())
            })?;
            writer.repeats.forget(&entries);
            Ok(())
        })
        .await
    }
}

/// Those of the entries that may go although some members were seen not to have what the books say: where there is time none of
/// which that was seen, and in need those that another member gave back.
fn trusted(
    books: &dyn LedgerReads,
    free: Vec<Seq>,
    doubted: &Doubted,
    mode: ReleaseMode,
) -> Result<Vec<Seq>, StoreError> {
    let mut trusted = Vec::with_capacity(free.len());
    for entry in free {
        let lost = doubted.of(entry);
        let may_go = lost.is_empty()
            || matches!(mode, ReleaseMode::Early { .. })
                && books.entry(entry)?.is_some_and(|row| !row.marks.verified.without(lost).is_empty());
        if may_go {
            trusted.push(entry);
        }
    }
    Ok(trusted)
}

/// The first of the entries that make so much room together, in bytes.
fn making_room(books: &dyn LedgerReads, free: Vec<Seq>, room: u64) -> Result<Vec<Seq>, StoreError> {
    let (mut going, mut made) = (Vec::new(), 0_u64);
    for entry in free {
        if made >= room {
            break;
        }
        made = made.saturating_add(books.entry(entry)?.map_or(0, |row| row.length));
        going.push(entry);
    }
    Ok(going)
}

impl Releasable {
    /// What the required members of a configuration ask for.
    pub(crate) fn of(policies: &Policies, balanced: Balanced) -> Self {
        let none = MemberSet::EMPTY;
        let Balanced { from: balanced_from, by: balanced_by } = balanced;
        let mut rule = Self { balanced_by, balanced_from, present: none, committed: none, verified: none };
        for (number, policy) in policies.iter().filter(|(_, policy)| policy.need == Need::Required) {
            match policy.release {
                // The posting is closed, which is at least that.
                ConfirmLevel::Accepted => {}
                ConfirmLevel::Present => rule.present.insert(number),
                ConfirmLevel::Committed => rule.committed.insert(number),
                ConfirmLevel::Verified => rule.verified.insert(number),
            }
        }
        rule
    }

    /// The same, whenever it was balanced.
    pub(crate) fn at_any_time(policies: &Policies) -> Self {
        Self::of(policies, Balanced { from: WallTime(i64::MIN), by: WallTime(i64::MAX) })
    }

    /// Whether the bytes of an entry may go.
    pub fn allows(&self, entry: &EntryRow) -> bool {
        let marks = &entry.marks;
        let balanced = entry.balanced_at.is_some_and(|at| self.balanced_from <= at && at <= self.balanced_by);
        entry.bytes == Bytes::Kept
            && balanced
            && marks.open().is_empty()
            && !marks.verified.is_empty()
            && self.lacking(marks).is_empty()
    }

    /// Members asked for more than they have confirmed.
    fn lacking(&self, marks: &Marks) -> MemberSet {
        let asked = marks.wanted.without(marks.superseded.and(marks.written_off).and(marks.origin));
        let lacking = self
            .present
            .without(marks.present)
            // Closed at less than that: the member cannot commit, and showed it after it had settled.
            .and(self.committed.without(marks.committed.and(marks.present)))
            .and(self.verified.without(marks.verified));
        asked.common(lacking)
    }

    /// Whether each of the `required` members that wants an entry has it, whatever the others owe.
    pub fn required_have_it(&self, required: MemberSet, entry: &EntryRow) -> bool {
        let marks = &entry.marks;
        let has = marks.confirmed.and(marks.origin).and(marks.superseded);
        marks.wanted.common(required).without(has).is_empty() && self.lacking(marks).is_empty()
    }
}
