//! Verification: an object is read back, and compared with the journal's.

use outrigger_dataset::normal::Verdict;
use outrigger_ledger::{Attempt, Due, Ledger, Report, ReportOutcome};
use outrigger_model::{ConfirmLevel, SuspenseReason, TransferSyntaxUid};
use outrigger_runtime::Body;

use crate::compare::{Copy, compare};
use crate::send::{Sender, chain};

impl Sender {
    /// What an object that was read back shows of the posting.
    pub(crate) async fn verified(
        &self,
        ledger: &Ledger,
        due: &Due,
        syntax: TransferSyntaxUid,
        body: Body,
    ) -> Report {
        let route = self.setup.routes.first().map_or("", |route| route.label.as_str());
        let verdict = self.compared(ledger, due, syntax, body).await;
        if verdict.is_in_step() {
            let outcome = ReportOutcome::Reached(ConfirmLevel::Verified);
            return Report { posting: due.posting, attempt: None, outcome };
        }
        let text = format!("what was read back differs from what was sent: {verdict:?}");
        let attempt = Attempt { at: self.wall(), route: route.to_owned(), status: None, text };
        let outcome = ReportOutcome::Suspend(SuspenseReason::Differs);
        Report { posting: due.posting, attempt: Some(attempt), outcome }
    }

    async fn compared(&self, ledger: &Ledger, due: &Due, syntax: TransferSyntaxUid, body: Body) -> Verdict {
        if body.sha256 == due.sha256.0 && syntax == due.transfer_syntax {
            return Verdict::Identical;
        }
        let original = match ledger.object(due.posting.entry).await {
            Ok(object) => object,
            Err(error) => {
                tracing::info!(entry = %due.posting.entry, error = %chain(&error), "a copy in another encoding cannot be compared");
                return Verdict::NotComparable;
            }
        };
        let ours = due.transfer_syntax.clone();
        let work = move || {
            let before = Copy { transfer_syntax: &ours, bytes: &*original.bytes };
            compare(before, Copy { transfer_syntax: &syntax, bytes: &body })
        };
        match self.threads.blocking("comparison", work).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(error)) => {
                tracing::info!(entry = %due.posting.entry, error = %chain(&error), "a copy cannot be compared");
                Verdict::NotComparable
            }
            Err(error) => {
                tracing::warn!(entry = %due.posting.entry, %error, "a comparison did not finish");
                Verdict::NotComparable
            }
        }
    }
}
