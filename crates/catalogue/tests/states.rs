//! Hidden, deleted and restored instances, conflicts and the feed of changes: each test runs over all catalogues.

use outrigger_catalogue::{
    Catalogue, Change, ChangeKind, Cursor, Decision, DecisionMark, Fate, Named, Purge, Put, Readmission,
    Rejection, Ruling, SetDigest, Subject,
};
use outrigger_model::{Level, Selection, SeriesUid, Sha256Digest, SopInstanceUid, StudyUid, Tag, WallTime};

use crate::contract::{found, over_all, selected};
use crate::made::{instance, other_bytes};

/// The tests of this file that run over every catalogue.
pub(crate) const ALL: &[fn()] = &[
    what_is_hidden_is_not_found_and_nothing_counts_it_until_it_is_restored,
    a_study_whose_instances_are_all_hidden_is_not_found_nor_a_patient_without_another,
    what_was_deleted_goes_after_its_time_and_leaves_who_why_when_and_its_digest,
    what_was_rejected_before_it_came_is_not_shown_when_it_comes,
    a_conflict_is_listed_until_a_person_chooses_and_again_with_a_further_version,
    every_change_has_the_next_number_and_what_was_decided_counts_once,
    who_rejected_for_safety_does_not_get_it_again,
];

/// The tests of this file that do not.
pub(crate) const OTHERS: usize = 1;

const AT: WallTime = WallTime(1_700_000_000_000_000);

fn uid(text: &str) -> SopInstanceUid {
    SopInstanceUid::new(text).unwrap()
}

fn named(study: u32, series: u32, number: u32) -> Named {
    let made = instance(study, series, number);
    Named {
        sop_instance: made.header.sop_instance,
        sop_class: Some(made.header.sop_class),
        study: made.header.study,
        series: made.header.series,
        sha256: vec![made.version.sha256],
    }
}

fn decision(number: u64, ruling: Ruling) -> Decision {
    let (by, reason) = ("DR JONES".to_owned(), "wrong side marker".to_owned());
    Decision { mark: DecisionMark { number, at: AT, by, reason }, ruling }
}

fn hide(number: u64, rejection: Option<Rejection>, instances: &[Named]) -> Decision {
    decision(number, Ruling::Hide { rejection, instances: instances.to_vec() })
}

fn restore(number: u64, instances: &[Named]) -> Decision {
    decision(number, Ruling::Restore { instances: instances.to_vec() })
}

fn delete(number: u64, due: i64, instances: &[Named]) -> Decision {
    let due = WallTime(AT.0 + due);
    decision(number, Ruling::Delete { rejection: None, due, instances: instances.to_vec() })
}

fn digest(instances: &[(u32, u32, u32)]) -> SetDigest {
    let mut set = SetDigest::default();
    for (study, series, number) in instances {
        let made = instance(*study, *series, *number);
        set.add(&made.header.sop_instance, &made.version.sha256);
    }
    set
}

fn of_study(catalogue: &mut dyn Catalogue, study: &str) -> SetDigest {
    catalogue.summary(&StudyUid::new(study).unwrap()).unwrap().unwrap().instances
}

fn kinds(changes: &[Change]) -> Vec<(u64, ChangeKind)> {
    changes.iter().map(|change| (change.number, change.kind)).collect()
}

/// Study 1 has CT 1 and 2 and SR 1; study 0, of the same patient, has CT 1.
fn filled(catalogue: &mut dyn Catalogue) {
    catalogue.put(&[instance(1, 1, 1), instance(1, 1, 2), instance(1, 2, 1), instance(0, 1, 1)]).unwrap();
}

const WHOLE: [(Tag, &str); 1] = [(Tag::STUDY_INSTANCE_UID, "1.2.1")];

