//! Telling results of storage commitment: over the association that asked while it is open, else over one of our own.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outrigger_dimse::{
    Association, AssociationError, Incoming, Outcome, Proposal, ProposedContext, RequestError, RoleSelection,
    Roles, Settings,
};
use outrigger_model::transfer_syntax::{EXPLICIT_VR_LE, IMPLICIT_VR_LE};
use outrigger_model::{
    AeTitle, Requestor, SopClassUid, Status, StatusClass, TransactionUid, TransferSyntaxUid, sop_class,
};
use outrigger_runtime::Shutdown;
use outrigger_runtime::backoff::Backoff;
use outrigger_runtime::net::ArcNet;
use outrigger_runtime::tls::dial;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::{Instant, sleep};

use super::here::{Due, Here, Line};
use super::message;
use crate::admit::{NoDestination, Peers};
use crate::service::CommitResult;

/// How long a requestor may take to take a connection.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Results that this process tells by itself and nobody keeps for it, some hundred bytes to a megabyte each.
const UNKEPT_MAX: usize = 256;
/// How often such a result is told again, and for how long: who asked asks again after that.
const AGAIN: Backoff = Backoff { first: Duration::from_secs(5), longest: Duration::from_secs(600) };
const TOLD_FOR: Duration = Duration::from_secs(48 * 3600);
/// Transactions of which it is known from where they were asked; whose is not known is told where its AE title has one address.
const ASKED_MAX: usize = 16_384;
/// The presentation context of an association for one report.
const CONTEXT: u8 = 1;

/// Tells results of storage commitment; clones share what they know of open associations.
#[derive(Clone)]
pub struct Reporter {
    net: ArcNet,
    peers: watch::Receiver<Arc<Peers>>,
    settings: Settings,
    /// Where transactions were asked; a leaf lock, never held across an await.
    open: Arc<Mutex<HashMap<TransactionUid, Line>>>,
    /// From where transactions were asked, until they are told; a leaf lock too.
    asked: Arc<Mutex<HashMap<TransactionUid, IpAddr>>>,
    unkept: Arc<Semaphore>,
}

/// Why a result was not told.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// No peer of that AE title has an address.
    #[error("{0} has no `commit_address` or `address` where it could be told a result of storage commitment")]
    NoAddress(Requestor),
    /// Peers of that AE title have different addresses, and which of them asked is not known any more.
    #[error(
        "several peers are {0} and which of them asked is not known, so that none is told a result of storage commitment: each needs an AE title of its own"
    )]
    Ambiguous(Requestor),
    /// It could not be reached.
    #[error("{address} could not be reached to tell a result of storage commitment")]
    Connect {
        /// Where.
        address: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// It gave no association.
    #[error("{address} gave no association to tell a result of storage commitment")]
    Request {
        /// Where.
        address: String,
        /// The cause.
        #[source]
        source: RequestError,
    },
    /// It does not take reports.
    #[error("{address} accepted no presentation context for storage commitment")]
    NoContext {
        /// Where.
        address: String,
    },
    /// The association was lost.
    #[error("the association to tell a result of storage commitment was lost")]
    Lost(#[from] AssociationError),
    /// It released the association instead of an answer.
    #[error("a result of storage commitment was not answered")]
    Unanswered,
    /// It answered with a failure.
    #[error("a result of storage commitment was answered with {0}")]
    Refused(Status),
}

impl std::fmt::Debug for Reporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reporter").field("open", &self.open().len()).finish_non_exhaustive()
    }
}

/// Too many results are told already that nobody keeps.
#[derive(Debug)]
pub(super) struct TooMany;

impl Reporter {
    /// A reporter that calls peers as they are configured.
    pub fn new(net: ArcNet, peers: watch::Receiver<Arc<Peers>>) -> Self {
        let unkept = Arc::new(Semaphore::new(UNKEPT_MAX));
        let (open, asked) = (Arc::default(), Arc::default());
        Self { net, peers, settings: Settings::STANDARD, open, asked, unkept }
    }

    pub(in crate::dimse) fn here(&self, shutdown: Shutdown) -> Here {
        Here::new(self.clone(), shutdown)
    }

    /// The lock is a leaf: nothing is awaited and nothing else locked under it.
    pub(super) fn open(&self) -> MutexGuard<'_, HashMap<TransactionUid, Line>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<TransactionUid, IpAddr>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes from where a transaction was asked; where there are too many that were never told, one of them makes room.
    pub(super) fn note_asked(&self, transaction: &TransactionUid, from: IpAddr) {
        let mut asked = self.asked();
        if asked.len() >= ASKED_MAX
            && let Some(one) = asked.keys().next().cloned()
        {
            asked.remove(&one);
        }
        asked.insert(transaction.clone(), from);
    }

    /// Tells a result once; `Ok` if the requestor took it.
    pub async fn report(&self, result: Arc<CommitResult>) -> Result<(), ReportError> {
        let (status, way) = match self.same_association(&result).await {
            Some(status) => (status, "same"),
            None => (self.other_association(&result).await?, "other"),
        };
        let taken = matches!(status.class(), StatusClass::Success | StatusClass::Warning);
        let outcome = if taken { "taken" } else { "refused" };
        metrics::counter!("outrigger_commitment_reports_total", "association" => way, "outcome" => outcome)
            .increment(1);
        tracing::info!(
            transaction = %result.transaction, requestor = %result.requestor, committed = result.committed.len(),
            failed = result.failed.len(), association = way, %status, "a result of storage commitment is told"
        );
        if !taken {
            return Err(ReportError::Refused(status));
        }
        self.asked().remove(&result.transaction);
        Ok(())
    }

