//! The association to a C-MOVE destination.

mod batch;

use std::io;
use std::time::Duration;

use outrigger_dimse::{
    Association, AssociationError, Command, Incoming, Priority, Proposal, ProposedContext, RequestError,
    SendObjectError, Settings,
};
use outrigger_model::{AeTitle, Status};
use outrigger_runtime::tls::dial;
use tokio::sync::{mpsc, watch};

use super::super::DimseFront;
use super::super::ahead::Ahead;
use super::super::sound::{Going, send_sound};
use super::super::sub_operation::{SubOperationError, one_version, prepare};
use crate::admit::Destination;
use crate::service::{Opened, Retrievable};
use crate::versions::OneVersion;

/// How long a destination may take to take a connection.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Associations lost, or not had, in a row before the rest counts as failed: one instance may be to blame for two.
const LOSSES_MAX: u32 = 3;
/// How often an instance is sent to a destination that does not say whether it took it.
const ATTEMPTS_MAX: u32 = 2;

/// Whether to go on with the next sub-operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    GoOn,
    Stop,
}

/// What is needed to send to a destination.
pub(super) struct Mover<'a> {
    pub(super) front: &'a DimseFront,
    pub(super) calling: &'a AeTitle,
    pub(super) called: &'a AeTitle,
    pub(super) address: &'a Destination,
    /// AE title and message id of the C-MOVE.
    pub(super) originator: (AeTitle, u16),
    pub(super) settings: &'a Settings,
}

