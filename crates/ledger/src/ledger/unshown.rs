//! Postings that were closed by a member's word alone, and that it is asked for when there is nothing else to do.

use outrigger_model::{MemberNumber, Seq, WallTime};

use crate::entry::EntryRow;
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::ledger::due::Due;
use crate::posting::PostingKey;
use crate::steady::micros;
use crate::store::{Come, DueQuery, Lanes, Lately, LedgerReads, StoreError};

/// How far the closed entries were gone through, in the order in which they were balanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Passed {
    /// When the last one was balanced.
    pub balanced_at: WallTime,
    /// The last one.
    pub entry: Seq,
}

impl Passed {
    /// Nothing yet.
    pub const NOTHING: Self = Self { balanced_at: WallTime(i64::MIN), entry: Seq(0) };
}

/// A page of what a member accepted and was not seen to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unshown {
    /// The postings, claimed until they are reported.
    pub postings: Vec<Due>,
    /// How far the entries are gone through with them.
    pub passed: Passed,
}

impl Ledger {
    /// Claims postings that are closed, whose object a query may show and has not, behind `after`; of at most `limit` entries.
    ///
    /// There are none while the member is owed anything that can be sent now, and before it had its settling time.
    pub async fn unshown(
        &self,
        member: MemberNumber,
        after: Passed,
        limit: usize,
    ) -> Result<Unshown, LedgerError> {
        let nothing = Unshown { postings: Vec::new(), passed: after };
        let policies = self.policies();
        let Some(policy) = policies.get(member) else { return Ok(nothing) };
        let (lately, steady) = (self.lately(), &self.shared.steady);
        // What a clock that was ahead balanced has settled, as far as anybody knows.
        let balanced = Come {
            by: WallTime(steady.plausible().0.saturating_sub(micros(policy.settle))),
            beyond: steady.plausible(),
        };
        let come = steady.come(policy.settle);
        let entries = self
            .query(move |books| {
                if is_owed(books, member, come, lately)? {
                    return Ok(Vec::new());
                }
                books.unshown(after, balanced, limit)
            })
            .await?;
        let Some(passed) = entries.last().and_then(Passed::of) else { return Ok(nothing) };
        let keys: Vec<(PostingKey, EntryRow)> = entries
            .into_iter()
            .filter(|entry| is_asked_for(entry, member))
            .map(|entry| (PostingKey { entry: entry.seq, member }, entry))
            .collect();
        if keys.is_empty() {
            return Ok(Unshown { postings: Vec::new(), passed });
        }
        self.write(move |writer| {
            let now = writer.steady.clock().now();
            if !writer.is_active(member) {
                return Ok(nothing);
            }
            let mut postings = Vec::with_capacity(keys.len());
            for (key, entry) in keys {
                if !writer.claims.is_worked_on(key.entry, now) {
                    writer.claims.claim(key, now);
                    postings.push(Due::of_entry(&entry, key));
                }
            }
            Ok(Unshown { postings, passed })
        })
        .await
    }
}

impl Passed {
    fn of(entry: &EntryRow) -> Option<Self> {
        entry.balanced_at.map(|balanced_at| Self { balanced_at, entry: entry.seq })
    }
}

/// Whether something could be sent to a member now.
fn is_owed(
    books: &dyn LedgerReads,
    member: MemberNumber,
    come: Come,
    lately: Lately,
) -> Result<bool, StoreError> {
    for lanes in [Lanes::Fresh(lately), Lanes::Backlog(lately)] {
        let due = books.due(&DueQuery { member, lanes, come, limit: 1 })?;
        if !due.untried.is_empty() || !due.retries.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a query can tell that the member has the object: of a later version it shows the UID, and not which one it kept.
fn is_asked_for(entry: &EntryRow, member: MemberNumber) -> bool {
    let marks = &entry.marks;
    marks.confirmed.without(marks.present.and(marks.origin)).contains(member)
        && entry.relation.earlier().is_none()
        && entry.header.study.is_some()
        && entry.header.series.is_some()
}
