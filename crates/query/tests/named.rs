//! Queries that name what they are about: nothing found is made sure of, and what members show beyond the catalogue is noted.

use std::convert::identity;
use std::time::Duration;

use outrigger_member::breaker::Breaker;
use outrigger_model::{Level, Query, QueryKey, QueryRoot, StudyUid, Tag};
use outrigger_query::{FindError, Respondents};
use tokio::time::{Instant, timeout};

use crate::member::Conduct;
use crate::rig::{A, B, Rig, TIMEOUT, by_name, study_query, study_uid, value};

/// The studies found by a key.
async fn found(rig: &Rig, tag: Tag, value_of: &str) -> Vec<String> {
    let keys = [(tag, value_of), (Tag::STUDY_INSTANCE_UID, ""), (Tag::PATIENT_ID, "")];
    let keys: Vec<_> = keys.into_iter().enumerate().filter(|(at, (of, _))| *at == 0 || *of != tag).collect();
    let keys: Vec<_> = keys.into_iter().map(|(_, key)| key).collect();
    let (answers, _) = rig.find(study_query(&keys)).await;
    answers.iter().map(|answer| value(answer, Tag::STUDY_INSTANCE_UID)).collect()
}

/// Takes what waits to be looked up.
async fn shown_more(rig: &Rig) -> Option<StudyUid> {
    timeout(Duration::from_millis(1), rig.reader.shown_more()).await.ok()
}

