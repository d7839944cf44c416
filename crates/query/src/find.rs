//! Answering queries from the catalogue, page by page, as fast as the answers are taken.

use outrigger_catalogue::Cursor;
use outrigger_ledger::{Ledger, LedgerError};
use outrigger_model::{Answer, Query, Tag};
use tokio::sync::mpsc;

use crate::reader::Reader;

/// Answers read ahead of the one who takes them, a page: some 250 KB, and each page searches the index anew.
const ANSWERS_AHEAD_MAX: usize = 500;

/// Why a query was not answered to its end.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The catalogue could not be read.
    #[error("the catalogue could not be read")]
    Catalogue(#[source] LedgerError),
}

impl Reader {
    /// Begins to answer a query; it ends when all is answered or nobody takes the answers any more.
    pub fn find(&self, query: Query) -> mpsc::Receiver<Result<Answer, FindError>> {
        let (answers, taken) = mpsc::channel(ANSWERS_AHEAD_MAX);
        let ledger = self.shared.ledger.clone();
        tokio::spawn(async move {
            if let Err(error) = answer_all(&ledger, &query, &answers).await
                && answers.send(Err(error)).await.is_err()
            {
                tracing::debug!("nobody takes the answers of a query that failed");
            }
        });
        taken
    }
}

async fn answer_all(
    ledger: &Ledger,
    query: &Query,
    answers: &mpsc::Sender<Result<Answer, FindError>>,
) -> Result<(), FindError> {
    // A query sent right after the last acknowledgement sees what was acknowledged.
    ledger.caught_up().await.map_err(FindError::Catalogue)?;
    let mut after = Cursor::default();
    loop {
        let page =
            ledger.find(query.clone(), after, ANSWERS_AHEAD_MAX).await.map_err(FindError::Catalogue)?;
        for answer in page.items {
            if answers.send(Ok(with_availability(answer, query))).await.is_err() {
                return Ok(());
            }
        }
        match page.next {
            Some(next) if !answers.is_closed() => after = next,
            _ => return Ok(()),
        }
    }
}

/// Journal and members keep what they have on disk (PS3.3 section C.4.23.1.1).
fn with_availability(mut answer: Answer, query: &Query) -> Answer {
    if query.keys.iter().any(|key| key.tag == Tag::INSTANCE_AVAILABILITY) {
        answer.attributes.push((Tag::INSTANCE_AVAILABILITY, "ONLINE".to_owned()));
    }
    answer
}
