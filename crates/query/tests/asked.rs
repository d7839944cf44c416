//! Which member is asked, and when its answer is united with others.

use outrigger_model::Tag;
use outrigger_query::Respondents;

use crate::rig::{A, B, Rig, by_name, study_query, study_uid, value};

#[tokio::test(start_paused = true)]
async fn the_preferred_member_alone_is_asked_while_it_owes_nothing() {
    let rig = Rig::new().await;
    rig.in_step(1, "DOE").await;
    assert_eq!(rig.named("DOE").await, (vec![study_uid(1)], vec![]));
    assert_eq!((rig.a.asked(), rig.b.asked()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn another_is_asked_while_the_preferred_owes_something() {
    let rig = Rig::new().await;
    rig.in_step(1, "DOE").await;
    let entry = rig.stored(2, "DOE").await;
    rig.has(B, entry).await;
    let (studies, _) = rig.named("DOE").await;
    assert_eq!(studies, [study_uid(1), study_uid(2)], "the catalogue has what it owes");
    assert_eq!((rig.a.asked(), rig.b.asked()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_owed_of_another_study_is_of_no_account() {
    let rig = Rig::new().await;
    rig.in_step(1, "DOE").await;
    rig.stored(2, "ROE").await;
    rig.find(study_query(&[(Tag::STUDY_INSTANCE_UID, &study_uid(1))])).await;
    assert_eq!((rig.a.asked(), rig.b.asked()), (1, 0));
    rig.find(study_query(&[(Tag::STUDY_INSTANCE_UID, &study_uid(2))])).await;
    assert_eq!((rig.a.asked(), rig.b.asked()), (2, 1), "both owe of that one");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_nobody_has_looked_at_is_asked_in_any_case() {
    let rig = Rig::uninventoried(Respondents::Members).await;
    rig.is_inventoried(A).await;
    rig.in_step(1, "DOE").await;
    rig.b.shows(&[(Tag::STUDY_INSTANCE_UID, "1.9"), (Tag::PATIENT_NAME, "DOE")]);
    assert_eq!(rig.named("DOE").await, (vec![study_uid(1), "1.9".to_owned()], vec![]));
    assert_eq!((rig.a.asked(), rig.b.asked()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn all_or_none_are_asked_where_it_is_said_so() {
    for (respondents, asked) in [(Respondents::All, (1, 1)), (Respondents::Catalogue, (0, 0))] {
        let rig = Rig::uninventoried(respondents).await;
        rig.in_step(1, "DOE").await;
        assert_eq!(rig.named("DOE").await, (vec![study_uid(1)], vec![]));
        assert_eq!((rig.a.asked(), rig.b.asked()), asked);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_found_at_a_member_that_is_behind_is_not_final() {
    let rig = Rig::new().await;
    let entry = rig.stored(1, "DOE").await;
    rig.has(A, entry).await;
    rig.has(B, entry).await;
    assert_eq!(rig.named("DOE").await, (vec![study_uid(1)], vec![]));
    assert_eq!(rig.a.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_member_finds_by_its_own_values_has_the_counts_of_the_catalogue() {
    let rig = Rig::new().await;
    let entry = rig.stored(1, "DOE").await;
    rig.has(A, entry).await;
    rig.a.shows(&[
        (Tag::STUDY_INSTANCE_UID, &study_uid(1)),
        (Tag::PATIENT_NAME, "ROE"),
        (Tag::STUDY_RELATED_INSTANCES, "7"),
    ]);
    let (answers, _) = rig.find(by_name("ROE")).await;
    let seen = answers.iter().map(|answer| {
        [Tag::STUDY_INSTANCE_UID, Tag::PATIENT_NAME, Tag::STUDY_RELATED_INSTANCES]
            .map(|tag| value(answer, tag))
    });
    assert_eq!(seen.collect::<Vec<_>>(), [[study_uid(1), "ROE".to_owned(), "1".to_owned()]]);
}

#[tokio::test(start_paused = true)]
async fn who_answered_is_remembered() {
    let rig = Rig::uninventoried(Respondents::Members).await;
    rig.in_step(1, "DOE").await;
    rig.named("DOE").await;
    let lately = rig.reader.lately();
    let [answering] = lately.as_slice() else { panic!("{lately:?}") };
    assert_eq!((answering.answers, answering.catalogue, &answering.shortfall), (1, 1, &None));
    let members: Vec<_> =
        answering.members.iter().map(|reply| (reply.member.as_str(), reply.matches)).collect();
    assert_eq!(members, [("a", 1), ("b", 1)]);
}
