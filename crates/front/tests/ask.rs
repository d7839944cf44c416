//! C-FIND.

use outrigger_dataset::form::Form;
use outrigger_dataset::identifier::{read_answer, write_query};
use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_dimse::{Association, Command, Incoming, Priority};
use outrigger_front::AuditEvent;
use outrigger_model::transfer_syntax::EXPLICIT_VR_LE;
use outrigger_model::{Level, Query, QueryKey, QueryRoot, SopClassUid, Status, Tag, sop_class};

use crate::station::{Station, options, store_phantom};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

async fn asking(count: u32) -> (Station, Association) {
    let station = Station::start(options()).await;
    let contexts = [(CT, &[EXPLICIT_VR_LE][..]), (sop_class::STUDY_ROOT_FIND, &[EXPLICIT_VR_LE])];
    let mut association = station.call(&contexts).await.unwrap();
    for instance in 0..count {
        let phantom = Phantom::new(1, Place { instance, ..Place::default() }, Shape::SmallCt);
        assert_eq!(store_phantom(&mut association, &phantom).await.status, Status::SUCCESS);
    }
    (station, association)
}

async fn ask(association: &mut Association, message_id: u16, identifier: Vec<u8>) {
    let command = Command::CFindRq {
        message_id,
        sop_class: SopClassUid::known(sop_class::STUDY_ROOT_FIND),
        priority: Priority::Medium,
    };
    association.send_with(3, &command, identifier.into()).await.unwrap();
}

fn images_of(patient: &str) -> Vec<u8> {
    let key = |tag, value: &str| QueryKey { tag, value: value.to_owned() };
    let keys = vec![
        key(Tag::SOP_INSTANCE_UID, ""),
        key(Tag::PATIENT_NAME, patient),
        key(Tag::STUDY_INSTANCE_UID, "1.2"),
        key(Tag::SERIES_INSTANCE_UID, "1.3"),
    ];
    write_query(Form::ExplicitLittle, &Query::new(QueryRoot::Study, Level::Image, keys))
}

async fn next(association: &mut Association) -> Status {
    match association.receive().await.unwrap() {
        Incoming::Message { command: Command::CFindRsp { outcome, .. }, .. } => outcome.status,
        other => panic!("a C-FIND-RSP expected: {other:?}"),
    }
}

#[tokio::test]
async fn answers_come_with_us_as_the_place_to_retrieve_from() {
    let (mut station, mut association) = asking(3).await;
    ask(&mut association, 9, images_of("")).await;
    let mut found = Vec::new();
    while next(&mut association).await == Status::PENDING {
        let bytes = association.data_set(1 << 16).await.unwrap();
        let answer = read_answer(Form::ExplicitLittle, &bytes).unwrap();
        let value = |tag| answer.attributes.iter().find(|(found, _)| *found == tag).unwrap().1.clone();
        assert_eq!(value(Tag::RETRIEVE_AE_TITLE), "OUTRIGGER");
        found.push(value(Tag::SOP_INSTANCE_UID));
    }
    let kept: Vec<_> = station.shelf.kept().iter().map(|kept| kept.instance.as_str().to_owned()).collect();
    assert_eq!(found, kept);
    association.release().await.unwrap();
    let mut events = Vec::new();
    while events.len() < 3 {
        events.push(station.audit.recv().await.unwrap());
    }
    assert!(matches!(events[0], AuditEvent::AssociationOpened { .. }));
    assert!(matches!(events[1], AuditEvent::Queried { .. }));
    let AuditEvent::Stored { study, .. } = &events[2] else { panic!("{events:?}") };
    assert_eq!(study.classes.values().copied().collect::<Vec<_>>(), [3]);
}

#[tokio::test]
async fn a_query_that_never_ends_is_cancelled() {
    let (_station, mut association) = asking(1).await;
    ask(&mut association, 9, images_of("endless")).await;
    assert_eq!(next(&mut association).await, Status::PENDING);
    // One for another operation changes nothing.
    for message_id in [8, 9] {
        association.send(3, &Command::CCancelRq { message_id }).await.unwrap();
    }
    let mut status = Status::PENDING;
    while status == Status::PENDING {
        status = next(&mut association).await;
    }
    assert_eq!(status, Status::CANCEL);
    ask(&mut association, 10, images_of("")).await;
    assert_eq!(next(&mut association).await, Status::PENDING);
    assert_eq!(next(&mut association).await, Status::SUCCESS);
    association.release().await.unwrap();
}

#[tokio::test]
async fn what_is_no_identifier_is_answered_so() {
    let (_station, mut association) = asking(0).await;
    for identifier in [vec![], vec![1, 2, 3], vec![0; (1 << 20) + 2]] {
        ask(&mut association, 9, identifier).await;
        assert_eq!(next(&mut association).await, Status::DATA_SET_MISMATCH);
    }
    ask(&mut association, 10, images_of("")).await;
    assert_eq!(next(&mut association).await, Status::SUCCESS);
}
