//! Studies that a member says it has more of than it lists: no smaller number passes for all there is.

use outrigger_ledger::Shortfall;
use outrigger_model::{Level, Query, QueryKey, QueryRoot, StudyUid, Tag};
use outrigger_query::Respondents;

use crate::rig::{A, B, Rig, by_name, study_uid, value};

/// Everything of a study at a level below it.
fn below(level: Level, study: &str) -> Query {
    let keys =
        [(Tag::STUDY_INSTANCE_UID, study), (Tag::SERIES_INSTANCE_UID, ""), (Tag::SOP_INSTANCE_UID, "")];
    let keys = keys.map(|(tag, value)| QueryKey { tag, value: value.to_owned() }).to_vec();
    Query::new(QueryRoot::Study, level, keys)
}

/// How many instances studies have, which are not asked for their UID.
fn counted_by_name() -> Query {
    let keys = [(Tag::PATIENT_NAME, "DOE"), (Tag::STUDY_RELATED_INSTANCES, "")];
    let keys = keys.map(|(tag, value)| QueryKey { tag, value: value.to_owned() }).to_vec();
    Query::new(QueryRoot::Study, Level::Study, keys)
}

async fn says(rig: &Rig, study: &str, says: u64) {
    let study = StudyUid::new(study).unwrap();
    rig.ledger.fell_short(Shortfall { study, member: B, says }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_member_says_it_has_is_counted_and_what_it_does_not_list_is_said_to_be_missing() {
    for respondents in [Respondents::Catalogue, Respondents::Members, Respondents::All] {
        let rig = Rig::uninventoried(respondents).await;
        for study in 1..=2 {
            rig.in_step(study, "DOE").await;
        }
        rig.is_inventoried(A).await;
        rig.is_inventoried(B).await;
        says(&rig, &study_uid(1), 30).await;
        // Nothing of it is listed at all.
        says(&rig, "1.9", 5).await;

        let (found, missing) = rig.find(by_name("DOE")).await;
        let counts = found.iter().map(|study| value(study, Tag::STUDY_RELATED_INSTANCES));
        assert_eq!(counts.collect::<Vec<_>>(), ["30", "1"], "{respondents:?}");
        assert_eq!(missing, None, "no study is missing");
        let (found, _) = rig.find(counted_by_name()).await;
        let counts = found.iter().map(|study| value(study, Tag::STUDY_RELATED_INSTANCES));
        assert_eq!(counts.collect::<Vec<_>>(), ["30", "1"], "{respondents:?}, without a UID");

        for level in [Level::Series, Level::Image] {
            let (found, missing) = rig.find(below(level, &study_uid(1))).await;
            let [(member, why)] = &missing.unwrap().members[..] else { panic!("one member") };
            let words = format!("it says it has 30 instances of study {}, and 1 are listed", study_uid(1));
            assert_eq!((found.len(), member.as_str(), why.as_str()), (1, "b", words.as_str()));
            assert_eq!(rig.find(below(level, &study_uid(2))).await.1, None, "the control");
            let (found, missing) = rig.find(below(level, "1.9")).await;
            assert_eq!((found.len(), missing.unwrap().members.len()), (0, 1), "nothing, and not for sure");
        }
        says(&rig, &study_uid(1), 0).await;
        assert_eq!(rig.find(below(Level::Image, &study_uid(1))).await.1, None, "all are listed now");
    }
}
