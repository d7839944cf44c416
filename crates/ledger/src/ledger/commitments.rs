//! Storage commitment transactions under way at members (PS3.4 Annex J).

use std::time::Duration;

use outrigger_model::{MemberNumber, Seq, TransactionUid, WallTime};

use crate::applier::writer::Writer;
use crate::claims::Claimed;
use crate::commitment::Commitment;
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::ledger::due::Due;
use crate::posting::PostingKey;
use crate::store::{LedgerReads, Owed, StoreError, read};

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
            writer.end_commitments(std::slice::from_ref(&ended))?;
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

    /// Ends transactions of a member that were begun longer ago than `patience` and never answered, or by a clock that was ahead, so that their postings wait to be asked about again; gives their number.
    pub async fn commits_overdue(
        &self,
        member: MemberNumber,
        patience: Duration,
    ) -> Result<usize, LedgerError> {
        self.write(move |writer| {
            if writer.committing.is_empty() {
                return Ok(0);
            }
            let open = read(&*writer.store, |books| books.commitments())?;
            let now = writer.steady.now();
            let is_overdue = |at: WallTime| at > now || now.since(at) > patience;
            let overdue: Vec<Commitment> =
                open.into_iter().filter(|open| open.member == member && is_overdue(open.at)).collect();
            if !overdue.is_empty() {
                writer.end_commitments(&overdue)?;
            }
            Ok(overdue.len())
        })
        .await
    }
}

impl Writer {
    fn end_commitments(&mut self, ended: &[Commitment]) -> Result<(), LedgerError> {
        self.change(|desk| {
            desk.changes.commitments_ended.extend(ended.iter().map(|ended| ended.transaction.clone()));
            Ok(())
        })?;
        for key in ended.iter().flat_map(Commitment::postings) {
            self.committing.remove(&key);
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
