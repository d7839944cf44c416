//! One association from a member.

use std::sync::Arc;
use std::time::Duration;

use outrigger_dimse::associate::AssociateRequest;
use outrigger_dimse::negotiate::{
    AcceptorPolicy, IdentityVerdict, RequestorStores, Service, StoragePolicy, TransferSyntaxPreference,
    Undeliverable, UnknownClasses,
};
use outrigger_dimse::{
    Association, AssociationError, Command, Incoming as Received, Outcome, Rejection, Roles, Verdict,
};
use outrigger_model::transfer_syntax::{EXPLICIT_VR_LE, IMPLICIT_VR_LE};
use outrigger_model::{SopClassUid, SopInstanceUid, Status, TransferSyntaxUid, sop_class};
use outrigger_runtime::listen::Incoming;
use outrigger_runtime::permits::{Permit, Permits};
use outrigger_runtime::{Shutdown, Spool};
use tokio::sync::mpsc;

use super::{AnswersOptions, Expectations, MoveOriginator};
use crate::contract::CommitReport;
use crate::dimse::{TakeError, take};
use crate::report;

/// How long a report waits for room: a member that gets a failure instead sends it again.
const REPORT_WAIT_MAX: Duration = Duration::from_secs(10);

/// What all associations share.
pub(super) struct Door {
    pub(super) options: AnswersOptions,
    pub(super) permits: Permits,
    pub(super) expectations: Expectations,
    pub(super) spool: Spool,
    pub(super) reported: mpsc::Sender<CommitReport>,
}

/// Serves a connection from its first byte to its last.
pub(super) async fn serve(door: Arc<Door>, incoming: Incoming, mut shutdown: Shutdown) {
    let Incoming { stream, from, mut opening } = incoming;
    let mut permit = None;
    let decide = |request: &AssociateRequest| match door.admit(request, from.ip(), &mut permit) {
        Ok(()) => Verdict::Accept(Box::new(policy())),
        Err(rejection) => {
            let (calling, called) = (&request.calling, &request.called);
            tracing::warn!(%from, %calling, %called, %rejection, "a member's association was rejected");
            Verdict::Reject(rejection)
        }
    };
    let accepted = tokio::select! {
        accepted = outrigger_dimse::accept(stream, &door.options.settings, decide) => accepted,
        () = opening.evicted() => return,
    };
    drop(opening);
    let mut association = match accepted {
        Ok(association) => association,
        Err(error) => {
            tracing::debug!(%from, error = &error as &dyn std::error::Error, "no association came about");
            return;
        }
    };
    let end = tokio::select! {
        end = messages(&door, &mut association) => end,
        () = shutdown.stopping() => End::Stopping,
    };
    finish(association, end).await;
}

enum End {
    Released,
    Failed(AssociationError),
    Stopping,
}

async fn finish(association: Association, end: End) {
    let outcome = match end {
        End::Released => association.answer_release().await,
        End::Stopping => association.abort().await,
        End::Failed(error) => Err(error),
    };
    if let Err(error) = outcome {
        tracing::debug!(error = &error as &dyn std::error::Error, "a member's association ended");
    }
}

impl Door {
    fn admit(
        &self,
        request: &AssociateRequest,
        from: std::net::IpAddr,
        permit: &mut Option<Permit>,
    ) -> Result<(), Rejection> {
        if !self.options.members.contains(&request.calling) {
            return Err(Rejection::CALLING_AE);
        }
        if request.called != self.options.ae_title {
            return Err(Rejection::CALLED_AE);
        }
        *permit = Some(self.permits.take(from).map_err(|_| Rejection::LOCAL_LIMIT)?);
        Ok(())
    }
}

