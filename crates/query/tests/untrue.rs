//! Members that answer, and not with the truth.

use outrigger_model::Tag;
use outrigger_query::{MATCHES_MAX, Respondents};

use crate::member::Conduct;
use crate::rig::{A, B, Rig, by_name, study_query, study_uid, value};

#[tokio::test(start_paused = true)]
async fn what_a_member_says_twice_is_one_answer() {
    let rig = Rig::uninventoried(Respondents::All).await;
    rig.in_step(1, "DOE").await;
    for member in [&rig.a, &rig.b] {
        member.shows(&[(Tag::STUDY_INSTANCE_UID, "1.9\0"), (Tag::PATIENT_NAME, "DOE ")]);
        member.conduct(Conduct::Twice);
    }
    assert_eq!(rig.named("DOE").await, (vec![study_uid(1), "1.9".to_owned()], vec![]));
}

#[tokio::test(start_paused = true)]
async fn answers_to_what_was_not_asked_are_left_out() {
    let rig = Rig::uninventoried(Respondents::Members).await;
    rig.in_step(1, "DOE").await;
    rig.in_step(2, "ROE").await;
    rig.a.shows(&[(Tag::PATIENT_NAME, "DOE")]);
    rig.a.conduct(Conduct::IgnoresKeys);
    assert_eq!(rig.named("DOE").await, (vec![study_uid(1)], vec![]));
    assert_eq!(rig.reader.lately()[0].left_out, 2);
}

#[tokio::test(start_paused = true)]
async fn counts_are_the_catalogues_where_it_knows_what_the_member_holds() {
    let rig = Rig::uninventoried(Respondents::Members).await;
    rig.in_step(1, "DOE").await;
    rig.a.conduct(Conduct::Counts(9));
    let count = async || value(&rig.find(by_name("DOE")).await.0[0], Tag::STUDY_RELATED_INSTANCES);
    assert_eq!(count().await, "9", "it may hold what nobody has seen");
    rig.is_inventoried(A).await;
    assert_eq!(count().await, "1");
}

#[tokio::test(start_paused = true)]
async fn what_came_before_a_failure_stands() {
    let rig = Rig::uninventoried(Respondents::Members).await;
    for study in 0..5 {
        rig.a.shows(&[(Tag::STUDY_INSTANCE_UID, &format!("1.9.{study}")), (Tag::PATIENT_NAME, "DOE")]);
    }
    rig.a.conduct(Conduct::EndsWith(3, 0xA700));
    let (studies, missing) = rig.named("DOE").await;
    assert_eq!(studies, ["1.9.0", "1.9.1", "1.9.2"]);
    assert_eq!(missing, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_member_cut_short_without_a_word_is_made_whole_by_the_other_and_the_catalogue() {
    let rig = Rig::uninventoried(Respondents::Members).await;
    for study in 1..=6 {
        rig.in_step(study, "DOE").await;
    }
    rig.a.conduct(Conduct::Capped(2));
    assert_eq!(rig.named("DOE").await.0, (1..=6).map(study_uid).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn more_matches_than_are_read_are_said_to_be_missing() {
    let rig = Rig::uninventoried(Respondents::Members).await;
    for study in 0..=MATCHES_MAX {
        rig.a.shows(&[(Tag::STUDY_INSTANCE_UID, &format!("1.9.{study}")), (Tag::PATIENT_NAME, "DOE")]);
    }
    let (studies, missing) = rig.named("DOE").await;
    assert_eq!((studies.len(), missing), (MATCHES_MAX, vec!["a".to_owned()]));
    assert!(studies.is_sorted(), "the order is the same each time");
    rig.is_inventoried(A).await;
    rig.is_inventoried(B).await;
    assert_eq!(rig.named("DOE").await.1, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn values_that_differ_are_the_preferred_members_and_sets_are_united() {
    let rig = Rig::uninventoried(Respondents::All).await;
    for (member, description, modalities) in [(&rig.b, "CHEST", "CT\\SR"), (&rig.a, "THORAX", "PR\\CT")] {
        member.shows(&[
            (Tag::STUDY_INSTANCE_UID, "1.9"),
            (Tag::STUDY_DESCRIPTION, description),
            (Tag::MODALITIES_IN_STUDY, modalities),
        ]);
    }
    let keys =
        [(Tag::STUDY_INSTANCE_UID, "1.9"), (Tag::STUDY_DESCRIPTION, ""), (Tag::MODALITIES_IN_STUDY, "")];
    let (answers, _) = rig.find(study_query(&keys)).await;
    let [answer] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!(value(answer, Tag::STUDY_DESCRIPTION), "THORAX");
    assert_eq!(value(answer, Tag::MODALITIES_IN_STUDY), "CT\\PR\\SR");
}
