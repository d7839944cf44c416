//! An association from its acceptance to its end: messages one after another, each to its verb.

use std::sync::Arc;
use std::time::Duration;

use outrigger_dimse::{Association, AssociationError, Command, DataSet, Incoming, Outcome, SendObjectError};
use outrigger_model::{Origin, Status, WallTime};
use outrigger_runtime::Shutdown;
use tokio::time::sleep;

use super::commit::Here;
use super::connection::Door;
use super::store::StoreRequest;
use super::{commit, echo, find, get, move_, store};
use crate::admit::Caller;
use crate::audit::{AuditEvent, Party, Tallies};
use outrigger_runtime::listen::DRAIN;
use outrigger_runtime::permits::Permit;

/// How long a peer may stay silent between messages once stopping was asked for.
const DRAIN_IDLE: Duration = Duration::from_secs(1);

/// Mistyped argument (PS3.7 section C.5.10).
const MISTYPED_ARGUMENT: Status = Status(0x0212);

/// The command field of a C-STORE-RQ (PS3.7 table E.1-1).
const C_STORE_RQ: u16 = 0x0001;

/// What the verbs of one association share.
pub(super) struct Session {
    pub(super) door: Arc<Door>,
    pub(super) party: Party,
    pub(super) caller: Caller,
    pub(super) origin: Origin,
    pub(super) tallies: Tallies,
    pub(super) reports: Here,
}

/// One request: its presentation context, and whether a data set follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) context: u8,
    pub(super) message_id: u16,
    pub(super) data_set: DataSet,
}

/// What ends an association, in the middle of an operation or between two.
#[derive(Debug, thiserror::Error)]
pub(super) enum Interruption {
    #[error("the association failed")]
    Association(#[from] AssociationError),
    #[error("an object could not be sent whole")]
    Object(#[source] SendObjectError),
    #[error("the peer said what nobody asked it for")]
    Unasked,
    #[error("the node is stopping")]
    Drained,
    #[error("the peer asked for release")]
    Released,
}

impl Session {
    pub(super) fn new(
        door: Arc<Door>,
        party: Party,
        caller: Caller,
        reports: Here,
        association: &Association,
    ) -> Self {
        let peer = association.peer();
        let version = peer.implementation_version.as_deref().unwrap_or_default();
        let issuer = caller.issuer.clone().or_else(|| door.options.issuer.clone());
        let origin = Origin {
            calling_ae: party.calling.clone(),
            called_ae: party.called.clone(),
            peer: party.address,
            association: party.association,
            implementation: format!("{} {version}", peer.implementation_class).trim().to_owned(),
            issuer,
            member: caller.member.clone(),
        };
        Self { door, party, caller, origin, tallies: Tallies::default(), reports }
    }

    pub(super) fn now(&self) -> WallTime {
        WallTime(self.door.front.clock.wall_us())
    }

    /// Reports what was stored, when it is known what belongs together.
    async fn report_stored(&mut self) {
        for study in self.tallies.take() {
            let party = self.party.clone();
            self.door.front.audit.put(AuditEvent::Stored { party, study }).await;
        }
    }
}

/// Serves an association to its end.
pub(super) async fn serve_association(
    mut session: Session,
    mut association: Association,
    permit: Permit,
    shutdown: Shutdown,
) {
    let Party { calling, called, .. } = session.party.clone();
    let contexts = association.contexts().len();
    let refused = association.refused().len();
    tracing::info!(%calling, %called, implementation = session.origin.implementation, contexts, refused, "association accepted");
    metrics::counter!("outrigger_associations_total", "outcome" => "accepted").increment(1);
    metrics::gauge!("outrigger_associations_open").increment(1);
    let party = session.party.clone();
    session.door.front.audit.put(AuditEvent::AssociationOpened { party }).await;

    let end = tokio::select! {
        // An association that has ended in good order is not aborted because the time is over at the same moment.
        biased;
        end = messages(&mut session, &mut association, shutdown.clone()) => end,
        () = drained(shutdown) => Interruption::Drained,
    };
    session.report_stored().await;
    metrics::gauge!("outrigger_associations_open").decrement(1);
    // What follows is the wait for the peer to close, which takes no room from others.
    drop(permit);
    finish(association, end).await;
}

async fn finish(association: Association, end: Interruption) {
    match end {
        Interruption::Released => match association.answer_release().await {
            Ok(()) => tracing::info!("association released"),
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "the release was not completed");
            }
        },
        // The association aborted by itself where the protocol asks for it.
        Interruption::Association(error) => {
            tracing::info!(error = &error as &dyn std::error::Error, "association ended");
        }
        Interruption::Object(_) | Interruption::Unasked | Interruption::Drained => {
            tracing::warn!(error = &end as &dyn std::error::Error, "association aborted");
            if let Err(error) = association.abort().await {
                tracing::debug!(error = &error as &dyn std::error::Error, "the abort did not arrive");
            }
        }
    }
}

