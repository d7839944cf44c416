//! How an association ends other than by release.

use std::io;

use crate::associate::{AssociateError, WriteAssociateError};
use crate::command::CommandError;
use crate::machine::{Event, OutOfState, State};
use crate::pdu::{AbortReason, AbortSource, PduError, PduKind};

/// Why an association could not go on; it is over, except where our own side asked for the wrong thing.
#[derive(Debug, thiserror::Error)]
pub enum AssociationError {
    /// The peer sent A-ABORT.
    #[error("the peer aborted the association: {by}")]
    Aborted {
        /// Who aborted, and why.
        by: AbortSource,
    },
    /// The peer closed the connection without release or abort.
    #[error("the peer closed the connection in the middle of the association")]
    Closed,
    /// The connection failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// A timer ran out; we aborted.
    #[error("the association timed out waiting for {waiting}")]
    TimedOut {
        /// What we waited for.
        waiting: Waiting,
    },
    /// The peer broke the protocol; we aborted with the source and reason that the standard gives for it.
    #[error("the peer broke the protocol, the association was aborted ({by})")]
    Protocol {
        /// What the A-ABORT said.
        by: AbortSource,
        /// What the peer did.
        #[source]
        violation: Violation,
    },
    /// A data set longer than the caller takes whole; the rest of it is skipped by the next `receive`.
    #[error("the data set is longer than the {limit} bytes taken here")]
    DataSetTooLong {
        /// The limit given.
        limit: usize,
    },
    /// Our own side named a context that was not accepted.
    #[error("the presentation context {id} was not accepted")]
    UnknownContext {
        /// The id given.
        id: u8,
    },
    /// Our own side pushed a data set without beginning it.
    #[error("no message with a data set was begun on the association")]
    NothingBegun,
    /// Our own side asked for what the state does not allow.
    #[error("the association cannot do this now")]
    OutOfState(#[from] OutOfState),
    /// Sending was cut off in the middle of a PDU, by dropping its future or by an error.
    #[error("the association was left in the middle of a PDU and cannot be used any more")]
    Torn,
    /// Our own A-ASSOCIATE PDU cannot be written.
    #[error("our A-ASSOCIATE PDU cannot be written")]
    Write(#[from] WriteAssociateError),
}

/// What a timer waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// The A-ASSOCIATE-RQ after the connection.
    Request,
    /// The answer to our A-ASSOCIATE-RQ.
    Answer,
    /// The next message.
    Message,
    /// The response to a request of ours.
    Response,
    /// The rest of a message or PDU that has begun.
    Rest,
    /// The peer to take what we send.
    Room,
    /// The answer to our A-RELEASE-RQ.
    Release,
}

/// What a peer did against the protocol.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// Bytes that are no PDU, or no PDU we take.
    #[error(transparent)]
    Pdu(#[from] PduError),
    /// A PDU that the state does not allow.
    #[error("the {kind:?} PDU came in the state {state:?}")]
    Unexpected {
        /// The PDU.
        kind: PduKind,
        /// The state it came in.
        state: State,
    },
    /// An A-ASSOCIATE PDU that cannot be read.
    #[error(transparent)]
    Associate(#[from] AssociateError),
    /// A presentation data value for a context that was not accepted.
    #[error("a fragment came for the presentation context {id}, which was not accepted")]
    UnknownContext {
        /// The id.
        id: u8,
    },
    /// A fragment of another message, or of the wrong kind, inside a message.
    #[error("a fragment of another kind or context came inside a message")]
    Interleaved,
    /// A command set longer than any command.
    #[error("the command set is longer than {limit} bytes")]
    CommandTooLong {
        /// The limit.
        limit: usize,
    },
    /// A command set that cannot be read.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A release request in the middle of a message.
    #[error("the peer asked for release in the middle of a message")]
    ReleasedInMessage,
}

impl Violation {
    /// What the machine is told: what concerns messages is a matter of the service user, the rest has a reason of
    /// PS3.8 table 9-26.
    pub(crate) fn event(&self) -> Event {
        Event::InvalidReceived(match self {
            Self::Pdu(error) => error.abort_reason(),
            Self::Unexpected { .. } => AbortReason::UnexpectedPdu,
            Self::Associate(_) | Self::UnknownContext { .. } => AbortReason::InvalidParameterValue,
            Self::Interleaved => AbortReason::UnexpectedParameter,
            Self::CommandTooLong { .. } | Self::Command(_) | Self::ReleasedInMessage => {
                return Event::AbortAsked;
            }
        })
    }
}

impl std::fmt::Display for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Request => "the A-ASSOCIATE-RQ",
            Self::Answer => "the answer to our A-ASSOCIATE-RQ",
            Self::Message => "the next message",
            Self::Response => "the response to our request",
            Self::Rest => "the rest of a message",
            Self::Room => "the peer to take what is sent",
            Self::Release => "the answer to our A-RELEASE-RQ",
        })
    }
}
