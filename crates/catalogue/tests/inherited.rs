//! What members were seen to hold, beside what was stored here: each test runs over all catalogues.

use outrigger_catalogue::{
    Catalogue, Current, Cursor, Inheritance, Located, Put, SeenInstance, SeenSeries, SeenStudy,
};
use outrigger_model::{
    Level, MemberNumber, MemberSet, Selection, SeriesUid, SopInstanceUid, StudyUid, Tag, WallTime,
};

use crate::contract::{found, over_all, selected};
use crate::made::{instance, with};

const A: MemberNumber = MemberNumber(0);
const B: MemberNumber = MemberNumber(5);
const AT: WallTime = WallTime(1_700_000_000_000_000);

/// All tests of this file; each runs over every catalogue.
pub(crate) const ALL: &[fn()] = &[
    what_was_seen_is_found_and_listed_beside_what_was_stored,
    an_instance_seen_at_two_members_has_one_row_and_both_in_its_mask,
    what_is_gone_from_a_member_is_taken_out_for_it_alone_and_comes_back,
    what_is_stored_later_takes_the_place_of_what_was_seen,
    what_is_stored_under_another_study_than_it_was_seen_in_moves_there,
    a_study_that_a_member_shows_without_series_is_there,
];

/// What a member shows of a study made of instances that could also be stored.
fn seen(study: u32, instances: &[(u32, u32)]) -> SeenStudy {
    let mut seen = SeenStudy {
        study: StudyUid::new(&format!("1.2.{study}")).unwrap(),
        attributes: Vec::new(),
        issuer: Some("HOSP".to_owned()),
        series: Vec::new(),
    };
    for (series, number) in instances {
        let made = instance(study, *series, *number).header;
        let (at_study, rest): (Vec<_>, Vec<_>) = made.attributes.into_iter().partition(|(tag, _)| {
            ![Tag::MODALITY, Tag::SERIES_NUMBER, Tag::INSTANCE_NUMBER, Tag::ROWS].contains(tag)
        });
        let (at_series, at_image): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|(tag, _)| [Tag::MODALITY, Tag::SERIES_NUMBER].contains(tag));
        seen.attributes = at_study;
        let uid = made.series.unwrap();
        if seen.series.iter().all(|known| known.series != uid) {
            seen.series.push(SeenSeries {
                series: uid.clone(),
                attributes: at_series,
                instances: Vec::new(),
            });
        }
        let series = seen.series.iter_mut().find(|known| known.series == uid).unwrap();
        series.instances.push(SeenInstance {
            sop_class: made.sop_class,
            sop_instance: made.sop_instance,
            attributes: at_image,
        });
    }
    seen
}

fn lookup(catalogue: &mut dyn Catalogue, uid: &str) -> Located {
    catalogue.lookup(&SopInstanceUid::new(uid).unwrap()).unwrap().unwrap()
}

fn members(located: &Located) -> Option<MemberSet> {
    match &located.current {
        Current::Inherited(inherited) => Some(inherited.members),
        Current::Kept(_) => None,
    }
}

