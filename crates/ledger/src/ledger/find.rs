//! Questions to the catalogue.

use outrigger_catalogue::{Cursor, Located, Page};
use outrigger_model::{Answer, Query, Selection, Seq, SopInstanceUid};

use crate::error::LedgerError;
use crate::ledger::Ledger;

impl Ledger {
    /// Waits until the catalogue shows everything that was acknowledged before the call.
    pub async fn caught_up(&self) -> Result<(), LedgerError> {
        let tail = Seq(self.shared.journal.tail().0);
        if self.shared.followers.applied() >= tail {
            return Ok(());
        }
        self.follow(tail).await
    }

    /// The first answer of the catalogue to a query.
    pub async fn first(&self, query: Query) -> Result<Option<Answer>, LedgerError> {
        Ok(self.find(query, Cursor::default(), 1).await?.items.pop())
    }

    /// Answers a query from the catalogue, from `after` on, with at most `limit` answers.
    pub async fn find(&self, query: Query, after: Cursor, limit: usize) -> Result<Page<Answer>, LedgerError> {
        self.query(move |books| books.find(&query, after, limit)).await
    }

    /// Lists the instances of a selection, from `after` on, each once, at most `limit`.
    pub async fn select(
        &self,
        selection: Selection,
        after: Cursor,
        limit: usize,
    ) -> Result<Page<Located>, LedgerError> {
        self.query(move |books| books.select(&selection, after, limit)).await
    }

    /// Looks an instance up; the place of each version is its entry.
    pub async fn lookup(&self, instance: SopInstanceUid) -> Result<Option<Located>, LedgerError> {
        self.query(move |books| books.lookup(&instance)).await
    }
}
