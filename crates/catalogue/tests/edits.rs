//! Attributes that were decided to be others: each test runs over all catalogues.

use outrigger_catalogue::{Catalogue, ChangeKind, Decision, DecisionMark, Edit, Ruling, Subject};
use outrigger_model::{Level, SeriesUid, StudyUid, Tag, WallTime};

use crate::contract::{found, over_all};
use crate::made::{instance, with};

/// The tests of this file that run over every catalogue.
pub(crate) const ALL: &[fn()] = &[
    a_study_moves_to_another_patient_and_who_has_none_left_is_not_found,
    what_comes_later_to_an_edited_study_does_not_take_the_edit_back,
];

/// The tests of this file that do not.
pub(crate) const OTHERS: usize = 1;

fn study(number: u32) -> StudyUid {
    StudyUid::new(&format!("1.2.{number}")).unwrap()
}

fn edit(number: u32, values: &[(Tag, &str)]) -> Edit {
    let values = values.iter().map(|(tag, value)| (*tag, (*value).to_owned())).collect();
    Edit { study: study(number), series: None, values }
}

fn decide(catalogue: &mut dyn Catalogue, number: u64, edits: Vec<Edit>) {
    let mark = DecisionMark {
        number,
        at: WallTime(1_700_000_000_000_000),
        by: "ADT".to_owned(),
        reason: "A40".to_owned(),
    };
    let ruling = Ruling::Edit { change: "merge-patients".to_owned(), edits };
    catalogue.decide(&Decision { mark, ruling }).unwrap();
}

fn studies_of(catalogue: &mut dyn Catalogue, keys: &[(Tag, &str)]) -> Vec<String> {
    found(catalogue, Level::Study, keys, Tag::STUDY_INSTANCE_UID)
}

#[test]
fn a_study_moves_to_another_patient_and_who_has_none_left_is_not_found() {
    over_all(|catalogue| {
        // Studies 0 and 1 are of P0, study 2 of P1.
        catalogue.put(&[instance(0, 1, 1), instance(1, 1, 1), instance(2, 1, 1)]).unwrap();
        let other = [(Tag::PATIENT_ID, "P1"), (Tag::PATIENT_NAME, "ROE^RICHARD")];
        decide(catalogue, 1, vec![edit(0, &other)]);
        assert_eq!(studies_of(catalogue, &[(Tag::PATIENT_ID, "P1")]), ["1.2.0", "1.2.2"]);
        assert_eq!(studies_of(catalogue, &[(Tag::PATIENT_NAME, "ROE*")]), ["1.2.0"]);
        assert_eq!(studies_of(catalogue, &[(Tag::PATIENT_NAME, "DOE0*")]), ["1.2.1"]);
        let of = |catalogue: &mut dyn Catalogue, id| {
            found(catalogue, Level::Patient, &[(Tag::PATIENT_ID, id)], Tag::PATIENT_RELATED_STUDIES)
        };
        assert_eq!((of(catalogue, "P0"), of(catalogue, "P1")), (vec!["1".to_owned()], vec!["2".to_owned()]));
        decide(catalogue, 2, vec![edit(1, &other)]);
        assert_eq!(of(catalogue, "P0"), [""; 0]);
        let images = found(catalogue, Level::Image, &[(Tag::PATIENT_ID, "P1")], Tag::SOP_INSTANCE_UID);
        assert_eq!(images, ["1.2.0.1.1", "1.2.1.1.1", "1.2.2.1.1"]);
        let history = catalogue.edited(&study(1), None).unwrap().unwrap();
        let id = &history.history[0].values[&Tag::PATIENT_ID];
        assert_eq!((id.old.as_str(), id.new.as_str()), ("P0", "P1"));
        assert_eq!((history.history[0].mark.by.as_str(), history.effective.len()), ("ADT", 2));
    });
}

#[test]
fn what_comes_later_to_an_edited_study_does_not_take_the_edit_back() {
    over_all(|catalogue| {
        catalogue.put(&[instance(1, 1, 1)]).unwrap();
        let values = [
            (Tag::STUDY_DATE, "20300105"),
            (Tag::ACCESSION_NUMBER, "B7"),
            (Tag::STUDY_DESCRIPTION, ""),
            (Tag::PATIENT_BIRTH_DATE, "19700101"),
        ];
        decide(catalogue, 1, vec![edit(1, &values)]);
        let series = SeriesUid::new("1.2.1.1").unwrap();
        let of_series =
            Edit { series: Some(series.clone()), ..edit(1, &[(Tag::SERIES_DESCRIPTION, "HEAD")]) };
        decide(catalogue, 2, vec![of_series]);
        catalogue.put(&[with(instance(1, 1, 2), &[(Tag::SERIES_DESCRIPTION, "CHEST")])]).unwrap();
        assert_eq!(studies_of(catalogue, &[(Tag::STUDY_DATE, "20300105")]), ["1.2.1"]);
        assert_eq!(studies_of(catalogue, &[(Tag::ACCESSION_NUMBER, "B7")]), ["1.2.1"]);
        assert_eq!(studies_of(catalogue, &[(Tag::STUDY_DATE, "20240202")]), [""; 0]);
        assert_eq!(studies_of(catalogue, &[(Tag::ACCESSION_NUMBER, "A1")]), [""; 0]);
        assert_eq!(studies_of(catalogue, &[(Tag::STUDY_DESCRIPTION, "CT*")]), [""; 0]);
        let whole = [(Tag::STUDY_INSTANCE_UID, "1.2.1")];
        assert_eq!(found(catalogue, Level::Study, &whole, Tag::PATIENT_BIRTH_DATE), ["19700101"]);
        assert_eq!(found(catalogue, Level::Series, &whole, Tag::SERIES_DESCRIPTION), ["HEAD"]);
        assert_eq!(found(catalogue, Level::Image, &whole, Tag::SOP_INSTANCE_UID).len(), 2);
        assert!(catalogue.edited(&study(1), Some(&series)).unwrap().is_some());
        let changes = catalogue.changes(1, 10).unwrap();
        assert_eq!(changes.iter().filter(|change| change.kind == ChangeKind::Edited).count(), 2);
        assert_eq!(changes[0].subject, Subject::Study(study(1)));
    });
}

#[test]
fn identifiers_sequences_and_what_was_acquired_are_not_edited() {
    for (tag, editable) in [
        (Tag::PATIENT_ID, true),
        (Tag::STUDY_DESCRIPTION, true),
        (Tag::STUDY_INSTANCE_UID, false),
        (Tag::MODALITIES_IN_STUDY, false),
        (Tag::PROCEDURE_CODES, false),
        (Tag::SERIES_DESCRIPTION, false),
        (Tag::ROWS, false),
    ] {
        assert_eq!(edit(1, &[(tag, "1")]).check().is_ok(), editable, "{tag}");
        let of_series = Edit { series: Some(SeriesUid::new("1.2").unwrap()), ..edit(1, &[(tag, "1")]) };
        assert_eq!(of_series.check().is_ok(), tag == Tag::SERIES_DESCRIPTION, "{tag}");
    }
    let said = edit(1, &[(Tag::ROWS, "1")]).check().unwrap_err().to_string();
    assert!(said.contains("no attribute of a study that can be corrected"), "{said}");
}
