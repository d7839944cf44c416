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
use super::super::sub_operation::{SubOperationError, prepare};
use crate::admit::Destination;
use crate::service::Retrievable;

/// How long a destination may take to take a connection.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Associations lost before the rest counts as failed: once may be a coincidence.
const LOSSES_MAX: u32 = 2;

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

impl Mover<'_> {
    /// Sends instance after instance and gives each answer; ends when all are through, or nobody wishes more.
    pub(super) async fn run<'p>(
        self,
        plan: &'p [Retrievable],
        answers: mpsc::Sender<(&'p Retrievable, Option<Status>)>,
        wished: watch::Receiver<Wish>,
    ) {
        let mut losses = 0;
        for batch in batch::batches(plan) {
            let mut association = None;
            for instance in batch.instances {
                if *wished.borrow() == Wish::Stop {
                    break;
                }
                let status = if losses < LOSSES_MAX {
                    self.send(&mut association, &batch.contexts, instance, &mut losses).await
                } else {
                    None
                };
                if answers.send((instance, status)).await.is_err() {
                    return;
                }
            }
            if let Some(association) = association {
                end(association).await;
            }
        }
    }

    /// Sends one instance, over a new association if there is none.
    async fn send(
        &self,
        association: &mut Option<Association>,
        contexts: &[ProposedContext],
        instance: &Retrievable,
        losses: &mut u32,
    ) -> Option<Status> {
        let outcome = match association.take() {
            Some(open) => self.send_over(open, instance).await,
            None => match self.connect(contexts).await {
                Ok(open) => self.send_over(open, instance).await,
                Err(error) => (None, Err(error)),
            },
        };
        let (open, answer) = outcome;
        *losses += u32::from(open.is_none());
        *association = open;
        answer
            .inspect_err(|error| {
                let error = error as &dyn std::error::Error;
                tracing::warn!(called = %self.called, instance = %instance.sop_instance, error, "a sub-operation failed");
            })
            .ok()
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

    /// Gives the association back if it can still be used.
    async fn send_over(
        &self,
        mut association: Association,
        instance: &Retrievable,
    ) -> (Option<Association>, Result<Status, MoveError>) {
        match self.try_send(&mut association, instance).await {
            Ok(status) => (Some(association), Ok(status)),
            Err(error @ (MoveError::Instance(_) | MoveError::Send(SendObjectError::NotBegun(_)))) => {
                (Some(association), Err(error))
            }
            Err(error) => {
                if let Err(error) = association.abort().await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "the abort did not arrive");
                }
                (None, Err(error))
            }
        }
    }

    async fn try_send(
        &self,
        association: &mut Association,
        instance: &Retrievable,
    ) -> Result<Status, MoveError> {
        let front = self.front;
        let (context, bytes) =
            prepare(&front.service, front.threads, association.contexts(), instance).await?;
        let message_id = association.next_message_id();
        let command = Command::CStoreRq {
            message_id,
            sop_class: instance.sop_class.clone(),
            sop_instance: instance.sop_instance.clone(),
            priority: Priority::Medium,
            move_originator: Some(self.originator.clone()),
        };
        association.send_object(context, &command, &bytes, front.threads).await?;
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