/// Fires when the time to end in good order is over.
async fn drained(mut shutdown: Shutdown) {
    shutdown.stopping().await;
    sleep(DRAIN).await;
}

async fn messages(session: &mut Session, association: &mut Association, shutdown: Shutdown) -> Interruption {
    loop {
        let incoming = tokio::select! {
            biased;
            incoming = association.receive() => incoming,
            due = session.reports.due() => match session.reports.tell(association, due).await {
                Ok(()) => continue,
                Err(error) => return error.into(),
            },
            () = silent_while_stopping(shutdown.clone()) => return Interruption::Drained,
        };
        let outcome = match incoming {
            Ok(Incoming::Release) => Err(Interruption::Released),
            Ok(Incoming::Message { context, command, data_set }) => {
                let request = Request { context, message_id: command.message_id(), data_set };
                dispatch(session, association, request, command).await
            }
            Err(error) => Err(error.into()),
        };
        if let Err(interruption) = outcome {
            return interruption;
        }
    }
}

async fn silent_while_stopping(mut shutdown: Shutdown) {
    shutdown.stopping().await;
    sleep(DRAIN_IDLE).await;
}

async fn dispatch(
    session: &mut Session,
    association: &mut Association,
    request: Request,
    command: Command,
) -> Result<(), Interruption> {
    match command {
        Command::CEchoRq { .. } => Ok(echo::echo(association, request).await?),
        Command::CStoreRq { sop_class, sop_instance, .. } => {
            let named = Ok((sop_class, sop_instance));
            Ok(store::store(session, association, request, StoreRequest { named }).await?)
        }
        // Its object is looked at and kept all the same: somebody may miss it.
        Command::Malformed { field: C_STORE_RQ, problem, .. } => {
            let named = Err(problem);
            Ok(store::store(session, association, request, StoreRequest { named }).await?)
        }
        Command::CFindRq { .. } => find::find(session, association, request).await,
        Command::CGetRq { .. } => get::get(session, association, request).await,
        Command::CMoveRq { destination, .. } => {
            move_::move_(session, association, request, destination).await
        }
        // What it would cancel is over.
        Command::CCancelRq { .. } => Ok(()),
        Command::NActionRq { sop_class, sop_instance, action_type, .. } => {
            let action = commit::Action { sop_class, sop_instance, kind: action_type };
            Ok(commit::commit(session, association, request, action).await?)
        }
        Command::NEventReportRq { .. } | Command::Unsupported { .. } => {
            refuse(association, request, &command, Status::UNRECOGNIZED_OPERATION).await
        }
        Command::Malformed { ref problem, .. } => {
            tracing::warn!(error = problem as &dyn std::error::Error, "a command lacks what it needs");
            refuse(association, request, &command, MISTYPED_ARGUMENT).await
        }
        Command::CEchoRsp { .. }
        | Command::CStoreRsp { .. }
        | Command::CFindRsp { .. }
        | Command::CGetRsp { .. }
        | Command::CMoveRsp { .. }
        | Command::NActionRsp { .. } => Err(Interruption::Unasked),
        Command::NEventReportRsp { message_id, outcome, .. }
        | Command::Refusal { message_id, outcome, .. } => {
            session.reports.answered(message_id, &outcome).ok_or(Interruption::Unasked)
        }
    }
}

async fn refuse(
    association: &mut Association,
    request: Request,
    command: &Command,
    status: Status,
) -> Result<(), Interruption> {
    if let Some(refusal) = command.refusal(Outcome::of(status)) {
        association.send(request.context, &refusal).await?;
    }
    Ok(())
}
