//! Verification: an object is read back, and compared with the journal's.

use outrigger_dataset::normal::Verdict;
use outrigger_ledger::{Attempt, Due, Ledger, MemberCopy, ObjectError, Report, ReportOutcome};
use outrigger_member::MemberError;
use outrigger_model::{ConfirmLevel, Seq, Sha256Digest, SuspenseReason, TransferSyntaxUid, WallTime};
use outrigger_runtime::Body;

use crate::compare::{Copy, compare};
use crate::confirm::present::unasked;
use crate::parcel::{self, Asked, Want};
use crate::plan;
use crate::send::{Sender, chain};

/// What was read back is in another encoding, and what it is to be compared with cannot be had now.
#[derive(Debug, thiserror::Error)]
#[error(
    "what was read back is in another encoding, and is compared when a member that has the object as it was sent gives it: at \
     present none does"
)]
struct NotComparedNow {
    /// Why the journal does not give it.
    #[source]
    source: ObjectError,
}

/// The report on an object in the place of which the member shows another.
pub(crate) fn other(due: &Due, at: WallTime, route: &str, error: &MemberError) -> Report {
    differs(due, at, route, &format!("what the member has differs from what was sent: {}", chain(error)))
}

/// A person must look; of an object that came again that much is said, as a member may have kept what came before.
fn differs(due: &Due, at: WallTime, route: &str, what: &str) -> Report {
    let before = match due.earlier {
        Some(entry) => format!(
            "; entry {entry} came before under the same SOP Instance UID, and the member may have kept that version"
        ),
        None => String::new(),
    };
    let attempt = Attempt { at, route: route.to_owned(), status: None, text: format!("{what}{before}") };
    Report {
        posting: due.posting,
        attempt: Some(attempt),
        outcome: ReportOutcome::Suspend(SuspenseReason::Differs),
    }
}

/// The report on a second version that a query shows and that is not given: where an archive goes by the patient too, a version of
/// another patient stands beside the first one, and what is asked for by its UIDs alone is neither.
pub(crate) fn beside(due: &Due, earlier: Seq, at: WallTime, route: &str) -> Report {
    let text = format!(
        "shown by a query and not given when asked for by its UIDs: as it seems the member keeps this version beside that of \
         entry {earlier}, which came before under the same SOP Instance UID, and does not tell the two apart"
    );
    let attempt = Attempt { at, route: route.to_owned(), status: None, text };
    Report {
        posting: due.posting,
        attempt: Some(attempt),
        outcome: ReportOutcome::Suspend(SuspenseReason::Differs),
    }
}

/// Whether these bytes were compared before, as a member gave them.
async fn is_known(ledger: &Ledger, due: &Due, syntax: &TransferSyntaxUid, body: &Body) -> bool {
    let of = |copy: &MemberCopy| copy.sha256.0 == body.sha256 && copy.transfer_syntax == *syntax;
    match ledger.copies(due.posting.entry).await {
        Ok(copies) => copies.iter().any(of),
        Err(error) => {
            tracing::info!(entry = %due.posting.entry, error = %chain(&error), "which copies are known cannot be told now");
            false
        }
    }
}

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
        let copy = MemberCopy { transfer_syntax: syntax.clone(), sha256: Sha256Digest(body.sha256) };
        let verdict = match self.compared(ledger, due, syntax, body).await {
            Ok(verdict) => verdict,
            Err(error) => return unasked(due, self.wall(), self.again(due), route, &error),
        };
        if verdict.is_in_step() {
            let is_exact = copy.sha256 == due.sha256 && copy.transfer_syntax == due.transfer_syntax;
            if !is_exact && let Err(error) = ledger.gave_re_encoded(due.posting, copy).await {
                // Bytes must not go on a copy that nobody could use: it is read back again.
                tracing::warn!(entry = %due.posting.entry, error = %chain(&error), "a copy in another encoding could not be noted");
                return Report { posting: due.posting, attempt: None, outcome: ReportOutcome::Released };
            }
            let outcome = ReportOutcome::Reached(ConfirmLevel::Verified);
            return Report { posting: due.posting, attempt: None, outcome };
        }
        differs(
            due,
            self.wall(),
            route,
            &format!("what was read back differs from what was sent: {verdict:?}"),
        )
    }

    async fn compared(
        &self,
        ledger: &Ledger,
        due: &Due,
        syntax: TransferSyntaxUid,
        body: Body,
    ) -> Result<Verdict, NotComparedNow> {
        if body.sha256 == due.sha256.0 && syntax == due.transfer_syntax {
            return Ok(Verdict::Identical);
        }
        let (ours, original) = match ledger.object(due.posting.entry).await {
            Ok(object) => (due.transfer_syntax.clone(), object.bytes),
            // What was sent may itself have been a member's copy.
            Err(_) if is_known(ledger, due, &syntax, &body).await => return Ok(Verdict::ReEncoded),
            Err(source) => match parcel::beside(ledger, &self.members, due).await {
                Asked::Given(encoding, bytes) => (encoding, bytes),
                Asked::Not(Want::Nobody) => {
                    tracing::info!(entry = %due.posting.entry, error = %chain(&source), "a copy in another encoding cannot be compared");
                    return Ok(Verdict::NotComparable);
                }
                // A person is to hear of what others withhold for hours.
                Asked::Not(Want::Fails) if due.attempts >= plan::LOSSES_BEFORE_SUSPENSE => {
                    return Ok(Verdict::NotComparable);
                }
                Asked::Not(Want::Away | Want::Fails) => return Err(NotComparedNow { source }),
            },
        };
        let work = move || {
            let before = Copy { transfer_syntax: &ours, bytes: &*original };
            compare(before, Copy { transfer_syntax: &syntax, bytes: &body })
        };
        Ok(match self.threads.blocking("comparison", work).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(error)) => {
                tracing::info!(entry = %due.posting.entry, error = %chain(&error), "a copy cannot be compared");
                Verdict::NotComparable
            }
            Err(error) => {
                tracing::warn!(entry = %due.posting.entry, %error, "a comparison did not finish");
                Verdict::NotComparable
            }
        })
    }
}
