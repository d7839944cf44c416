//! Messages both ways, of every size.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use outrigger_dimse::{
    AcceptError, Association, AssociationError, Command, DataSet, Incoming, Outcome, Part, Priority,
    Settings, accept,
};
use outrigger_model::{SopInstanceUid, Status};

use crate::script::{
    COMMAND_LAST, COMMAND_MORE, CT, DATA_LAST, DATA_MORE, accept_all, accepted, associate_request, class,
    counted_pipe, p_data, pair, requested, settings,
};

fn store(message_id: u16) -> Command {
    Command::CStoreRq {
        message_id,
        sop_class: class(CT),
        sop_instance: SopInstanceUid::known("1.2.3.4"),
        priority: Priority::Medium,
        move_originator: None,
    }
}

fn stored(message_id: u16) -> Command {
    Command::CStoreRsp {
        message_id,
        sop_class: Some(class(CT)),
        sop_instance: Some(SopInstanceUid::known("1.2.3.4")),
        outcome: Outcome::of(Status::SUCCESS),
    }
}

fn bytes(length: usize) -> Bytes {
    (0..length).map(|i| u8::try_from(i * 31 % 251).unwrap()).collect()
}

async fn message(association: &mut Association) -> (u8, Command, DataSet) {
    match association.receive().await.unwrap() {
        Incoming::Message { context, command, data_set } => (context, command, data_set),
        Incoming::Release => panic!("a message was expected"),
    }
}

#[tokio::test(start_paused = true)]
async fn echo_there_and_back() {
    let (mut requestor, mut acceptor) = pair(&settings()).await;
    let message_id = requestor.next_message_id();
    requestor.send(1, &Command::CEchoRq { message_id }).await.unwrap();
    let (context, command, data_set) = message(&mut acceptor).await;
    assert_eq!((context, &command, data_set), (1, &Command::CEchoRq { message_id }, DataSet::Absent));
    let answer = Command::CEchoRsp { message_id, outcome: Outcome::of(Status::SUCCESS) };
    acceptor.send(context, &answer).await.unwrap();
    assert_eq!(message(&mut requestor).await, (1, answer, DataSet::Absent));
}

#[tokio::test(start_paused = true)]
async fn data_sets_of_every_size_arrive_as_sent() {
    for length in [0, 1, 2, 16_377, 16_378, 16_379, 16_380, 100_000, 531_000] {
        let (mut requestor, mut acceptor) = pair(&settings()).await;
        let sent = bytes(length);
        let sending = async {
            requestor.send_with(3, &store(1), sent.clone()).await.unwrap();
            assert_eq!(message(&mut requestor).await.1, stored(1));
        };
        let receiving = async {
            let (context, command, data_set) = message(&mut acceptor).await;
            assert_eq!((context, command, data_set), (3, store(1), DataSet::Follows));
            let received = acceptor.data_set(600_000).await.unwrap();
            acceptor.send(3, &stored(1)).await.unwrap();
            received
        };
        let ((), received) = tokio::join!(sending, receiving);
        assert_eq!(received, sent, "{length}");
    }
}

#[tokio::test(start_paused = true)]
async fn streamed_pieces_of_any_size_become_even_fragments() {
    let (mut requestor, mut acceptor) = pair(&settings()).await;
    let pieces = [3, 1, 0, 20_001, 40_000, 7];
    let sent = bytes(pieces.iter().sum());
    let sending = async {
        requestor.begin_data(3, &store(1)).unwrap();
        let mut rest = sent.clone();
        for piece in pieces {
            requestor.push_data(rest.split_to(piece), Part::More).await.unwrap();
        }
        requestor.push_data(Bytes::new(), Part::Last).await.unwrap();
    };
    let receiving = async {
        message(&mut acceptor).await;
        let mut fragments = Vec::new();
        while let Some(fragment) = acceptor.fragment().await.unwrap() {
            fragments.push(fragment);
        }
        fragments
    };
    let ((), fragments) = tokio::join!(sending, receiving);
    assert_eq!(fragments.concat(), sent);
    for fragment in &fragments {
        assert!(fragment.len() % 2 == 0 && fragment.len() <= 16_378, "{}", fragment.len());
    }
}

