//! C-ECHO and C-STORE.

use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_dimse::{Command, Incoming};
use outrigger_front::RefusalKind;
use outrigger_model::transfer_syntax::EXPLICIT_VR_LE;
use outrigger_model::{SopClassUid, SopInstanceUid, Status, Tag, sop_class};
use outrigger_runtime::RealDisk;

use crate::station::{Station, options, store, store_phantom};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const MR: &str = "1.2.840.10008.5.1.4.1.1.4";

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
    let other_class = SopClassUid::known(MR);
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
async fn an_object_whose_command_names_none_is_refused_kept_and_listed() {
    let mut station = Station::start(options()).await;
    let mut association = station.call(&[(CT, &[EXPLICIT_VR_LE])]).await.unwrap();
    let phantom = Phantom::new(1, Place::default(), Shape::SmallCt);
    let (class, instance) = (phantom.header.sop_class.clone(), phantom.header.sop_instance.clone());
    let malformed = |uid| (SopClassUid::known(uid), SopInstanceUid::known(uid));
    // An empty value counts as an absent one.
    for (named_class, named_instance, offending) in [
        (class.clone(), malformed("").1, 0x1000),
        (class.clone(), malformed("1.2\\3").1, 0x1000),
        (malformed("").0, instance.clone(), 0x0002),
        (malformed("1.2\\3").0, instance.clone(), 0x0002),
    ] {
        let outcome = store(&mut association, &named_class, &named_instance, phantom.data_set.clone()).await;
        assert_eq!(outcome.status, Status::DATA_SET_MISMATCH, "{outcome:?}");
        assert_eq!(outcome.offending, [Tag(0, offending)], "{outcome:?}");
        let refused = station.refusals.recv().await.unwrap();
        assert_eq!(refused.status, Status::DATA_SET_MISMATCH);
        assert_eq!(refused.sop_instance.as_ref(), Some(&instance), "read from the data set");
        let kept = outrigger_runtime::disk::read_small(&RealDisk, &refused.kept.unwrap(), 1 << 20).unwrap();
        assert!(kept.ends_with(&phantom.data_set));
    }
    let nonsense = bytes::Bytes::from_static(b"no data set at all");
    let outcome = store(&mut association, &class, &malformed("").1, nonsense.clone()).await;
    assert_eq!(outcome.status, Status::DATA_SET_MISMATCH, "{outcome:?}");
    let refused = station.refusals.recv().await.unwrap();
    let kept = outrigger_runtime::disk::read_small(&RealDisk, &refused.kept.unwrap(), 1 << 20).unwrap();
    assert!(refused.sop_instance.is_none() && kept.ends_with(&nonsense), "{:?}", refused.sop_instance);

    assert!(station.shelf.kept().is_empty());
    assert_eq!(store_phantom(&mut association, &phantom).await.status, Status::SUCCESS);
}

#[tokio::test]
async fn an_object_on_the_context_of_another_class_is_refused_and_kept() {
    let mut station = Station::start(options()).await;
    let mut association = station.call(&[(MR, &[EXPLICIT_VR_LE])]).await.unwrap();
    let phantom = Phantom::new(1, Place::default(), Shape::SmallCt);
    let outcome = store_phantom(&mut association, &phantom).await;
    assert_eq!((outcome.status, outcome.offending), (Status::DATA_SET_MISMATCH, vec![Tag::SOP_CLASS_UID]));
    let refused = station.refusals.recv().await.unwrap();
    assert!(refused.text.contains("presentation context") && refused.kept.is_some(), "{refused:?}");
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
        assert_eq!(outcome.status, status);
        let comment = outcome.error_comment.unwrap();
        assert!(!comment.contains("told to"), "what the service says is for the log: {comment}");
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