/// Why a sub-operation was not answered.
#[derive(Debug, thiserror::Error)]
enum MoveError {
    #[error("the instance cannot be sent")]
    Instance(#[from] SubOperationError),
    #[error("the destination could not be reached")]
    Connect(#[from] io::Error),
    #[error("the destination gave no association")]
    Request(#[from] RequestError),
    #[error("the object could not be sent")]
    Send(#[from] SendObjectError),
    #[error("the association to the destination was lost")]
    Lost(#[from] AssociationError),
    #[error("the destination answered what was not asked")]
    Unasked,
}

/// What goes on while the instances of a batch are sent.
struct Course<'p, 'b> {
    contexts: &'b [ProposedContext],
    association: Option<Association>,
    ahead: Ahead<'p>,
    state: &'b mut State,
}

/// What stays from one batch to the next.
#[derive(Default)]
struct State {
    /// Associations lost, or not had, since the last answer.
    losses: u32,
    versions: OneVersion,
}

/// An instance on its way to the destination, to be sent once more if the association is lost under it.
struct Attempt<'p> {
    instance: &'p Retrievable,
    opened: Opened,
}

impl Mover<'_> {
    /// Sends instance after instance and gives each answer; ends when all are through, or nobody wishes more.
    pub(super) async fn run<'p>(
        self,
        plan: &'p [Retrievable],
        answers: mpsc::Sender<(&'p Retrievable, Option<Status>)>,
        mut wished: watch::Receiver<Wish>,
    ) {
        let mut state = State::default();
        for batch in batch::batches(plan) {
            let mut course = Course {
                contexts: &batch.contexts,
                association: None,
                ahead: Ahead::new(&self.front.service, self.front.threads, batch.instances),
                state: &mut state,
            };
            for _ in batch.instances {
                let Some((instance, status)) = self.next(&mut course, &mut wished).await else { break };
                if answers.send((instance, status)).await.is_err() {
                    return;
                }
            }
            if let Some(association) = course.association.take() {
                end(association).await;
            }
        }
    }

    /// Sends the next instance; `None` where nobody wishes it any more.
    async fn next<'p>(
        &self,
        course: &mut Course<'p, '_>,
        wished: &mut watch::Receiver<Wish>,
    ) -> Option<(&'p Retrievable, Option<Status>)> {
        if *wished.borrow() == Wish::Stop {
            return None;
        }
        while course.association.is_none() {
            if course.state.losses >= LOSSES_MAX {
                return Some((course.ahead.pass()?, None));
            }
            match self.connect(course.contexts).await {
                Ok(association) => course.association = Some(association),
                Err(error) => self.lose(course, &error),
            }
        }
        let contexts = course.association.as_ref().map(|open| open.contexts().to_vec()).unwrap_or_default();
        let (instance, opened) = tokio::select! {
            biased;
            // Whoever wished is gone where this fails; the answers find that out.
            _ = wished.wait_for(|wish| *wish == Wish::Stop) => return None,
            next = course.ahead.next(&contexts) => next?,
        };
        let opened = opened.and_then(|opened| one_version(&mut course.state.versions, instance, opened));
        let status = match opened {
            Ok(opened) => self.send(course, &Attempt { instance, opened }).await,
            Err(error) => {
                self.note(instance, &MoveError::Instance(error));
                None
            }
        };
        Some((instance, status))
    }

    /// Sends one instance, once more over another association if the first is lost under it: nobody knows whether it came.
    async fn send(&self, course: &mut Course<'_, '_>, attempt: &Attempt<'_>) -> Option<Status> {
        for _ in 0..ATTEMPTS_MAX {
            let mut association = match course.association.take() {
                Some(open) => open,
                None => match self.connect(course.contexts).await {
                    Ok(open) => open,
                    Err(error) => {
                        self.lose(course, &error);
                        continue;
                    }
                },
            };
            match self.try_send(&mut association, attempt).await {
                Ok(status) => {
                    course.association = Some(association);
                    course.state.losses = 0;
                    return Some(status);
                }
                Err(error @ (MoveError::Instance(_) | MoveError::Send(SendObjectError::NotBegun(_)))) => {
                    course.association = Some(association);
                    self.note(attempt.instance, &error);
                    return None;
                }
                Err(error) => {
                    self.lose(course, &error);
                    self.note(attempt.instance, &error);
                    if let Err(error) = association.abort().await {
                        tracing::debug!(error = &error as &dyn std::error::Error, "the abort did not arrive");
                    }
                }
            }
        }
        None
    }

    fn lose(&self, course: &mut Course<'_, '_>, error: &MoveError) {
        course.state.losses += 1;
        let error = error as &dyn std::error::Error;
        tracing::warn!(called = %self.called, error, losses = course.state.losses, "no association to a destination");
    }

    fn note(&self, instance: &Retrievable, error: &MoveError) {
        let error = error as &dyn std::error::Error;
        tracing::warn!(called = %self.called, instance = %instance.sop_instance, error, "a sub-operation failed");
    }

    async fn connect(&self, contexts: &[ProposedContext]) -> Result<Association, MoveError> {
        let stream =
            dial(&*self.front.net, &self.address.address, self.address.tls.as_ref(), CONNECT_MAX).await?;
        let proposal = Proposal {
            calling: self.calling.clone(),
            called: self.called.clone(),
            contexts: contexts.to_vec(),
            roles: Vec::new(),
        };
        Ok(outrigger_dimse::request(stream, self.settings, proposal).await?)
    }

    async fn try_send(
        &self,
        association: &mut Association,
        Attempt { instance, opened }: &Attempt<'_>,
    ) -> Result<Status, MoveError> {
        let threads = self.front.threads;
        let (context, bytes) = prepare(threads, association.contexts(), instance, opened.clone()).await?;
        let message_id = association.next_message_id();
        let command = Command::CStoreRq {
            message_id,
            sop_class: instance.sop_class.clone(),
            sop_instance: instance.sop_instance.clone(),
            priority: Priority::Medium,
            move_originator: Some(self.originator.clone()),
        };
        let going = Going { service: &self.front.service, threads, instance, opened: opened.clone() };
        send_sound(association, (context, &command), &bytes, going).await?;
        match association.receive().await? {
            Incoming::Message { command, .. } if command.message_id() == message_id => {
                command.outcome().map(|outcome| outcome.status).ok_or(MoveError::Unasked)
            }
            Incoming::Message { .. } | Incoming::Release => Err(MoveError::Unasked),
        }
    }
}

async fn end(association: Association) {
    if let Err(error) = association.release().await {
        tracing::debug!(error = &error as &dyn std::error::Error, "the destination did not release in order");
    }
}
