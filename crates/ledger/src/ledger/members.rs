//! Stopping, restarting and ending delivery to a member; posting again; putting a study first.

use std::collections::BTreeMap;

use outrigger_catalogue::Cursor;
use outrigger_model::{MemberNumber, Selection, Seq, StudyUid, WallTime};

use crate::applier::desk::Desk;
use crate::changes::Urgency;
use crate::entry::{EntryRow, Relation};
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::posting::{PostingKey, PostingRow};
use crate::record::{AtMember, Decision, ENTRIES_PER_RECORD_MAX, MemberState};
use crate::store::{EntryList, LedgerReads, MemberRow, StoreError};

/// Entries or instances read from the database at once.
const PER_PAGE: usize = 1_000;

/// What is posted again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resend {
    /// A study.
    Study(StudyUid),
    /// Everything accepted since then.
    Since(WallTime),
}

impl Ledger {
    /// Lists every member that ever had a number.
    pub async fn members(&self) -> Result<Vec<MemberRow>, LedgerError> {
        self.query(|books| books.members()).await
    }

    /// Whether each member that ever had a number is delivered to.
    pub async fn member_states(&self) -> Result<BTreeMap<MemberNumber, MemberState>, LedgerError> {
        Ok(self.members().await?.into_iter().map(|member| (member.number, member.state)).collect())
    }

    /// The member with this number, if it is not retired.
    async fn member(&self, number: MemberNumber) -> Result<MemberRow, LedgerError> {
        let members = self.members().await?;
        match members.into_iter().find(|member| member.number == number) {
            Some(member) if member.state == MemberState::Retired => {
                Err(LedgerError::Retired { name: member.name })
            }
            Some(member) => Ok(member),
            None => Err(LedgerError::UnknownMember { number }),
        }
    }

    /// Stops delivery to a member, goes on with it, or takes the member out of the books for ever: then what it was owed is written off.
    pub async fn change_member(&self, number: MemberNumber, state: MemberState) -> Result<(), LedgerError> {
        let member = self.member(number).await?;
        self.decide(None, [Decision::MemberState { member: member.number, state }]).await?;
        if state == MemberState::Retired {
            self.forget_policy(number);
        }
        Ok(())
    }

    /// Posts entries again, to one member, whether or not it had wanted them, or to all that do; gives the number of postings.
    pub async fn resend(&self, what: Resend, to: Option<MemberNumber>) -> Result<usize, LedgerError> {
        let members = match to {
            Some(number) => vec![self.member(number).await?],
            None => self.members().await?,
        };
        let all = to.is_none();
        let entries = self.query(move |books| entries_of(books, &what)).await?;
        let mut count = 0;
        for member in members.iter().filter(|member| member.state != MemberState::Retired) {
            let number = member.number;
            let wanted = entries.iter().filter(|entry| !all || entry.marks.wanted.contains(number));
            let wanted: Vec<Seq> = wanted.map(|entry| entry.seq).collect();
            count += wanted.len();
            let parts = wanted.chunks(ENTRIES_PER_RECORD_MAX);
            let parts: Vec<Decision> = parts
                .map(|entries| Decision::Resent(AtMember { member: number, entries: entries.to_vec() }))
                .collect();
            self.decide(None, parts).await?;
        }
        Ok(count)
    }

    /// Puts what is owed of a study before everything, at every member, and has none of it wait; gives the number of its entries.
    pub async fn expedite(&self, study: StudyUid) -> Result<usize, LedgerError> {
        let entries = self.query(move |books| entry_rows(books, &study)).await?;
        let count = entries.len();
        self.write(move |writer| {
            writer.change(|desk| entries.iter().try_for_each(|entry| put_first(desk, entry)))
        })
        .await?;
        Ok(count)
    }
}

/// Puts an entry before others wherever it may be owed, and ends its waiting.
fn put_first(desk: &mut Desk<'_>, entry: &EntryRow) -> Result<(), StoreError> {
    let members: Vec<MemberNumber> = desk.active().map(|member| member.number).collect();
    for member in members {
        let lane = desk.changes.lanes.entry((member, entry.lane)).or_default();
        lane.urgency = Some(Urgency::Expedited);
        if entry.marks.open().contains(member) {
            let key = PostingKey { entry: entry.seq, member };
            desk.alter(key, |_, posting| posting.iter_mut().for_each(PostingRow::wait_no_more))?;
        }
    }
    Ok(())
}

fn entries_of(books: &dyn LedgerReads, what: &Resend) -> Result<Vec<EntryRow>, StoreError> {
    let mut found = Vec::new();
    match what {
        Resend::Study(study) => found.extend(entry_rows(books, study)?),
        Resend::Since(since) => {
            let mut after = Seq(0);
            loop {
                let page = books.entries(EntryList::All, after, PER_PAGE)?;
                let Some(last) = page.last() else { break };
                after = last.seq;
                found.extend(page.into_iter().filter(|entry| entry.at >= *since));
            }
        }
    }
    found.retain(is_sent);
    found.sort_by_key(|entry| entry.seq);
    Ok(found)
}

/// Whether an entry stands for itself: repetitions and other encodings of what was there do not.
fn is_sent(entry: &EntryRow) -> bool {
    match entry.relation {
        Relation::First | Relation::Uncompared(_) | Relation::Contradicts(_) => true,
        Relation::RepeatOf(_) | Relation::ReEncodes(_) => false,
    }
}

/// The entries of a study, every version.
pub(super) fn entry_rows(books: &dyn LedgerReads, study: &StudyUid) -> Result<Vec<EntryRow>, StoreError> {
    let selection = Selection::Studies(vec![study.clone()]);
    let mut found = Vec::new();
    let mut next = Some(Cursor::default());
    while let Some(after) = next {
        let page = books.select(&selection, after, PER_PAGE)?;
        for located in &page.items {
            for version in located.versions() {
                found.extend(books.entry(Seq(version.place))?);
            }
        }
        next = page.next;
    }
    Ok(found)
}
