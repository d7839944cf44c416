//! DCMTK's tools as peers, in both roles.

use outrigger_dimse::{
    AbortSource, AssociationError, Command, Incoming, Outcome, Priority, Proposal, Rejection, RequestError,
    RoleSelection, Roles, Settings, Verdict, request,
};
use outrigger_model::{Level, QueryRoot, Status, StatusClass, sop_class, transfer_syntax};
use outrigger_runtime::net::{Net, Tcp};
use outrigger_sim::part10;
use outrigger_sim::peers::{DcmQrScp, EchoScu, FindScu, Nagle, StoreScp, StoreScu};
use outrigger_sim::phantom::{Phantom, Shape, corpus};

use crate::provider::{Provider, call, check_stored, files, store};
use crate::script::{CT, accept_all, ae, class, proposed};

const EXPLICIT: &[&str] = &[transfer_syntax::EXPLICIT_VR_LE];

/// A few of each size.
fn phantoms() -> Vec<Phantom> {
    let shapes = [(Shape::Ct, 3), (Shape::SmallCt, 5), (Shape::Dx, 1), (Shape::Sr, 2)];
    shapes.into_iter().zip(1..).flat_map(|((shape, count), seed)| corpus(seed, shape, count)).collect()
}

#[tokio::test]
async fn peer_dcmtk_echoscu_is_answered() {
    let provider = Provider::start(accept_all).await;
    let run = EchoScu::run(&ae("ECHO"), &provider.station).await.unwrap();
    assert!(run.status.success(), "{}", run.stderr);
}

#[tokio::test]
async fn peer_dcmtk_storescu_arrives_byte_for_byte() {
    let phantoms = phantoms();
    let (_directory, files) = files(&phantoms);
    for (options, nagle) in [
        (&["-xe"][..], Nagle::Off),
        (&["-xe", "--max-send-pdu", "4096"], Nagle::Off),
        (&["-xe", "--max-pdu", "4096"], Nagle::AsInstalled),
    ] {
        let provider = Provider::start(accept_all).await;
        let (calling, called) = (&ae("STORE"), &provider.station);
        let run = StoreScu { calling, called, files: &files, options, nagle }.run().await.unwrap();
        assert_eq!(run.successes(), phantoms.len(), "{}", run.run.stderr);
        check_stored(&provider, &phantoms);
    }
}

