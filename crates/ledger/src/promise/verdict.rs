//! Whether an instance may be promised: a pure decision on what the books say of it.

use outrigger_catalogue::{Current, Located};
use outrigger_model::{MemberSet, Seq, SopClassUid, SopInstanceUid};

use crate::entry::{Bytes, EntryRow, Relation};
use crate::ledger::doubted::WhenAsked;
use crate::policy::{Need, Policies};
use crate::promise::{Attested, CommitPolicy, Copies, Demand, reason};
use crate::store::{LedgerReads, Releasable, StoreError};

/// Where an instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may be promised.
    Committed,
    /// It cannot, whatever comes, for this Failure Reason.
    Failed(u16),
    /// Not yet; this is the Failure Reason when the time is over.
    NotYet(u16),
}

/// The policy, and what the required members of the configuration are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    policy: CommitPolicy,
    required: MemberSet,
    levels: Releasable,
}

impl Rule {
    pub(crate) fn new(policy: CommitPolicy, policies: &Policies) -> Self {
        Self { policy, required: required(policies), levels: Releasable::at_any_time(policies) }
    }

    /// What members must give of an instance that was never stored here.
    pub(crate) fn demand(&self) -> Demand {
        Demand { policy: self.policy, required: self.required }
    }

    /// Decides on one instance of a request; `attested` says what members gave of one that was never stored here, and the word of
    /// those who are `doubted` counts for nothing.
    pub(crate) fn verdict(
        &self,
        books: &dyn LedgerReads,
        sop_class: &SopClassUid,
        instance: &SopInstanceUid,
        attested: impl FnOnce(&SopInstanceUid) -> Option<Attested>,
        doubted: &WhenAsked<'_>,
    ) -> Result<Verdict, StoreError> {
        let Some(located) = books.lookup(instance)? else {
            return Ok(Verdict::NotYet(reason::NO_SUCH_INSTANCE));
        };
        if located.sop_class != *sop_class {
            return Ok(Verdict::Failed(reason::CLASS_CONFLICT));
        }
        if let Current::Inherited(_) = located.current {
            return Ok(self.inherited(attested(instance)));
        }
        let entries = entries(books, &located)?;
        let contradicted = |row: &EntryRow| matches!(row.relation, Relation::Contradicts(_));
        if entries.iter().any(contradicted) {
            // Two contents under one UID: nobody knows which of them the requestor would delete.
            return Ok(Verdict::Failed(reason::PROCESSING_FAILURE));
        }
        let uncompared = |row: &EntryRow| matches!(row.relation, Relation::Uncompared(_));
        let mut safe = false;
        for row in entries.iter().filter(|row| self.is_met(row)) {
            safe |= self.is_met(&doubted.get()?.without(row.clone()));
        }
        Ok(if safe && !entries.iter().any(uncompared) {
            Verdict::Committed
        } else {
            Verdict::NotYet(reason::PROCESSING_FAILURE)
        })
    }

    fn inherited(&self, attested: Option<Attested>) -> Verdict {
        match attested {
            // Two contents under one UID, and nobody knows which of them the requestor would delete.
            Some(Attested { copies: Copies::Contradict, .. }) => Verdict::Failed(reason::PROCESSING_FAILURE),
            Some(attested) if self.demand().is_met(&attested) => Verdict::Committed,
            Some(_) | None => Verdict::NotYet(reason::PROCESSING_FAILURE),
        }
    }

    fn is_met(&self, row: &EntryRow) -> bool {
        let count = |set: MemberSet| set.iter().count();
        match self.policy {
            CommitPolicy::All => self.all_have_it(row),
            CommitPolicy::Journal { members } => {
                let kept = row.bytes == Bytes::Kept && count(row.marks.verified) >= usize::from(members);
                // What was let go after its time was let go because all have it.
                kept || (row.bytes == Bytes::Released && self.all_have_it(row))
            }
            CommitPolicy::Members { members } => count(row.marks.committed) >= usize::from(members),
        }
    }

    /// Whether every required member that wants it has it, and an object that some could not commit to was read back.
    fn all_have_it(&self, row: &EntryRow) -> bool {
        let asked = row.marks.wanted.common(self.required);
        let surely = !row.marks.verified.is_empty() || asked.without(row.marks.committed).is_empty();
        !asked.is_empty()
            && asked.common(row.marks.written_off).is_empty()
            && surely
            && self.levels.required_have_it(self.required, row)
    }
}

/// The members that bytes wait for.
pub(crate) fn required(policies: &Policies) -> MemberSet {
    let required = policies.iter().filter(|(_, policy)| policy.need == Need::Required);
    required.map(|(number, _)| number).collect()
}

fn entries(books: &dyn LedgerReads, located: &Located) -> Result<Vec<EntryRow>, StoreError> {
    let mut rows = Vec::new();
    for version in located.versions() {
        rows.extend(books.entry(Seq(version.place))?);
    }
    Ok(rows)
}
