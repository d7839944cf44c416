//! Storage commitment toward a member: one transaction for many objects, its report whenever it comes.

use std::collections::{BTreeMap, BTreeSet};

use outrigger_ledger::{Attempt, Due, Ledger, LedgerError, Report, ReportOutcome};
use outrigger_member::{CommitAnswer, CommitReport, MemberError};
use outrigger_model::{
    ConfirmLevel, SopClassUid, SopInstanceUid, Status, SuspenseReason, TransactionUid, WallTime,
};

use crate::confirm::ability::gravest;
use crate::plan;
use crate::send::Sender;

/// The member does not commit to instances of this class (Failure Reason, PS3.3 section C.14.1.1).
const CLASS_NOT_SUPPORTED: u16 = 0x0122;

/// What came of a request.
pub(crate) enum Requested {
    /// It was taken; the report comes later.
    Later,
    /// The report came at once, by this route.
    Now(CommitReport, String),
    /// It could not be made.
    Failed(MemberError),
    /// There is no randomness for a transaction UID.
    NotNow,
}

impl Sender {
    /// Asks the member to commit to `waiting`.
    pub(crate) async fn ask_to_commit(
        &self,
        ledger: &Ledger,
        waiting: &[Due],
    ) -> Result<Requested, LedgerError> {
        let Ok(random) = self.random.u128() else { return Ok(Requested::NotNow) };
        let transaction = TransactionUid::from_random(random);
        let entries = waiting.iter().map(|due| due.posting.entry).collect();
        // Noted first, so that a report that comes before our answer does, or after a restart, finds its transaction.
        ledger.commit_begun(&transaction, self.setup.number, entries).await?;
        let instances: Vec<_> = waiting
            .iter()
            .map(|due| (due.header.sop_class.clone(), due.header.sop_instance.clone()))
            .collect();
        let mut failed = None;
        for route in &self.setup.routes {
            let answer = route.member.commit(&transaction, &instances).await;
            self.asked(ledger, &answer).await;
            match answer {
                Ok(CommitAnswer::Later) => return Ok(Requested::Later),
                Ok(CommitAnswer::Now(report)) => {
                    ledger.commit_ended(&transaction).await?;
                    return Ok(Requested::Now(report, route.label.clone()));
                }
                Err(error) => {
                    failed = Some(match failed {
                        Some(before) => gravest(before, error),
                        None => error,
                    });
                }
            }
        }
        ledger.commit_ended(&transaction).await?;
        Ok(failed.map_or(Requested::NotNow, Requested::Failed))
    }
}

/// The classes that a report says the member does not commit to.
pub(crate) fn not_supported(postings: &[Due], report: &CommitReport) -> BTreeSet<SopClassUid> {
    let refused: BTreeSet<&SopInstanceUid> = report
        .failed
        .iter()
        .filter(|(_, reason)| *reason == CLASS_NOT_SUPPORTED)
        .map(|(instance, _)| instance)
        .collect();
    let of_report = postings.iter().filter(|due| refused.contains(&due.header.sop_instance));
    of_report.map(|due| due.header.sop_class.clone()).collect()
}

/// What a report says of the postings of its transaction, whatever its event type; those it does not name count as failed,
/// and so do those it names as committed and as failed at once.
pub fn judge(postings: &[Due], report: &CommitReport, at: WallTime, route: &str, jitter: u8) -> Vec<Report> {
    let committed: BTreeSet<&SopInstanceUid> = report.committed.iter().collect();
    let failed: BTreeMap<&SopInstanceUid, u16> =
        report.failed.iter().map(|(instance, reason)| (instance, *reason)).collect();
    let judged = |due: &Due| {
        let reason = failed.get(&due.header.sop_instance).copied();
        if reason.is_none() && committed.contains(&due.header.sop_instance) {
            let outcome = ReportOutcome::Reached(ConfirmLevel::Committed);
            return Report { posting: due.posting, attempt: None, outcome };
        }
        let text = match reason {
            Some(reason) => format!("storage commitment failed: {reason:04X} ({})", Status(reason).text()),
            None => "storage commitment did not name the instance".to_owned(),
        };
        let attempt = Attempt { at, route: route.to_owned(), status: reason.map(Status), text };
        // That says nothing of the object: it is asked about in another way, and not stored again.
        let outcome = if reason == Some(CLASS_NOT_SUPPORTED) {
            ReportOutcome::RetryAt { at }
        } else {
            match plan::after_loss(due.healed.saturating_add(1), at, jitter) {
                plan::Next::RetryAt(at) => ReportOutcome::SendAgain { at },
                _ => ReportOutcome::Suspend(SuspenseReason::Lost),
            }
        };
        Report { posting: due.posting, attempt: Some(attempt), outcome }
    };
    postings.iter().map(judged).collect()
}
