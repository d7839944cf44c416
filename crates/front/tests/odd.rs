//! Objects whose UIDs break the rules: what can be asked for is kept as it is at both doors, what cannot is refused at both.

use outrigger_dataset::element::{Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::part10;
use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_dataset::read::read_form;
use outrigger_dataset::write::write;
use outrigger_front::WebServer;
use outrigger_model::transfer_syntax::EXPLICIT_VR_LE;
use outrigger_model::{SopInstanceUid, Status, Tag};

use crate::station::{Station, store};
use crate::web::door::{Door, MULTIPART, multipart, options};

over_both!(
    #[tokio::test]
    a_uid_that_nobody_could_ask_for_is_refused_by_stow_and_others_are_named_so_that_they_are_found,
);

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

/// An object with another UID in its bytes, and the SOP Instance UID that they have.
fn object(tag: Tag, uid: &str) -> (Phantom, SopInstanceUid) {
    let mut phantom = Phantom::new(1, Place::default(), Shape::SmallCt);
    let mut data_set = read_form(Form::ExplicitLittle, phantom.data_set.clone()).unwrap();
    data_set.put(Element::text(tag, Vr::UI, uid));
    phantom.data_set = write(&data_set, Form::ExplicitLittle).into();
    let instance = if tag == Tag::SOP_INSTANCE_UID { uid } else { phantom.header.sop_instance.as_str() };
    let instance = SopInstanceUid::new(instance).unwrap();
    (phantom, instance)
}

/// UIDs that a path, a wildcard or a list would be read instead of.
const UNADDRESSABLE: [(Tag, &str); 6] = [
    (Tag::SOP_INSTANCE_UID, "2.25.1/../../x"),
    (Tag::SOP_INSTANCE_UID, "1.2.*"),
    (Tag::SOP_INSTANCE_UID, ".."),
    (Tag::STUDY_INSTANCE_UID, "2.25.1/../3"),
    (Tag::SERIES_INSTANCE_UID, "1.2?"),
    (Tag::SERIES_INSTANCE_UID, "1.2%2F3"),
];

fn odd() -> Vec<(Tag, String)> {
    let all = [Tag::SOP_INSTANCE_UID, Tag::STUDY_INSTANCE_UID, Tag::SERIES_INSTANCE_UID];
    let uids =
        ["1.02.003".to_owned(), "1.2.3  ".to_owned(), format!("2.25.{}", "7".repeat(69)), "TEST-1_a".into()];
    all.into_iter().flat_map(|tag| uids.clone().map(|uid| (tag, uid))).collect()
}

#[tokio::test]
async fn a_uid_that_nobody_could_ask_for_is_refused_by_c_store_and_others_are_identities() {
    let mut station = Station::start(crate::station::options()).await;
    let mut association = station.call(&[(CT, &[EXPLICIT_VR_LE])]).await.unwrap();
    for (tag, uid) in UNADDRESSABLE {
        let (phantom, instance) = object(tag, uid);
        let outcome = store(&mut association, &phantom.header.sop_class, &instance, phantom.data_set).await;
        assert_eq!((outcome.status, &*outcome.offending), (Status::DATA_SET_MISMATCH, &[tag][..]), "{uid}");
        assert!(outcome.error_comment.unwrap().contains("could be asked for"), "{uid}");
        let refused = station.refusals.recv().await.unwrap();
        assert_eq!((refused.sop_instance, refused.kept.is_some()), (Some(instance), true), "{uid}");
    }
    assert!(station.shelf.kept().is_empty());
    for (tag, uid) in odd() {
        let (phantom, instance) = object(tag, &uid);
        let bytes = phantom.data_set.clone();
        let outcome = store(&mut association, &phantom.header.sop_class, &instance, bytes).await;
        assert_eq!(outcome.status, Status::SUCCESS, "{uid}: {outcome:?}");
        let kept = station.shelf.kept().pop().unwrap();
        assert_eq!((kept.instance, kept.bytes), (instance, phantom.data_set), "{uid}");
    }
}

async fn a_uid_that_nobody_could_ask_for_is_refused_by_stow_and_others_are_named_so_that_they_are_found(
    server: WebServer,
) {
    let mut door = Door::open(options(server)).await;
    let file = |phantom: &Phantom, instance: &SopInstanceUid| {
        part10::file(&phantom.header.sop_class, instance, &phantom.transfer_syntax, &phantom.data_set)
    };
    for (tag, uid) in UNADDRESSABLE {
        let (phantom, instance) = object(tag, uid);
        let said = door.post("/dicomweb/studies", MULTIPART, &multipart(&[file(&phantom, &instance)])).await;
        let failed = &said.json()["00081198"]["Value"][0];
        assert_eq!((said.status, &failed["00081197"]["Value"][0]), (409, &0xA900.into()), "{uid}: {said:?}");
        assert_eq!(failed["00081155"]["Value"][0], instance.as_str());
        let refused = door.refusals.recv().await.unwrap();
        assert_eq!((refused.sop_instance, refused.kept.is_some()), (Some(instance), true), "{uid}");
    }
    assert!(door.service.shelf.kept().is_empty());
    for (tag, uid) in odd() {
        let (phantom, instance) = object(tag, &uid);
        let said = door.post("/dicomweb/studies", MULTIPART, &multipart(&[file(&phantom, &instance)])).await;
        assert_eq!(said.status, 200, "{uid}: {said:?}");
        let answer = said.json();
        let url = answer["00081199"]["Value"][0]["00081190"]["Value"][0].as_str().unwrap();
        let path = url.strip_prefix("http://localhost").unwrap();
        // A shelf knows no studies; what is given is looked at where the whole program is.
        let got = door.get_with(path, "Accept: application/dicom").await;
        assert!(got.status == 404 && got.text().contains("studies/"), "{path}: {got:?}");
        assert_eq!(door.service.shelf.kept().pop().unwrap().bytes, phantom.data_set, "{path}");
    }
}
