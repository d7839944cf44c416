//! Peers that break the protocol: each gets the A-ABORT that the standard gives for it.

use outrigger_dimse::{
    AbortReason, AbortSource, AcceptError, AssociationError, Command, DataSet, RequestError, accept, request,
};

use crate::script::{
    COMMAND_LAST, COMMAND_MORE, CT, DATA_LAST, accept_all, accepted, associate_request, class, p_data, pipe,
    proposal, settings,
};

fn echo() -> Vec<u8> {
    let bytes = outrigger_dimse::command::write(&Command::CEchoRq { message_id: 1 }, DataSet::Absent);
    p_data(1, COMMAND_LAST, &bytes)
}

fn store() -> Vec<u8> {
    let command = Command::CStoreRq {
        message_id: 1,
        sop_class: class(CT),
        sop_instance: outrigger_model::SopInstanceUid::known("1.2.3"),
        priority: outrigger_dimse::Priority::Medium,
        move_originator: None,
    };
    p_data(3, COMMAND_LAST, &outrigger_dimse::command::write(&command, DataSet::Follows))
}

/// Sends `bytes` on an established association and expects this A-ABORT for them.
async fn check(name: &str, bytes: &[u8], source: u8, reason: u8) {
    let (mut association, mut peer) = accepted().await;
    peer.send(bytes).await;
    let receiving = async {
        let error = loop {
            match association.receive().await {
                Ok(_) => (),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, AssociationError::Protocol { .. }), "{name}: {error}");
        assert!(matches!(association.receive().await, Err(AssociationError::Closed)), "{name}");
    };
    tokio::join!(receiving, peer.expect_abort(source, reason));
}

#[tokio::test(start_paused = true)]
async fn out_of_state_pdus() {
    let request = associate_request(&settings()).write().unwrap();
    check("A-ASSOCIATE-RQ", &request, 2, 2).await;
    check("A-ASSOCIATE-RJ", &[3, 0, 0, 0, 0, 4, 0, 1, 1, 1], 2, 2).await;
    check("A-RELEASE-RP", &[6, 0, 0, 0, 0, 4, 0, 0, 0, 0], 2, 2).await;
}

#[tokio::test(start_paused = true)]
async fn unknown_and_broken_pdus() {
    check("unknown type", &[8, 0, 0, 0, 0, 4, 0, 0, 0, 0], 2, 1).await;
    check("type 0", &[0; 16], 2, 1).await;
    check("one byte more than offered", &[4, 0, 0, 0, 0x40, 1], 2, 6).await;
    check("4 GiB", &[4, 0, 0xFF, 0xFF, 0xFF, 0xFF], 2, 6).await;
    check("A-RELEASE-RQ of 5 bytes", &[5, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0], 2, 6).await;
    check("A-ASSOCIATE-RQ of 4 GiB", &[1, 0, 0xFF, 0xFF, 0xFF, 0xFF], 2, 6).await;
}

#[tokio::test(start_paused = true)]
async fn broken_presentation_data_values() {
    let mut short = echo();
    short[9] += 1;
    check("PDV longer than its PDU", &short, 2, 6).await;
    check("PDV of 4 GiB", &[4, 0, 0, 0, 0, 6, 0xFF, 0xFF, 0xFF, 0xFF, 1, 3], 2, 6).await;
    check("PDV of length 1", &[4, 0, 0, 0, 0, 5, 0, 0, 0, 1, 1], 2, 6).await;
    check("PDV header cut off", &[4, 0, 0, 0, 0, 3, 0, 0, 0], 2, 6).await;
    check("P-DATA-TF without a PDV", &[4, 0, 0, 0, 0, 0], 2, 6).await;
    let mut context = echo();
    context[10] = 9;
    check("a context that was not proposed", &context, 2, 6).await;
}

#[tokio::test(start_paused = true)]
async fn fragments_where_they_do_not_belong() {
    check("data set without a command", &p_data(3, DATA_LAST, b"ab"), 2, 5).await;
    check("a command in the middle of a data set", &[store(), echo()].concat(), 2, 5).await;
    let other = p_data(1, DATA_LAST, b"ab");
    check("a data set over another context", &[store(), other].concat(), 2, 5).await;
    let begun = p_data(1, COMMAND_MORE, b"ab");
    check("a command over another context", &[begun.clone(), store()].concat(), 2, 5).await;
    check("a data set inside a command", &[begun, p_data(1, DATA_LAST, b"ab")].concat(), 2, 5).await;
    let release = [5, 0, 0, 0, 0, 4, 0, 0, 0, 0].to_vec();
    check("a release in the middle of a data set", &[store(), release].concat(), 0, 0).await;
}