#[test]
fn what_is_hidden_is_not_found_and_nothing_counts_it_until_it_is_restored() {
    over_all(|catalogue| {
        filled(catalogue);
        let before = catalogue.summary(&StudyUid::new("1.2.1").unwrap()).unwrap();
        let report = [named(1, 2, 1)];
        catalogue.decide(&hide(1, Some(Rejection::Quality), &report)).unwrap();
        assert_eq!(of_study(catalogue, "1.2.1"), digest(&[(1, 1, 1), (1, 1, 2)]));
        assert_eq!(found(catalogue, Level::Image, &WHOLE, Tag::SOP_INSTANCE_UID), ["1.2.1.1.1", "1.2.1.1.2"]);
        assert_eq!(found(catalogue, Level::Series, &WHOLE, Tag::SERIES_INSTANCE_UID), ["1.2.1.1"]);
        for (tag, value) in [
            (Tag::MODALITIES_IN_STUDY, "CT"),
            (Tag::STUDY_RELATED_SERIES, "1"),
            (Tag::STUDY_RELATED_INSTANCES, "2"),
        ] {
            assert_eq!(found(catalogue, Level::Study, &WHOLE, tag), [value]);
        }
        let patient = [(Tag::PATIENT_ID, "P0")];
        let related = found(catalogue, Level::Patient, &patient, Tag::PATIENT_RELATED_INSTANCES);
        assert_eq!(related, ["3"]);
        let by_name = Selection::Instances { study: None, instances: vec![uid("1.2.1.2.1")] };
        let by_series = Selection::Series { study: None, series: vec![SeriesUid::new("1.2.1.2").unwrap()] };
        for selection in [&by_name, &by_series] {
            assert_eq!(selected(catalogue, selection), [""; 0]);
        }
        let withheld = catalogue.lookup(&uid("1.2.1.2.1")).unwrap().unwrap().withheld.unwrap();
        assert_eq!((withheld.fate, withheld.rejection), (Fate::Hidden, Some(Rejection::Quality)));
        assert_eq!((withheld.mark.by.as_str(), withheld.mark.number), ("DR JONES", 1));

        catalogue.decide(&restore(2, &report)).unwrap();
        assert_eq!(catalogue.summary(&StudyUid::new("1.2.1").unwrap()).unwrap(), before);
        assert_eq!(found(catalogue, Level::Study, &WHOLE, Tag::MODALITIES_IN_STUDY), ["CT\\SR"]);
        assert_eq!(selected(catalogue, &by_series), ["1.2.1.2.1"]);
        assert_eq!(catalogue.withheld(&uid("1.2.1.2.1")).unwrap(), None);
    });
}

#[test]
fn a_study_whose_instances_are_all_hidden_is_not_found_nor_a_patient_without_another() {
    over_all(|catalogue| {
        filled(catalogue);
        let all = [named(1, 1, 1), named(1, 1, 2), named(1, 2, 1)];
        catalogue.decide(&hide(1, None, &all)).unwrap();
        assert_eq!(of_study(catalogue, "1.2.1"), SetDigest::default());
        for level in [Level::Study, Level::Series, Level::Image] {
            assert_eq!(found(catalogue, level, &WHOLE, Tag::STUDY_INSTANCE_UID), [""; 0], "{level:?}");
        }
        let patient = [(Tag::PATIENT_ID, "P0")];
        assert_eq!(found(catalogue, Level::Patient, &patient, Tag::PATIENT_RELATED_STUDIES), ["1"]);
        catalogue.decide(&hide(2, None, &[named(0, 1, 1)])).unwrap();
        assert_eq!(found(catalogue, Level::Patient, &patient, Tag::PATIENT_ID), [""; 0]);
        let listed = catalogue.list_studies(Cursor::default(), 10).unwrap().items;
        let counts = |listed: &[outrigger_catalogue::StudyEntry]| -> Vec<(u64, u64)> {
            listed.iter().map(|study| (study.instances.count, study.withheld)).collect()
        };
        assert_eq!(counts(&listed), [(0, 3), (0, 1)]);
        let study = StudyUid::new("1.2.1").unwrap();
        assert_eq!(catalogue.list_withheld(Some(&study), "", 10).unwrap().len(), 3);
        let page = catalogue.list_withheld(None, "", 2).unwrap();
        assert_eq!(catalogue.list_withheld(None, &page[1].0, 10).unwrap().len(), 2);
        catalogue.decide(&restore(3, &all)).unwrap();
        assert_eq!(of_study(catalogue, "1.2.1").count, 3);
        assert_eq!(found(catalogue, Level::Patient, &patient, Tag::PATIENT_RELATED_INSTANCES), ["3"]);
    });
}

