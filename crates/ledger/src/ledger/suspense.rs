//! The list a person works.

use std::fmt;

use outrigger_model::{MemberName, MemberNumber, Seq, SopInstanceUid, Status, StudyUid, SuspenseReason};
use serde::{Deserialize, Serialize};

use crate::calendar::rfc3339;
use crate::difference;
use crate::entry::{EntryRow, Standing};
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::note::{NoteKind, NotesOf};
use crate::posting::{PostingKey, Suspended, reason_code};
use crate::record::{AtMember, Decider, Decision, ENTRIES_PER_RECORD_MAX};
use crate::store::{LedgerReads, MemberRow, Owed, StoreError};
use crate::write_off::WriteOff;

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
    /// The entry that came before under the same SOP Instance UID with other content, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier_entry: Option<Seq>,
    /// What a person can do about it.
    pub next_step: String,
    /// By whom it was given up, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_off: Option<WriteOffShown>,
}

/// A write-off, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteOffShown {
    /// When, as RFC 3339.
    pub at: String,
    /// Who decided it; absent where that is not known any more.
    pub by: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

impl Ledger {
    /// Shows one posting that stands in suspense or was written off; `None` for any other.
    pub async fn suspense_of(&self, key: PostingKey) -> Result<Option<SuspenseItem>, LedgerError> {
        self.query(move |books| {
            let members = books.members()?;
            let Some(member) = members.iter().find(|member| member.number == key.member) else {
                return Ok(None);
            };
            let Some(entry) = books.entry(key.entry)? else { return Ok(None) };
            Ok(match entry.marks.standing(key.member) {
                Standing::Suspense => {
                    let posting = books.posting(key, entry.lane)?;
                    posting.and_then(|posting| SuspenseItem::of(member, &Owed { entry, posting }))
                }
                Standing::WrittenOff => {
                    Some(SuspenseItem::given_up(member, &entry, written_off(books, key)?))
                }
                Standing::Pending | Standing::Confirmed | Standing::Superseded | Standing::NotWanted => None,
            })
        })
        .await
    }

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
            text: suspended.told(&owed.entry),
            at: rfc3339(suspended.at),
            sop_instance: owed.entry.header.sop_instance.clone(),
            study: owed.entry.header.study.clone(),
            earlier_entry: difference::earlier(&owed.entry),
            next_step: next_step(&suspended.reason, &owed.entry),
            written_off: None,
        })
    }

    fn given_up(member: &MemberRow, entry: &EntryRow, given_up: Option<WriteOff>) -> Self {
        let key = PostingKey { entry: entry.seq, member: member.number };
        let (reason, text) =
            given_up.as_ref().and_then(|given_up| given_up.stood_for.clone()).unwrap_or_default();
        let shown = given_up.map(WriteOffShown::from);
        Self {
            id: key.to_string(),
            member: member.name.clone(),
            reason,
            status: None,
            text,
            at: shown.as_ref().map_or_else(String::new, |shown| shown.at.clone()),
            sop_instance: entry.header.sop_instance.clone(),
            study: entry.header.study.clone(),
            earlier_entry: difference::earlier(entry),
            next_step: "nothing is owed any more; `outrigger resend` posts the study again".to_owned(),
            written_off: Some(shown.unwrap_or_default()),
        }
    }
}

impl Default for WriteOffShown {
    /// One of which nothing is known any more.
    fn default() -> Self {
        Self { at: String::new(), by: None, reason: None }
    }
}

impl From<WriteOff> for WriteOffShown {
    fn from(given_up: WriteOff) -> Self {
        let (by, reason) = given_up.by.map(|by| (by.name, by.reason)).unzip();
        Self { at: rfc3339(given_up.at), by, reason }
    }
}

/// By whom a posting was given up, as far as it is noted.
pub(crate) fn written_off(books: &dyn LedgerReads, key: PostingKey) -> Result<Option<WriteOff>, StoreError> {
    let notes = books.notes(NoteKind::WriteOff, NotesOf::Posting(key), 1)?;
    Ok(notes.first().map(WriteOff::of_note))
}

