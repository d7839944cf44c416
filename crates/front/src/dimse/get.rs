//! C-GET (PS3.4 section C.4.3): instances go out over the association that asked for them.

use std::time::Duration;

use bytes::Bytes;
use outrigger_dimse::{Association, Command, Incoming, Outcome, Priority, SendObjectError, SubOperations};
use outrigger_model::{SopClassUid, Status};
use tokio::time::sleep_until;

use super::ahead::Ahead;
use super::association::{Interruption, Request, Session};
use super::class::{Class, class_of};
use super::identifier::{self, Identifier};
use super::retrieve;
use super::sound::{Going, send_sound};
use super::sub_operation::{Finish, Progress, SubOperationError, one_version, prepare};
use crate::service::{Opened, Retrievable};
use crate::versions::OneVersion;

/// How often the peer is told how far it is: more often than every 10 s, rarely beside the objects themselves.
const PENDING_EVERY: Duration = Duration::from_secs(1);

/// Sends what was asked for and says how it went.
pub(super) async fn get(
    session: &mut Session,
    association: &mut Association,
    request: Request,
) -> Result<(), Interruption> {
    let asked = match identifier::read(association, request).await? {
        Ok(asked) => asked,
        Err(outcome) => return respond(association, request, None, outcome).await,
    };
    let sop_class = Some(asked.sop_class.clone());
    let Class::Get(root) = class_of(&asked.sop_class) else {
        return respond(association, request, sop_class, Outcome::of(Status::SOP_CLASS_NOT_SUPPORTED)).await;
    };
    let (plan, mut progress) = match retrieve::plan(session, root, &asked).await {
        Ok(planned) => planned,
        Err(outcome) => return respond(association, request, sop_class, outcome).await,
    };
    let ended = send_all(session, association, request, &asked, &plan, &mut progress).await;
    retrieve::audit(session, &mut progress, None).await;
    let (response, failed) = retrieve::last_words(&asked, &progress, ended?);
    finish_with(association, request, &asked, response, failed).await
}

async fn respond(
    association: &mut Association,
    request: Request,
    sop_class: Option<SopClassUid>,
    outcome: Outcome,
) -> Result<(), Interruption> {
    let sub_operations = SubOperations::default();
    let response = Command::CGetRsp { message_id: request.message_id, sop_class, outcome, sub_operations };
    Ok(association.send(request.context, &response).await?)
}

async fn finish_with(
    association: &mut Association,
    request: Request,
    asked: &Identifier,
    (outcome, sub_operations): (Outcome, SubOperations),
    failed: Option<Bytes>,
) -> Result<(), Interruption> {
    let response = Command::CGetRsp {
        message_id: request.message_id,
        sop_class: Some(asked.sop_class.clone()),
        outcome,
        sub_operations,
    };
    match failed {
        None => association.send(request.context, &response).await?,
        Some(list) => association.send_with(request.context, &response, list).await?,
    }
    Ok(())
}

async fn send_all(
    session: &Session,
    association: &mut Association,
    request: Request,
    asked: &Identifier,
    plan: &[Retrievable],
    progress: &mut Progress,
) -> Result<Finish, Interruption> {
    let front = &session.door.front;
    let contexts = association.contexts().to_vec();
    let mut ahead = Ahead::new(&front.service, front.threads, plan);
    let mut versions = OneVersion::default();
    let mut told = front.clock.now();
    loop {
        let next = tokio::select! {
            biased;
            cancelled = identifier::cancelled(association, request.message_id) => {
                cancelled?;
                return Ok(Finish::Cancelled);
            }
            next = ahead.next(&contexts) => next,
            () = sleep_until(told + PENDING_EVERY) => {
                told = front.clock.now();
                pending(association, request, asked, progress).await?;
                continue;
            }
        };
        let Some((instance, opened)) = next else { return Ok(Finish::Done) };
        let sent = send_one(session, association, request, instance, opened, &mut versions).await?;
        progress.count(instance, sent.status);
        if sent.finish == Finish::Cancelled {
            return Ok(Finish::Cancelled);
        }
        if told.elapsed() >= PENDING_EVERY {
            told = front.clock.now();
            pending(association, request, asked, progress).await?;
        }
    }
}

async fn pending(
    association: &mut Association,
    request: Request,
    asked: &Identifier,
    progress: &Progress,
) -> Result<(), Interruption> {
    let pending = (Outcome::of(Status::PENDING), progress.counters(Status::PENDING));
    finish_with(association, request, asked, pending, None).await
}

struct Sent {
    status: Option<Status>,
    finish: Finish,
}

async fn send_one(
    session: &Session,
    association: &mut Association,
    request: Request,
    instance: &Retrievable,
    opened: Result<Opened, SubOperationError>,
    versions: &mut OneVersion,
) -> Result<Sent, Interruption> {
    let failed = Sent { status: None, finish: Finish::Done };
    let threads = session.door.front.threads;
    let prepared = match opened.and_then(|opened| one_version(versions, instance, opened)) {
        Ok(opened) => {
            let prepared = prepare(threads, association.contexts(), instance, opened.clone()).await;
            prepared.map(|(context, bytes)| (context, bytes, opened))
        }
        Err(error) => Err(error),
    };
    let (context, bytes, opened) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(instance = %instance.sop_instance, error, "an instance cannot be sent");
            return Ok(failed);
        }
    };
    let message_id = association.next_message_id();
    let command = Command::CStoreRq {
        message_id,
        sop_class: instance.sop_class.clone(),
        sop_instance: instance.sop_instance.clone(),
        priority: Priority::Medium,
        move_originator: None,
    };
    let going = Going { service: &session.door.front.service, threads, instance, opened };
    match send_sound(association, (context, &command), &bytes, going).await {
        Ok(()) => {}
        Err(SendObjectError::NotBegun(error)) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(instance = %instance.sop_instance, error, "an instance cannot be read");
            return Ok(failed);
        }
        Err(error) => return Err(Interruption::Object(error)),
    }
    answered(association, request, message_id).await
}

/// Waits for the answer to a sub-operation; the peer may cancel meanwhile.
async fn answered(
    association: &mut Association,
    request: Request,
    sub_operation: u16,
) -> Result<Sent, Interruption> {
    let mut finish = Finish::Done;
    loop {
        match association.receive().await? {
            Incoming::Message { command: Command::CCancelRq { message_id }, .. } => {
                if message_id == request.message_id {
                    finish = Finish::Cancelled;
                }
            }
            Incoming::Message {
                command:
                    Command::CStoreRsp { message_id, outcome, .. } | Command::Refusal { message_id, outcome, .. },
                ..
            } if message_id == sub_operation => {
                return Ok(Sent { status: Some(outcome.status), finish });
            }
            Incoming::Message { .. } => return Err(Interruption::Unasked),
            Incoming::Release => return Err(Interruption::Released),
        }
    }
}
