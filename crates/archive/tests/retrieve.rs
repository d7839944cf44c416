//! Finding and retrieving, from sound and from damaged files.

use outrigger_front::Service;
use outrigger_model::{Level, Query, QueryRoot, Selection, StudyUid, Tag};

use crate::setup::{Object, answers, blob_files, fetched, open, planned, small, store};

#[tokio::test]
async fn queries_are_answered_with_availability_and_more_than_one_page() {
    let directory = tempfile::tempdir().unwrap();
    let archive = open(directory.path()).await;
    for number in 0..250 {
        store(&archive, Object { length: 10, ..small(number) }).await.unwrap();
    }
    let found =
        answers(&archive, Level::Study, &[(Tag::PATIENT_NAME, "doe^2*"), (Tag::INSTANCE_AVAILABILITY, "")])
            .await;
    assert_eq!(found.len(), 6);
    assert!(
        found
            .iter()
            .all(|answer| answer.attributes.contains(&(Tag::INSTANCE_AVAILABILITY, "ONLINE".to_owned())))
    );
    assert_eq!(answers(&archive, Level::Image, &[(Tag::SOP_INSTANCE_UID, "")]).await.len(), 250);
    assert_eq!(answers(&archive, Level::Study, &[(Tag::ISSUER_OF_PATIENT_ID, "HOSP")]).await.len(), 25);
}

#[tokio::test]
async fn a_query_nobody_listens_to_ends_and_the_next_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let archive = open(directory.path()).await;
    for number in 0..300 {
        store(&archive, Object { length: 10, ..small(number) }).await.unwrap();
    }
    for _ in 0..100 {
        let query = Query::new(QueryRoot::Study, Level::Image, Vec::new());
        let mut answers = archive.find(query).await.unwrap();
        assert!(answers.recv().await.unwrap().is_ok());
    }
    assert_eq!(answers(&archive, Level::Image, &[]).await.len(), 300);
}

#[tokio::test]
async fn a_study_is_planned_once_each_and_an_unknown_place_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let archive = open(directory.path()).await;
    for number in 0..20 {
        store(&archive, small(number)).await.unwrap();
    }
    let study = StudyUid::new("1.2.1").unwrap();
    let plan = archive.plan(Selection::Studies(vec![study.clone(), study])).await.unwrap();
    let uids: Vec<_> = plan.iter().map(|instance| instance.sop_instance.to_string()).collect();
    assert_eq!(uids, (10..20).map(|number| small(number).uid().to_string()).collect::<Vec<_>>());
    // The audit trail is told whose it is, and nothing of what is not here.
    let patient = archive.patient_of(&StudyUid::new("1.2.1").unwrap()).await.unwrap();
    assert_eq!((patient.id.as_deref(), patient.name.as_deref()), (Some("P1"), Some("DOE^1")));
    assert_eq!(archive.patient_of(&StudyUid::new("1.2.999").unwrap()).await, None);
    let mut elsewhere = plan.first().unwrap().clone();
    for place in ["", "1", "../../etc/passwd", "zz/00", "00000009/".to_owned().as_str()] {
        place.clone_into(&mut elsewhere.place);
        assert!(archive.open(&elsewhere).await.is_err(), "{place}");
    }
}

#[tokio::test]
async fn the_file_of_another_object_is_never_served_under_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let archive = open(directory.path()).await;
    for number in 0..2 {
        store(&archive, small(number)).await.unwrap();
    }
    assert_eq!(fetched(&archive, small(0)).await.unwrap(), small(0).bytes());
    let files = blob_files(directory.path());
    let [one, two] = files.as_slice() else { panic!("{files:?}") };
    let (kept, other) = (std::fs::read(one).unwrap(), std::fs::read(two).unwrap());
    for (content_of_one, content_of_two) in [(&kept, &kept), (&other, &other), (&other, &kept)] {
        std::fs::write(one, content_of_one).unwrap();
        std::fs::write(two, content_of_two).unwrap();
        for number in 0..2 {
            match fetched(&archive, small(number)).await {
                Ok(bytes) => assert_eq!(bytes, small(number).bytes()),
                Err(refusal) => assert!(refusal.text.contains("the file of another"), "{refusal:?}"),
            }
        }
    }
    assert!(fetched(&archive, small(0)).await.is_err(), "both lie under each other's name");
}

/// One flipped bit in any byte of an object's file is found before a byte is given out, and the object sent again heals it.
#[tokio::test]
async fn a_damaged_file_is_never_served_and_healed_when_the_object_comes_again() {
    let directory = tempfile::tempdir().unwrap();
    let archive = open(directory.path()).await;
    let object = small(1);
    store(&archive, object).await.unwrap();
    let path = blob_files(directory.path()).pop().unwrap();
    let whole = std::fs::read(&path).unwrap();
    assert!(whole.starts_with(&object.bytes()));
    for place in (0..whole.len()).step_by(5) {
        let mut damaged = whole.clone();
        damaged[place] ^= 1 << (place % 8);
        std::fs::write(&path, damaged).unwrap();
        assert!(fetched(&archive, object).await.is_err(), "byte {place}");
    }
    for length in [0, 23, 24, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(fetched(&archive, object).await.is_err(), "cut to {length}");
    }
    store(&archive, object).await.unwrap();
    assert_eq!(fetched(&archive, object).await.unwrap(), object.bytes());
    std::fs::remove_file(&path).unwrap();
    assert!(fetched(&archive, object).await.is_err());
    store(&archive, object).await.unwrap();
    assert_eq!(fetched(&archive, object).await.unwrap(), object.bytes());
    assert!(planned(&archive, object).await.is_some());
}