#[tokio::test(start_paused = true)]
async fn command_sets_that_cannot_be_read() {
    let element = |tag: [u8; 4], length: u32, value: &[u8]| [&tag[..], &length.to_le_bytes(), value].concat();
    let cases = [
        ("4 GiB element", element([0, 0, 0, 1], 0xFFFF_FFF0, &[])),
        ("another group", element([8, 0, 0x16, 0], 2, b"1\0")),
        ("no command field", element([0, 0, 0x10, 1], 2, &[1, 0])),
        ("element header cut off", vec![0, 0, 0, 1, 2]),
        ("nothing", vec![]),
    ];
    for (name, bytes) in cases {
        check(name, &p_data(1, COMMAND_LAST, &bytes), 0, 0).await;
    }
    let piece = p_data(1, COMMAND_MORE, &[0; 16_000]);
    check("an endless command", &[piece.clone(), piece].concat(), 0, 0).await;
}

/// Before the association stands, what is unexpected is aborted as the service user (PS3.8 action AA-1).
#[tokio::test(start_paused = true)]
async fn anything_but_a_request_at_first() {
    let good = associate_request(&settings()).write().unwrap().to_vec();
    let mut even = associate_request(&settings());
    even.contexts[0].id = 2;
    let mut twice = associate_request(&settings());
    twice.contexts[1].id = 1;
    let mut cut = good.clone();
    cut[76] = 0xFF;
    let cases = [
        ("P-DATA-TF", echo()),
        ("A-ASSOCIATE-AC", [&[2], &good[1..]].concat()),
        ("A-RELEASE-RQ", vec![5, 0, 0, 0, 0, 4, 0, 0, 0, 0]),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("too long", vec![1, 0, 0, 0x10, 0, 1]),
        ("even context id", even.write().unwrap().to_vec()),
        ("context id twice", twice.write().unwrap().to_vec()),
        ("item beyond the end", cut),
        ("fixed fields cut off", vec![1, 0, 0, 0, 0, 2, 0, 1]),
    ];
    for (name, bytes) in cases {
        let (ours, mut peer) = pipe();
        peer.send(&bytes).await;
        let settings = settings();
        let (result, ()) = tokio::join!(accept(ours, &settings, accept_all), peer.expect_abort(0, 0));
        let error = result.err();
        assert!(
            matches!(
                error,
                Some(AcceptError::Association(AssociationError::Protocol { by: AbortSource::User, .. }))
            ),
            "{name}: {error:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_answers_to_our_request() {
    let request_pdu = associate_request(&settings()).write().unwrap().to_vec();
    let cases = [
        ("P-DATA-TF", echo(), 2, 2),
        ("A-ASSOCIATE-RQ", request_pdu, 2, 2),
        ("HTTP", b"HTTP/1.1 400 Bad".to_vec(), 2, 1),
        ("A-ASSOCIATE-AC cut off", vec![2, 0, 0, 0, 0, 2, 0, 1], 2, 6),
    ];
    for (name, bytes, source, reason) in cases {
        let (ours, mut peer) = pipe();
        let settings = settings();
        let scripted = async {
            peer.pdu().await;
            peer.send(&bytes).await;
            peer.expect_abort(source, reason).await;
        };
        let (result, ()) = tokio::join!(request(ours, &settings, proposal()), scripted);
        let error = result.err();
        assert!(
            matches!(error, Some(RequestError::Association(AssociationError::Protocol { .. }))),
            "{name}: {error:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_peers_abort_is_told_with_its_reason() {
    let (mut association, mut peer) = accepted().await;
    peer.send(&[7, 0, 0, 0, 0, 4, 0, 0, 2, 5]).await;
    let expected = AbortSource::Provider(AbortReason::UnexpectedParameter);
    match association.receive().await {
        Err(AssociationError::Aborted { by }) => assert_eq!(by, expected),
        other => panic!("{other:?}"),
    }
    peer.expect_close().await;
}
