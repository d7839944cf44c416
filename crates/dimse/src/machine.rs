//! The upper layer protocol machine (PS3.8 section 9.2) as a pure function: no socket, no clock.

use crate::pdu::{AbortReason, AbortSource};

/// The states of PS3.8 tables 9-1 to 9-5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Sta1: idle.
    Idle,
    /// Sta2: transport connection open, awaiting the A-ASSOCIATE-RQ.
    AwaitingRequest,
    /// Sta3: awaiting our user's answer to the request.
    AwaitingAnswer,
    /// Sta4: awaiting the transport connection we asked for.
    Connecting,
    /// Sta5: awaiting A-ASSOCIATE-AC or -RJ.
    Requested,
    /// Sta6: established.
    Established,
    /// Sta7: we asked for release, awaiting A-RELEASE-RP.
    Releasing,
    /// Sta8: the peer asked for release, awaiting our user's answer.
    ReleaseAsked,
    /// Sta9: release collision, requestor, awaiting our user's answer.
    CollisionRequestorAsked,
    /// Sta10: release collision, acceptor, awaiting A-RELEASE-RP.
    CollisionAcceptorAwaiting,
    /// Sta11: release collision, requestor, awaiting A-RELEASE-RP.
    CollisionRequestorAwaiting,
    /// Sta12: release collision, acceptor, awaiting our user's answer.
    CollisionAcceptorAsked,
    /// Sta13: awaiting the close of the transport connection; the association is over.
    Closing,
}

/// The events of PS3.8 table 9-10, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// Our user asks for an association.
    AssociateAsked,
    /// The transport connection we asked for stands.
    Connected,
    /// A-ASSOCIATE-AC received.
    AcceptReceived,
    /// A-ASSOCIATE-RJ received.
    RejectReceived,
    /// A peer connected.
    PeerConnected,
    /// A-ASSOCIATE-RQ received.
    RequestReceived(Acceptable),
    /// Our user accepts.
    Accepted,
    /// Our user rejects.
    Rejected,
    /// Our user sends data.
    DataAsked,
    /// P-DATA-TF received.
    DataReceived,
    /// Our user asks for release.
    ReleaseAsked,
    /// A-RELEASE-RQ received.
    ReleaseRequestReceived,
    /// A-RELEASE-RP received.
    ReleaseReplyReceived,
    /// Our user answers a release.
    ReleaseAnswered,
    /// Our user aborts.
    AbortAsked,
    /// A-ABORT received.
    AbortReceived,
    /// The transport connection was closed.
    Closed,
    /// The ARTIM timer ran out.
    ArtimExpired,
    /// Something that is no PDU, or a PDU with wrong content.
    InvalidReceived(AbortReason),
}

/// Whether the upper layer itself can take an A-ASSOCIATE-RQ: its protocol version, its AE titles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Acceptable {
    /// Our user is to decide.
    Yes,
    /// It is rejected without asking.
    No,
}

/// Which side of the association we are; it matters when releases collide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// We asked for the association.
    Requestor,
    /// The peer did.
    Acceptor,
}

/// What the shell does, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Open the transport connection.
    Connect,
    /// Send A-ASSOCIATE-RQ.
    SendRequest,
    /// Send A-ASSOCIATE-AC.
    SendAccept,
    /// Send A-ASSOCIATE-RJ.
    SendReject,
    /// Send P-DATA-TF.
    SendData,
    /// Send A-RELEASE-RQ.
    SendReleaseRequest,
    /// Send A-RELEASE-RP.
    SendReleaseReply,
    /// Send A-ABORT.
    SendAbort(AbortSource),
    /// Tell our user: the indication or confirmation that the event stands for.
    Indicate,
    /// Start the ARTIM timer, anew if it runs.
    StartArtim,
    /// Stop the ARTIM timer.
    StopArtim,
    /// Close the transport connection.
    Close,
}

/// Most actions of one step.
const ACTIONS_MAX: usize = 3;

/// What a step leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The next state.
    pub next: State,
    actions: [Option<Action>; ACTIONS_MAX],
}

impl Step {
    /// What the shell does, in order.
    pub fn actions(&self) -> impl Iterator<Item = Action> + '_ {
        self.actions.iter().flatten().copied()
    }

    /// The A-ABORT among them.
    pub fn abort(&self) -> Option<AbortSource> {
        self.actions().find_map(|action| match action {
            Action::SendAbort(source) => Some(source),
            Action::Connect
            | Action::SendRequest
            | Action::SendAccept
            | Action::SendReject
            | Action::SendData
            | Action::SendReleaseRequest
            | Action::SendReleaseReply
            | Action::Indicate
            | Action::StartArtim
            | Action::StopArtim
            | Action::Close => None,
        })
    }
}

/// A cell that table 9-10 leaves empty: our own side asked for what the state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the association is in the state {state:?}, where {event:?} cannot happen")]
pub struct OutOfState {
    /// The state.
    pub state: State,
    /// What was asked for.
    pub event: Event,
}