#[test]
fn what_was_deleted_goes_after_its_time_and_leaves_who_why_when_and_its_digest() {
    over_all(|catalogue| {
        filled(catalogue);
        let gone = [named(1, 1, 1)];
        catalogue.put(&[other_bytes(instance(1, 1, 1), 200)]).unwrap();
        catalogue.decide(&delete(1, 100, &gone)).unwrap();
        assert_eq!(catalogue.due(WallTime(AT.0 + 99), 10).unwrap(), []);
        let due = catalogue.due(WallTime(AT.0 + 100), 10).unwrap();
        assert_eq!(due.len(), 1);
        assert!(due[0].is_restorable(WallTime(AT.0 + 99)) && !due[0].is_restorable(WallTime(AT.0 + 100)));
        let instances = [uid("1.2.1.1.1")];
        catalogue.purge(AT, Purge::End, &instances).unwrap();
        assert_eq!(
            catalogue.withheld(&instances[0]).unwrap().unwrap().fate,
            Fate::Deleted { due: WallTime(AT.0 + 100) }
        );
        catalogue.purge(AT, Purge::Begin, &instances).unwrap();
        assert_eq!(catalogue.due(AT, 10).unwrap().len(), 1, "what was begun is to be ended");
        catalogue.purge(AT, Purge::End, &instances).unwrap();
        assert_eq!(catalogue.due(WallTime(i64::MAX - 1), 10).unwrap(), []);
        let located = catalogue.lookup(&instances[0]).unwrap().unwrap();
        assert_eq!(located.versions().count(), 0);
        let tombstone = located.withheld.unwrap();
        assert_eq!(tombstone.fate, Fate::Gone);
        assert_eq!(tombstone.named.sha256, [instance(1, 1, 1).version.sha256]);
        assert_eq!((tombstone.mark.reason.as_str(), tombstone.mark.at), ("wrong side marker", AT));
        assert_eq!(tombstone.readmission(), Readmission::Restores);

        // It may come again, and is new then.
        catalogue.decide(&restore(2, &gone)).unwrap();
        assert_eq!(catalogue.withheld(&instances[0]).unwrap(), None);
        assert_eq!(catalogue.put(&[instance(1, 1, 1)]).unwrap()[0].put, Put::New);
        assert_eq!(of_study(catalogue, "1.2.1"), digest(&[(1, 1, 1), (1, 1, 2), (1, 2, 1)]));
    });
}

#[test]
fn what_was_rejected_before_it_came_is_not_shown_when_it_comes() {
    over_all(|catalogue| {
        catalogue.decide(&hide(1, None, &[named(1, 1, 2)])).unwrap();
        catalogue.put(&[instance(1, 1, 1), instance(1, 1, 2)]).unwrap();
        assert_eq!(of_study(catalogue, "1.2.1"), digest(&[(1, 1, 1)]));
        assert_eq!(found(catalogue, Level::Image, &WHOLE, Tag::SOP_INSTANCE_UID), ["1.2.1.1.1"]);
        assert_eq!(catalogue.put(&[instance(1, 1, 2)]).unwrap()[0].put, Put::Same);
        catalogue.decide(&restore(2, &[named(1, 1, 2)])).unwrap();
        assert_eq!(of_study(catalogue, "1.2.1"), digest(&[(1, 1, 1), (1, 1, 2)]));
    });
}

#[test]
fn a_conflict_is_listed_until_a_person_chooses_and_again_with_a_further_version() {
    over_all(|catalogue| {
        filled(catalogue);
        let second = other_bytes(instance(1, 1, 1), 200);
        catalogue.put(std::slice::from_ref(&second)).unwrap();
        let listed = |catalogue: &mut dyn Catalogue| {
            let mut page = catalogue.list_conflicts(Cursor::default(), 10).unwrap();
            assert_eq!((page.items.len(), page.next), (1, None));
            page.items.remove(0)
        };
        let (first, other) = (instance(1, 1, 1).version.sha256, Sha256Digest([200; 32]));
        let conflict = listed(catalogue);
        assert_eq!((conflict.current, conflict.others, conflict.settled), (Some(first), vec![other], None));
        let header = Box::new(second.header.clone());
        let choice = Ruling::Choose { sha256: other, header, issuer: Some("HOSP".to_owned()) };
        catalogue.decide(&decision(1, choice)).unwrap();
        let conflict = listed(catalogue);
        assert_eq!(
            (conflict.current, conflict.others, conflict.settled),
            (Some(other), vec![first], Some(1))
        );
        let mut expected = digest(&[(1, 1, 2), (1, 2, 1)]);
        expected.add(&uid("1.2.1.1.1"), &other);
        assert_eq!(of_study(catalogue, "1.2.1"), expected);
        assert_eq!(found(catalogue, Level::Image, &WHOLE, Tag::SOP_INSTANCE_UID).len(), 3);
        assert_eq!(catalogue.put(&[instance(1, 1, 1)]).unwrap()[0].put, Put::Same);
        catalogue.put(&[other_bytes(instance(1, 1, 1), 201)]).unwrap();
        assert_eq!(listed(catalogue).settled, None);
    });
}

