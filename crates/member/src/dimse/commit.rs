//! Asking for storage commitment (PS3.4 Annex J).

use std::time::Duration;

use outrigger_dataset::commitment::{InstanceRef, Request};
use outrigger_dimse::{Association, AssociationError, Command, Incoming, Outcome};
use outrigger_model::{SopClassUid, SopInstanceUid, StatusClass, TransactionUid, sop_class};
use tokio::time::timeout;

use super::DimseMember;
use super::call::{context_of, hang_up, lost, refuse, refused, unasked};
use super::find::form;
use crate::contract::{CommitAnswer, CommitReport, MemberError};
use crate::report;

const OPERATION: &str = "N-ACTION";
/// Request Storage Commitment (PS3.4 table J.3.2-1).
const ACTION_TYPE: u16 = 1;
/// How long the report is awaited on the same association: archives that send it there do so at once.
const SAME_ASSOCIATION_MAX: Duration = Duration::from_secs(2);

/// Asks the member to commit to instances.
pub(super) async fn request(
    member: &DimseMember,
    transaction: &TransactionUid,
    instances: &[(SopClassUid, SopInstanceUid)],
) -> Result<CommitAnswer, MemberError> {
    let class = sop_class::STORAGE_COMMITMENT_PUSH;
    let mut association = member.call_for(class).await?;
    let context = context_of(&association, class, "storage commitment")?;
    let message_id = association.next_message_id();
    let command = Command::NActionRq {
        message_id,
        sop_class: SopClassUid::known(class),
        sop_instance: SopInstanceUid::known(sop_class::STORAGE_COMMITMENT_PUSH_INSTANCE),
        action_type: ACTION_TYPE,
    };
    let instances = instances.iter().map(|(sop_class, sop_instance)| InstanceRef {
        sop_class: sop_class.clone(),
        sop_instance: sop_instance.clone(),
    });
    let request = Request { transaction: transaction.clone(), instances: instances.collect() };
    let request = request.write(form(&association, context));
    association.send_with(context, &command, request.into()).await.map_err(lost(OPERATION))?;
    let mut reported = None;
    let outcome = answered(&mut association, message_id, transaction, &mut reported).await?;
    match outcome.status.class() {
        StatusClass::Success | StatusClass::Warning => {}
        StatusClass::Failure | StatusClass::Pending | StatusClass::Cancel => {
            return Err(refused(OPERATION, outcome.status));
        }
    }
    if reported.is_none() {
        reported = report_soon(&mut association, transaction).await;
    }
    hang_up(association).await;
    Ok(reported.map_or(CommitAnswer::Later, CommitAnswer::Now))
}

/// The response to the request; a report may come before it.
async fn answered(
    association: &mut Association,
    request: u16,
    transaction: &TransactionUid,
    reported: &mut Option<CommitReport>,
) -> Result<Outcome, MemberError> {
    loop {
        match association.receive().await.map_err(lost(OPERATION))? {
            Incoming::Message {
                command:
                    Command::NActionRsp { message_id, outcome, .. } | Command::Refusal { message_id, outcome, .. },
                ..
            } if message_id == request => return Ok(outcome),
            Incoming::Message { context, command, .. } => {
                let report = take_report(association, context, command, transaction).await?;
                *reported = reported.take().or(report);
            }
            Incoming::Release => return Err(unasked(OPERATION)),
        }
    }
}

/// The report, if it comes over the same association before long; its loss is not that of the request, which was taken.
async fn report_soon(association: &mut Association, transaction: &TransactionUid) -> Option<CommitReport> {
    match timeout(SAME_ASSOCIATION_MAX, association.receive()).await {
        Ok(Ok(Incoming::Message { context, command, .. })) => {
            take_report(association, context, command, transaction)
                .await
                .inspect_err(|error| {
                    tracing::debug!(error = error as &dyn std::error::Error, "no report came of it");
                })
                .ok()
                .flatten()
        }
        Ok(Ok(Incoming::Release)) | Err(_) => None,
        Ok(Err(error)) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "the member ended the association");
            None
        }
    }
}

/// Takes a report of our transaction and answers it; a report of another one is left to be sent to our listener.
async fn take_report(
    association: &mut Association,
    context: u8,
    command: Command,
    transaction: &TransactionUid,
) -> Result<Option<CommitReport>, MemberError> {
    let lost = |error: AssociationError| lost(OPERATION)(error);
    let Command::NEventReportRq { .. } = &command else {
        refuse(association, context, &command, OPERATION).await?;
        return Ok(None);
    };
    let report = match report::read(association, context).await.map_err(lost)? {
        Ok(report) if report.transaction == *transaction => report,
        Ok(_) => {
            let response = report::response(&command, report::not_ours());
            association.send(context, &response).await.map_err(lost)?;
            return Ok(None);
        }
        Err(outcome) => {
            association.send(context, &report::response(&command, outcome)).await.map_err(lost)?;
            return Ok(None);
        }
    };
    association.send(context, &report::response(&command, report::taken())).await.map_err(lost)?;
    Ok(Some(report))
}