#[tokio::test(start_paused = true)]
async fn the_peers_length_is_never_exceeded_however_small() {
    for (max_pdu, longest) in [(128, 128), (64, 64), (8, 8), (0, 131_072), (u32::MAX, 131_072)] {
        let (mut association, mut peer) = requested(max_pdu).await;
        let sent = bytes(300_000.min(longest * 3));
        let command = store(1);
        let sending = association.send_with(3, &command, sent.clone());
        let receiving = async {
            let (mut command, mut data) = (Vec::new(), Vec::new());
            loop {
                let pdu = peer.pdu().await;
                assert!(pdu.len() - 6 <= longest, "{} > {longest}", pdu.len() - 6);
                let control = pdu[11];
                if control & 1 == 1 { &mut command } else { &mut data }.extend_from_slice(&pdu[12..]);
                if control == DATA_LAST {
                    break (command, data);
                }
            }
        };
        let (result, (command, data)) = tokio::join!(sending, receiving);
        result.unwrap();
        let (command, data_set) = outrigger_dimse::command::read(&command).unwrap();
        assert_eq!((command, data_set), (store(1), DataSet::Follows));
        assert_eq!(data, sent);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unread_data_set_is_skipped_by_the_next_receive() {
    let (mut association, mut peer) = accepted().await;
    let command = outrigger_dimse::command::write(&store(1), DataSet::Follows);
    peer.send(&p_data(3, COMMAND_LAST, &command)).await;
    peer.send(&p_data(3, DATA_MORE, &bytes(1000))).await;
    peer.send(&p_data(3, DATA_LAST, &bytes(500))).await;
    let echo = outrigger_dimse::command::write(&Command::CEchoRq { message_id: 2 }, DataSet::Absent);
    peer.send(&p_data(1, COMMAND_LAST, &echo)).await;
    message(&mut association).await;
    assert!(matches!(association.data_set(999).await, Err(AssociationError::DataSetTooLong { limit: 999 })));
    assert_eq!(message(&mut association).await.1, Command::CEchoRq { message_id: 2 });
}

#[tokio::test(start_paused = true)]
async fn commands_may_come_in_pieces_and_several_fragments_in_one_pdu() {
    let (mut association, mut peer) = accepted().await;
    let command = outrigger_dimse::command::write(&store(7), DataSet::Follows);
    let (start, end) = command.split_at(50);
    peer.send(&p_data(3, COMMAND_MORE, start)).await;
    let mut body = p_data(3, COMMAND_LAST, end)[6..].to_vec();
    body.extend(&p_data(3, DATA_MORE, b"ab")[6..]);
    body.extend(&p_data(3, DATA_LAST, b"cd")[6..]);
    let mut pdu = vec![4, 0];
    pdu.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    pdu.extend(body);
    for chunk in pdu.chunks(5) {
        peer.send(chunk).await;
    }
    assert_eq!(message(&mut association).await, (3, store(7), DataSet::Follows));
    assert_eq!(association.data_set(10).await.unwrap(), "abcd");
}

#[tokio::test(start_paused = true)]
async fn each_response_is_one_write() {
    let (ours, mut peer, writes) = counted_pipe();
    peer.send(&associate_request(&settings()).write().unwrap()).await;
    let mut association = accept(ours, &settings(), accept_all).await.map_err(|e: AcceptError| e).unwrap();
    assert_eq!(writes.load(Ordering::Relaxed), 1);
    association.send(3, &stored(1)).await.unwrap();
    assert_eq!(writes.load(Ordering::Relaxed), 2);
    let find = Command::CFindRsp { message_id: 1, sop_class: None, outcome: Outcome::of(Status::PENDING) };
    association.send_with(3, &find, bytes(200)).await.unwrap();
    assert_eq!(writes.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn messages_that_wait_go_out_in_order_before_the_next() {
    let (mut requestor, mut acceptor) = pair(&settings()).await;
    let lengths = [10, 0, 16_379, 40_001, 16_378];
    let sending = async {
        let mut waiting = 0;
        for (message_id, length) in (1..).zip(lengths) {
            let now = requestor.queue_with(3, &store(message_id), &bytes(length)).unwrap();
            assert!(now > waiting + length, "{now}");
            waiting = now;
        }
        requestor.send(1, &Command::CEchoRq { message_id: 99 }).await.unwrap();
        requestor.queue_with(3, &store(6), &bytes(2)).unwrap();
        requestor.send_queued().await.unwrap();
        requestor.send_queued().await.unwrap();
    };
    let receiving = async {
        for (message_id, length) in (1..).zip(lengths) {
            assert_eq!(message(&mut acceptor).await, (3, store(message_id), DataSet::Follows));
            assert_eq!(acceptor.data_set(600_000).await.unwrap(), bytes(length), "{length}");
        }
        assert_eq!(message(&mut acceptor).await.1, Command::CEchoRq { message_id: 99 });
        assert_eq!(message(&mut acceptor).await.1, store(6));
        assert_eq!(acceptor.data_set(600_000).await.unwrap(), bytes(2));
    };
    tokio::join!(sending, receiving);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_is_seen_between_responses_without_waiting() {
    let (mut association, mut peer) = accepted().await;
    assert_eq!(association.try_receive().await.unwrap(), None);
    let cancel = outrigger_dimse::command::write(&Command::CCancelRq { message_id: 9 }, DataSet::Absent);
    let pdu = p_data(1, COMMAND_LAST, &cancel);
    peer.send(&pdu[..20]).await;
    assert_eq!(association.try_receive().await.unwrap(), None);
    peer.send(&pdu[20..]).await;
    let expected = Incoming::Message {
        context: 1,
        command: Command::CCancelRq { message_id: 9 },
        data_set: DataSet::Absent,
    };
    assert_eq!(association.try_receive().await.unwrap(), Some(expected));
    assert_eq!(association.try_receive().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_receive_loses_nothing() {
    let (mut association, mut peer) = accepted().await;
    let command = outrigger_dimse::command::write(&store(7), DataSet::Follows);
    let mut all = p_data(3, COMMAND_LAST, &command);
    all.extend(p_data(3, DATA_LAST, &bytes(64)));
    for byte in &all[..all.len() - 1] {
        peer.send(&[*byte]).await;
        let slice = std::time::Duration::from_millis(1);
        if let Ok(received) = tokio::time::timeout(slice, association.receive()).await {
            assert!(matches!(received, Ok(Incoming::Message { .. })));
            break;
        }
    }
    let sent = all.len() - 64 - 12;
    peer.send(&all[sent..]).await;
    assert_eq!(association.data_set(64).await.unwrap(), bytes(64));
}

#[tokio::test(start_paused = true)]
async fn what_our_side_may_not_do_is_an_error_that_harms_nothing() {
    let (mut requestor, mut acceptor) = pair(&Settings::STANDARD).await;
    let unknown = requestor.send(9, &Command::CEchoRq { message_id: 1 }).await;
    assert!(matches!(unknown, Err(AssociationError::UnknownContext { id: 9 })));
    let nothing = requestor.push_data(Bytes::new(), Part::Last).await;
    assert!(matches!(nothing, Err(AssociationError::NothingBegun)));
    requestor.send(1, &Command::CEchoRq { message_id: 1 }).await.unwrap();
    assert_eq!(message(&mut acceptor).await.1, Command::CEchoRq { message_id: 1 });
}
