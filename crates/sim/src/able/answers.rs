//! What such a member answers.

use std::sync::atomic::Ordering;

use outrigger_dataset::commitment::{Failed, InstanceRef, Report, Request};
use outrigger_dataset::identifier::read_selection;
use outrigger_dimse::{Association, AssociationError, Command, Incoming, Outcome, Priority, SubOperations};
use outrigger_model::{AeTitle, QueryRoot, Selection, SopClassUid, SopInstanceUid, Status};

use super::{Can, Gives, Kept, Shared, moving};
use crate::taker::{BAD_IDENTIFIER, OBJECT_BYTES_MAX, find, form, send_report};

/// No such object instance (PS3.3 section C.14.1.1).
const NO_SUCH_INSTANCE: u16 = 0x0112;

/// Answers message after message, until the peer ends the association.
pub(super) async fn serve(mut association: Association, shared: &Shared) -> Result<(), AssociationError> {
    let mut is_counted = false;
    while let Incoming::Message { context, command, .. } = association.receive().await? {
        let question = match &command {
            Command::CFindRq { .. } => Some(Can::Query),
            Command::NActionRq { .. } => Some(Can::Commit),
            Command::CGetRq { .. } => Some(Can::GiveBack),
            Command::CMoveRq { .. } => Some(Can::Move),
            _ => None,
        };
        if let Some(question) = question {
            shared.questions.fetch_add(1, Ordering::Relaxed);
            if !std::mem::replace(&mut is_counted, true) {
                shared.asked.fetch_add(1, Ordering::Relaxed);
            }
            if let Some(status) = shared.denied(question) {
                association.data_set(OBJECT_BYTES_MAX).await?;
                if let Some(refusal) = command.refusal(Outcome::of(Status(status))) {
                    association.send(context, &refusal).await?;
                }
                continue;
            }
        }
        let response = match command {
            Command::CStoreRq { message_id, sop_class, sop_instance, .. } => {
                store(&mut association, shared, context, &sop_class, &sop_instance).await?;
                let (sop_class, sop_instance) = (Some(sop_class), Some(sop_instance));
                Command::CStoreRsp { message_id, sop_class, sop_instance, outcome: success() }
            }
            Command::CEchoRq { message_id } => Command::CEchoRsp { message_id, outcome: success() },
            Command::CFindRq { message_id, .. } => {
                let kept = || shared.kept().keys().cloned().collect();
                find(&mut association, kept, context, message_id).await?
            }
            Command::CMoveRq { message_id, .. } => {
                moving::move_(&mut association, shared, context, message_id).await?;
                continue;
            }
            Command::CGetRq { message_id, .. } => get(&mut association, shared, context, message_id).await?,
            Command::NActionRq { message_id, .. } => {
                commit(&mut association, shared, context, message_id).await?;
                continue;
            }
            // The answers to our own requests.
            Command::NEventReportRsp { .. } => continue,
            other => match other.refusal(Outcome::of(Status::UNRECOGNIZED_OPERATION)) {
                Some(refusal) => refusal,
                None => continue,
            },
        };
        association.send(context, &response).await?;
    }
    association.answer_release().await
}

fn success() -> Outcome {
    Outcome::of(Status::SUCCESS)
}

async fn store(
    association: &mut Association,
    shared: &Shared,
    context: u8,
    sop_class: &SopClassUid,
    instance: &SopInstanceUid,
) -> Result<(), AssociationError> {
    let bytes = association.data_set(OBJECT_BYTES_MAX).await?.to_vec();
    let Some(transfer_syntax) = association.context(context).map(|context| context.transfer_syntax.clone())
    else {
        return Ok(());
    };
    shared.keep(instance.clone(), Kept { sop_class: sop_class.clone(), transfer_syntax, bytes });
    Ok(())
}

/// Sends the instances asked for over the same association; gives the final response.
async fn get(
    association: &mut Association,
    shared: &Shared,
    context: u8,
    message_id: u16,
) -> Result<Command, AssociationError> {
    let identifier = association.data_set(OBJECT_BYTES_MAX).await?;
    let selection = read_selection(QueryRoot::Study, form(association, context), &identifier);
    let Ok(Selection::Instances { instances: wanted, .. }) = selection else {
        let (outcome, sub_operations) = (Outcome::of(BAD_IDENTIFIER), SubOperations::default());
        return Ok(Command::CGetRsp { message_id, sop_class: None, outcome, sub_operations });
    };
    let mut counted = SubOperations { completed: Some(0), failed: Some(0), ..SubOperations::default() };
    for instance in wanted {
        let Some((gives, kept)) = shared.given(&instance) else { continue };
        let given = match gives {
            Gives::Hangs => std::future::pending().await,
            Gives::Nothing => Given::Taken,
            Gives::AsKept
            | Gives::Altered
            | Gives::Truncated
            | Gives::Another
            | Gives::Late
            | Gives::Misnamed => give(association, instance, kept, None).await?,
        };
        let count = if given == Given::Taken { &mut counted.completed } else { &mut counted.failed };
        *count = count.map(|count| count + 1);
    }
    let outcome = success();
    Ok(Command::CGetRsp { message_id, sop_class: None, outcome, sub_operations: counted })
}

#[derive(PartialEq, Eq)]
pub(super) enum Given {
    Taken,
    Refused,
}

/// Sends an instance, for a C-MOVE by whom it was asked for.
pub(super) async fn give(
    association: &mut Association,
    sop_instance: SopInstanceUid,
    kept: Kept,
    move_originator: Option<(AeTitle, u16)>,
) -> Result<Given, AssociationError> {
    let fits = association.contexts().iter().find(|context| {
        context.abstract_syntax == kept.sop_class && context.transfer_syntax == kept.transfer_syntax
    });
    let Some(context) = fits.map(|context| context.id) else { return Ok(Given::Refused) };
    let command = Command::CStoreRq {
        message_id: association.next_message_id(),
        sop_class: kept.sop_class,
        sop_instance,
        priority: Priority::Medium,
        move_originator,
    };
    association.send_with(context, &command, kept.bytes.into()).await?;
    let taken = match association.receive().await? {
        Incoming::Message { command, .. } => {
            command.outcome().is_some_and(|outcome| outcome.status == Status::SUCCESS)
        }
        Incoming::Release => false,
    };
    Ok(if taken { Given::Taken } else { Given::Refused })
}

/// Answers the request, and reports at once.
async fn commit(
    association: &mut Association,
    shared: &Shared,
    context: u8,
    message_id: u16,
) -> Result<(), AssociationError> {
    let information = association.data_set(OBJECT_BYTES_MAX).await?;
    let form = form(association, context);
    let read = Request::read(form, &information);
    let status = if read.is_ok() { Status::SUCCESS } else { Status::PROCESSING_FAILURE };
    let response = Command::NActionRsp {
        message_id,
        sop_class: None,
        sop_instance: None,
        action_type: None,
        outcome: Outcome::of(status),
    };
    association.send(context, &response).await?;
    let Ok(request) = read else { return Ok(()) };
    send_report(association, context, form, &report(shared, request)).await
}

fn report(shared: &Shared, Request { transaction, instances }: Request) -> Report {
    let kept = shared.kept();
    let has = |instance: &InstanceRef| kept.contains_key(&instance.sop_instance);
    let (committed, missing): (Vec<_>, Vec<_>) = instances.into_iter().partition(has);
    let failed = missing.into_iter().map(|instance| Failed { instance, reason: NO_SUCH_INSTANCE }).collect();
    Report { transaction, committed, failed }
}
