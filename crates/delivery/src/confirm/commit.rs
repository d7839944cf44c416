//! Storage commitment toward a member: one transaction for many objects, its report whenever it comes.

use std::collections::BTreeSet;

use outrigger_ledger::{Attempt, Due, Ledger, LedgerError, Report, ReportOutcome};
use outrigger_member::{CommitAnswer, CommitReport, MemberError};
use outrigger_model::{ConfirmLevel, SopInstanceUid, Status, TransactionUid, WallTime};

use crate::confirm::present::unasked;
use crate::plan;
use crate::send::Sender;

impl Sender {
    /// Asks the member to commit to `waiting`; gives reports on what was decided at once.
    pub(crate) async fn ask_to_commit(
        &self,
        ledger: &Ledger,
        waiting: Vec<Due>,
    ) -> Result<Vec<Report>, LedgerError> {
        let Ok(random) = self.random.u128() else { return Ok(waiting.iter().map(given_back).collect()) };
        let transaction = TransactionUid::from_random(random);
        let entries = waiting.iter().map(|due| due.posting.entry).collect();
        // Noted first, so that a report that comes before our answer does, or after a restart, finds its transaction.
        ledger.commit_begun(&transaction, self.setup.number, entries, self.wall()).await?;
        let instances: Vec<_> = waiting
            .iter()
            .map(|due| (due.header.sop_class.clone(), due.header.sop_instance.clone()))
            .collect();
        let mut last = MemberError::Unable { operation: "storage commitment without a route" };
        for route in &self.setup.routes {
            let answer = route.member.commit(&transaction, &instances).await;
            self.asked(ledger, &answer).await;
            match answer {
                Ok(CommitAnswer::Later) => return Ok(Vec::new()),
                Ok(CommitAnswer::Now(report)) => {
                    ledger.commit_ended(&transaction).await?;
                    return Ok(judge(&waiting, &report, self.wall(), &route.label, self.jitter()));
                }
                Err(error) => last = error,
            }
        }
        ledger.commit_ended(&transaction).await?;
        let (at, route) = (self.wall(), self.setup.routes.first().map_or("", |route| route.label.as_str()));
        Ok(waiting.iter().map(|due| unasked(due, at, self.again(due), route, &last)).collect())
    }
}

/// What a report says of the postings of its transaction; those it does not name count as failed.
pub fn judge(postings: &[Due], report: &CommitReport, at: WallTime, route: &str, jitter: u8) -> Vec<Report> {
    let committed: BTreeSet<&SopInstanceUid> = report.committed.iter().collect();
    let judged = |due: &Due| {
        if committed.contains(&due.header.sop_instance) {
            let outcome = ReportOutcome::Reached(ConfirmLevel::Committed);
            return Report { posting: due.posting, attempt: None, outcome };
        }
        let reason =
            report.failed.iter().find(|(uid, _)| *uid == due.header.sop_instance).map(|(_, reason)| *reason);
        let text = match reason {
            Some(reason) => format!("storage commitment failed: {reason:04X} ({})", Status(reason).text()),
            None => "storage commitment did not name the instance".to_owned(),
        };
        let attempt = Attempt { at, route: route.to_owned(), status: reason.map(Status), text };
        let outcome = match plan::after_loss(due.healed.saturating_add(1), at, jitter) {
            plan::Next::RetryAt(at) => ReportOutcome::SendAgain { at },
            _ => ReportOutcome::Suspend(outrigger_model::SuspenseReason::Lost),
        };
        Report { posting: due.posting, attempt: Some(attempt), outcome }
    };
    postings.iter().map(judged).collect()
}

fn given_back(due: &Due) -> Report {
    Report { posting: due.posting, attempt: None, outcome: ReportOutcome::Released }
}
