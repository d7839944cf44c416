//! Reading an instance back by C-GET (PS3.4 section C.4.3).

use outrigger_dataset::identifier::write_instances;
use outrigger_dimse::{Association, Command, Incoming, Outcome, Priority, SubOperations};
use outrigger_model::{SopClassUid, SopInstanceUid, Status, StatusClass, TransferSyntaxUid, sop_class};
use outrigger_runtime::Body;

use super::DimseMember;
use super::call::{context_of, lost, refuse, refused, unasked};
use super::fetch::{TakeError, Wanted, take};
use super::find::form;
use crate::arrived::Arrived;
use crate::contract::MemberError;

const OPERATION: &str = "C-GET";

/// Reads an instance back over an association that proposed to receive its class.
pub(super) async fn get(
    member: &DimseMember,
    association: &mut Association,
    wanted: Wanted<'_>,
    class: &SopClassUid,
    arrived: &Arrived,
) -> Result<(TransferSyntaxUid, Body), MemberError> {
    // Which member gives nothing at all is told first: it accepts no class to be received either.
    let context = context_of(association, sop_class::STUDY_ROOT_GET, OPERATION)?;
    if !is_given(association, class) {
        return Err(MemberError::NoContext { what: format!("{class} to be received by C-GET") });
    }
    let message_id = ask(association, context, wanted).await?;
    receive(member, association, message_id, wanted.instance, arrived).await
}

/// Whether instances of a class can be received over an association.
pub(super) fn is_given(association: &Association, class: &SopClassUid) -> bool {
    association.contexts().iter().any(|context| context.abstract_syntax == *class && context.roles.scp)
}

async fn ask(association: &mut Association, context: u8, wanted: Wanted<'_>) -> Result<u16, MemberError> {
    let Wanted { study, series, instance } = wanted;
    let form = form(association, context);
    let identifier = write_instances(form, study, series, std::slice::from_ref(instance));
    let message_id = association.next_message_id();
    let command = Command::CGetRq {
        message_id,
        sop_class: SopClassUid::known(sop_class::STUDY_ROOT_GET),
        priority: Priority::Medium,
    };
    association.send_with(context, &command, identifier.into()).await.map_err(lost(OPERATION))?;
    Ok(message_id)
}

async fn receive(
    member: &DimseMember,
    association: &mut Association,
    request: u16,
    wanted: &SopInstanceUid,
    arrived: &Arrived,
) -> Result<(TransferSyntaxUid, Body), MemberError> {
    let mut got = None;
    loop {
        let Incoming::Message { context, command, .. } =
            association.receive().await.map_err(lost(OPERATION))?
        else {
            return Err(unasked(OPERATION));
        };
        match command {
            Command::CStoreRq { message_id, sop_class, sop_instance, .. } => {
                let (outcome, object) = if sop_instance == *wanted && got.is_none() {
                    take_wanted(member, association, context, arrived).await?
                } else {
                    (
                        Outcome::with_comment(Status::DATA_SET_MISMATCH, "this instance was not asked for"),
                        None,
                    )
                };
                got = got.or(object);
                let response = Command::CStoreRsp {
                    message_id,
                    sop_class: Some(sop_class),
                    sop_instance: Some(sop_instance),
                    outcome,
                };
                association.send(context, &response).await.map_err(lost(OPERATION))?;
            }
            Command::CGetRsp { message_id, outcome, sub_operations, .. } if message_id == request => {
                if outcome.status.class() != StatusClass::Pending {
                    return got.ok_or_else(|| nothing_came(OPERATION, &outcome, sub_operations));
                }
            }
            Command::Refusal { message_id, outcome, .. } if message_id == request => {
                return got.ok_or_else(|| nothing_came(OPERATION, &outcome, SubOperations::default()));
            }
            other => refuse(association, context, &other, OPERATION).await?,
        }
    }
}

async fn take_wanted(
    member: &DimseMember,
    association: &mut Association,
    context: u8,
    arrived: &Arrived,
) -> Result<(Outcome, Option<(TransferSyntaxUid, Body)>), MemberError> {
    let syntax = association.context(context).map(|context| context.transfer_syntax.clone());
    match take(association, &member.spool, arrived).await {
        Ok(body) => Ok((Outcome::of(Status::SUCCESS), syntax.map(|syntax| (syntax, body)))),
        Err(TakeError::Association(error)) => Err(lost(OPERATION)(error)),
        Err(error @ TakeError::Spool(_)) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "an object read back from a member could not be taken in");
            Ok((Outcome::of(Status::OUT_OF_RESOURCES), None))
        }
    }
}

/// What a retrieval that brought nothing means: a member that does not have the instance counts nothing at all.
pub(super) fn nothing_came(
    operation: &'static str,
    outcome: &Outcome,
    counted: SubOperations,
) -> MemberError {
    const NO_SUCH_INSTANCE: Status = Status(0x0112);
    let none = |count: Option<u16>| count.unwrap_or(0) == 0;
    let untouched = none(counted.completed) && none(counted.failed) && none(counted.warning);
    let fine = outcome.status.class() == StatusClass::Success;
    if (fine && untouched) || outcome.status == NO_SUCH_INSTANCE {
        MemberError::NotFound
    } else {
        refused(operation, outcome.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_there_is_told_from_nothing_given() {
        let counted = |completed, failed| SubOperations {
            completed: Some(completed),
            failed: Some(failed),
            ..SubOperations::default()
        };
        for (status, counted, found) in [
            (0x0000, SubOperations::default(), false),
            (0x0000, counted(0, 0), false),
            (0x0112, counted(0, 1), false),
            (0xB000, counted(0, 1), true),
            (0xA702, counted(0, 1), true),
            (0xA701, SubOperations::default(), true),
            (0x0000, counted(1, 0), true),
        ] {
            let error = nothing_came(OPERATION, &Outcome::of(Status(status)), counted);
            assert_eq!(matches!(error, MemberError::Refused { .. }), found, "{status:04X} {counted:?}");
        }
    }
}
