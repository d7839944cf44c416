//! C-STORE (PS3.4 Annex B): bytes are taken as they come, and success comes only from the service.

use outrigger_dataset::scan::Scanned;
use outrigger_dimse::command::CommandError;
use outrigger_dimse::{Association, AssociationError, Command, DataSet, Outcome};
use outrigger_model::{SopClassUid, Status, TransferSyntaxUid};
use outrigger_runtime::{Body, Spool};

use super::association::{Request, Session};
use super::policy;
use super::status::{self, Named, Refusal};
use crate::admit::Permission;
use crate::audit::AuditEvent;
use crate::intake::{Aside, Intake, Taken, of_service};
use crate::quarantine::Label;
use crate::service::{Arrival, Stored};

/// What the command says of the object: the UIDs it names, or what is wrong with it.
pub(super) struct StoreRequest {
    pub(super) named: Result<Named, CommandError>,
}

/// What the presentation context is for, and the encoding agreed on.
struct Agreed {
    abstract_syntax: SopClassUid,
    transfer_syntax: TransferSyntaxUid,
}

/// Takes one object and answers.
pub(super) async fn store(
    session: &mut Session,
    association: &mut Association,
    request: Request,
    what: StoreRequest,
) -> Result<(), AssociationError> {
    let begun = session.door.front.clock.now();
    let outcome = match permitted(session, association, request) {
        Err(refusal) => {
            tracing::warn!(status = %refusal.status, text = refusal.text, "a store was refused");
            Err(refusal)
        }
        Ok(agreed) => take(session, association, &what, agreed).await?,
    };
    let (outcome, label) = match outcome {
        Ok(stored) => (Outcome::of(Status::SUCCESS), stored.name()),
        Err(refusal) => (refusal.outcome(), "refused"),
    };
    let (sop_class, sop_instance) = what.named.ok().unzip();
    let response = Command::CStoreRsp { message_id: request.message_id, sop_class, sop_instance, outcome };
    association.send(request.context, &response).await?;
    metrics::counter!("outrigger_stores_total", "outcome" => label).increment(1);
    metrics::histogram!("outrigger_store_seconds").record(begun.elapsed());
    Ok(())
}

/// What was agreed on, if objects may come on this context at all.
fn permitted(session: &Session, association: &Association, request: Request) -> Result<Agreed, Refusal> {
    let context = association
        .context(request.context)
        .filter(|context| policy::is_storage(&context.abstract_syntax))
        .ok_or_else(|| Refusal::new(Status::SOP_CLASS_NOT_SUPPORTED, "not a storage context"))?;
    if !session.caller.may(Permission::Store) {
        return Err(Refusal::new(Status::NOT_AUTHORIZED, "this AE title may not store"));
    }
    match request.data_set {
        DataSet::Follows => Ok(Agreed {
            abstract_syntax: context.abstract_syntax.clone(),
            transfer_syntax: context.transfer_syntax.clone(),
        }),
        DataSet::Absent => Err(Refusal::new(Status::CANNOT_UNDERSTAND, "no data set follows")),
    }
}

async fn take(
    session: &mut Session,
    association: &mut Association,
    what: &StoreRequest,
    Agreed { abstract_syntax, transfer_syntax }: Agreed,
) -> Result<Result<Stored, Refusal>, AssociationError> {
    let limit = session.door.options.object_bytes_max;
    let spool = session.door.front.service.spool();
    let spool = Spool { object_bytes_max: spool.object_bytes_max.min(limit), ..spool };
    let Taken { body, scanned } = match receive(association, &spool, &transfer_syntax).await? {
        Ok(taken) => taken,
        Err(refusal) => return Ok(Err(refusal)),
    };
    match status::judge(&what.named, &abstract_syntax, scanned) {
        Ok(scanned) => Ok(accept(session, transfer_syntax, body, scanned).await),
        Err((refusal, of_data_set)) => {
            let (sop_class, sop_instance) = what.named.clone().ok().or(of_data_set).unzip();
            let sop_class = sop_class.unwrap_or(abstract_syntax);
            let label = Label { at: session.now(), sop_class, sop_instance, transfer_syntax };
            let front = &session.door.front;
            let aside =
                Aside { quarantine: &front.quarantine, refusals: &front.refusals, origin: &session.origin };
            aside.put(label, &refusal, body).await;
            Ok(Err(refusal))
        }
    }
}

/// Takes the data set in; after a failure the rest is read and dropped.
async fn receive(
    association: &mut Association,
    spool: &Spool,
    transfer_syntax: &TransferSyntaxUid,
) -> Result<Result<Taken, Refusal>, AssociationError> {
    let mut intake = Intake::begin(spool, transfer_syntax);
    while let Some(fragment) = association.fragment().await? {
        if let Err(refusal) = intake.push(fragment).await {
            drop(intake);
            while association.fragment().await?.is_some() {}
            return Ok(Err(refusal));
        }
    }
    Ok(intake.finish().await)
}

async fn accept(
    session: &mut Session,
    transfer_syntax: TransferSyntaxUid,
    body: Body,
    scanned: Scanned,
) -> Result<Stored, Refusal> {
    let Scanned { header, oddities, .. } = scanned;
    let length = body.length;
    if !oddities.is_empty() {
        tracing::info!(instance = %header.sop_instance, ?oddities, "an odd object came and is kept as it is");
    }
    let arrival =
        Arrival { header: header.clone(), oddities, transfer_syntax, body, origin: session.origin.clone() };
    match session.door.front.service.accept(arrival).await {
        Ok(stored) => {
            tracing::debug!(instance = %header.sop_instance, length, ?stored, "stored");
            if let Some(study) = session.tallies.add(&header) {
                let party = session.party.clone();
                session.door.front.audit.put(AuditEvent::Stored { party, study }).await;
            }
            Ok(stored)
        }
        Err(refusal) => {
            let error = &refusal as &dyn std::error::Error;
            tracing::warn!(instance = %header.sop_instance, error, "the object was not accepted");
            Err(of_service(&refusal))
        }
    }
}
