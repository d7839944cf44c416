//! Reading an instance back by C-MOVE to the listener on which members answer us (PS3.4 section C.4.2).

use std::time::Duration;

use outrigger_dataset::identifier::write_instances;
use outrigger_dimse::{Association, Command, Incoming, Outcome, Priority, SubOperations};
use outrigger_model::{AeTitle, SopClassUid, StatusClass, TransferSyntaxUid, sop_class};
use outrigger_runtime::Body;
use tokio::time::timeout;

use super::DimseMember;
use super::call::{context_of, lost, refuse, unasked};
use super::fetch::Wanted;
use super::find::form;
use super::get::nothing_came;
use crate::answers::{Expectation, Expectations, MoveOriginator};
use crate::arrived::Arrived;
use crate::contract::MemberError;

const OPERATION: &str = "C-MOVE";

/// How long an object is awaited after the member says that it was sent: its answer may overtake our own taking in.
const ARRIVAL_MAX: Duration = Duration::from_secs(10);

/// Reads an instance back.
pub(super) async fn move_(
    member: &DimseMember,
    association: &mut Association,
    wanted: Wanted<'_>,
    destination: &AeTitle,
    expectations: &Expectations,
    arrived: &Arrived,
) -> Result<(TransferSyntaxUid, Body), MemberError> {
    let context = context_of(association, sop_class::STUDY_ROOT_MOVE, OPERATION)?;
    let message_id = association.next_message_id();
    let originator = MoveOriginator { ae_title: member.route.calling.clone(), message_id };
    let mut expected = expectations.expect(wanted.instance, originator, arrived.clone());
    let identifier = write_instances(
        form(association, context),
        wanted.study,
        wanted.series,
        std::slice::from_ref(wanted.instance),
    );
    let command = Command::CMoveRq {
        message_id,
        sop_class: SopClassUid::known(sop_class::STUDY_ROOT_MOVE),
        priority: Priority::Medium,
        destination: destination.clone(),
    };
    association.send_with(context, &command, identifier.into()).await.map_err(lost(OPERATION))?;
    let (outcome, counted) = finished(association, message_id).await?;
    awaited(&mut expected, &outcome, counted).await
}

/// The object, if the member says that it sent one or says nothing against it.
async fn awaited(
    expected: &mut Expectation,
    outcome: &Outcome,
    counted: SubOperations,
) -> Result<(TransferSyntaxUid, Body), MemberError> {
    let sent = counted.completed.unwrap_or(0) > 0 || counted.warning.unwrap_or(0) > 0;
    let patience = if sent { ARRIVAL_MAX } else { Duration::ZERO };
    match timeout(patience, expected.arrival()).await {
        Ok(Some(object)) => Ok(object),
        Ok(None) | Err(_) => Err(nothing_came(OPERATION, outcome, counted)),
    }
}

/// The final response.
async fn finished(
    association: &mut Association,
    request: u16,
) -> Result<(Outcome, SubOperations), MemberError> {
    loop {
        let Incoming::Message { context, command, .. } =
            association.receive().await.map_err(lost(OPERATION))?
        else {
            return Err(unasked(OPERATION));
        };
        match command {
            Command::CMoveRsp { message_id, outcome, sub_operations, .. } if message_id == request => {
                if outcome.status.class() != StatusClass::Pending {
                    return Ok((outcome, sub_operations));
                }
            }
            Command::Refusal { message_id, outcome, .. } if message_id == request => {
                return Ok((outcome, SubOperations::default()));
            }
            other => refuse(association, context, &other, OPERATION).await?,
        }
    }
}