#[test]
fn what_was_seen_is_found_and_listed_beside_what_was_stored() {
    over_all(|catalogue| {
        catalogue.put(&[instance(2, 1, 1), instance(2, 1, 2)]).unwrap();
        let came = catalogue.inherit(A, AT, &seen(3, &[(1, 1), (1, 2), (2, 1)])).unwrap();
        assert_eq!(came, Inheritance { new: 3, ..Inheritance::default() });
        // One study, in part of which was stored.
        let came = catalogue.inherit(A, AT, &seen(2, &[(1, 2), (1, 3)])).unwrap();
        assert_eq!(came, Inheritance { new: 1, kept: 1, seen_before: 0 });
        let patient = [(Tag::PATIENT_ID, "P1")];
        assert_eq!(found(catalogue, Level::Study, &patient, Tag::STUDY_INSTANCE_UID), ["1.2.2", "1.2.3"]);
        assert_eq!(found(catalogue, Level::Study, &patient, Tag::STUDY_RELATED_INSTANCES), ["3", "3"]);
        assert_eq!(found(catalogue, Level::Study, &patient, Tag::MODALITIES_IN_STUDY), ["CT", "CT\\SR"]);
        assert_eq!(found(catalogue, Level::Patient, &patient, Tag::PATIENT_RELATED_INSTANCES), ["6"]);
        let date = [(Tag::STUDY_DATE, "20240404"), (Tag::PATIENT_NAME, "doe1*")];
        assert_eq!(found(catalogue, Level::Series, &date, Tag::SERIES_INSTANCE_UID), ["1.2.3.1", "1.2.3.2"]);
        let series = [(Tag::SERIES_INSTANCE_UID, "1.2.2.1")];
        assert_eq!(found(catalogue, Level::Image, &series, Tag::INSTANCE_NUMBER), ["1", "2", "3"]);
        assert_eq!(
            selected(catalogue, &Selection::Studies(vec![StudyUid::known("1.2.2")])),
            ["1.2.2.1.1", "1.2.2.1.2", "1.2.2.1.3"]
        );
        assert_eq!(members(&lookup(catalogue, "1.2.2.1.1")), None);
        assert_eq!(members(&lookup(catalogue, "1.2.2.1.3")), Some(MemberSet::from_iter([A])));
        assert_eq!(catalogue.check().unwrap(), Vec::<String>::new());
    });
}

#[test]
fn an_instance_seen_at_two_members_has_one_row_and_both_in_its_mask() {
    over_all(|catalogue| {
        catalogue.inherit(A, AT, &seen(1, &[(1, 1), (1, 2)])).unwrap();
        let before = catalogue.summary(&StudyUid::known("1.2.1")).unwrap();
        let came = catalogue.inherit(B, WallTime(AT.0 + 1), &seen(1, &[(1, 1)])).unwrap();
        assert_eq!(came, Inheritance { seen_before: 1, ..Inheritance::default() });
        assert_eq!(catalogue.counts().unwrap().instances, 2);
        let both = lookup(catalogue, "1.2.1.1.1");
        assert_eq!(members(&both), Some(MemberSet::from_iter([A, B])));
        let Current::Inherited(inherited) = both.current else { panic!("it was never stored") };
        assert_eq!(inherited.seen_at, AT);
        assert_eq!(members(&lookup(catalogue, "1.2.1.1.2")), Some(MemberSet::from_iter([A])));
        // Once more changes nothing.
        catalogue.inherit(A, AT, &seen(1, &[(1, 1), (1, 2)])).unwrap();
        assert_eq!(catalogue.summary(&StudyUid::known("1.2.1")).unwrap(), before);
    });
}

#[test]
fn what_is_gone_from_a_member_is_taken_out_for_it_alone_and_comes_back() {
    over_all(|catalogue| {
        catalogue.put(&[instance(1, 1, 4)]).unwrap();
        catalogue.inherit(A, AT, &seen(1, &[(1, 1), (1, 2), (1, 3), (1, 4)])).unwrap();
        catalogue.inherit(B, AT, &seen(1, &[(1, 1)])).unwrap();
        let before = catalogue.summary(&StudyUid::known("1.2.1")).unwrap();
        let gone = ["1.2.1.1.1", "1.2.1.1.2", "1.2.1.1.4", "1.2.9"].map(SopInstanceUid::known);
        assert_eq!(
            catalogue.depart(A, &gone).unwrap(),
            2,
            "what was stored stays, what is unknown is nothing"
        );
        assert_eq!(catalogue.depart(A, &gone).unwrap(), 0);
        let who = |catalogue: &mut dyn Catalogue| {
            ["1.2.1.1.1", "1.2.1.1.2", "1.2.1.1.3", "1.2.1.1.4"].map(|uid| members(&lookup(catalogue, uid)))
        };
        let set = |members: &[MemberNumber]| Some(members.iter().copied().collect::<MemberSet>());
        assert_eq!(who(catalogue), [set(&[B]), set(&[]), set(&[A]), None]);
        assert_eq!(catalogue.summary(&StudyUid::known("1.2.1")).unwrap(), before);
        assert_eq!(catalogue.check().unwrap(), Vec::<String>::new());
        catalogue.inherit(A, AT, &seen(1, &[(1, 1), (1, 2)])).unwrap();
        assert_eq!(who(catalogue), [set(&[A, B]), set(&[A]), set(&[A]), None]);
    });
}