#[tokio::test]
async fn peer_dcmtk_echoscu_sees_why_it_is_rejected() {
    for (decide, words) in [
        (calling_unknown as fn(&_) -> _, "Calling AE Title Not Recognized"),
        (too_many, "Local Limit Exceeded"),
    ] {
        let provider = Provider::start(decide).await;
        let run = EchoScu::run(&ae("ECHO"), &provider.station).await.unwrap();
        assert!(!run.status.success());
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
}

fn calling_unknown(_: &outrigger_dimse::AssociateRequest) -> Verdict {
    Verdict::Reject(Rejection::CALLING_AE)
}

fn too_many(_: &outrigger_dimse::AssociateRequest) -> Verdict {
    Verdict::Reject(Rejection::LOCAL_LIMIT)
}

#[tokio::test]
async fn peer_dcmtk_findscu_is_told_that_nothing_is_queried_here() {
    let provider = Provider::start(accept_all).await;
    let (calling, called) = (&ae("FIND"), &provider.station);
    let keys = &["PatientID"];
    let find = FindScu { calling, called, root: QueryRoot::Study, level: Level::Study, keys };
    let run = find.run().await.unwrap();
    assert_eq!(run.answers.len(), 0);
    assert!(run.run.stderr.contains("0x211"), "{}", run.run.stderr);
}

#[tokio::test]
async fn peer_dcmtk_storescp_keeps_what_we_send_byte_for_byte() {
    let scp = StoreScp::start(&ae("SCP"), &["+B"]).await.unwrap();
    let phantoms = phantoms();
    let contexts = vec![
        proposed(1, CT, EXPLICIT),
        proposed(3, phantoms[8].header.sop_class.as_str(), EXPLICIT),
        proposed(5, phantoms[9].header.sop_class.as_str(), EXPLICIT),
    ];
    let mut association = call(scp.station(), contexts).await;
    assert_eq!(association.peer().max_pdu, 131_072);
    for phantom in &phantoms {
        let accepted = association.contexts().iter();
        let context = accepted.clone().find(|context| context.abstract_syntax == phantom.header.sop_class);
        let id = context.unwrap().id;
        assert_eq!(store(&mut association, id, phantom).await, Status::SUCCESS);
    }
    association.release().await.unwrap();
    let mut kept: Vec<Vec<u8>> =
        scp.files().unwrap().iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert_eq!(kept.len(), phantoms.len());
    for phantom in &phantoms {
        let same =
            |file: &Vec<u8>| part10::parts(file).is_some_and(|parts| parts.data_set == phantom.data_set);
        let place = kept.iter().position(same).expect("each object is kept as sent");
        kept.remove(place);
    }
}

#[tokio::test]
async fn peer_dcmtk_storescp_refuses_and_aborts() {
    let scp = StoreScp::start(&ae("SCP"), &["--refuse"]).await.unwrap();
    let stream = Tcp.connect(&scp.station().address().to_string()).await.unwrap();
    let proposal = Proposal {
        calling: ae("OUTRIGGER"),
        called: ae("SCP"),
        contexts: vec![proposed(1, CT, EXPLICIT)],
        roles: Vec::new(),
    };
    match request(stream, &Settings::STANDARD, proposal).await {
        Err(RequestError::Rejected(rejection)) => assert_eq!(rejection.reason.codes(), (1, 1)),
        other => panic!("{:?}", other.err()),
    }
    for (option, shape) in
        [("--abort-after", Shape::SmallCt), ("--abort-during", Shape::SmallCt), ("--abort-during", Shape::Dx)]
    {
        let scp = StoreScp::start(&ae("SCP"), &[option]).await.unwrap();
        let phantom = corpus(1, shape, 1).next().unwrap();
        let mut association = call(scp.station(), vec![proposed(1, CT, EXPLICIT)]).await;
        let command = Command::CStoreRq {
            message_id: 1,
            sop_class: class(CT),
            sop_instance: phantom.header.sop_instance.clone(),
            priority: Priority::Medium,
            move_originator: None,
        };
        // A large object meets the abort while it is sent, a small one after.
        let ended = match association.send_with(1, &command, phantom.data_set.clone()).await {
            Ok(()) => association.receive().await.map(drop),
            Err(error) => Err(error),
        };
        assert!(
            matches!(ended, Err(AssociationError::Aborted { by: AbortSource::User })),
            "{option}: {ended:?}"
        );
    }
}

/// C-GET: the peer stores to us over the association we opened, by role selection.
#[tokio::test]
async fn peer_dcmtk_dcmqrscp_gives_back_by_c_get() {
    let archive = DcmQrScp::start(&ae("ARCHIVE"), &[]).await.unwrap();
    let phantom = corpus(1, Shape::SmallCt, 1).next().unwrap();
    let mut association = call(archive.station(), vec![proposed(1, CT, EXPLICIT)]).await;
    assert_eq!(store(&mut association, 1, &phantom).await, Status::SUCCESS);
    association.release().await.unwrap();

    let stream = Tcp.connect(&archive.station().address().to_string()).await.unwrap();
    let proposal = Proposal {
        calling: ae("OUTRIGGER"),
        called: ae("ARCHIVE"),
        contexts: vec![proposed(1, sop_class::STUDY_ROOT_GET, EXPLICIT), proposed(3, CT, EXPLICIT)],
        roles: vec![RoleSelection { sop_class: class(CT), roles: Roles { scu: false, scp: true } }],
    };
    let mut association = request(stream, &Settings::STANDARD, proposal).await.unwrap();
    assert_eq!(association.context(3).unwrap().roles, Roles { scu: false, scp: true });
    let get = Command::CGetRq {
        message_id: association.next_message_id(),
        sop_class: class(sop_class::STUDY_ROOT_GET),
        priority: Priority::Medium,
    };
    association.send_with(1, &get, identifier(&phantom).into()).await.unwrap();
    let mut received = Vec::new();
    let last = loop {
        let Incoming::Message { context, command, .. } = association.receive().await.unwrap() else {
            panic!("no release was to come");
        };
        if let Command::CStoreRq { message_id, .. } = command {
            assert_eq!(context, 3);
            received.push(association.data_set(1 << 20).await.unwrap());
            let outcome = Outcome::of(Status::SUCCESS);
            let answer = Command::CStoreRsp { message_id, sop_class: None, sop_instance: None, outcome };
            association.send(context, &answer).await.unwrap();
        } else if command.outcome().unwrap().status.class() != StatusClass::Pending {
            break command;
        }
    };
    assert_eq!(last.outcome().unwrap().status, Status::SUCCESS);
    assert!(matches!(last, Command::CGetRsp { sub_operations, .. } if sub_operations.completed == Some(1)));
    assert_eq!(received, [phantom.data_set]);
    association.release().await.unwrap();
}

/// An identifier at IMAGE level, in Explicit VR Little Endian.
fn identifier(phantom: &Phantom) -> Vec<u8> {
    let element = |group: u16, element: u16, vr: &[u8; 2], text: &str, padding: u8| {
        let mut value = text.as_bytes().to_vec();
        if value.len() % 2 == 1 {
            value.push(padding);
        }
        let length = u16::try_from(value.len()).unwrap();
        [&group.to_le_bytes()[..], &element.to_le_bytes(), vr, &length.to_le_bytes(), &value].concat()
    };
    let header = &phantom.header;
    [
        element(0x0008, 0x0018, b"UI", header.sop_instance.as_str(), 0),
        element(0x0008, 0x0052, b"CS", "IMAGE", b' '),
        element(0x0020, 0x000D, b"UI", header.study.as_ref().unwrap().as_str(), 0),
        element(0x0020, 0x000E, b"UI", header.series.as_ref().unwrap().as_str(), 0),
    ]
    .concat()
}