impl Suspended {
    /// What happened to an entry, once, and which entry came before it where a difference may come of that.
    pub(crate) fn told(&self, entry: &EntryRow) -> String {
        let text = self.to_string();
        match self.reason {
            SuspenseReason::Differs => difference::with_earlier(text, entry),
            _ => text,
        }
    }
}

impl fmt::Display for Suspended {
    /// What happened, once: the reason where what was said leaves it open, the member's status in digits and words, its comment.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = said(self.status, &difference::in_words(&self.text));
        match (&self.reason, said.is_empty()) {
            (reason, true) => f.write_str(reason_words(reason)),
            (SuspenseReason::Refused, false) => write!(f, "refused for good: {said}"),
            (SuspenseReason::KeptFailing, false) => {
                write!(f, "kept failing while other objects were taken: {said}")
            }
            // What was noted says these by itself.
            (
                SuspenseReason::NoContext
                | SuspenseReason::Differs
                | SuspenseReason::Lost
                | SuspenseReason::Damaged
                | SuspenseReason::Undeliverable,
                false,
            ) => f.write_str(&said),
        }
    }
}

/// What a member said: its status in digits and words, unless the text has it, and the text without those words.
fn said(status: Option<Status>, text: &str) -> String {
    let Some(status) = status else { return text.to_owned() };
    let comment = without_status(status, text);
    let in_full = format!("{status} ({})", status.text());
    if comment.contains(&in_full) {
        comment.to_owned()
    } else if comment.is_empty() {
        in_full
    } else {
        format!("{in_full}: {comment}")
    }
}

/// A text without the status and its meaning at its beginning.
pub(crate) fn without_status(status: Status, text: &str) -> &str {
    let rest = text.strip_prefix(&status.to_string()).unwrap_or(text).trim_start();
    let rest = rest.strip_prefix(status.text()).unwrap_or(rest);
    rest.trim_start_matches([':', ' '])
}

fn reason_words(reason: &SuspenseReason) -> &'static str {
    match reason {
        SuspenseReason::Refused => "refused for good",
        SuspenseReason::NoContext => "no presentation context accepted, and no lossless transcoding helps",
        SuspenseReason::KeptFailing => "kept failing while other objects were taken",
        SuspenseReason::Differs => "what was read back differs from what was sent",
        SuspenseReason::Lost => "the member said it was stored, and does not show it",
        SuspenseReason::Damaged => "the bytes in the journal are damaged, and no other copy is known",
        SuspenseReason::Undeliverable => "its encoding cannot be delivered to this member",
    }
}

/// What a person can do about a posting in suspense.
pub(crate) fn next_step(reason: &SuspenseReason, entry: &EntryRow) -> String {
    match (reason, difference::earlier(entry)) {
        (SuspenseReason::Differs, Some(earlier)) => difference::next_step(earlier),
        _ => step_of(reason).to_owned(),
    }
}

/// What a person can do about a reason.
fn step_of(reason: &SuspenseReason) -> &'static str {
    match reason {
        SuspenseReason::Refused => {
            "find out at the member why it refuses the object, let it take it there and `retry`, or `write-off`"
        }
        SuspenseReason::NoContext => {
            "let the member accept this SOP class and encoding, or add a route that does, and `retry`, or `write-off`"
        }
        SuspenseReason::KeptFailing => {
            "look into the member's log for this object, mend it there and `retry`, or `write-off`"
        }
        SuspenseReason::Differs => {
            "compare both copies; if the member's may stay as it is, `write-off`, else remove it there and `retry`"
        }
        SuspenseReason::Lost => {
            "find out what removes the object at the member, stop that and `retry`, or `write-off`"
        }
        SuspenseReason::Damaged => {
            "if a member that has the object was away, `retry` when it is back; else have the modality or another archive send the study again, with which it is delivered, or `write-off`"
        }
        SuspenseReason::Undeliverable => {
            "let the member accept the object's own encoding and `retry`, or `write-off`"
        }
    }
}

#[cfg(test)]
mod tests {
    use outrigger_model::WallTime;

    use super::*;

