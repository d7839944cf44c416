//! The async shell of the machine: feeds it PDUs and wishes, does what it says.

use std::time::Duration;

use bytes::{Buf, Bytes};
use outrigger_runtime::net::BoxStream;
use tokio::time::Instant;

use crate::error::{AssociationError, Violation, Waiting};
use crate::machine::{Acceptable, Action, Event, Side, State, Step, step};
use crate::pdu::{AbortSource, PduKind, RELEASE_REPLY, RELEASE_REQUEST};
use crate::rejection::Rejection;
use crate::settings::{Settings, Timers};
use crate::wire::{Frame, Wire, WireError};

/// PDUs looked at for an A-ABORT after sending failed: a response or two may stand before it.
const PARTING_PDUS_MAX: usize = 4;
/// How long that A-ABORT is waited for; it was sent before the connection broke.
const PARTING_PATIENCE: Duration = Duration::from_millis(100);

/// How long a peer whose time ran out is given to close after our A-ABORT: it was silent before, and whoever waits for the
/// association is told at its time-out and not at the end of ARTIM.
const SILENT_PATIENCE: Duration = Duration::from_secs(1);

/// One end of an association: a wire and the state it is in.
pub(crate) struct Link {
    wire: Wire,
    side: Side,
    state: State,
    timers: Timers,
    /// When the ARTIM timer runs out, while it runs.
    artim: Option<Instant>,
}

/// A PDU that the state allows; A-ABORT and the close of the connection are errors.
pub(crate) enum Received {
    Request(Bytes),
    Accept(Bytes),
    Reject(Rejection),
    Data(Bytes),
    ReleaseRequest,
    ReleaseReply,
}

impl Link {
    pub(crate) fn new(stream: BoxStream, side: Side, settings: &Settings) -> Self {
        let wire = Wire::new(stream, settings.max_pdu);
        Self { wire, side, state: State::Idle, timers: settings.timers.clone(), artim: None }
    }

    pub(crate) fn timers(&self) -> &Timers {
        &self.timers
    }

    /// Takes a step and does what it says; `pdu` is what there is to send.
    pub(crate) async fn act(&mut self, event: Event, pdu: &[u8]) -> Result<(), AssociationError> {
        let step = self.step(event)?;
        self.perform(step, pdu).await
    }

    fn step(&mut self, event: Event) -> Result<Step, AssociationError> {
        let step = step(self.side, self.state, event)?;
        self.state = step.next;
        Ok(step)
    }

    async fn perform(&mut self, step: Step, pdu: &[u8]) -> Result<(), AssociationError> {
        for action in step.actions() {
            match action {
                Action::SendRequest
                | Action::SendAccept
                | Action::SendReject
                | Action::SendReleaseRequest
                | Action::SendReleaseReply => self.write(pdu, Bytes::new()).await?,
                Action::SendAbort(source) => self.write(&source.write()[..], Bytes::new()).await?,
                Action::StartArtim => self.artim = Some(Instant::now() + self.timers.artim),
                Action::StopArtim => self.artim = None,
                Action::Close => self.wire.close(self.timers.artim).await,
                // The caller has connected, sends the data, and is told by what is returned.
                Action::Connect | Action::SendData | Action::Indicate => (),
            }
        }
        if self.state == State::Closing {
            self.await_close().await;
        }
        Ok(())
    }

    /// Waits for the peer to close, under ARTIM: a close of ours could overtake what was just sent.
    async fn await_close(&mut self) {
        let deadline = self.artim.take().unwrap_or_else(Instant::now);
        self.wire.linger(deadline).await;
        self.wire.close(self.timers.artim).await;
        self.state = State::Idle;
    }

    /// The next PDU. A-ASSOCIATE-RQ and -AC are stepped by whoever reads their content.
    pub(crate) async fn receive(
        &mut self,
        patience: Duration,
        waiting: Waiting,
    ) -> Result<Received, AssociationError> {
        if matches!(self.state, State::Idle | State::Closing) {
            return Err(AssociationError::Closed);
        }
        let (kind, body) = match self.wire.read(patience, self.timers.inactivity).await {
            Ok(Frame::Pdu(kind, body)) => (kind, body),
            Ok(Frame::Closed) => {
                self.act(Event::Closed, &[]).await?;
                return Err(AssociationError::Closed);
            }
            Err(error) => return Err(self.read_failed(error, waiting).await),
        };
        let (event, received) = match kind {
            PduKind::AssociateRequest if self.state == State::AwaitingRequest => {
                return Ok(Received::Request(body));
            }
            PduKind::AssociateAccept if self.state == State::Requested => return Ok(Received::Accept(body)),
            PduKind::AssociateRequest => (Event::RequestReceived(Acceptable::Yes), Received::Request(body)),
            PduKind::AssociateAccept => (Event::AcceptReceived, Received::Accept(body)),
            PduKind::AssociateReject => {
                (Event::RejectReceived, Received::Reject(Rejection::read(fixed(&body))))
            }
            PduKind::Data => (Event::DataReceived, Received::Data(body)),
            PduKind::ReleaseRequest => (Event::ReleaseRequestReceived, Received::ReleaseRequest),
            PduKind::ReleaseReply => (Event::ReleaseReplyReceived, Received::ReleaseReply),
            PduKind::Abort => {
                self.act(Event::AbortReceived, &[]).await?;
                return Err(AssociationError::Aborted { by: AbortSource::read(fixed(&body)) });
            }
        };
        let state = self.state;
        let step = self.step(event)?;
        let abort = step.abort();
        self.perform(step, &[]).await?;
        match abort {
            None => Ok(received),
            Some(by) => {
                Err(AssociationError::Protocol { by, violation: Violation::Unexpected { kind, state } })
            }
        }
    }

