//! C-ECHO and C-STORE.

use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_dimse::{Command, Incoming};
use outrigger_front::RefusalKind;
use outrigger_model::transfer_syntax::EXPLICIT_VR_LE;
use outrigger_model::{SopClassUid, SopInstanceUid, Status, Tag, sop_class};

use crate::station::{Station, options, store, store_phantom};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

#[tokio::test]
async fn an_echo_is_answered() {
    let station = Station::start(options()).await;
    let mut association = station.call(&[(sop_class::VERIFICATION, &[EXPLICIT_VR_LE])]).await.unwrap();
    association.send(1, &Command::CEchoRq { message_id: 7 }).await.unwrap();
    let Incoming::Message { command: Command::CEchoRsp { message_id: 7, outcome }, .. } =
        association.receive().await.unwrap()
    else {
        panic!("a C-ECHO-RSP expected");
    };
    assert_eq!(outcome.status, Status::SUCCESS);
    association.release().await.unwrap();
}

#[tokio::test]
async fn objects_arrive_bit_by_bit_with_their_origin() {
    let station = Station::start(options()).await;
    let mut association = station.call(&[(CT, &[EXPLICIT_VR_LE])]).await.unwrap();
    let phantoms: Vec<_> = [Shape::SmallCt, Shape::Ct, Shape::SmallCt]
        .into_iter()
        .zip(0..)
        .map(|(shape, instance)| Phantom::new(1, Place { instance, ..Place::default() }, shape))
        .collect();
    for phantom in &phantoms {
        assert_eq!(store_phantom(&mut association, phantom).await.status, Status::SUCCESS);
    }
    association.release().await.unwrap();
    let kept = station.shelf.kept();
    for (kept, phantom) in kept.iter().zip(&phantoms) {
        assert_eq!(kept.bytes, phantom.data_set);
        assert_eq!(kept.instance, phantom.header.sop_instance);
        assert_eq!(kept.origin.calling_ae.as_str(), "CT1");
        assert_eq!(kept.origin.issuer.as_deref(), Some("HOSP"));
    }
    assert_eq!(kept.len(), 3);
}

#[tokio::test]
async fn what_contradicts_itself_is_refused_and_kept_in_quarantine() {
    let mut station = Station::start(options()).await;
    let mut association = station.call(&[(CT, &[EXPLICIT_VR_LE])]).await.unwrap();
    let phantom = Phantom::new(1, Place::default(), Shape::SmallCt);
    let (class, instance) = (phantom.header.sop_class.clone(), phantom.header.sop_instance.clone());
    let whole = phantom.data_set.clone();
    let other_class = SopClassUid::known("1.2.840.10008.5.1.4.1.1.4");
    let other_instance = SopInstanceUid::known("1.2.3");
    let truncated = whole.slice(..whole.len() - 10);
    let nameless = whole.slice(whole.len() - 8..);
    for (class, instance, bytes, status, offending) in [
        (&class, &instance, truncated, Status::CANNOT_UNDERSTAND, vec![]),
        (&other_class, &instance, whole.clone(), Status::DATA_SET_MISMATCH, vec![Tag::SOP_CLASS_UID]),
        (&class, &other_instance, whole.clone(), Status::DATA_SET_MISMATCH, vec![Tag::SOP_INSTANCE_UID]),
        (&class, &instance, bytes::Bytes::new(), Status::DATA_SET_MISMATCH, vec![Tag::SOP_CLASS_UID]),
        (&class, &instance, nameless, Status::CANNOT_UNDERSTAND, vec![]),
    ] {
        let length = bytes.len() as u64;
        let outcome = store(&mut association, class, instance, bytes).await;
        assert_eq!((outcome.status, &outcome.offending), (status, &offending), "{:?}", outcome.error_comment);
        let refused = station.refusals.recv().await.unwrap();
        assert_eq!((refused.status, refused.length), (status, length));
        assert!(refused.kept.unwrap().starts_with(station.directory.path().join("quarantine")));
    }
    assert!(station.shelf.kept().is_empty());
    assert_eq!(store_phantom(&mut association, &phantom).await.status, Status::SUCCESS);
}

#[tokio::test]
async fn no_success_without_the_service() {
    let station = Station::start(options()).await;
    let mut association = station.call(&[(CT, &[EXPLICIT_VR_LE])]).await.unwrap();
    let phantom = Phantom::new(1, Place::default(), Shape::SmallCt);
    for (kind, status) in [
        (RefusalKind::OutOfResources, Status::OUT_OF_RESOURCES),
        (RefusalKind::NotAuthorized, Status::NOT_AUTHORIZED),
        (RefusalKind::ClassNotSupported, Status::SOP_CLASS_NOT_SUPPORTED),
        (RefusalKind::Failed, Status::PROCESSING_FAILURE),
    ] {
        station.shelf.refuse(Some(kind));
        let outcome = store_phantom(&mut association, &phantom).await;
        assert_eq!((outcome.status, outcome.error_comment.as_deref()), (status, Some("told to")));
    }
    station.shelf.refuse(None);
    assert_eq!(store_phantom(&mut association, &phantom).await.status, Status::SUCCESS);
    assert_eq!(station.shelf.kept().len(), 1);
}

#[tokio::test]
async fn an_object_too_large_is_refused_and_the_association_goes_on() {
    let station =
        Station::start(outrigger_front::DimseOptions { object_bytes_max: 100_000, ..options() }).await;
    let mut association = station.call(&[(CT, &[EXPLICIT_VR_LE])]).await.unwrap();
    for (shape, status) in [
        (Shape::SmallCt, Status::SUCCESS),
        (Shape::Ct, Status::OUT_OF_RESOURCES),
        (Shape::SmallCt, Status::SUCCESS),
    ] {
        let phantom = Phantom::new(1, Place::default(), shape);
        assert_eq!(store_phantom(&mut association, &phantom).await.status, status, "{shape:?}");
    }
}
