//! Every cell of PS3.8 table 9-10.

use outrigger_dimse::machine::{Acceptable, Action, Event, Side, State, step};
use outrigger_dimse::{AbortReason, AbortSource};

const STATES: [State; 13] = [
    State::Idle,
    State::AwaitingRequest,
    State::AwaitingAnswer,
    State::Connecting,
    State::Requested,
    State::Established,
    State::Releasing,
    State::ReleaseAsked,
    State::CollisionRequestorAsked,
    State::CollisionAcceptorAwaiting,
    State::CollisionRequestorAwaiting,
    State::CollisionAcceptorAsked,
    State::Closing,
];

const EVENTS: [Event; 19] = [
    Event::AssociateAsked,
    Event::Connected,
    Event::AcceptReceived,
    Event::RejectReceived,
    Event::PeerConnected,
    Event::RequestReceived(Acceptable::Yes),
    Event::Accepted,
    Event::Rejected,
    Event::DataAsked,
    Event::DataReceived,
    Event::ReleaseAsked,
    Event::ReleaseRequestReceived,
    Event::ReleaseReplyReceived,
    Event::ReleaseAnswered,
    Event::AbortAsked,
    Event::AbortReceived,
    Event::Closed,
    Event::ArtimExpired,
    Event::InvalidReceived(AbortReason::UnrecognizedPdu),
];

/// PS3.8 table 9-10: a row for each event, a column for each state; a dot is an empty cell.
#[rustfmt::skip]
const TABLE: [&str; 19] = [
//   Sta1  2     3     4     5     6     7     8     9     10    11    12    13
    "AE-1  .     .     .     .     .     .     .     .     .     .     .     .   ",
    ".     .     .     AE-2  .     .     .     .     .     .     .     .     .   ",
    ".     AA-1  AA-8  .     AE-3  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6",
    ".     AA-1  AA-8  .     AE-4  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6",
    "AE-5  .     .     .     .     .     .     .     .     .     .     .     .   ",
    ".     AE-6  AA-8  .     AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-7",
    ".     .     AE-7  .     .     .     .     .     .     .     .     .     .   ",
    ".     .     AE-8  .     .     .     .     .     .     .     .     .     .   ",
    ".     .     .     .     .     DT-1  .     AR-7  .     .     .     .     .   ",
    ".     AA-1  AA-8  .     AA-8  DT-2  AR-6  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6",
    ".     .     .     .     .     AR-1  .     .     .     .     .     .     .   ",
    ".     AA-1  AA-8  .     AA-8  AR-2  AR-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6",
    ".     AA-1  AA-8  .     AA-8  AA-8  AR-3  AA-8  AA-8  AR-10 AR-3  AA-8  AA-6",
    ".     .     .     .     .     .     .     AR-4  AR-9  .     .     AR-4  .   ",
    ".     .     AA-1  AA-2  AA-1  AA-1  AA-1  AA-1  AA-1  AA-1  AA-1  AA-1  .   ",
    ".     AA-2  AA-3  .     AA-3  AA-3  AA-3  AA-3  AA-3  AA-3  AA-3  AA-3  AA-2",
    ".     AA-5  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AR-5",
    ".     AA-2  .     .     .     .     .     .     .     .     .     .     AA-2",
    ".     AA-1  AA-8  .     AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-7",
];

#[allow(clippy::match_same_arms, reason = "a line for each action, as in the tables")]
/// PS3.8 tables 9-6 to 9-9: what each action does, and the state after it.
fn procedure(name: &str, side: Side, acceptable: Acceptable, reason: AbortReason) -> (Vec<Action>, usize) {
    use Action::{
        Close, Connect, Indicate, SendAbort, SendAccept, SendData, SendReject, SendReleaseReply,
        SendReleaseRequest, SendRequest, StartArtim, StopArtim,
    };
    let provider = SendAbort(AbortSource::Provider(reason));
    match (name, side, acceptable) {
        ("AE-1", ..) => (vec![Connect], 4),
        ("AE-2", ..) => (vec![SendRequest], 5),
        ("AE-3", ..) => (vec![Indicate], 6),
        ("AE-4", ..) => (vec![Indicate, Close], 1),
        ("AE-5", ..) => (vec![StartArtim], 2),
        ("AE-6", _, Acceptable::Yes) => (vec![StopArtim, Indicate], 3),
        ("AE-6", _, Acceptable::No) => (vec![StopArtim, SendReject, StartArtim], 13),
        ("AE-7", ..) => (vec![SendAccept], 6),
        ("AE-8", ..) => (vec![SendReject, StartArtim], 13),
        ("DT-1", ..) => (vec![SendData], 6),
        ("DT-2", ..) => (vec![Indicate], 6),
        ("AR-1", ..) => (vec![SendReleaseRequest], 7),
        ("AR-2", ..) => (vec![Indicate], 8),
        ("AR-3", ..) => (vec![Indicate, Close], 1),
        ("AR-4", ..) => (vec![SendReleaseReply, StartArtim], 13),
        ("AR-5", ..) => (vec![StopArtim], 1),
        ("AR-6", ..) => (vec![Indicate], 7),
        ("AR-7", ..) => (vec![SendData], 8),
        ("AR-8", Side::Requestor, _) => (vec![Indicate], 9),
        ("AR-8", Side::Acceptor, _) => (vec![Indicate], 10),
        ("AR-9", ..) => (vec![SendReleaseReply], 11),
        ("AR-10", ..) => (vec![Indicate], 12),
        ("AA-1", ..) => (vec![SendAbort(AbortSource::User), StartArtim], 13),
        ("AA-2", ..) => (vec![StopArtim, Close], 1),
        ("AA-3", ..) => (vec![Indicate, Close], 1),
        ("AA-4", ..) => (vec![Indicate], 1),
        ("AA-5", ..) => (vec![StopArtim], 1),
        ("AA-6", ..) => (vec![], 13),
        ("AA-7", ..) => (vec![provider], 13),
        ("AA-8", ..) => (vec![provider, Indicate, StartArtim], 13),
        _ => panic!("no action is called {name}"),
    }
}

#[test]
fn every_cell_of_table_9_10() {
    let mut cells = 0;
    for (event, row) in EVENTS.into_iter().zip(TABLE) {
        let columns: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(columns.len(), STATES.len(), "{event:?}");
        for (state, name) in STATES.into_iter().zip(columns) {
            for side in [Side::Requestor, Side::Acceptor] {
                check(side, state, event, Acceptable::Yes, name);
                cells += 1;
            }
        }
    }
    assert_eq!(cells, 19 * 13 * 2);
}

#[test]
fn an_unacceptable_request_is_rejected_without_asking() {
    let event = Event::RequestReceived(Acceptable::No);
    check(Side::Acceptor, State::AwaitingRequest, event, Acceptable::No, "AE-6");
}

fn check(side: Side, state: State, event: Event, acceptable: Acceptable, name: &str) {
    let step = step(side, state, event);
    if name == "." {
        assert!(step.is_err(), "{event:?} in {state:?}");
        return;
    }
    let reason = match event {
        Event::InvalidReceived(reason) => reason,
        _ => AbortReason::UnexpectedPdu,
    };
    let (actions, next) = procedure(name, side, acceptable, reason);
    let step = step.unwrap_or_else(|error| panic!("{name} expected: {error}"));
    assert_eq!(step.actions().collect::<Vec<_>>(), actions, "{event:?} in {state:?} is {name}");
    assert_eq!(step.next, STATES[next - 1], "{event:?} in {state:?} is {name}");
}
