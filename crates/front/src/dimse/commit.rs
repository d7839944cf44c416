//! Storage commitment (PS3.4 Annex J): N-ACTION asks, N-EVENT-REPORT tells.

mod here;
mod message;
mod reporter;

use std::collections::BTreeMap;

use outrigger_dataset::commitment;
use outrigger_dataset::form::Form;
use outrigger_dimse::{Association, AssociationError, Command, DataSet, Outcome};
use outrigger_model::{Requestor, SopClassUid, SopInstanceUid, Status, sop_class};

use super::association::{Request, Session};
use super::class::{Class, class_of};
use crate::service::{CommitRefusal, CommitRequest, Committing};

pub(super) use here::Here;
pub use reporter::{ReportError, Reporter};

/// Request Storage Commitment (PS3.4 table J.3.2-1).
const ACTION_TYPE: u16 = 1;
/// Longest request read, in bytes: 10,000 instances with UIDs of full length, as much as a ledger keeps of one request.
const REQUEST_BYTES_MAX: usize = 2 << 20;
/// Invalid argument value (PS3.7 section C.5.1).
const INVALID_ARGUMENT: Status = Status(0x0115);
/// No such SOP instance (PS3.7 section C.5.7).
const NO_SUCH_INSTANCE: Status = Status(0x0112);
/// No such action type (PS3.7 section C.5.6).
const NO_SUCH_ACTION: Status = Status(0x0123);
/// Resource limitation (PS3.7 section C.5.13).
const RESOURCE_LIMITATION: Status = Status(0x0213);

/// What an N-ACTION names.
pub(super) struct Action {
    pub(super) sop_class: SopClassUid,
    pub(super) sop_instance: SopInstanceUid,
    pub(super) kind: u16,
}

/// Takes a request and says whether it will be reported on; the result itself comes later.
pub(super) async fn commit(
    session: &mut Session,
    association: &mut Association,
    request: Request,
    action: Action,
) -> Result<(), AssociationError> {
    let outcome = match read(association, request, &action).await? {
        Ok(asked) => take(session, request, asked).await,
        Err(outcome) => outcome,
    };
    let status = outcome.status;
    let response = Command::NActionRsp {
        message_id: request.message_id,
        sop_class: Some(action.sop_class),
        sop_instance: Some(action.sop_instance),
        action_type: Some(action.kind),
        outcome,
    };
    association.send(request.context, &response).await?;
    metrics::counter!("outrigger_commitment_requests_total", "status" => status.to_string()).increment(1);
    session.reports.begin();
    Ok(())
}

/// Reads the action information, or says what to answer.
async fn read(
    association: &mut Association,
    request: Request,
    action: &Action,
) -> Result<Result<commitment::Request, Outcome>, AssociationError> {
    let context = association.context(request.context);
    let of_commitment = context.filter(|context| class_of(&context.abstract_syntax) == Class::Commit);
    let form = of_commitment.and_then(|context| Form::of(&context.transfer_syntax));
    let Some(form) = form.filter(|_| class_of(&action.sop_class) == Class::Commit) else {
        return Ok(Err(Outcome::of(Status::SOP_CLASS_NOT_SUPPORTED)));
    };
    if action.sop_instance.as_str() != sop_class::STORAGE_COMMITMENT_PUSH_INSTANCE {
        return Ok(Err(Outcome::with_comment(NO_SUCH_INSTANCE, "the well-known instance is to be asked")));
    }
    if action.kind != ACTION_TYPE {
        return Ok(Err(Outcome::with_comment(NO_SUCH_ACTION, "only action type 1 is known")));
    }
    if request.data_set == DataSet::Absent {
        return Ok(Err(Outcome::with_comment(INVALID_ARGUMENT, "no action information follows")));
    }
    let bytes = match association.data_set(REQUEST_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(AssociationError::DataSetTooLong { .. }) => {
            return Ok(Err(Outcome::with_comment(RESOURCE_LIMITATION, "the request is too long")));
        }
        Err(error) => return Err(error),
    };
    Ok(match commitment::Request::read(form, &bytes) {
        Ok(asked) if asked.instances.is_empty() => {
            Err(Outcome::with_comment(INVALID_ARGUMENT, "the request names no instance"))
        }
        Ok(asked) => match asked.instances.iter().position(|one| !can_stand(one)) {
            None => Ok(asked),
            Some(at) => {
                let text = format!("instance {} is named by what is no UID", at + 1);
                Err(Outcome::with_comment(INVALID_ARGUMENT, text))
            }
        },
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a request for storage commitment cannot be read"
            );
            Err(Outcome::with_comment(INVALID_ARGUMENT, error.to_string()))
        }
    })
}

/// Whether an object can be stored under such UIDs: what no door takes would be waited for in vain.
fn can_stand(instance: &commitment::InstanceRef) -> bool {
    instance.sop_class.is_addressable() && instance.sop_instance.is_addressable()
}

/// Has a request kept, or decided at once; its result is told over this association if it is still open by then.
async fn take(session: &mut Session, request: Request, asked: commitment::Request) -> Outcome {
    let commitment::Request { transaction, instances } = asked;
    let count = instances.len();
    let before = session.reports.register(&transaction, request.context);
    let request = CommitRequest {
        transaction: transaction.clone(),
        requestor: Requestor::Ae(session.party.calling.clone()),
        called: session.party.called.clone(),
        instances: instances.into_iter().map(|one| (one.sop_class, one.sop_instance)).collect(),
        places: BTreeMap::new(),
    };
    match session.door.front.service.commit(request).await {
        Ok(taken) => {
            session.reports.note_asked(&transaction, session.party.address);
            tracing::info!(%transaction, count, "storage commitment is asked for");
            if let Committing::Decided(result) = taken
                && session.reports.tell_until_taken(result).is_err()
            {
                session.reports.give_back(&transaction, before);
                return Outcome::with_comment(RESOURCE_LIMITATION, "too many results wait to be reported");
            }
            Outcome::of(Status::SUCCESS)
        }
        Err(refusal) => {
            session.reports.give_back(&transaction, before);
            refused(&refusal)
        }
    }
}

fn refused(refusal: &CommitRefusal) -> Outcome {
    tracing::warn!(error = refusal as &dyn std::error::Error, "storage commitment is refused");
    Outcome::with_comment(refusal.status, refusal.text.clone())
}