    async fn read_failed(&mut self, error: WireError, waiting: Waiting) -> AssociationError {
        match error {
            WireError::Io(error) => {
                self.state = State::Idle;
                AssociationError::Io(error)
            }
            WireError::Torn => AssociationError::Torn,
            WireError::Pdu(error) => self.violated(Violation::Pdu(error)).await,
            WireError::Silent => self.timed_out(waiting).await,
            WireError::Slow => self.timed_out(Waiting::Rest).await,
        }
    }

    /// A timer ran out: ARTIM closes, any other one aborts.
    pub(crate) async fn timed_out(&mut self, waiting: Waiting) -> AssociationError {
        let event =
            if self.state == State::AwaitingRequest { Event::ArtimExpired } else { Event::AbortAsked };
        self.timers.artim = self.timers.artim.min(SILENT_PATIENCE);
        match self.act(event, &[]).await {
            Ok(()) => AssociationError::TimedOut { waiting },
            Err(error) => error,
        }
    }

    /// The peer broke the protocol: aborts as the standard says for it.
    pub(crate) async fn violated(&mut self, violation: Violation) -> AssociationError {
        let step = match self.step(violation.event()) {
            Ok(step) => step,
            Err(error) => return error,
        };
        let by = step.abort().unwrap_or(AbortSource::User);
        match self.perform(step, &[]).await {
            Ok(()) => AssociationError::Protocol { by, violation },
            Err(error) => error,
        }
    }

    /// Sends data that the state allows, as a head and what is behind it.
    pub(crate) async fn send_data(&mut self, head: impl Buf, data: Bytes) -> Result<(), AssociationError> {
        self.step(Event::DataAsked)?;
        self.write(head, data).await
    }

    async fn write(&mut self, head: impl Buf, data: Bytes) -> Result<(), AssociationError> {
        let error = match self.wire.write(head, data, self.timers.inactivity).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        // An A-ABORT could not be told from the rest of the PDU that was cut off: only closing is left.
        self.state = State::Idle;
        Err(match error {
            WireError::Io(error) => match self.parting_abort().await {
                Some(by) => AssociationError::Aborted { by },
                None => AssociationError::Io(error),
            },
            WireError::Silent | WireError::Slow => AssociationError::TimedOut { waiting: Waiting::Room },
            WireError::Torn | WireError::Pdu(_) => AssociationError::Torn,
        })
    }

    /// The A-ABORT that a peer sent before it closed on us, if it has come.
    async fn parting_abort(&mut self) -> Option<AbortSource> {
        for _ in 0..PARTING_PDUS_MAX {
            match self.wire.read(PARTING_PATIENCE, PARTING_PATIENCE).await {
                Ok(Frame::Pdu(PduKind::Abort, body)) => return Some(AbortSource::read(fixed(&body))),
                Ok(Frame::Pdu(..)) => (),
                Ok(Frame::Closed) | Err(_) => return None,
            }
        }
        None
    }

    /// Asks for release and waits for it; data that still comes is dropped.
    pub(crate) async fn release(&mut self) -> Result<(), AssociationError> {
        self.act(Event::ReleaseAsked, &RELEASE_REQUEST).await?;
        while self.state != State::Idle {
            // Release collision: the requestor answers first, the acceptor after the reply (PS3.8 section 7.2.2.2).
            if matches!(self.state, State::CollisionRequestorAsked | State::CollisionAcceptorAsked) {
                self.answer_release().await?;
            } else {
                self.receive(self.timers.acse, Waiting::Release).await?;
            }
        }
        Ok(())
    }

    /// Answers a release and waits for the peer to close.
    pub(crate) async fn answer_release(&mut self) -> Result<(), AssociationError> {
        self.act(Event::ReleaseAnswered, &RELEASE_REPLY).await
    }
}

/// The variable field of a PDU of fixed length, which its header was checked for.
fn fixed(body: &Bytes) -> [u8; 4] {
    body.first_chunk().copied().unwrap_or_default()
}
