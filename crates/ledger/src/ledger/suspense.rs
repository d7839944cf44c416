//! The list a person works.

use std::fmt;

use outrigger_model::{MemberName, MemberNumber, Seq, SopInstanceUid, Status, StudyUid, SuspenseReason};
use serde::{Deserialize, Serialize};

use crate::calendar::rfc3339;
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::posting::{PostingKey, Suspended, reason_code};
use crate::record::{AtMember, Decider, Decision, ENTRIES_PER_RECORD_MAX};
use crate::store::{LedgerReads, MemberRow, Owed, StoreError};

/// Postings read from the database at once.
const PER_PAGE: usize = 1_000;

/// Postings listed at most: a person works a list, not a database.
const SHOWN_MAX: usize = 10_000;

/// Which postings in suspense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SuspenseFilter {
    /// All, or those of a member, or for a reason.
    Of {
        /// The member.
        member: Option<MemberNumber>,
        /// The reason.
        reason: Option<SuspenseReason>,
    },
    /// These.
    Postings(Vec<PostingKey>),
}

/// A posting in suspense.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuspenseItem {
    /// What `retry` and `write-off` take: ENTRY:MEMBER.
    pub id: String,
    /// The member.
    pub member: MemberName,
    /// The word for the reason.
    pub reason: String,
    /// The member's own status, as four hexadecimal digits.
    pub status: Option<String>,
    /// In words.
    pub text: String,
    /// Since when, as RFC 3339.
    pub at: String,
    /// SOP Instance UID.
    pub sop_instance: SopInstanceUid,
    /// Study Instance UID.
    pub study: Option<StudyUid>,
}

impl Ledger {
    /// Lists postings in suspense, member by member, the oldest entry first.
    pub async fn suspense(&self, filter: SuspenseFilter) -> Result<Vec<SuspenseItem>, LedgerError> {
        self.query(move |books| {
            let mut items = Vec::new();
            for member in books.members()? {
                let room = SHOWN_MAX - items.len();
                let found = matching(books, &member, &filter, room)?;
                items.extend(found.iter().filter_map(|owed| SuspenseItem::of(&member, owed)));
            }
            Ok(items)
        })
        .await
    }

    /// Has postings in suspense tried again, and gives their number.
    pub async fn retry(&self, filter: SuspenseFilter) -> Result<usize, LedgerError> {
        self.each_in_suspense(&filter, None, Decision::Retried).await
    }

    /// Gives postings in suspense up, and says how many: the person `by` has decided, for a reason, that the member need not have them.
    pub async fn write_off(
        &self,
        filter: SuspenseFilter,
        by: String,
        reason: String,
    ) -> Result<usize, LedgerError> {
        let by = Decider { name: by, reason };
        self.each_in_suspense(&filter, Some(&by), Decision::WrittenOff).await
    }

    async fn each_in_suspense(
        &self,
        filter: &SuspenseFilter,
        by: Option<&Decider>,
        decision: fn(AtMember) -> Decision,
    ) -> Result<usize, LedgerError> {
        let mut count = 0;
        for member in self.query(|books| books.members()).await? {
            let (number, filter) = (member.number, filter.clone());
            let entries: Vec<Seq> = self
                .query(move |books| {
                    let found = matching(books, &member, &filter, usize::MAX)?;
                    Ok(found.iter().map(|owed| owed.entry.seq).collect())
                })
                .await?;
            count += entries.len();
            let parts = entries.chunks(ENTRIES_PER_RECORD_MAX);
            let parts: Vec<Decision> = parts
                .map(|entries| decision(AtMember { member: number, entries: entries.to_vec() }))
                .collect();
            self.decide(by, parts).await?;
        }
        Ok(count)
    }
}

fn matching(
    books: &dyn LedgerReads,
    member: &MemberRow,
    filter: &SuspenseFilter,
    limit: usize,
) -> Result<Vec<Owed>, StoreError> {
    let mut found = Vec::new();
    if !filter.concerns(member.number) {
        return Ok(found);
    }
    let mut after = Seq(0);
    while found.len() < limit {
        let page = books.suspended(member.number, after, PER_PAGE)?;
        let Some(last) = page.last() else { break };
        after = last.entry.seq;
        let room = limit - found.len();
        found.extend(page.into_iter().filter(|owed| filter.includes(owed)).take(room));
    }
    Ok(found)
}

impl SuspenseFilter {
    fn concerns(&self, member: MemberNumber) -> bool {
        match self {
            Self::Of { member: wanted, .. } => wanted.is_none_or(|wanted| wanted == member),
            Self::Postings(keys) => keys.iter().any(|key| key.member == member),
        }
    }

    fn includes(&self, owed: &Owed) -> bool {
        let found = owed.posting.suspense.as_ref().map(|suspended| &suspended.reason);
        match self {
            Self::Of { reason, .. } => reason.as_ref().is_none_or(|wanted| found == Some(wanted)),
            Self::Postings(keys) => keys.contains(&owed.posting.key),
        }
    }
}

impl SuspenseItem {
    fn of(member: &MemberRow, owed: &Owed) -> Option<Self> {
        let suspended = owed.posting.suspense.as_ref()?;
        Some(Self {
            id: owed.posting.key.to_string(),
            member: member.name.clone(),
            reason: reason_code(&suspended.reason).to_owned(),
            status: suspended.status.map(|status| status.to_string()),
            text: suspended.to_string(),
            at: rfc3339(suspended.at),
            sop_instance: owed.entry.header.sop_instance.clone(),
            study: owed.entry.header.study.clone(),
        })
    }
}

impl fmt::Display for Suspended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(reason_words(&self.reason))?;
        if let Some(status) = self.status {
            write!(f, ", {status} ({})", Status::text(status))?;
        }
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
}

fn reason_words(reason: &SuspenseReason) -> &'static str {
    match reason {
        SuspenseReason::Refused => "refused for good",
        SuspenseReason::NoContext => "no presentation context accepted, and no lossless transcoding helps",
        SuspenseReason::KeptFailing => "kept failing while others succeeded",
        SuspenseReason::Differs => "what was read back differs from what was sent",
        SuspenseReason::Lost => "the member said it was stored, and does not show it",
        SuspenseReason::Damaged => "the bytes in the journal are damaged, and no other copy is known",
        SuspenseReason::Undeliverable => "its encoding cannot be delivered to this member",
    }
}