    /// Over the association that asked, if it is open; `None` if it could not be told there.
    async fn same_association(&self, result: &Arc<CommitResult>) -> Option<Status> {
        let line = self.open().remove(&result.transaction)?;
        let (answer, answered) = oneshot::channel();
        line.try_send(Due { result: Arc::clone(result), answer }).ok()?;
        // Whoever has it drops it when the association ends, or when it is not answered.
        answered.await.ok()
    }

    async fn other_association(&self, result: &CommitResult) -> Result<Status, ReportError> {
        let peers = self.peers.borrow().clone();
        let nowhere = || ReportError::NoAddress(result.requestor.clone());
        let title = result.requestor.ae_title().ok_or_else(nowhere)?;
        let from = self.asked().get(&result.transaction).copied();
        let destination = peers.commit_destination(title, from).map_err(|error| match error {
            NoDestination::Unknown => nowhere(),
            NoDestination::Ambiguous => ReportError::Ambiguous(result.requestor.clone()),
        })?;
        let address = || destination.address.clone();
        let stream = dial(&*self.net, &destination.address, destination.tls.as_ref(), CONNECT_MAX).await;
        let stream = stream.map_err(|source| ReportError::Connect { address: address(), source })?;
        let association = outrigger_dimse::request(stream, &self.settings, proposal(result, title)).await;
        let mut association =
            association.map_err(|source| ReportError::Request { address: address(), source })?;
        // A requestor that does not answer the role selection, and takes reports all the same, is met in the field.
        let Some(context) = association.contexts().first().map(|context| context.id) else {
            hang_up(association).await;
            return Err(ReportError::NoContext { address: address() });
        };
        let message_id = message::send(&mut association, context, result).await?;
        let status = answer(&mut association, message_id).await?;
        hang_up(association).await;
        Ok(status)
    }

    pub(super) fn has_room(&self) -> Result<(), TooMany> {
        if self.unkept.available_permits() > 0 { Ok(()) } else { Err(TooMany) }
    }

    /// Tells a result that nobody keeps until it is taken, the time is over, or this process stops.
    pub(super) fn tell_until_taken(&self, result: CommitResult, mut shutdown: Shutdown) {
        let Ok(permit) = Arc::clone(&self.unkept).try_acquire_owned() else {
            tracing::warn!(transaction = %result.transaction, "too many results of storage commitment wait to be told");
            return;
        };
        let reporter = self.clone();
        tokio::spawn(async move {
            let result = Arc::new(result);
            tokio::select! {
                () = reporter.again_and_again(&result) => {}
                () = shutdown.stopping() => {
                    tracing::warn!(transaction = %result.transaction, "a result of storage commitment was not told before the end");
                }
            }
            drop(permit);
        });
    }

    async fn again_and_again(&self, result: &Arc<CommitResult>) {
        let begun = Instant::now();
        for failures in 1_u32.. {
            match self.report(Arc::clone(result)).await {
                Ok(()) => return,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(transaction = %result.transaction, requestor = %result.requestor, error, "a result of storage commitment could not be told");
                }
            }
            if begun.elapsed() > TOLD_FOR {
                return;
            }
            sleep(AGAIN.after(failures, u8::MAX)).await;
        }
    }
}

/// We perform the service on an association that we ask for (PS3.4 section J.3.3.1.3).
fn proposal(result: &CommitResult, requestor: &AeTitle) -> Proposal {
    let sop_class = SopClassUid::known(sop_class::STORAGE_COMMITMENT_PUSH);
    Proposal {
        calling: result.called.clone(),
        called: requestor.clone(),
        contexts: vec![ProposedContext {
            id: CONTEXT,
            abstract_syntax: sop_class.clone(),
            transfer_syntaxes: [EXPLICIT_VR_LE, IMPLICIT_VR_LE].map(TransferSyntaxUid::known).to_vec(),
        }],
        roles: vec![RoleSelection { sop_class, roles: Roles { scu: false, scp: true } }],
    }
}

/// The answer to a report; whatever else is asked meanwhile is not performed.
async fn answer(association: &mut Association, message_id: u16) -> Result<Status, ReportError> {
    loop {
        match association.receive().await? {
            Incoming::Release => return Err(ReportError::Unanswered),
            Incoming::Message { command, .. }
                if command.message_id() == message_id && command.outcome().is_some() =>
            {
                return command.outcome().map(|outcome| outcome.status).ok_or(ReportError::Unanswered);
            }
            Incoming::Message { context, command, .. } => {
                let refusal = command.refusal(Outcome::of(Status::UNRECOGNIZED_OPERATION));
                association.send(context, &refusal.ok_or(ReportError::Unanswered)?).await?;
            }
        }
    }
}

/// Ends an association whose work is done; how that goes is of no consequence.
async fn hang_up(association: Association) {
    if let Err(error) = association.release().await {
        tracing::debug!(error = &error as &dyn std::error::Error, "a requestor did not release in order");
    }
}
