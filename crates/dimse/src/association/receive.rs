//! Messages in: commands are assembled, data sets are handed out fragment by fragment.

use std::pin::pin;
use std::task::{Context as TaskContext, Poll, Waker};

use bytes::{Bytes, BytesMut};
use outrigger_model::StatusClass;
use tokio::time::Instant;

use super::Association;
use super::pace::{Pace, Verdict};
use crate::command::{self, Command, DataSet};
use crate::error::{AssociationError, Violation, Waiting};
use crate::link::Received;
use crate::pdu::{Carries, Part, Pdv};
use crate::settings::COMMAND_SET_MAX;

/// What comes next on an association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A message.
    Message {
        /// The presentation context it came over, an accepted one.
        context: u8,
        /// Its command set.
        command: Command,
        /// Whether a data set follows, to be taken with `fragment` or `data_set`.
        data_set: DataSet,
    },
    /// The peer asks for release: `answer_release` grants it.
    Release,
}

/// Where in a message we are.
pub(super) enum Reception {
    /// Before the end of a command set: what has come of it, and over which context.
    Command { context: Option<u8>, bytes: BytesMut },
    /// Before the end of the data set of the message last received.
    DataSet { context: u8 },
}

impl Reception {
    pub(super) fn idle() -> Self {
        Self::Command { context: None, bytes: BytesMut::new() }
    }
}

impl Association {
    /// The next message, or the peer's wish to release; what is unread of the data set before is skipped. Nothing
    /// is lost when the future is dropped.
    pub async fn receive(&mut self) -> Result<Incoming, AssociationError> {
        while self.fragment().await?.is_some() {}
        loop {
            let Some(pdv) = self.next_pdv().await? else {
                return match &self.reception {
                    Reception::Command { context: None, .. } => Ok(Incoming::Release),
                    Reception::Command { context: Some(_), .. } | Reception::DataSet { .. } => {
                        Err(self.link.violated(Violation::ReleasedInMessage).await)
                    }
                };
            };
            match self.take_command(&pdv) {
                Ok(None) => (),
                Ok(Some(incoming)) => return Ok(incoming),
                Err(violation) => return Err(self.link.violated(violation).await),
            }
        }
    }

    /// What has arrived already, without waiting: a C-CANCEL between two responses of ours, for example.
    pub async fn try_receive(&mut self) -> Result<Option<Incoming>, AssociationError> {
        // The runtime looks at its sockets when a task yields.
        tokio::task::yield_now().await;
        let mut receiving = pin!(self.receive());
        match receiving.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())) {
            Poll::Ready(received) => received.map(Some),
            Poll::Pending => Ok(None),
        }
    }

    /// The next fragment of the data set of the message last received; `None` after the last. Nothing is lost when
    /// the future is dropped.
    pub async fn fragment(&mut self) -> Result<Option<Bytes>, AssociationError> {
        let Reception::DataSet { context } = self.reception else { return Ok(None) };
        let Some(pdv) = self.next_pdv().await? else {
            return Err(self.link.violated(Violation::ReleasedInMessage).await);
        };
        if pdv.context != context || pdv.carries != Carries::DataSet {
            return Err(self.link.violated(Violation::Interleaved).await);
        }
        if pdv.part == Part::Last {
            self.reception = Reception::idle();
        }
        Ok(Some(pdv.data))
    }

    /// The whole data set of the message last received, if it has no more than `limit` bytes.
    pub async fn data_set(&mut self, limit: usize) -> Result<Bytes, AssociationError> {
        let mut whole = BytesMut::new();
        while let Some(fragment) = self.fragment().await? {
            if whole.len() + fragment.len() > limit {
                return Err(AssociationError::DataSetTooLong { limit });
            }
            whole.extend_from_slice(&fragment);
        }
        Ok(whole.freeze())
    }

    /// The next presentation data value; `None` when the peer asks for release.
    async fn next_pdv(&mut self) -> Result<Option<Pdv>, AssociationError> {
        loop {
            match Pdv::next(&mut self.body) {
                Ok(Some(pdv)) => return Ok(Some(pdv)),
                Ok(None) => (),
                Err(error) => return Err(self.link.violated(Violation::Pdu(error)).await),
            }
            let timers = self.link.timers();
            let (patience, waiting) = match &self.reception {
                Reception::Command { context: None, .. } if self.outstanding > 0 => {
                    (timers.response, Waiting::Response)
                }
                Reception::Command { context: None, .. } => (timers.idle, Waiting::Message),
                Reception::Command { .. } | Reception::DataSet { .. } => (timers.inactivity, Waiting::Rest),
            };
            let asked_at = Instant::now();
            match self.link.receive(patience, waiting).await? {
                Received::Data(body) => {
                    if waiting != Waiting::Rest {
                        self.pace = Pace::default();
                    } else if self.pace.add(asked_at.elapsed(), body.len(), patience) == Verdict::TooSlow {
                        return Err(self.link.timed_out(waiting).await);
                    }
                    self.body = body;
                }
                Received::ReleaseRequest => return Ok(None),
                // The machine lets nothing else through in the states we are in here.
                Received::Request(_) | Received::Accept(_) | Received::Reject(_) | Received::ReleaseReply => {
                    return Err(AssociationError::Closed);
                }
            }
        }
    }

    /// Adds a fragment to the command set; gives the message it begins when it was the last.
    fn take_command(&mut self, pdv: &Pdv) -> Result<Option<Incoming>, Violation> {
        let Reception::Command { context, bytes } = &mut self.reception else {
            return Err(Violation::Interleaved);
        };
        if pdv.carries != Carries::Command || context.is_some_and(|begun| begun != pdv.context) {
            return Err(Violation::Interleaved);
        }
        if !self.contexts.iter().any(|context| context.id == pdv.context) {
            return Err(Violation::UnknownContext { id: pdv.context });
        }
        if bytes.len() + pdv.data.len() > COMMAND_SET_MAX {
            return Err(Violation::CommandTooLong { limit: COMMAND_SET_MAX });
        }
        *context = Some(pdv.context);
        if pdv.part == Part::More {
            bytes.extend_from_slice(&pdv.data);
            return Ok(None);
        }
        let (command, data_set) = if bytes.is_empty() {
            command::read(&pdv.data)?
        } else {
            bytes.extend_from_slice(&pdv.data);
            command::read(bytes)?
        };
        self.reception = match data_set {
            DataSet::Absent => Reception::idle(),
            DataSet::Follows => Reception::DataSet { context: pdv.context },
        };
        if command.outcome().is_some_and(|outcome| outcome.status.class() != StatusClass::Pending) {
            self.outstanding = self.outstanding.saturating_sub(1);
        }
        Ok(Some(Incoming::Message { context: pdv.context, command, data_set }))
    }
}
