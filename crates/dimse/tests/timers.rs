//! Every kind of waiting ends; the clock is turned by the test.

use std::time::Duration;

use bytes::Bytes;
use outrigger_dimse::{
    AcceptError, Association, AssociationError, Command, DataSet, RequestError, Waiting, accept, request,
};
use tokio::time::Instant;

use crate::script::{
    COMMAND_LAST, DATA_LAST, DATA_MORE, Peer, accept_all, accepted, associate_request, p_data, pipe,
    proposal, requested, settings,
};

/// Asserts that an association error is this time-out.
fn check(error: &AssociationError, waiting: Waiting) {
    match error {
        AssociationError::TimedOut { waiting: found } => assert_eq!(*found, waiting),
        other => panic!("{other}"),
    }
}

/// A message whose data set has yet to come.
async fn begin(association: &mut Association, peer: &mut Peer) {
    let find = Command::CFindRq {
        message_id: 1,
        sop_class: crate::script::class("1.2.840.10008.5.1.4.1.2.2.1"),
        priority: outrigger_dimse::Priority::Medium,
    };
    let command = outrigger_dimse::command::write(&find, DataSet::Follows);
    peer.send(&p_data(1, COMMAND_LAST, &command)).await;
    association.receive().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn silent_and_slow_connections_are_closed_under_artim() {
    let request = associate_request(&settings()).write().unwrap();
    for bytes_sent in [0, 29] {
        let (ours, mut peer) = pipe();
        let begun = Instant::now();
        let dripping = async {
            for byte in &request[..bytes_sent] {
                peer.send(&[*byte]).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            peer.expect_close().await;
        };
        let settings = settings();
        let (result, ()) = tokio::join!(accept(ours, &settings, accept_all), dripping);
        match result {
            Err(AcceptError::Association(error)) => check(&error, Waiting::Request),
            other => panic!("{:?}", other.err()),
        }
        assert_eq!(begun.elapsed().as_secs(), 30);
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_association_is_aborted() {
    let (mut association, peer) = accepted().await;
    let begun = Instant::now();
    let (result, ()) = tokio::join!(association.receive(), peer.expect_abort(0, 0));
    check(&result.unwrap_err(), Waiting::Message);
    assert_eq!(begun.elapsed().as_secs(), 300);
}

#[tokio::test(start_paused = true)]
async fn a_pdu_that_does_not_end_is_aborted_however_it_drips() {
    let (mut association, mut peer) = accepted().await;
    let begun = Instant::now();
    let dripping = async {
        peer.send(&[4, 0, 0, 0, 0x40, 0]).await;
        for _ in 0..59 {
            peer.send(&[0]).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        peer.expect_abort(0, 0).await;
    };
    let (result, ()) = tokio::join!(association.receive(), dripping);
    check(&result.unwrap_err(), Waiting::Rest);
    assert_eq!(begun.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_message_without_its_data_set_is_aborted() {
    let (mut association, mut peer) = accepted().await;
    begin(&mut association, &mut peer).await;
    let begun = Instant::now();
    let (result, ()) = tokio::join!(association.data_set(10), peer.expect_abort(0, 0));
    check(&result.unwrap_err(), Waiting::Rest);
    assert_eq!(begun.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_data_set_that_drips_in_whole_pdus_is_aborted() {
    let (mut association, mut peer) = accepted().await;
    begin(&mut association, &mut peer).await;
    let begun = Instant::now();
    let dripping = async {
        for _ in 0..60 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            peer.send(&p_data(1, DATA_MORE, &[0, 0])).await;
        }
        peer.expect_abort(0, 0).await;
    };
    let (result, ()) = tokio::join!(association.data_set(1 << 20), dripping);
    check(&result.unwrap_err(), Waiting::Rest);
    assert_eq!(begun.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_data_set_over_a_slow_link_is_taken_however_long_it_is() {
    let (mut association, mut peer) = accepted().await;
    begin(&mut association, &mut peer).await;
    let coming = async {
        for second in 0..600 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let control = if second == 599 { DATA_LAST } else { DATA_MORE };
            peer.send(&p_data(1, control, &[0; 500])).await;
        }
    };
    let (result, ()) = tokio::join!(association.data_set(1 << 20), coming);
    assert_eq!(result.unwrap().len(), 300_000);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_does_not_come_is_not_waited_for_as_long_as_a_message() {
    let (mut association, mut peer) = requested(0).await;
    association.send(1, &Command::CEchoRq { message_id: 1 }).await.unwrap();
    peer.pdu().await;
    let begun = Instant::now();
    let (result, ()) = tokio::join!(association.receive(), peer.expect_abort(0, 0));
    check(&result.unwrap_err(), Waiting::Response);
    assert_eq!(begun.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_given_up() {
    let (mut association, _peer) = requested(0).await;
    let begun = Instant::now();
    let echo = Command::CEchoRq { message_id: 1 };
    let error = association.send_with(1, &echo, Bytes::from(vec![0; 1 << 20])).await.unwrap_err();
    check(&error, Waiting::Room);
    assert_eq!(begun.elapsed().as_secs(), 60);
    assert!(matches!(association.receive().await, Err(AssociationError::Closed)));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_answered_is_aborted() {
    let (ours, mut peer) = pipe();
    let begun = Instant::now();
    let settings = settings();
    let scripted = async {
        peer.pdu().await;
        peer.expect_abort(0, 0).await;
    };
    let (result, ()) = tokio::join!(request(ours, &settings, proposal()), scripted);
    match result {
        Err(RequestError::Association(error)) => check(&error, Waiting::Answer),
        other => panic!("{:?}", other.err()),
    }
    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_release_that_is_not_answered_is_aborted() {
    let (association, mut peer) = requested(0).await;
    let begun = Instant::now();
    let scripted = async {
        peer.pdu().await;
        peer.expect_abort(0, 0).await;
    };
    let (result, ()) = tokio::join!(association.release(), scripted);
    check(&result.unwrap_err(), Waiting::Release);
    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn after_an_abort_the_peer_has_artim_to_close() {
    let (association, mut peer) = accepted().await;
    let begun = Instant::now();
    let scripted = async {
        peer.pdu().await;
        peer.expect_close().await;
    };
    let (result, ()) = tokio::join!(association.abort(), scripted);
    result.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_shorter_wait_leaves_the_association_usable() {
    let (mut association, mut peer) = accepted().await;
    let slice = Duration::from_secs(5);
    assert!(tokio::time::timeout(slice, association.receive()).await.is_err());
    let echo = outrigger_dimse::command::write(&Command::CEchoRq { message_id: 1 }, DataSet::Absent);
    peer.send(&p_data(1, COMMAND_LAST, &echo)).await;
    association.receive().await.unwrap();
}

/// Whoever waits for the answer is told at its time-out, and not at the end of ARTIM, which a hung peer lets run out as well.
#[tokio::test(start_paused = true)]
async fn a_request_to_a_peer_that_stays_silent_fails_at_its_time_out() {
    let (ours, _silent) = pipe();
    let begun = Instant::now();
    match request(ours, &settings(), proposal()).await {
        Err(RequestError::Association(error)) => check(&error, Waiting::Answer),
        other => panic!("{:?}", other.err()),
    }
    assert!(begun.elapsed() <= Duration::from_secs(31), "{:?}", begun.elapsed());
}
