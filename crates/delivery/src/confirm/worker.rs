//! The loop that confirms what one member accepted.

use std::time::Duration;

use outrigger_ledger::{Due, Ledger, LedgerError, Report};
use outrigger_member::CommitReport;
use outrigger_model::{ConfirmLevel, WallTime};
use outrigger_runtime::Shutdown;
use outrigger_runtime::backoff::Backoff;
use tokio::sync::mpsc;

use crate::breaker::Permit;
use crate::confirm::{Step, commit, present, step};
use crate::send::{Sender, chain};

/// Postings taken at once: a commitment request of this size stays far below the smallest limits met in archives.
const BATCH: usize = 256;

/// Objects read back in a row over one connection, before those that store get their turn.
const READ_BACK_BATCH: usize = 32;

/// How often the ledger is asked for what is ready to be confirmed; settling times are seconds to minutes.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// A commitment report that has not come after this is asked for anew, under a new transaction.
const REPORT_WAIT: Duration = Duration::from_secs(600);

/// Waiting before a question that failed is asked again.
const AGAIN: Backoff = Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(300) };

/// One member's confirmation loop.
pub struct Confirmer {
    /// The ledger.
    pub ledger: Ledger,
    /// What it asks with.
    pub sender: Sender,
    /// Commitment reports that came to our listener for this member.
    pub reports: mpsc::Receiver<CommitReport>,
    /// When to stop.
    pub shutdown: Shutdown,
}

impl Sender {
    /// When a question about a posting that failed is asked again.
    pub(crate) fn again(&self, due: &Due) -> WallTime {
        self.wall().after(AGAIN.after(due.attempts.max(1), self.jitter()))
    }
}

impl Confirmer {
    /// Works until the node stops.
    pub async fn run(mut self) {
        while !self.shutdown.is_stopping() {
            let worked = match self.round().await {
                Ok(worked) => worked,
                Err(error) => {
                    tracing::warn!(member = %self.sender.setup.name, error = %chain(&error), "confirmation waits for the ledger");
                    0
                }
            };
            if worked > 0 {
                continue;
            }
            tokio::select! {
                Some(report) = self.reports.recv() => self.reported(report).await,
                () = tokio::time::sleep(ASK_EVERY) => {}
                () = self.shutdown.stopping() => {}
            }
        }
    }

    /// Confirms what is ready; gives how many postings were asked about.
    async fn round(&mut self) -> Result<usize, LedgerError> {
        let number = self.sender.setup.number;
        let now = self.sender.wall();
        let unverified = self.ledger.unverified(number, READ_BACK_BATCH).await?;
        let mut worked = 0;
        if let Some(step) = step(self.sender.setup.confirm) {
            self.ledger
                .commits_overdue(
                    number,
                    WallTime(now.0 - i64::try_from(REPORT_WAIT.as_micros()).unwrap_or(0)),
                )
                .await?;
            let batch = if step == Step::ReadBack { READ_BACK_BATCH } else { BATCH };
            let waiting = self.ledger.awaiting(number, ConfirmLevel::Accepted, batch, now).await?;
            worked += self.confirm(step, waiting).await?;
        }
        worked += self.confirm(Step::ReadBack, unverified).await?;
        Ok(worked)
    }

    async fn confirm(&mut self, step: Step, waiting: Vec<Due>) -> Result<usize, LedgerError> {
        let count = waiting.len();
        if count == 0 {
            return Ok(0);
        }
        if let Permit::Wait(_) = self.sender.standing.permit(self.sender.clock.now()) {
            self.ledger.give_back(&waiting).await?;
            return Ok(0);
        }
        let Some(_line) = self.sender.lines.to_ask().await else { return Ok(0) };
        // Query and commitment speak of a UID, under which the member may have kept the version before.
        let (first, later): (Vec<Due>, Vec<Due>) = waiting.into_iter().partition(|due| due.earlier.is_none());
        let mut reports = self.read_back(later).await;
        if !first.is_empty() {
            reports.extend(match step {
                Step::Query => self.query(first).await,
                Step::Commit => self.sender.ask_to_commit(&self.ledger, first).await?,
                Step::ReadBack => self.read_back(first).await,
            });
        }
        // A probe that neither reached nor lost the member is left to the next.
        self.sender.standing.untried(self.sender.clock.now());
        self.ledger.report(reports).await?;
        Ok(count)
    }

    async fn query(&self, waiting: Vec<Due>) -> Vec<Report> {
        let (series, outside) = present::by_series(waiting);
        let route = self.sender.setup.routes.first().map_or("", |route| route.label.as_str());
        let mut reports = Vec::new();
        for ((study, number), postings) in series {
            let at = self.sender.wall();
            let shown = self.sender.shown(&study, &number).await;
            self.sender.asked(&self.ledger, &shown).await;
            match shown {
                Ok(found) => {
                    reports.extend(present::judge(&postings, &found, at, route, self.sender.jitter()));
                }
                Err(error) => {
                    let unasked = |due| present::unasked(due, at, self.sender.again(due), route, &error);
                    reports.extend(postings.iter().map(unasked));
                }
            }
        }
        for due in &outside {
            reports.push(self.sender.verify(&self.ledger, due).await);
        }
        reports
    }

    async fn read_back(&self, waiting: Vec<Due>) -> Vec<Report> {
        let mut reports = Vec::with_capacity(waiting.len());
        for due in &waiting {
            reports.push(self.sender.verify(&self.ledger, due).await);
        }
        reports
    }

    async fn reported(&self, report: CommitReport) {
        let postings = match self.ledger.commit_ended(&report.transaction).await {
            Ok(postings) => postings,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "a commitment report could not be matched; it will be asked for again");
                return;
            }
        };
        let (at, jitter) = (self.sender.wall(), self.sender.jitter());
        let reports = commit::judge(&postings, &report, at, "n-event-report", jitter);
        if let Err(error) = self.ledger.report(reports).await {
            tracing::warn!(error = %chain(&error), "a commitment report could not be noted; it will be asked for again");
        }
    }
}
