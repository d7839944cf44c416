//! Asking in the background, when a member owes nothing else, for what was closed by its word alone: bytes may go only once it
//! showed the object, and what it has lost is found out while the bytes are still here.

use outrigger_ledger::{Due, LedgerError, Passed, Report, ReportOutcome};
use tokio::time::Instant;

use crate::confirm::ability::{self, LEARN_AGAIN};
use crate::confirm::steps::Asker;
use crate::confirm::{Step, steps};
use crate::send::chain;
use crate::standing::StandingState;

/// Entries gone through at once: a few series, after which those that store get their turn.
const BATCH: usize = 256;

/// How far the entries are gone through.
#[derive(Debug, Default)]
pub(crate) struct Background {
    passed: Option<Passed>,
    /// When it begins anew: what could not be asked for, or was worked on by others, was passed over.
    anew_at: Option<Instant>,
}

impl Background {
    fn place(&mut self, now: Instant) -> Passed {
        if self.anew_at.is_none_or(|at| at <= now) {
            self.anew_at = Some(now + LEARN_AGAIN);
            self.passed = None;
        }
        self.passed.unwrap_or(Passed::NOTHING)
    }
}

impl Asker {
    /// Asks for the next of what was closed by the member's word alone; gives how many postings that were.
    pub(crate) async fn unshown(&mut self) -> Result<usize, LedgerError> {
        let now = self.sender.clock.now();
        if !self.lacks.allows(Step::Query, now) || self.noted.contains(&Step::Query.level()) {
            return Ok(0);
        }
        let after = self.background.place(now);
        let found = self.ledger.unshown(self.sender.setup.number, after, BATCH).await?;
        let count = found.postings.len();
        if count == 0 {
            self.background.passed = Some(found.passed);
            return Ok(usize::from(found.passed != after));
        }
        if !self.may(&found.postings).await? {
            return Ok(0);
        }
        let outcome = self.shown(found.postings).await?;
        self.asked_enough().await;
        if outcome == Asked::NotNow {
            return Ok(0);
        }
        self.background.passed = Some(found.passed);
        Ok(count)
    }

    async fn shown(&mut self, postings: Vec<Due>) -> Result<Asked, LedgerError> {
        let stepped = self.query(postings).await;
        let lack = stepped.lack.as_ref().and_then(|error| ability::lack(error).map(|denial| (error, denial)));
        let asked = if lack.is_some() || self.sender.standing.state().0 == StandingState::Away {
            Asked::NotNow
        } else {
            Asked::Through
        };
        if steps(self.sender.setup.confirm).contains(&Step::Query) {
            self.learn(Step::Query, &stepped).await?;
        } else if let Some((error, denial)) = lack {
            // Nobody asked the member to answer queries: its bytes go when the journal fills up, and that is all.
            tracing::info!(member = %self.sender.setup.name, error = %chain(error), "the member cannot be asked whether it has what it accepted");
            self.lacks.note(Step::Query, denial.clone(), self.sender.clock.now());
        }
        let unanswered = stepped.fallen.iter().map(|fallen| fallen.due.posting);
        let mut reports: Vec<Report> = unanswered
            .map(|posting| Report { posting, attempt: None, outcome: ReportOutcome::Released })
            .collect();
        // What was delivered is not to look as if it were being tried: a question that failed is put again later.
        reports.extend(stepped.reports.into_iter().map(|report| match report.outcome {
            ReportOutcome::RetryAt { .. } => {
                Report { attempt: None, outcome: ReportOutcome::Released, ..report }
            }
            _ => report,
        }));
        self.ledger.report(reports).await?;
        Ok(asked)
    }
}

/// Whether a batch was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The member answered, or not to this; the next is asked for.
    Through,
    /// It cannot, or is away: the batch comes again.
    NotNow,
}