    /// Every cause, with what is noted of it where it arises, and how it reads.
    const CAUSES: [(SuspenseReason, Option<u16>, &str, &str); 17] = [
        (
            SuspenseReason::Refused,
            Some(0xC000),
            "cannot understand",
            "refused for good: C000 (cannot understand)",
        ),
        (
            SuspenseReason::Refused,
            Some(0xC000),
            "cannot understand: bad VR",
            "refused for good: C000 (cannot understand): bad VR",
        ),
        (
            SuspenseReason::Refused,
            Some(0xC000),
            "C000 cannot understand: bad VR",
            "refused for good: C000 (cannot understand): bad VR",
        ),
        (
            SuspenseReason::Refused,
            Some(0xA900),
            "",
            "refused for good: A900 (data set does not match SOP class)",
        ),
        (
            SuspenseReason::Refused,
            None,
            "the member cannot do storing",
            "refused for good: the member cannot do storing",
        ),
        (SuspenseReason::Refused, None, "", "refused for good"),
        (
            SuspenseReason::KeptFailing,
            Some(0xA700),
            "refused: out of resources: disk full",
            "kept failing while other objects were taken: A700 (refused: out of resources): disk full",
        ),
        (
            SuspenseReason::KeptFailing,
            Some(0x0110),
            "processing failure",
            "kept failing while other objects were taken: 0110 (processing failure)",
        ),
        (
            SuspenseReason::KeptFailing,
            None,
            "the connection was lost during C-STORE: timed out",
            "kept failing while other objects were taken: the connection was lost during C-STORE: timed out",
        ),
        (
            SuspenseReason::NoContext,
            None,
            "no presentation context accepted for 1.2.3 in 1.2.840 or what it can become",
            "no presentation context accepted for 1.2.3 in 1.2.840 or what it can become",
        ),
        (
            SuspenseReason::NoContext,
            None,
            "",
            "no presentation context accepted, and no lossless transcoding helps",
        ),
        (
            SuspenseReason::Differs,
            None,
            "what was read back differs from what was sent: other pixels",
            "what was read back differs from what was sent: other pixels",
        ),
        (
            SuspenseReason::Lost,
            None,
            "accepted, and not shown by a query afterwards",
            "accepted, and not shown by a query afterwards",
        ),
        (
            SuspenseReason::Lost,
            Some(0x0112),
            "storage commitment failed: 0112 (no such SOP instance)",
            "storage commitment failed: 0112 (no such SOP instance)",
        ),
        (
            SuspenseReason::Damaged,
            None,
            "the bytes of entry 7 are not to be had: entry 7 is damaged",
            "the bytes of entry 7 are not to be had: entry 7 is damaged",
        ),
        (
            SuspenseReason::Damaged,
            None,
            "",
            "the bytes in the journal are damaged, and no other copy is known",
        ),
        (
            SuspenseReason::Undeliverable,
            None,
            "the object cannot be transcoded: a fragment is missing",
            "the object cannot be transcoded: a fragment is missing",
        ),
    ];

    #[test]
    fn every_cause_is_told_once() {
        for (reason, status, text, expected) in CAUSES {
            let suspended =
                Suspended { reason, status: status.map(Status), text: text.to_owned(), at: WallTime(0) };
            assert_eq!(suspended.to_string(), expected);
            assert_eq!(repeated(expected), None, "{expected}");
        }
    }

    #[test]
    fn every_cause_has_a_next_step_of_its_own() {
        let steps: std::collections::BTreeSet<_> =
            CAUSES.iter().map(|(reason, ..)| (reason_code(reason), step_of(reason))).collect();
        let texts: std::collections::BTreeSet<_> = steps.iter().map(|(_, text)| text).collect();
        assert_eq!((steps.len(), texts.len()), (7, 7));
        assert!(texts.iter().all(|text| text.contains("`write-off`")), "{texts:?}");
    }

    /// Three words in a row that stand in a text twice.
    fn repeated(text: &str) -> Option<String> {
        let words: Vec<&str> =
            text.split_whitespace().map(|word| word.trim_matches([':', ',', '(', ')'])).collect();
        let mut seen = std::collections::BTreeSet::new();
        words.windows(3).find(|three| !seen.insert(three.join(" "))).map(|three| three.join(" "))
    }

    #[test]
    fn repetitions_are_seen() {
        assert_eq!(repeated("it differs from it: it differs from it").as_deref(), Some("it differs from"));
    }
}
