//! What a member can do: a C-ECHO, and what it accepts in a negotiation.

use std::collections::BTreeSet;

use outrigger_dimse::{Association, Command};
use outrigger_model::{SopClassUid, StatusClass, sop_class};

use super::call::{context_of, contexts, hang_up, lost, plain, refused, response};
use super::{DimseMember, ReadBack};
use crate::contract::{Ability, MemberError};

const OPERATION: &str = "C-ECHO";

/// Asks the member whether it is there.
pub(super) async fn echo(member: &DimseMember) -> Result<(), MemberError> {
    let mut association = member.call_for(sop_class::VERIFICATION).await?;
    echo_over(&mut association).await?;
    hang_up(association).await;
    Ok(())
}

async fn echo_over(association: &mut Association) -> Result<(), MemberError> {
    let context = context_of(association, sop_class::VERIFICATION, OPERATION)?;
    let message_id = association.next_message_id();
    association.send(context, &Command::CEchoRq { message_id }).await.map_err(lost(OPERATION))?;
    let outcome = response(association, OPERATION, message_id).await?;
    match outcome.status.class() {
        StatusClass::Success | StatusClass::Warning => Ok(()),
        StatusClass::Failure | StatusClass::Pending | StatusClass::Cancel => {
            Err(refused(OPERATION, outcome.status))
        }
    }
}

/// Proposes every service that confirmation may need, and sends a C-ECHO where that is accepted.
pub(super) async fn abilities(member: &DimseMember) -> Result<BTreeSet<Ability>, MemberError> {
    let retrieve = match &member.route.read_back {
        ReadBack::Get => sop_class::STUDY_ROOT_GET,
        ReadBack::Move { .. } => sop_class::STUDY_ROOT_MOVE,
    };
    let services = [
        (sop_class::VERIFICATION, Ability::Echo),
        (sop_class::STUDY_ROOT_FIND, Ability::Query),
        (sop_class::STORAGE_COMMITMENT_PUSH, Ability::Commit),
        (retrieve, Ability::ReadBack),
    ];
    let proposed = contexts(services.iter().map(|(class, _)| (SopClassUid::known(class), plain())));
    let mut association = member.call(&member.route.calling, proposed, Vec::new()).await?;
    let accepted = services.iter().filter(|(class, _)| context_of(&association, class, "").is_ok());
    let able: BTreeSet<Ability> = accepted.map(|(_, ability)| *ability).collect();
    if able.contains(&Ability::Echo) {
        echo_over(&mut association).await?;
    }
    hang_up(association).await;
    Ok(able)
}
