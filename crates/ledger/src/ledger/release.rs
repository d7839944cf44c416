//! Which bytes may go: at no time before one member was read back.

use outrigger_model::{ConfirmLevel, Seq, WallTime};

use crate::entry::{Bytes, EntryRow};
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::member_set::MemberSet;
use crate::policy::{Need, Policies};
use crate::store::{EntryList, Releasable};

/// How urgently room is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseMode {
    /// Bytes go when nothing is open, every required member has them surely enough, and the retention time has passed.
    Normal,
    /// The journal is filling up: bytes go that were read back from some member; whoever lacks them gets them from there.
    Early,
}

impl Ledger {
    /// Lists entries whose bytes may go, the longest balanced first, at most `limit`; in normal mode balanced by `balanced_by`.
    pub async fn release_candidates(
        &self,
        limit: usize,
        balanced_by: WallTime,
        mode: ReleaseMode,
    ) -> Result<Vec<Seq>, LedgerError> {
        let rule = Releasable::of(&self.policies(), balanced_by);
        self.query(move |books| match mode {
            ReleaseMode::Normal => books.releasable(&rule, limit),
            ReleaseMode::Early => {
                let verified = books.entries(EntryList::Verified, Seq(0), limit)?;
                Ok(verified.iter().map(|entry| entry.seq).collect())
            }
        })
        .await
    }

    /// Notes that the journal let the bytes of these entries go.
    pub async fn released(&self, entries: &[Seq]) -> Result<(), LedgerError> {
        let entries = entries.to_vec();
        self.write(move |writer| {
            Ok(writer.change(|desk| {
                for entry in &entries {
                    desk.alter_entry(*entry, |row| row.bytes = Bytes::Released)?;
                }
                Ok(())
            })?)
        })
        .await
    }
}

impl Releasable {
    /// What the required members of a configuration ask for.
    pub(crate) fn of(policies: &Policies, balanced_by: WallTime) -> Self {
        let none = MemberSet::EMPTY;
        let mut rule = Self { balanced_by, present: none, committed: none, verified: none };
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

    /// Whether the bytes of an entry may go.
    pub fn allows(&self, entry: &EntryRow) -> bool {
        let marks = &entry.marks;
        let balanced = entry.balanced_at.is_some_and(|at| at <= self.balanced_by);
        let asked = marks.wanted.without(marks.superseded.and(marks.written_off).and(marks.origin));
        let lacking = self
            .present
            .without(marks.present)
            // Closed at less than that: the member cannot commit, and showed it after it had settled.
            .and(self.committed.without(marks.committed.and(marks.present)))
            .and(self.verified.without(marks.verified));
        entry.bytes == Bytes::Kept
            && balanced
            && marks.open().is_empty()
            && !marks.verified.is_empty()
            && asked.common(lacking).is_empty()
    }
}
