//! C-ECHO.

use outrigger_dimse::Command;
use outrigger_model::{StatusClass, sop_class};

use super::DimseMember;
use super::call::{context_of, hang_up, lost, response};
use crate::contract::MemberError;

const OPERATION: &str = "C-ECHO";

/// Asks the member whether it is there.
pub(super) async fn echo(member: &DimseMember) -> Result<(), MemberError> {
    let mut association = member.call_for(sop_class::VERIFICATION).await?;
    let context = context_of(&association, sop_class::VERIFICATION)?;
    let message_id = association.next_message_id();
    association.send(context, &Command::CEchoRq { message_id }).await.map_err(lost(OPERATION))?;
    let outcome = response(&mut association, OPERATION, message_id).await?;
    hang_up(association).await;
    match outcome.status.class() {
        StatusClass::Success | StatusClass::Warning => Ok(()),
        StatusClass::Failure | StatusClass::Pending | StatusClass::Cancel => {
            Err(MemberError::Refused { operation: OPERATION, status: outcome.status })
        }
    }
}