#[test]
fn every_change_has_the_next_number_and_what_was_decided_counts_once() {
    use ChangeKind::{Deleted, Hidden, NewVersion, Purged, Restored, Stored};
    over_all(|catalogue| {
        assert_eq!((catalogue.last_change().unwrap(), catalogue.decided().unwrap()), (0, 0));
        catalogue.put(&[instance(1, 1, 1), instance(1, 1, 1), instance(1, 1, 2)]).unwrap();
        catalogue.put(&[other_bytes(instance(1, 1, 1), 200)]).unwrap();
        let one = [named(1, 1, 1)];
        for decision in [hide(1, None, &one), restore(2, &one), hide(1, None, &one), delete(3, 0, &one)] {
            catalogue.decide(&decision).unwrap();
        }
        catalogue.purge(AT, Purge::Begin, &[uid("1.2.1.1.1")]).unwrap();
        catalogue.purge(AT, Purge::End, &[uid("1.2.1.1.1")]).unwrap();
        let expected = [Stored, Stored, NewVersion, Hidden, Restored, Deleted, Purged];
        let expected: Vec<_> = (1..).zip(expected).collect();
        let changes = catalogue.changes(0, 100).unwrap();
        assert_eq!(kinds(&changes), expected);
        assert_eq!(changes[4].subject, Subject::Instance(uid("1.2.1.1.1")));
        assert_eq!((changes[4].decision, changes[0].decision), (Some(2), None));
        assert_eq!(kinds(&catalogue.changes(2, 2).unwrap()), expected[2..4]);
        assert_eq!(catalogue.changes(7, 2).unwrap(), []);
        assert_eq!((catalogue.last_change().unwrap(), catalogue.decided().unwrap()), (7, 3));
        assert_eq!(catalogue.check().unwrap(), [""; 0]);
    });
}

#[test]
fn who_rejected_for_safety_does_not_get_it_again() {
    let cases = [
        (None, Fate::Hidden, Readmission::StaysHidden),
        (Some(Rejection::Quality), Fate::Hidden, Readmission::StaysHidden),
        (Some(Rejection::Safety), Fate::Hidden, Readmission::Refused),
        (Some(Rejection::WorklistEntry), Fate::Gone, Readmission::Refused),
        (Some(Rejection::RetentionExpired), Fate::Hidden, Readmission::Restores),
        (None, Fate::Gone, Readmission::Restores),
    ];
    over_all(|catalogue| {
        for (at, (rejection, fate, readmission)) in (1..).zip(cases) {
            let one = [named(u32::try_from(at).unwrap(), 1, 1)];
            let decided = match fate {
                Fate::Hidden => hide(at, rejection, &one),
                _ => decision(at, Ruling::Delete { rejection, due: AT, instances: one.to_vec() }),
            };
            catalogue.decide(&decided).unwrap();
            let withheld = catalogue.withheld(&one[0].sop_instance).unwrap().unwrap();
            assert_eq!(withheld.readmission(), readmission, "{rejection:?} {fate:?}");
        }
    });
}

/// Takes away what this version has and version 1 had not.
fn made_old(kind: &str, path: &std::path::Path) {
    if kind == "sqlite" {
        let database = rusqlite::Connection::open(path).unwrap();
        let old = "DROP TABLE record; UPDATE catalogue_format SET version = 1;";
        database.execute_batch(old).unwrap();
        return;
    }
    let database = redb::Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    let records: redb::TableDefinition<'_, (u64, &str), &[u8]> = redb::TableDefinition::new("record");
    assert!(transaction.delete_table(records).unwrap());
    set_format(&transaction, 1);
    transaction.commit().unwrap();
}

fn set_format(transaction: &redb::WriteTransaction, format: u64) {
    let formats: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("format");
    transaction.open_table(formats).unwrap().insert("catalogue", format).unwrap();
}

fn made_newer(kind: &str, path: &std::path::Path) {
    if kind == "sqlite" {
        let database = rusqlite::Connection::open(path).unwrap();
        database.execute_batch("UPDATE catalogue_format SET version = version + 1;").unwrap();
        return;
    }
    let database = redb::Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    set_format(&transaction, 3);
    transaction.commit().unwrap();
}

#[test]
fn a_catalogue_of_the_first_version_is_taken_over_and_one_of_a_later_version_is_refused() {
    for kind in ["sqlite", "redb"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c");
        let open = || outrigger_catalogue::open(&format!("{kind}:{}", path.display()));
        filled(&mut *open().unwrap());
        made_old(kind, &path);
        let mut catalogue = open().unwrap();
        assert_eq!(of_study(&mut *catalogue, "1.2.1").count, 3, "{kind}");
        assert_eq!(catalogue.changes(0, 10).unwrap(), [], "{kind}");
        catalogue.decide(&hide(1, None, &[named(1, 1, 1)])).unwrap();
        assert_eq!((of_study(&mut *catalogue, "1.2.1").count, catalogue.last_change().unwrap()), (2, 1));
        drop(catalogue);
        drop(open().unwrap());
        made_newer(kind, &path);
        let refused = open().err().map(|error| error.to_string()).unwrap();
        assert!(refused.contains("has format 3, this version knows 2"), "{kind}: {refused}");
    }
}
