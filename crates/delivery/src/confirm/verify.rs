//! Verification: an object is read back, and its digest compared with the journal's.

use bytes::Bytes;
use outrigger_dataset::normal::{self, Fingerprint, Verdict};
use outrigger_ledger::{Attempt, Due, Ledger, Report, ReportOutcome};
use outrigger_member::MemberError;
use outrigger_model::{ConfirmLevel, SuspenseReason, TransferSyntaxUid};
use outrigger_runtime::Body;

use crate::confirm::present::{lost, unasked};
use crate::parcel::{self, EncodeError};
use crate::send::{Sender, chain};

/// Largest object compared by content when its bytes differ: both copies are in memory then.
const COMPARE_BYTES_MAX: u64 = 512 << 20;

/// What reading an object back showed.
#[derive(Debug)]
pub enum ReadBack {
    /// The same content; in the same bytes, or in another encoding.
    Same,
    /// Other content.
    Differs(Verdict),
    /// The member does not have it.
    Missing,
}

impl Sender {
    /// Reads an object back by the first route that gives it.
    pub(crate) async fn read_back(&self, ledger: &Ledger, due: &Due) -> Result<ReadBack, MemberError> {
        let mut last = None;
        for route in &self.setup.routes {
            match parcel::fetched(&*route.member, due).await {
                Ok((syntax, body)) => return Ok(self.compared(ledger, due, syntax, body).await),
                Err(MemberError::NotFound) => return Ok(ReadBack::Missing),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or(MemberError::Unable { operation: "a retrieval without a route" }))
    }

    async fn compared(&self, ledger: &Ledger, due: &Due, syntax: TransferSyntaxUid, body: Body) -> ReadBack {
        if body.sha256 == due.sha256.0 && syntax == due.transfer_syntax {
            return ReadBack::Same;
        }
        let original = match ledger.object(due.posting.entry).await {
            Ok(object) => object,
            Err(error) => {
                tracing::info!(entry = %due.posting.entry, error = %chain(&error), "a copy in another encoding cannot be compared");
                return ReadBack::Differs(Verdict::NotComparable);
            }
        };
        let ours = due.transfer_syntax.clone();
        let work = move || -> Result<Verdict, EncodeError> {
            let before = Fingerprint::of(&ours, read(&*original.bytes)?);
            let after = Fingerprint::of(&syntax, read(&body)?);
            Ok(normal::compare(&before, &after))
        };
        match self.threads.blocking("comparison", work).await {
            Ok(Ok(Verdict::Identical | Verdict::ReEncoded)) => ReadBack::Same,
            Ok(Ok(verdict)) => ReadBack::Differs(verdict),
            Ok(Err(error)) => {
                tracing::info!(entry = %due.posting.entry, error = %chain(&error), "a copy cannot be compared");
                ReadBack::Differs(Verdict::NotComparable)
            }
            Err(error) => {
                tracing::warn!(entry = %due.posting.entry, %error, "a comparison did not finish");
                ReadBack::Differs(Verdict::NotComparable)
            }
        }
    }

    /// Verifies one posting and says what follows.
    pub(crate) async fn verify(&self, ledger: &Ledger, due: &Due) -> Report {
        let at = self.wall();
        let route = self.setup.routes.first().map_or("", |route| route.label.as_str());
        let read = self.read_back(ledger, due).await;
        self.asked(ledger, &read).await;
        match read {
            Ok(ReadBack::Same) => Report {
                posting: due.posting,
                attempt: None,
                outcome: ReportOutcome::Reached(ConfirmLevel::Verified),
            },
            Ok(ReadBack::Missing) => lost(due, at, route, self.jitter()),
            Ok(ReadBack::Differs(verdict)) => {
                let text = format!("what was read back differs from what was sent: {verdict:?}");
                let attempt = Attempt { at, route: route.to_owned(), status: None, text };
                let outcome = ReportOutcome::Suspend(SuspenseReason::Differs);
                Report { posting: due.posting, attempt: Some(attempt), outcome }
            }
            // An instance outside studies, say: asking again is of no use, and nobody may take it for confirmed.
            Err(error @ MemberError::Unable { .. }) => {
                let attempt = Attempt { at, route: route.to_owned(), status: None, text: chain(&error) };
                let outcome = ReportOutcome::Suspend(SuspenseReason::KeptFailing);
                Report { posting: due.posting, attempt: Some(attempt), outcome }
            }
            Err(error) => unasked(due, at, self.again(due), route, &error),
        }
    }
}

fn read(source: &dyn outrigger_runtime::BlockSource) -> Result<Bytes, EncodeError> {
    parcel::whole(source, COMPARE_BYTES_MAX)
}