/// Reports, whichever role the member proposes for them; objects in any encoding, the member's own order deciding.
fn policy() -> AcceptorPolicy {
    AcceptorPolicy {
        storage: Some(StoragePolicy {
            syntaxes: TransferSyntaxPreference {
                native: Vec::new(),
                transcodable: Vec::new(),
                undeliverable: Undeliverable::Keep,
            },
            unknown: UnknownClasses::Store,
            refused: Vec::new(),
            requestor_stores: RequestorStores::Refused,
        }),
        services: vec![Service {
            abstract_syntax: SopClassUid::known(sop_class::STORAGE_COMMITMENT_PUSH),
            requestor: Roles { scu: true, scp: true },
            extended: bytes::Bytes::new(),
        }],
        service_syntaxes: [EXPLICIT_VR_LE, IMPLICIT_VR_LE].map(TransferSyntaxUid::known).to_vec(),
        identity: IdentityVerdict::Ignored,
    }
}

async fn messages(door: &Door, association: &mut Association) -> End {
    loop {
        let outcome = match association.receive().await {
            Ok(Received::Release) => return End::Released,
            Ok(Received::Message { context, command, .. }) => {
                answer(door, association, context, command).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            return End::Failed(error);
        }
    }
}

async fn answer(
    door: &Door,
    association: &mut Association,
    context: u8,
    command: Command,
) -> Result<(), AssociationError> {
    let response = match command {
        Command::CEchoRq { message_id } => {
            Some(Command::CEchoRsp { message_id, outcome: Outcome::of(Status::SUCCESS) })
        }
        Command::NEventReportRq { .. } => {
            let outcome = take_report(door, association, context).await?;
            Some(report::response(&command, outcome))
        }
        Command::CStoreRq { message_id, sop_class, sop_instance, move_originator, .. } => {
            let originator =
                move_originator.map(|(ae_title, message_id)| MoveOriginator { ae_title, message_id });
            let outcome = take_object(door, association, context, &sop_instance, originator).await?;
            let (sop_class, sop_instance) = (Some(sop_class), Some(sop_instance));
            Some(Command::CStoreRsp { message_id, sop_class, sop_instance, outcome })
        }
        other => other.refusal(Outcome::of(Status::UNRECOGNIZED_OPERATION)),
    };
    match response {
        Some(response) => association.send(context, &response).await,
        None => Ok(()),
    }
}

async fn take_report(
    door: &Door,
    association: &mut Association,
    context: u8,
) -> Result<Outcome, AssociationError> {
    let report = match report::read(association, context).await? {
        Ok(report) => report,
        Err(outcome) => return Ok(outcome),
    };
    let (committed, failed) = (report.committed.len(), report.failed.len());
    tracing::info!(transaction = %report.transaction, committed, failed, "a commitment report came");
    Ok(match door.reported.send_timeout(report, REPORT_WAIT_MAX).await {
        Ok(()) => report::taken(),
        Err(_) => Outcome::with_comment(Status::PROCESSING_FAILURE, "reports are not taken just now"),
    })
}

async fn take_object(
    door: &Door,
    association: &mut Association,
    context: u8,
    instance: &SopInstanceUid,
    originator: Option<MoveOriginator>,
) -> Result<Outcome, AssociationError> {
    let Some(claim) = door.expectations.claim(instance, originator.as_ref()) else {
        tracing::warn!(%instance, "a member sent an instance that was not asked for");
        return Ok(Outcome::with_comment(Status::NOT_AUTHORIZED, "this instance was not asked for"));
    };
    let syntax = association.context(context).map(|context| context.transfer_syntax.clone());
    let body = match take(association, &door.spool, claim.arrived()).await {
        Ok(body) => body,
        Err(TakeError::Association(error)) => {
            claim.give_back();
            return Err(error);
        }
        Err(error @ TakeError::Spool(_)) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "an object read back from a member could not be taken in");
            return Ok(Outcome::of(Status::OUT_OF_RESOURCES));
        }
    };
    let delivered = syntax.map(|syntax| claim.deliver((syntax, body)));
    Ok(match delivered {
        Some(Ok(())) => Outcome::of(Status::SUCCESS),
        Some(Err(_)) | None => {
            Outcome::with_comment(Status::PROCESSING_FAILURE, "nobody waits for this instance any more")
        }
    })
}