/// The cell of PS3.8 table 9-10 for a state and an event.
pub fn step(side: Side, state: State, event: Event) -> Result<Step, OutOfState> {
    use Event as E;
    use State as S;
    let cell = match event {
        E::AssociateAsked if state == S::Idle => go(S::Connecting, [Action::Connect]),
        E::Connected if state == S::Connecting => go(S::Requested, [Action::SendRequest]),
        E::PeerConnected if state == S::Idle => go(S::AwaitingRequest, [Action::StartArtim]),
        E::Accepted if state == S::AwaitingAnswer => go(S::Established, [Action::SendAccept]),
        E::Rejected if state == S::AwaitingAnswer => go(S::Closing, [Action::SendReject, Action::StartArtim]),
        E::DataAsked if matches!(state, S::Established | S::ReleaseAsked) => go(state, [Action::SendData]),
        E::ReleaseAsked if state == S::Established => go(S::Releasing, [Action::SendReleaseRequest]),
        E::ReleaseAnswered if matches!(state, S::ReleaseAsked | S::CollisionAcceptorAsked) => {
            go(S::Closing, [Action::SendReleaseReply, Action::StartArtim])
        }
        E::ReleaseAnswered if state == S::CollisionRequestorAsked => {
            go(S::CollisionRequestorAwaiting, [Action::SendReleaseReply])
        }
        E::AbortAsked if state == S::Connecting => go(S::Idle, [Action::StopArtim, Action::Close]),
        E::AbortAsked if !matches!(state, S::Idle | S::AwaitingRequest | S::Closing) => abort_as_user(),
        E::Closed if matches!(state, S::AwaitingRequest | S::Closing) => go(S::Idle, [Action::StopArtim]),
        E::Closed if state != S::Idle => go(S::Idle, [Action::Indicate]),
        E::ArtimExpired if matches!(state, S::AwaitingRequest | S::Closing) => {
            go(S::Idle, [Action::StopArtim, Action::Close])
        }
        E::AcceptReceived
        | E::RejectReceived
        | E::RequestReceived(_)
        | E::DataReceived
        | E::ReleaseRequestReceived
        | E::ReleaseReplyReceived
        | E::AbortReceived
        | E::InvalidReceived(_) => received(side, state, event),
        E::AssociateAsked
        | E::Connected
        | E::PeerConnected
        | E::Accepted
        | E::Rejected
        | E::DataAsked
        | E::ReleaseAsked
        | E::ReleaseAnswered
        | E::AbortAsked
        | E::Closed
        | E::ArtimExpired => None,
    };
    cell.ok_or(OutOfState { state, event })
}

/// A PDU came in.
fn received(side: Side, state: State, event: Event) -> Option<Step> {
    use Event as E;
    use State as S;
    match (state, event) {
        (S::Idle | S::Connecting, _) => None,
        (S::AwaitingRequest | S::Closing, E::AbortReceived) => {
            go(S::Idle, [Action::StopArtim, Action::Close])
        }
        (_, E::AbortReceived)
        | (S::Requested, E::RejectReceived)
        | (S::Releasing | S::CollisionRequestorAwaiting, E::ReleaseReplyReceived) => {
            go(S::Idle, [Action::Indicate, Action::Close])
        }
        (S::AwaitingRequest, E::RequestReceived(Acceptable::Yes)) => {
            go(S::AwaitingAnswer, [Action::StopArtim, Action::Indicate])
        }
        (S::AwaitingRequest, E::RequestReceived(Acceptable::No)) => {
            go(S::Closing, [Action::StopArtim, Action::SendReject, Action::StartArtim])
        }
        (S::AwaitingRequest, _) => abort_as_user(),
        (S::Closing, E::RequestReceived(_)) => resend_abort(AbortReason::UnexpectedPdu),
        (S::Closing, E::InvalidReceived(reason)) => resend_abort(reason),
        (S::Closing, _) => go(S::Closing, []),
        (_, E::InvalidReceived(reason)) => abort_as_provider(reason),
        (S::Requested, E::AcceptReceived) => go(S::Established, [Action::Indicate]),
        (S::Established | S::Releasing, E::DataReceived) => go(state, [Action::Indicate]),
        (S::Established, E::ReleaseRequestReceived) => go(S::ReleaseAsked, [Action::Indicate]),
        (S::Releasing, E::ReleaseRequestReceived) => match side {
            Side::Requestor => go(S::CollisionRequestorAsked, [Action::Indicate]),
            Side::Acceptor => go(S::CollisionAcceptorAwaiting, [Action::Indicate]),
        },
        (S::CollisionAcceptorAwaiting, E::ReleaseReplyReceived) => {
            go(S::CollisionAcceptorAsked, [Action::Indicate])
        }
        _ => abort_as_provider(AbortReason::UnexpectedPdu),
    }
}

/// AA-1.
fn abort_as_user() -> Option<Step> {
    go(State::Closing, [Action::SendAbort(AbortSource::User), Action::StartArtim])
}

/// AA-7.
fn resend_abort(reason: AbortReason) -> Option<Step> {
    go(State::Closing, [Action::SendAbort(AbortSource::Provider(reason))])
}

/// AA-8.
fn abort_as_provider(reason: AbortReason) -> Option<Step> {
    let abort = Action::SendAbort(AbortSource::Provider(reason));
    go(State::Closing, [abort, Action::Indicate, Action::StartArtim])
}

#[allow(clippy::unnecessary_wraps, reason = "an empty cell is None, so that cells read alike")]
fn go<const N: usize>(next: State, wanted: [Action; N]) -> Option<Step> {
    const { assert!(N <= ACTIONS_MAX) };
    let mut actions = [None; ACTIONS_MAX];
    for (slot, action) in actions.iter_mut().zip(wanted) {
        *slot = Some(action);
    }
    Some(Step { next, actions })
}