#[test]
fn what_is_stored_later_takes_the_place_of_what_was_seen() {
    over_all(|catalogue| {
        catalogue.inherit(A, AT, &seen(1, &[(1, 1), (1, 2)])).unwrap();
        let number = lookup(catalogue, "1.2.1.1.1").rows;
        let stored = instance(1, 1, 1);
        let outcome = catalogue.put(&[stored.clone(), stored.clone()]).unwrap();
        assert_eq!(outcome.iter().map(|outcome| outcome.put).collect::<Vec<_>>(), [Put::New, Put::Same]);
        assert!(outcome.iter().all(|outcome| outcome.rows == number));
        assert_eq!(lookup(catalogue, "1.2.1.1.1").current, Current::Kept(stored.version.clone()));
        catalogue.put(&[instance(1, 1, 2)]).unwrap();
        // The sums are those of a catalogue that only ever stored.
        let mut only_stored = outrigger_catalogue::open("memory:").unwrap();
        only_stored.put(&[stored, instance(1, 1, 2)]).unwrap();
        let study = StudyUid::known("1.2.1");
        assert_eq!(catalogue.summary(&study).unwrap(), only_stored.summary(&study).unwrap());
        assert_eq!(catalogue.counts().unwrap(), only_stored.counts().unwrap());
        // What is shown again of it is not entered.
        let came = catalogue.inherit(B, AT, &seen(1, &[(1, 1)])).unwrap();
        assert_eq!(came, Inheritance { kept: 1, ..Inheritance::default() });
        assert_eq!(members(&lookup(catalogue, "1.2.1.1.1")), None);
    });
}

#[test]
fn what_is_stored_under_another_study_than_it_was_seen_in_moves_there() {
    over_all(|catalogue| {
        catalogue.inherit(A, AT, &seen(1, &[(1, 1), (1, 2)])).unwrap();
        let mut moved = instance(1, 1, 1);
        moved.header.study = Some(StudyUid::known("1.2.77"));
        moved.header.series = Some(SeriesUid::known("1.2.77.1"));
        let outcome = catalogue.put(&[with(moved, &[(Tag::ACCESSION_NUMBER, "A77")])]).unwrap().remove(0);
        assert_eq!(outcome.put, Put::New);
        let of = |study| Selection::Studies(vec![StudyUid::known(study)]);
        assert_eq!(selected(catalogue, &of("1.2.77")), ["1.2.1.1.1"]);
        assert_eq!(selected(catalogue, &of("1.2.1")), ["1.2.1.1.2"]);
        assert_eq!(catalogue.summary(&StudyUid::known("1.2.1")).unwrap().unwrap().instances.count, 1);
        assert_eq!(catalogue.summary(&StudyUid::known("1.2.77")).unwrap().unwrap().instances.count, 1);
        assert_eq!(
            found(catalogue, Level::Study, &[(Tag::ACCESSION_NUMBER, "A77")], Tag::STUDY_RELATED_INSTANCES),
            ["1"]
        );
    });
}

#[test]
fn a_study_that_a_member_shows_without_series_is_there() {
    over_all(|catalogue| {
        let mut bare = seen(4, &[(1, 1)]);
        bare.series.clear();
        assert_eq!(catalogue.inherit(A, AT, &bare).unwrap(), Inheritance::default());
        let key = [(Tag::ACCESSION_NUMBER, "A4")];
        assert_eq!(found(catalogue, Level::Study, &key, Tag::STUDY_RELATED_INSTANCES), ["0"]);
        let page = catalogue.select(&Selection::Studies(vec![bare.study]), Cursor::default(), 10).unwrap();
        assert_eq!((page.items, page.next), (Vec::new(), None));
    });
}