/// The study came to the other member beside the front door, behind its inventory.
#[tokio::test(start_paused = true)]
async fn what_only_another_than_the_preferred_has_is_found_by_what_names_it() {
    let rig = Rig::new().await;
    rig.in_step(1, "DOE").await;
    rig.b.shows(&[
        (Tag::STUDY_INSTANCE_UID, "1.9"),
        (Tag::PATIENT_NAME, "DOE"),
        (Tag::PATIENT_ID, "4711"),
        (Tag::ACCESSION_NUMBER, "A9"),
    ]);
    assert_eq!(rig.named("DOE").await.0, [study_uid(1)], "it has an answer, and names nobody for sure");
    assert_eq!(rig.b.asked(), 0);
    for (tag, name) in
        [(Tag::STUDY_INSTANCE_UID, "1.9"), (Tag::PATIENT_ID, "4711"), (Tag::ACCESSION_NUMBER, "A9")]
    {
        assert_eq!(found(&rig, tag, name).await, ["1.9"], "{tag:?}");
    }
    assert_eq!(rig.b.asked(), 3);
    // What is found, and what is looked for in the dark, is not asked of everybody.
    assert_eq!(found(&rig, Tag::STUDY_INSTANCE_UID, &study_uid(1)).await, [study_uid(1)]);
    assert_eq!(found(&rig, Tag::PATIENT_ID, "X*").await, [""; 0]);
    assert_eq!(rig.b.asked(), 3);
    assert_eq!(found(&rig, Tag::STUDY_INSTANCE_UID, "1.8").await, [""; 0], "nobody has it");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_hangs_costs_one_who_finds_nothing_the_time_out_once() {
    let rig = Rig::new().await;
    rig.b.conduct(Conduct::Hangs);
    for most in [TIMEOUT, Duration::ZERO, Duration::ZERO] {
        let begun = Instant::now();
        assert_eq!(found(&rig, Tag::STUDY_INSTANCE_UID, "1.9").await, [""; 0]);
        assert!(begun.elapsed() <= most + Duration::from_millis(50), "{:?}", begun.elapsed());
    }
}

/// Both are inventoried: the catalogue says what they held, and not what came to one since.
#[tokio::test(start_paused = true)]
async fn nothing_found_of_what_is_named_is_unsure_while_a_member_is_not_heard() {
    let rig = Rig::new().await;
    rig.in_step(1, "DOE").await;
    let named = |study: &str| study_query(&[(Tag::STUDY_INSTANCE_UID, study), (Tag::PATIENT_ID, "")]);
    let said = async |query: Query| {
        let mut taken = rig.reader.find(query, identity);
        match taken.recv().await {
            None => "nothing",
            Some(Ok(_)) => "something",
            Some(Err(FindError::Unsure(unheard))) if unheard.members[0].0.as_str() == "b" => "unsure",
            Some(Err(error)) => panic!("{error}"),
        }
    };
    assert_eq!(said(named("1.9")).await, "nothing", "the control: all are heard");
    rig.b.conduct(Conduct::Hangs);
    for _ in 0..2 {
        assert_eq!(said(named("1.9")).await, "unsure");
    }
    assert_eq!(said(named(&study_uid(1))).await, "something");
    assert_eq!(said(by_name("NOBODY")).await, "nothing", "it names nobody for sure");
}

/// An inventoried member shows a study that the catalogue does not know: it is looked up, and remembered as shown.
#[tokio::test(start_paused = true)]
async fn a_study_that_came_behind_an_inventory_is_noted_as_shown() {
    for is_inventoried in [true, false] {
        let rig = Rig::uninventoried(Respondents::Members).await;
        if is_inventoried {
            rig.is_inventoried(A).await;
        }
        rig.a.shows(&[(Tag::STUDY_INSTANCE_UID, "1.9"), (Tag::PATIENT_NAME, "DOE")]);
        let study = StudyUid::new("1.9").unwrap();
        assert!(!rig.reader.was_shown(&study));
        assert_eq!(rig.named("DOE").await.0, ["1.9"]);
        assert_eq!(shown_more(&rig).await, is_inventoried.then(|| study.clone()));
        assert_eq!(rig.reader.was_shown(&study), is_inventoried, "what is taken is remembered");
    }
}

/// All members were left alone, and are back: what names a study they have finds it before they are tried in the background.
#[tokio::test(start_paused = true)]
async fn members_that_are_left_alone_are_asked_where_nobody_else_answers() {
    let rig = Rig::new().await;
    rig.in_step(1, "DOE").await;
    for member in [&rig.a, &rig.b] {
        member.shows(&[(Tag::STUDY_INSTANCE_UID, "1.9"), (Tag::PATIENT_NAME, "ROE")]);
        member.conduct(Conduct::Hangs);
    }
    // The first finds the one silent, the second the other.
    for _ in 0..2 {
        assert_eq!(found(&rig, Tag::STUDY_INSTANCE_UID, "1.9").await, [""; 0]);
    }
    // Long enough for the next try in the background to be far away.
    tokio::time::sleep(Duration::from_secs(100)).await;
    rig.a.conduct(Conduct::Well);
    rig.b.conduct(Conduct::Well);
    for member in [A, B] {
        let standing = rig.reader.standing(member);
        assert!(!matches!(standing, Some(Breaker::Closed { .. })), "{member:?}: {standing:?}");
    }
    let begun = Instant::now();
    assert_eq!(found(&rig, Tag::STUDY_INSTANCE_UID, "1.9").await, ["1.9"]);
    assert!(begun.elapsed() < Duration::from_millis(50), "{:?}", begun.elapsed());
    assert_eq!(found(&rig, Tag::STUDY_INSTANCE_UID, &study_uid(1)).await, [study_uid(1)]);
}

#[tokio::test(start_paused = true)]
async fn a_study_of_which_a_member_counts_more_is_noted_once() {
    let rig = Rig::new().await;
    rig.in_step(1, "DOE").await;
    let study = StudyUid::new(&study_uid(1)).unwrap();
    rig.a.conduct(Conduct::Counts(1));
    rig.find(by_name("DOE")).await;
    assert_eq!(shown_more(&rig).await, None, "the catalogue knows one");
    rig.a.conduct(Conduct::Counts(3));
    rig.find(by_name("DOE")).await;
    rig.find(by_name("DOE")).await;
    assert_eq!(rig.reader.take_shown_more(&study), Some(study.clone()), "a retrieval need not wait");
    assert_eq!(shown_more(&rig).await, None);
    rig.find(by_name("DOE")).await;
    assert_eq!(shown_more(&rig).await, None, "it was looked up, and the member counts what it does not give");
    rig.a.conduct(Conduct::Counts(4));
    rig.find(by_name("DOE")).await;
    assert_eq!(shown_more(&rig).await, Some(study));
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_a_member_shows_of_a_known_study_is_noted() {
    let rig = Rig::new().await;
    rig.in_step(1, "DOE").await;
    rig.has(A, rig.stored(1, "DOE").await).await;
    let study = study_uid(1);
    let images = || {
        let keys = [
            (Tag::STUDY_INSTANCE_UID, study.clone()),
            (Tag::SERIES_INSTANCE_UID, format!("{study}.1")),
            (Tag::SOP_INSTANCE_UID, String::new()),
        ];
        let keys = keys.into_iter().map(|(tag, value)| QueryKey { tag, value });
        Query::new(QueryRoot::Study, Level::Image, keys.collect())
    };
    let shows = |instance: &str| {
        rig.a.shows(&[
            (Tag::STUDY_INSTANCE_UID, &study),
            (Tag::SERIES_INSTANCE_UID, &format!("{study}.1")),
            (Tag::SOP_INSTANCE_UID, instance),
        ]);
    };
    shows(&format!("{study}.1.1"));
    rig.find(images()).await;
    assert_eq!(shown_more(&rig).await, None, "that one is known");
    shows(&format!("{study}.1.2"));
    let (answers, _) = rig.find(images()).await;
    assert!(answers.iter().any(|answer| value(answer, Tag::SOP_INSTANCE_UID) == format!("{study}.1.2")));
    assert_eq!(shown_more(&rig).await.map(|study| study.to_string()), Some(study));
}
