//! C-MOVE by such a member: over an association of its own to whoever asked.

use std::sync::PoisonError;

use outrigger_dataset::identifier::read_selection;
use outrigger_dimse::{
    Association, AssociationError, Command, Outcome, Proposal, ProposedContext, Settings, SubOperations,
    request,
};
use outrigger_model::{AeTitle, QueryRoot, Selection, SopInstanceUid, Status};
use outrigger_runtime::net::{Net, Tcp};

use super::answers::{Given, give};
use super::{Gives, Kept, Shared};
use crate::peers::Station;
use crate::taker::{BAD_IDENTIFIER, OBJECT_BYTES_MAX, form};

/// Sends the instances asked for over another association, before or after it says so.
pub(super) async fn move_(
    association: &mut Association,
    shared: &Shared,
    context: u8,
    message_id: u16,
) -> Result<(), AssociationError> {
    let identifier = association.data_set(OBJECT_BYTES_MAX).await?;
    let selection = read_selection(QueryRoot::Study, form(association, context), &identifier);
    let response = |status, sub_operations| Command::CMoveRsp {
        message_id,
        sop_class: None,
        outcome: Outcome::of(status),
        sub_operations,
    };
    let Ok(Selection::Instances { instances: wanted, .. }) = selection else {
        return association.send(context, &response(BAD_IDENTIFIER, SubOperations::default())).await;
    };
    let asked_by = (association.peer().calling.clone(), message_id);
    let mut completed = 0;
    let mut late = Vec::new();
    for instance in wanted {
        let Some((gives, kept)) = shared.given(&instance) else { continue };
        completed += 1;
        match gives {
            Gives::Hangs => std::future::pending().await,
            Gives::Nothing => {}
            Gives::Late => late.push((instance, kept)),
            Gives::Misnamed => send(shared, instance, kept, Some((asked_by.0.clone(), 0x7FFF))).await?,
            Gives::AsKept | Gives::Altered | Gives::Truncated | Gives::Another => {
                send(shared, instance, kept, Some(asked_by.clone())).await?;
            }
        }
    }
    let counted = SubOperations { completed: Some(completed), failed: Some(0), ..SubOperations::default() };
    association.send(context, &response(Status::SUCCESS, counted)).await?;
    for (instance, kept) in late {
        send(shared, instance, kept, None).await?;
    }
    Ok(())
}

async fn send(
    shared: &Shared,
    instance: SopInstanceUid,
    kept: Kept,
    originator: Option<(AeTitle, u16)>,
) -> Result<(), AssociationError> {
    let destination = shared.destination.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let Some(mut association) = called(shared, destination, &kept).await else { return Ok(()) };
    let uid = instance.clone();
    if give(&mut association, instance, kept, originator).await? == Given::Refused {
        tracing::debug!(instance = %uid, "what a member of a test sent was refused");
    }
    association.release().await
}

/// An association with whoever takes what is moved; what fails is that member's fault, and nothing comes.
async fn called(shared: &Shared, destination: Option<Station>, kept: &Kept) -> Option<Association> {
    let destination = destination?;
    let stream = Tcp.connect(&destination.address().to_string()).await.ok()?;
    let context = ProposedContext {
        id: 1,
        abstract_syntax: kept.sop_class.clone(),
        transfer_syntaxes: vec![kept.transfer_syntax.clone()],
    };
    let proposal = Proposal {
        calling: shared.ae_title.clone(),
        called: destination.ae_title,
        contexts: vec![context],
        roles: Vec::new(),
    };
    request(stream, &Settings::STANDARD, proposal).await.ok()
}
