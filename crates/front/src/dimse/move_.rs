//! C-MOVE (PS3.4 section C.4.2): instances go to another AE over an association of their own.

mod mover;

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use outrigger_dimse::{Association, Command, Outcome, SubOperations};
use outrigger_model::{AeTitle, SopClassUid, Status};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::association::{Interruption, Request, Session};
use super::class::{Class, class_of};
use super::identifier::{self, Identifier};
use super::retrieve;
use super::sub_operation::{Finish, Progress};
use crate::audit::Party;
use crate::service::Retrievable;
use mover::{Mover, Wish};

/// How often the peer is told how far it is: twice in the 10 s that some wait for a sign of life.
const PENDING_EVERY: Duration = Duration::from_secs(5);
/// Answers to sub-operations not counted yet: counting is quick.
const ANSWERS_MAX: usize = 16;

/// Sends what was asked for to its destination and says how it went.
pub(super) async fn move_(
    session: &mut Session,
    association: &mut Association,
    request: Request,
    destination: AeTitle,
) -> Result<(), Interruption> {
    let asked = match identifier::read(association, request).await? {
        Ok(asked) => asked,
        Err(outcome) => return refuse(association, request, None, outcome).await,
    };
    let sop_class = Some(asked.sop_class.clone());
    let Class::Move(root) = class_of(&asked.sop_class) else {
        return refuse(association, request, sop_class, Outcome::of(Status::SOP_CLASS_NOT_SUPPORTED)).await;
    };
    let peers = session.door.front.peers.borrow().clone();
    let Party { calling, address: from, .. } = &session.party;
    let address = match peers.destination(&destination, calling, *from) {
        Ok(address) => address,
        Err(error) => {
            tracing::warn!(%destination, %calling, error = &error as &dyn std::error::Error, "move destination refused");
            let outcome = Outcome::with_comment(Status::MOVE_DESTINATION_UNKNOWN, error.to_string());
            return refuse(association, request, sop_class, outcome).await;
        }
    };
    let (plan, mut progress) = match retrieve::plan(session, root, &asked).await {
        Ok(planned) => planned,
        Err(outcome) => return refuse(association, request, sop_class, outcome).await,
    };
    let mover = Mover {
        front: &session.door.front,
        calling: &session.door.options.ae_title,
        called: &destination,
        address,
        originator: (session.party.calling.clone(), request.message_id),
        settings: &session.door.options.settings,
    };
    let ended = send_all(association, request, &asked, &plan, mover, &mut progress).await;
    retrieve::audit(session, &mut progress, Some(&destination)).await;
    let (last, failed) = retrieve::last_words(&asked, &progress, ended?);
    respond(association, request, Some(asked.sop_class), last, failed).await
}

async fn refuse(
    association: &mut Association,
    request: Request,
    sop_class: Option<SopClassUid>,
    outcome: Outcome,
) -> Result<(), Interruption> {
    respond(association, request, sop_class, (outcome, SubOperations::default()), None).await
}

async fn respond(
    association: &mut Association,
    request: Request,
    sop_class: Option<SopClassUid>,
    (outcome, sub_operations): (Outcome, SubOperations),
    failed: Option<Bytes>,
) -> Result<(), Interruption> {
    let response = Command::CMoveRsp { message_id: request.message_id, sop_class, outcome, sub_operations };
    match failed {
        None => association.send(request.context, &response).await?,
        Some(list) => association.send_with(request.context, &response, list).await?,
    }
    Ok(())
}

/// Runs the mover, counts its answers, tells the peer how far it is and listens for its cancel, all at once.
async fn send_all(
    association: &mut Association,
    request: Request,
    asked: &Identifier,
    plan: &[Retrievable],
    mover: Mover<'_>,
    progress: &mut Progress,
) -> Result<Finish, Interruption> {
    let mut finish = Finish::Done;
    let (answers, mut answered) = mpsc::channel(ANSWERS_MAX);
    let (wish, wished) = watch::channel(Wish::GoOn);
    let mut moving = pin!(mover.run(plan, answers, wished));
    let mut moved = false;
    let mut tick = interval(PENDING_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            cancelled = identifier::cancelled(association, request.message_id), if finish == Finish::Done => {
                cancelled?;
                finish = Finish::Cancelled;
                wish.send_replace(Wish::Stop);
            }
            answer = answered.recv() => match answer {
                Some((instance, status)) => progress.count(instance, status),
                None => return Ok(finish),
            },
            () = &mut moving, if !moved => moved = true,
            _ = tick.tick() => {
                let pending = (Outcome::of(Status::PENDING), progress.counters(Status::PENDING));
                respond(association, request, Some(asked.sop_class.clone()), pending, None).await?;
            }
        }
    }
}
