//! What members held before: beside the books, replaced by what is stored, forgotten by a rebuild.

use outrigger_catalogue::{Current, Cursor, SeenInstance, SeenSeries, SeenStudy};
use outrigger_ledger::{
    Accepted, CompleteInventory, Inventoried, Inventory, Ledger, MemberSet, Seen, Shortfall, Sighting,
};
use outrigger_model::{
    Level, MemberNumber, Query, QueryKey, QueryRoot, Selection, SeriesUid, SopClassUid, SopInstanceUid,
    StudyUid, Tag, WallTime,
};

use crate::kit::{A, B, Kind, Place, Rig, study_uid};

/// A study of one series whose instances could also be stored.
pub(crate) fn seen(study: u32, instances: std::ops::Range<u32>) -> SeenStudy {
    let instance = |number: u32| SeenInstance {
        sop_class: SopClassUid::known("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance: SopInstanceUid::new(&format!("1.2.{study}.1.{number}")).unwrap(),
        attributes: vec![(Tag::INSTANCE_NUMBER, number.to_string())],
    };
    let series = SeenSeries {
        series: SeriesUid::new(&format!("1.2.{study}.1")).unwrap(),
        attributes: vec![(Tag::MODALITY, "CT".to_owned())],
        instances: instances.map(instance).collect(),
    };
    SeenStudy {
        study: study_uid(study),
        attributes: vec![(Tag::PATIENT_ID, "PRIOR".to_owned())],
        issuer: None,
        series: vec![series],
    }
}

async fn listed(ledger: &Ledger, study: u32) -> Vec<(String, Option<MemberSet>)> {
    let selection = Selection::Studies(vec![study_uid(study)]);
    let page = ledger.select(selection, Cursor::default(), 100).await.unwrap();
    let who = |current: &Current| match current {
        Current::Kept(_) => None,
        Current::Inherited(inherited) => Some(inherited.members),
    };
    page.items.iter().map(|found| (found.sop_instance.to_string(), who(&found.current))).collect()
}

async fn count(ledger: &Ledger, patient: &str) -> usize {
    let keys = vec![QueryKey { tag: Tag::PATIENT_ID, value: patient.to_owned() }];
    let query = Query::new(QueryRoot::Study, Level::Study, keys);
    ledger.find(query, Cursor::default(), 100).await.unwrap().items.len()
}

fn set(members: &[MemberNumber]) -> MemberSet {
    members.iter().copied().collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_takes_the_place_of_what_was_seen_and_is_delivered_as_ever() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        rig.ledger.inherit(A, seen(1, 0..2)).await.unwrap();
        rig.ledger.inherit(B, seen(1, 1..3)).await.unwrap();
        let uid = |number: u32| format!("1.2.1.1.{number}");
        let before = [(uid(0), Some(set(&[A]))), (uid(1), Some(set(&[A, B]))), (uid(2), Some(set(&[B])))];
        assert_eq!(listed(&rig.ledger, 1).await, before, "{kind:?}");
        assert_eq!(count(&rig.ledger, "PRIOR").await, 1);
        let accepted = rig.accept(1, 1, 7).await;
        assert!(matches!(accepted, Accepted::New { .. }), "it was never stored here: {accepted:?}");
        rig.ledger.follow(accepted.entry()).await.unwrap();
        assert!(matches!(rig.accept(1, 1, 7).await, Accepted::Repeated { .. }));
        let after = [(uid(0), Some(set(&[A]))), (uid(1), None), (uid(2), Some(set(&[B])))];
        assert_eq!(listed(&rig.ledger, 1).await, after);
        assert_eq!(rig.due_one(A).await.map(|due| due.posting.entry), Some(accepted.entry()));
        rig.restart().await;
        assert_eq!(listed(&rig.ledger, 1).await, after);
        assert_eq!(rig.ledger.scrub().await.unwrap(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn how_far_an_inventory_is_outlives_a_restart_and_not_a_rebuild() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        assert_eq!(rig.ledger.inventoried(A), Inventoried::Never);
        let mut inventory = Inventory::never(A);
        inventory.began_at = Some(WallTime(5));
        inventory.studies = 7;
        inventory.progress = "here".to_owned();
        rig.ledger.note_inventory(inventory.clone()).await.unwrap();
        rig.ledger.inherit(A, seen(1, 0..2)).await.unwrap();
        assert_eq!(rig.ledger.inventoried(A), Inventoried::Running { since: WallTime(5), studies: 7 });
        rig.restart().await;
        assert_eq!(rig.ledger.inventory(A), inventory, "{kind:?}");
        assert_eq!(rig.ledger.inventoried(B), Inventoried::Never);
        inventory.began_at = None;
        inventory.complete = Some(CompleteInventory { began_at: WallTime(5), ended_at: WallTime(9) });
        rig.ledger.note_inventory(inventory).await.unwrap();
        rig.restart().await;
        assert_eq!(rig.ledger.inventoried(A), Inventoried::Complete { as_of: WallTime(5) });

        let place = Place::new(kind);
        Ledger::rebuild(&rig.journal.reader(), &mut *place.open()).unwrap();
        rig.place = place;
        rig.restart().await;
        assert_eq!(rig.ledger.inventoried(A), Inventoried::Never, "it begins anew");
        assert_eq!(listed(&rig.ledger, 1).await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn when_a_study_was_seen_first_stays() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let study = StudyUid::known("1.2.1");
        let sighting = |at: i64, instances| Sighting {
            study: StudyUid::known("1.2.1"),
            member: A,
            first_seen: WallTime(at),
            last_seen: WallTime(at),
            instances,
            identities: u128::MAX - 3,
        };
        assert_eq!(rig.ledger.sighting(study.clone(), A).await.unwrap(), None);
        rig.ledger.sighted(sighting(10, 4), Inventory::never(A)).await.unwrap();
        let noted = Inventory { studies: 1, ..Inventory::never(A) };
        rig.ledger.sighted(sighting(20, 3), noted.clone()).await.unwrap();
        assert_eq!(rig.ledger.inventory(A), noted);
        let expected = Sighting { first_seen: WallTime(10), ..sighting(20, 3) };
        assert_eq!(rig.ledger.sighting(study.clone(), A).await.unwrap(), Some(expected), "{kind:?}");
        assert_eq!(rig.ledger.sighting(study, B).await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_members_do_not_list_of_a_study_is_kept_until_they_do() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let study = StudyUid::known("1.2.1");
        let row = |member, says| Shortfall { study: StudyUid::known("1.2.1"), member, says };
        for (says, most) in [((A, 150), Some(150)), ((B, 120), Some(150)), ((A, 0), Some(120))] {
            rig.ledger.fell_short(row(says.0, says.1)).await.unwrap();
            assert_eq!(rig.ledger.said_of(study.clone()).await.unwrap(), most, "{kind:?}");
        }
        if matches!(kind, Kind::Sqlite) {
            rig.restart().await;
            assert_eq!(rig.ledger.said_of(study.clone()).await.unwrap(), Some(120), "after a restart");
        }
        rig.ledger.fell_short(row(B, 0)).await.unwrap();
        assert_eq!(rig.ledger.said_of(study).await.unwrap(), None);
        assert_eq!(rig.ledger.said_of(StudyUid::known("1.2.2")).await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn studies_are_told_by_when_a_member_showed_them_last() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let sighting = |number: u32, member, at: i64, instances| Sighting {
            study: StudyUid::new(&format!("1.2.{number}")).unwrap(),
            member,
            first_seen: WallTime(1),
            last_seen: WallTime(at),
            instances,
            identities: 5,
        };
        let (old, older, new) = (sighting(1, A, 9, 4), sighting(2, A, 7, 1), sighting(3, A, 10, 2));
        for seen in [&old, &older, &new, &sighting(4, A, 3, 0), &sighting(5, B, 3, 1)] {
            rig.ledger.sighted(seen.clone(), Inventory::never(seen.member)).await.unwrap();
        }
        let sightings = async |seen, limit| rig.ledger.sightings(A, seen, limit).await.unwrap();
        assert_eq!(sightings(Seen::Before(WallTime(10)), 9).await, [old.clone(), older], "{kind:?}");
        assert_eq!(sightings(Seen::Before(WallTime(10)), 1).await.len(), 1);
        assert_eq!(sightings(Seen::Since(WallTime(10)), 9).await, [new], "{kind:?}");
        assert_eq!(sightings(Seen::Since(WallTime(9)), 1).await, [old]);
    }
}
