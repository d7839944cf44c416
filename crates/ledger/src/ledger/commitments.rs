//! Storage commitment transactions under way at members (PS3.4 Annex J).

use std::collections::HashSet;
use std::time::Duration;

use outrigger_model::{MemberNumber, Seq, TransactionUid};

use crate::applier::writer::Writer;
use crate::claims::Claimed;
use crate::commitment::Commitment;
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::ledger::due::Due;
use crate::posting::PostingKey;
use crate::store::{LedgerReads, Owed, StoreError, read};

/// Longest that a transaction is remembered after it was begun: archives try for hours, some for a day or two, to have a report
/// taken that they could not send.
const REMEMBERED: Duration = Duration::from_secs(48 * 3600);

/// Transactions of one member that are remembered although they are waited for no longer, the newest ones: more than a day of
/// one every ten minutes, few enough to be read through with each report.
const LATE_MAX: usize = 256;

impl Ledger {
    /// Remembers a transaction until it is answered, over a restart too; its postings are claimed no longer, and [`Ledger::awaiting`] leaves them out.
    pub async fn commit_begun(
        &self,
        transaction: &TransactionUid,
        member: MemberNumber,
        entries: Vec<Seq>,
    ) -> Result<(), LedgerError> {
        let at = self.shared.steady.now();
        let begun = Commitment { transaction: transaction.clone(), member, entries, at };
        self.write(move |writer| {
            writer.change(|desk| {
                desk.changes.commitments_begun.push(begun.clone());
                Ok(())
            })?;
            for key in begun.postings() {
                writer.claims.end(key);
                writer.committing.insert(key);
            }
            Ok(())
        })
        .await
    }

    /// Ends a transaction and claims those of its postings that are still open; empty if it is not known, or ended before.
    pub async fn commit_ended(&self, transaction: &TransactionUid) -> Result<Vec<Due>, LedgerError> {
        let transaction = transaction.clone();
        self.write(move |writer| {
            let open = read(&*writer.store, |books| books.commitments())?;
            let Some(ended) = open.into_iter().find(|open| open.transaction == transaction) else {
                return Ok(Vec::new());
            };
            writer.forget_commitments(std::iter::once(&ended))?;
            for key in ended.postings() {
                writer.committing.remove(&key);
            }
            let owed = read(&*writer.store, |books| owed_of(books, &ended))?;
            let now = writer.steady.clock().now();
            let claimed =
                owed.iter().filter(|owed| writer.claims.claim(owed.posting.key, now) == Claimed::Now);
            Ok(claimed.map(Due::of).collect())
        })
        .await
    }

    /// The member an open transaction was begun with.
    pub async fn commit_member(
        &self,
        transaction: &TransactionUid,
    ) -> Result<Option<MemberNumber>, LedgerError> {
        let transaction = transaction.clone();
        let open = self.write(|writer| Ok(read(&*writer.store, |books| books.commitments())?)).await?;
        Ok(open.into_iter().find(|open| open.transaction == transaction).map(|open| open.member))
    }

    /// Waits no longer for transactions of a member that were begun longer ago than `patience` and never answered, or by a clock that was ahead, so that their postings wait to be asked about again; gives how many those are.
    ///
    /// They stay known for a while, as a report that comes late is as good as one in time.
    pub async fn commits_overdue(
        &self,
        member: MemberNumber,
        patience: Duration,
    ) -> Result<usize, LedgerError> {
        self.write(move |writer| {
            if writer.committing.is_empty() {
                return Ok(0);
            }
            let mut open = read(&*writer.store, |books| books.commitments())?;
            open.retain(|open| open.member == member);
            let now = writer.steady.now();
            let lasted = |open: &Commitment, span| open.at > now || now.since(open.at) > span;
            let (late, waited): (Vec<Commitment>, Vec<Commitment>) =
                open.into_iter().partition(|open| lasted(open, patience));
            let count = late.iter().filter(|late| !writer.late.contains(&late.transaction)).count();
            if count == 0 {
                return Ok(0);
            }
            let too_many = late.len().saturating_sub(LATE_MAX);
            let forgotten = late.iter().enumerate();
            let forgotten = forgotten.filter(|(number, late)| *number < too_many || lasted(late, REMEMBERED));
            writer.forget_commitments(forgotten.map(|(_, late)| late))?;
            // A posting that was asked about again meanwhile waits for the newer answer.
            let asked_again: HashSet<PostingKey> = waited.iter().flat_map(Commitment::postings).collect();
            for key in late.iter().flat_map(Commitment::postings).filter(|key| !asked_again.contains(key)) {
                writer.committing.remove(&key);
            }
            writer.late.extend(late.into_iter().map(|late| late.transaction));
            Ok(count)
        })
        .await
    }
}

impl Writer {
    fn forget_commitments<'a>(
        &mut self,
        ended: impl Iterator<Item = &'a Commitment>,
    ) -> Result<(), LedgerError> {
        let ended: Vec<TransactionUid> = ended.map(|ended| ended.transaction.clone()).collect();
        if ended.is_empty() {
            return Ok(());
        }
        self.change(|desk| {
            desk.changes.commitments_ended.extend(ended.iter().cloned());
            Ok(())
        })?;
        for transaction in &ended {
            self.late.remove(transaction);
        }
        Ok(())
    }
}

impl Commitment {
    pub(crate) fn postings(&self) -> impl Iterator<Item = PostingKey> + '_ {
        self.entries.iter().map(|entry| PostingKey { entry: *entry, member: self.member })
    }
}

fn owed_of(books: &dyn LedgerReads, commitment: &Commitment) -> Result<Vec<Owed>, StoreError> {
    let mut found = Vec::new();
    for key in commitment.postings() {
        let Some(entry) = books.entry(key.entry)? else { continue };
        if let Some(posting) = books.posting(key, entry.lane)? {
            found.push(Owed { entry, posting });
        }
    }
    Ok(found)
}
