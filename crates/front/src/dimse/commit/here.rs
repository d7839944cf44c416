//! Results that are told over the association that asked for them, as long as it is open.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use outrigger_dimse::{Association, AssociationError, Outcome};
use outrigger_model::{Status, TransactionUid};
use outrigger_runtime::Shutdown;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::message;
use super::reporter::{Reporter, TooMany};
use crate::service::CommitResult;

/// Results that wait for one association: each is told after the answer to the one before.
const WAITING_MAX: usize = 16;
/// How long a requestor may take to answer over the association it asked on, before it is told over another one.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// A result to be told over an association, and who waits for the answer.
#[derive(Debug)]
pub(in crate::dimse) struct Due {
    pub(super) result: Arc<CommitResult>,
    pub(super) answer: oneshot::Sender<Status>,
}

/// Where an open association takes results.
pub(super) type Line = mpsc::Sender<Due>;

/// The results of one association.
pub(in crate::dimse) struct Here {
    reporter: Reporter,
    shutdown: Shutdown,
    line: Line,
    waiting: mpsc::Receiver<Due>,
    /// The presentation context that each transaction was asked over.
    contexts: HashMap<TransactionUid, u8>,
    told: Option<Told>,
    decided: Vec<CommitResult>,
}

/// A report without an answer so far.
struct Told {
    message_id: u16,
    until: Instant,
    /// Gone once nobody waits for the answer any more; it may come all the same.
    answer: Option<oneshot::Sender<Status>>,
}

/// What is to be done about results.
pub(in crate::dimse) enum Step {
    /// One is to be told.
    Tell(Due),
    /// The one that was told is not answered.
    GiveUp,
    /// One is not to be told here, as the one before is not answered.
    Elsewhere(Due),
}

impl Here {
    pub(super) fn new(reporter: Reporter, shutdown: Shutdown) -> Self {
        let (line, waiting) = mpsc::channel(WAITING_MAX);
        let (contexts, told, decided) = (HashMap::new(), None, Vec::new());
        Self { reporter, shutdown, line, waiting, contexts, told, decided }
    }

    /// Waits until there is something to be done; may be dropped and asked again.
    pub(in crate::dimse) async fn due(&mut self) -> Step {
        match &self.told {
            None => match self.waiting.recv().await {
                Some(due) => Step::Tell(due),
                // We hold a sender ourselves.
                None => std::future::pending().await,
            },
            Some(told) if told.answer.is_some() => {
                sleep_until(told.until).await;
                Step::GiveUp
            }
            Some(_) => match self.waiting.recv().await {
                Some(due) => Step::Elsewhere(due),
                None => std::future::pending().await,
            },
        }
    }

    /// Tells a result, or gives up to wait for its answer.
    pub(in crate::dimse) async fn tell(
        &mut self,
        association: &mut Association,
        step: Step,
    ) -> Result<(), AssociationError> {
        match step {
            Step::GiveUp => {
                tracing::info!("a report is not answered over the association that asked for it");
                if let Some(told) = &mut self.told {
                    told.answer = None;
                }
            }
            // Whoever waits for the answer learns of it by this.
            Step::Elsewhere(due) => drop(due),
            Step::Tell(due) => {
                // Who does not find its transaction here is told elsewhere.
                let Some(context) = self.contexts.remove(&due.result.transaction) else { return Ok(()) };
                let message_id = message::send(association, context, &due.result).await?;
                let until = Instant::now() + ANSWER_MAX;
                self.told = Some(Told { message_id, until, answer: Some(due.answer) });
            }
        }
        Ok(())
    }

    /// Takes the answer to a report; `None` if it is to none of ours.
    pub(in crate::dimse) fn answered(&mut self, message_id: u16, outcome: &Outcome) -> Option<()> {
        let told = self.told.take_if(|told| told.message_id == message_id)?;
        if let Some(answer) = told.answer
            && answer.send(outcome.status).is_err()
        {
            tracing::debug!("a report was answered after it was given up here");
        }
        Some(())
    }

    /// Has the result of a transaction told here; gives who was to tell it before.
    pub(super) fn register(&mut self, transaction: &TransactionUid, context: u8) -> Option<Line> {
        self.contexts.insert(transaction.clone(), context);
        self.reporter.open().insert(transaction.clone(), self.line.clone())
    }

    /// Notes from where it was asked, for whoever tells it elsewhere.
    pub(super) fn note_asked(&self, transaction: &TransactionUid, from: IpAddr) {
        self.reporter.note_asked(transaction, from);
    }

    /// Undoes that.
    pub(super) fn give_back(&mut self, transaction: &TransactionUid, before: Option<Line>) {
        let mut open = self.reporter.open();
        match before {
            Some(line) => drop(open.insert(transaction.clone(), line)),
            None => drop(open.remove(transaction)),
        }
        drop(open);
        self.contexts.remove(transaction);
    }

    /// Tells a result until it is taken, as long as this process runs; begun when the request is answered.
    pub(super) fn tell_until_taken(&mut self, result: CommitResult) -> Result<(), TooMany> {
        self.reporter.has_room()?;
        self.decided.push(result);
        Ok(())
    }

    /// Begins to tell what was decided at once.
    pub(super) fn begin(&mut self) {
        for result in self.decided.drain(..) {
            self.reporter.tell_until_taken(result, self.shutdown.clone());
        }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        let mut open = self.reporter.open();
        for transaction in self.contexts.keys() {
            // Another association may have asked for it again.
            if open.get(transaction).is_some_and(|line| line.same_channel(&self.line)) {
                open.remove(transaction);
            }
        }
    }
}
