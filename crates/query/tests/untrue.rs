//! Members that answer, and not with the truth.

use outrigger_ledger::Inventory;
use outrigger_model::{Tag, WallTime};
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
    rig.a.conduct(Conduct::IgnoresKeys);
    assert_eq!(rig.named("DOE").await, (vec![study_uid(1)], vec![]));
    assert_eq!(rig.reader.lately()[0].left_out, 1);
    rig.a.shows(&[(Tag::PATIENT_NAME, "DOE")]);
    assert_eq!(rig.named("DOE").await, (vec![study_uid(1)], vec!["a".to_owned()]), "what is that?");
    assert_eq!(rig.reader.lately()[0].left_out, 2);
}

/// Goal: that a member has something and does not say what is not taken for nothing. The control: the same with its UID.
#[tokio::test(start_paused = true)]
async fn an_answer_that_names_no_study_is_said_to_be_missing() {
    for (uid, found, missing) in [("", vec![], vec!["a"]), ("1.9", vec!["1.9".to_owned()], vec![])] {
        let rig = Rig::uninventoried(Respondents::All).await;
        rig.a.shows(&[(Tag::STUDY_INSTANCE_UID, uid), (Tag::PATIENT_NAME, "DOE")]);
        let (studies, short) = rig.named("DOE").await;
        assert_eq!((studies, short), (found, missing.iter().map(ToString::to_string).collect::<Vec<_>>()));
    }
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

/// Goal: an archive that gives only so many answers and does not say so is not believed once that is known of it.
#[tokio::test(start_paused = true)]
async fn answers_of_a_member_that_cannot_be_listed_whole_are_said_to_be_perhaps_not_all() {
    let rig = Rig::uninventoried(Respondents::Members).await;
    for study in 0..10 {
        rig.a.shows(&[(Tag::STUDY_INSTANCE_UID, &format!("1.9.{study}")), (Tag::PATIENT_NAME, "DOE")]);
    }
    rig.a.shows(&[(Tag::STUDY_INSTANCE_UID, "1.8"), (Tag::PATIENT_NAME, "ROE")]);
    let missing = async |name| rig.named(name).await.1;
    assert_eq!(missing("DOE").await, [""; 0], "the control");
    let running = Inventory { began_at: Some(WallTime(1)), unlisted: 1, ..Inventory::never(A) };
    rig.ledger.note_inventory(running).await.unwrap();
    assert_eq!(missing("DOE").await, ["a"]);
    assert_eq!(missing("ROE").await, [""; 0], "so few are all");
    rig.is_inventoried(A).await;
    assert_eq!(missing("DOE").await, [""; 0]);
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

/// A key that a member neither matches on nor returns is decided by the catalogue, where that knows the study.
#[tokio::test(start_paused = true)]
async fn what_the_catalogue_knows_to_be_no_answer_is_none() {
    let rig = Rig::uninventoried(Respondents::Members).await;
    rig.in_step(1, "DOE").await;
    rig.a.shows(&[(Tag::STUDY_INSTANCE_UID, "1.9"), (Tag::PATIENT_NAME, "DOE")]);
    let found = async |description: &str| {
        let keys = [(Tag::STUDY_INSTANCE_UID, ""), (Tag::STUDY_DESCRIPTION, description)];
        let (answers, _) = rig.find(study_query(&keys)).await;
        answers.iter().map(|answer| value(answer, Tag::STUDY_INSTANCE_UID)).collect::<Vec<_>>()
    };
    assert_eq!(found("HEAD").await, ["1.9"], "nobody knows the description of this one");
    assert_eq!(found("").await, [study_uid(1), "1.9".to_owned()]);
}

/// What was agreed on with us was not with members: they are asked for more, and the rest is left out.
#[tokio::test(start_paused = true)]
async fn a_range_of_moments_is_asked_as_a_range_of_dates_and_held_against_the_answers() {
    let rig = Rig::uninventoried(Respondents::Members).await;
    for (study, date, time) in
        [("1.9.1", "20240101", "2300"), ("1.9.2", "20240102", "0100"), ("1.9.3", "20240101", "1200")]
    {
        rig.a.shows(&[(Tag::STUDY_INSTANCE_UID, study), (Tag::STUDY_DATE, date), (Tag::STUDY_TIME, time)]);
    }
    let mut query = study_query(&[
        (Tag::STUDY_INSTANCE_UID, ""),
        (Tag::STUDY_DATE, "20240101-20240102"),
        (Tag::STUDY_TIME, "2200-0400"),
    ]);
    query.rules.date_times = true;
    let (answers, _) = rig.find(query).await;
    let studies: Vec<_> = answers.iter().map(|answer| value(answer, Tag::STUDY_INSTANCE_UID)).collect();
    assert_eq!(studies, ["1.9.1", "1.9.2"]);
}

/// The items that match, with what was asked for, whatever a member returns of a sequence; one that ignores the key and returns
/// nothing of it is held against it.
#[tokio::test(start_paused = true)]
async fn sequences_are_held_against_their_key_and_cut_to_it() {
    let rig = Rig::uninventoried(Respondents::Members).await;
    let others = r#"[{"00100020":"X1","00100021":"A"},{"00100020":"X2","00100021":"B"}]"#;
    rig.a.shows(&[(Tag::STUDY_INSTANCE_UID, "1.9"), (Tag::OTHER_PATIENT_IDS, others)]);
    rig.a.shows(&[(Tag::STUDY_INSTANCE_UID, "1.8"), (Tag::OTHER_PATIENT_IDS, r#"[{"00100020":"X3"}]"#)]);
    rig.in_step(1, "DOE").await;
    rig.a.conduct(Conduct::IgnoresKeys);
    let asked = [(Tag::STUDY_INSTANCE_UID, ""), (Tag::OTHER_PATIENT_IDS, r#"[{"00100020":"X2"}]"#)];
    let (answers, _) = rig.find(study_query(&asked)).await;
    let found: Vec<_> = answers
        .iter()
        .map(|answer| (value(answer, Tag::STUDY_INSTANCE_UID), value(answer, Tag::OTHER_PATIENT_IDS)))
        .collect();
    assert_eq!(found, [("1.9".to_owned(), r#"[{"00100020":"X2"}]"#.to_owned())]);
}
