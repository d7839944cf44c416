//! Whom else is asked, for how long, and what of all that is united: where one answer alone is not enough.

use std::convert::identity;
use std::time::Duration;

use outrigger_ledger::inventory::Inventory;
use outrigger_model::{MemberName, MemberNumber, Tag, WallTime};
use outrigger_query::{Respondents, Source};
use tokio::time::Instant;

use crate::member::{Conduct, Scripted};
use crate::rig::{A, B, Rig, TIMEOUT, by_name, study_query, study_uid, value};

const PRIOR: [(Tag, &str); 2] = [(Tag::STUDY_INSTANCE_UID, "1.9"), (Tag::PATIENT_NAME, "DOE")];

/// Goal: who is asked behind one that hangs has a time of its own, and no more of it; that it does not answer within it says
/// nothing of it. The control is one that answers.
#[tokio::test(start_paused = true)]
async fn who_is_asked_behind_one_that_hangs_has_a_part_of_the_time_for_itself() {
    for (after, found) in
        [(TIMEOUT / 8, vec![study_uid(1), "1.9".to_owned()]), (TIMEOUT / 2, vec![study_uid(1)])]
    {
        let rig = Rig::new().await;
        rig.in_step(1, "DOE").await;
        rig.b.shows(&PRIOR);
        rig.a.conduct(Conduct::Hangs);
        rig.b.conduct(Conduct::After(after));
        let begun = Instant::now();
        assert_eq!(rig.named("DOE").await.0, found, "{after:?}");
        assert!(begun.elapsed() <= TIMEOUT + TIMEOUT / 4, "{:?}", begun.elapsed());
        rig.b.conduct(Conduct::Well);
        assert_eq!(rig.named("DOE").await.0, [study_uid(1), "1.9".to_owned()], "it is asked as ever");
    }
}

/// Goal: that somebody else answered whole does not stand for the preferred member, which is to have everything.
#[tokio::test(start_paused = true)]
async fn who_was_looked_at_is_asked_where_the_preferred_fails_whoever_else_answers() {
    let (a, b, c) = (Scripted::default(), Scripted::default(), Scripted::default());
    let source = |number, name: &str, preference, member: &Scripted| Source {
        number,
        name: MemberName::new(name).unwrap(),
        preference,
        routes: vec![std::sync::Arc::new(member.clone())],
        connections: 4,
    };
    // Nobody has looked at the third.
    let sources = vec![source(A, "a", 1, &a), source(B, "b", 2, &b), source(MemberNumber(2), "c", 3, &c)];
    let rig = Rig::reading(Respondents::Members, sources).await;
    rig.is_inventoried(A).await;
    rig.is_inventoried(B).await;
    b.shows(&PRIOR);
    assert_eq!(rig.named("DOE").await.0, [""; 0], "the control: the preferred one answers");
    assert_eq!((a.asked(), b.asked(), c.asked()), (1, 0, 1));
    a.conduct(Conduct::Away);
    assert_eq!(rig.named("DOE").await.0, ["1.9"]);
}

#[tokio::test(start_paused = true)]
async fn a_member_whose_first_inventory_is_under_way_is_asked_in_any_case() {
    let rig = Rig::uninventoried(Respondents::Members).await;
    rig.is_inventoried(A).await;
    let begun = Inventory { began_at: Some(WallTime(1)), ..Inventory::never(B) };
    rig.ledger.note_inventory(begun).await.unwrap();
    rig.b.shows(&PRIOR);
    assert_eq!(rig.named("DOE").await.0, ["1.9"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_owed_of_any_study_that_is_named_counts() {
    let rig = Rig::new().await;
    rig.in_step(1, "DOE").await;
    let entry = rig.stored(2, "ROE").await;
    rig.has(B, entry).await;
    let both = format!("{}\\{}", study_uid(1), study_uid(2));
    rig.find(study_query(&[(Tag::STUDY_INSTANCE_UID, &both)])).await;
    assert_eq!((rig.a.asked(), rig.b.asked()), (0, 1));
}

/// Goal: what the catalogue alone knows of a study stands in the answer, whatever a member leaves out.
#[tokio::test(start_paused = true)]
async fn what_a_member_does_not_return_is_the_catalogues() {
    let rig = Rig::new().await;
    let entry = rig.stored(1, "DOE").await;
    rig.has(A, entry).await;
    rig.a.shows(&[(Tag::STUDY_INSTANCE_UID, &study_uid(1)), (Tag::PATIENT_NAME, "DOE")]);
    let keys = [(Tag::PATIENT_NAME, "DOE"), (Tag::STUDY_INSTANCE_UID, ""), (Tag::PATIENT_ID, "")];
    let (answers, _) = rig.find(study_query(&keys)).await;
    let ids: Vec<_> = answers.iter().map(|answer| value(answer, Tag::PATIENT_ID)).collect();
    assert_eq!((ids, rig.a.asked()), (vec!["ID-DOE".to_owned()], 1));
}

/// Goal: the catalogue is read to its end, beyond the answers that are read ahead, and whoever takes them slowly has all.
#[tokio::test(start_paused = true)]
async fn all_that_the_catalogue_has_is_answered_page_by_page() {
    const STUDIES: u32 = 520;
    let rig = Rig::uninventoried(Respondents::Catalogue).await;
    for study in 0..STUDIES {
        rig.stored(study, "DOE").await;
    }
    let mut taken = rig.reader.find(by_name("DOE"), identity);
    let mut found = std::collections::BTreeSet::new();
    while let Some(answer) = taken.recv().await {
        found.insert(value(&answer.unwrap(), Tag::STUDY_INSTANCE_UID));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(found.len(), STUDIES as usize);
}
