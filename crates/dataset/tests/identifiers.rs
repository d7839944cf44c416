//! Identifiers and storage commitment information, there and back in every form.

use outrigger_dataset::commitment::{CommitmentError, Failed, InstanceRef, Report, Request};
use outrigger_dataset::element::{DataSet, Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::identifier::{
    IdentifierError, read_answer, read_failed, read_query, read_selection, write_answer, write_failed,
    write_instances, write_query, write_selection,
};
use outrigger_dataset::write::write;
use outrigger_model::{
    Answer, Level, Query, QueryKey, QueryRoot, Selection, SeriesUid, SopClassUid, SopInstanceUid, StudyUid,
    Tag, TransactionUid,
};

use crate::build::FORMS;

fn key(tag: Tag, value: &str) -> QueryKey {
    QueryKey { tag, value: value.to_owned() }
}

fn query() -> Query {
    let keys = vec![
        key(Tag::STUDY_DATE, "20261101-20261124"),
        key(Tag::MODALITIES_IN_STUDY, "CT\\MR"),
        key(Tag(0x0008, 0x1032), ""),
        key(Tag::PATIENT_NAME, "M\u{fc}ller*"),
        key(Tag::STUDY_INSTANCE_UID, ""),
        key(Tag::ROWS, "512"),
    ];
    Query { root: QueryRoot::Study, level: Level::Study, keys }
}

#[test]
fn queries_go_there_and_back() {
    for form in FORMS {
        assert_eq!(read_query(QueryRoot::Study, form, &write_query(form, &query())).unwrap(), query());
    }
}

#[test]
fn queries_as_devices_write_them() {
    let elements = [
        Element::new(Tag(0x0008, 0), Vr::UL, vec![20, 0, 0, 0]),
        Element::text(Tag::SPECIFIC_CHARACTER_SET, Vr::CS, "ISO_IR 100"),
        Element::text(Tag::QUERY_RETRIEVE_LEVEL, Vr::CS, "STUDY "),
        Element::new(Tag::PATIENT_NAME, Vr::PN, &b"M\xfcller* "[..]),
        Element::text(Tag::PATIENT_ID, Vr::LO, " 47 11 "),
        Element::sequence(Tag(0x0040, 0x0275), vec![DataSet::default()]),
    ];
    let bytes = write(&elements.into_iter().collect(), Form::ImplicitLittle);
    let query = read_query(QueryRoot::Patient, Form::ImplicitLittle, &bytes).unwrap();
    let keys =
        [key(Tag::PATIENT_NAME, "M\u{fc}ller*"), key(Tag::PATIENT_ID, "47 11"), key(Tag(0x0040, 0x0275), "")];
    assert_eq!(query.keys, keys);
}

#[test]
fn answers_hold_every_key_of_the_query() {
    let known = vec![
        (Tag::STUDY_DATE, "20261124".to_owned()),
        (Tag::RETRIEVE_AE_TITLE, "OUTRIGGER".to_owned()),
        (Tag::PATIENT_NAME, "\u{738b}^\u{5c0f}\u{6771}".to_owned()),
        (Tag::ROWS, "512".to_owned()),
    ];
    let answer = Answer { attributes: known };
    for form in FORMS {
        let bytes = write_answer(form, &query(), &answer);
        assert_eq!(read_answer(form, &bytes).unwrap(), answer);
        let whole = outrigger_dataset::read::read_form(form, bytes.into()).unwrap();
        assert_eq!(whole.plain(Tag::SPECIFIC_CHARACTER_SET), Some("ISO_IR 192"));
        assert_eq!(whole.plain(Tag::QUERY_RETRIEVE_LEVEL), Some("STUDY"));
        for key in query().keys {
            assert!(whole.get(key.tag).is_some(), "{}", key.tag);
        }
    }
}

#[test]
fn ascii_answers_declare_no_character_set() {
    let bytes = write_answer(Form::ExplicitLittle, &query(), &Answer::default());
    let whole = outrigger_dataset::read::read_form(Form::ExplicitLittle, bytes.into()).unwrap();
    assert_eq!(whole.get(Tag::SPECIFIC_CHARACTER_SET), None);
}

#[test]
fn selections_go_there_and_back() {
    let (study, series) = (StudyUid::known("1.2"), SeriesUid::known("1.2.3"));
    let instances = vec![SopInstanceUid::known("1.2.3.4"), SopInstanceUid::known("1.2.3.5")];
    for selection in [
        Selection::Patient { patient_id: "4711".to_owned() },
        Selection::Studies(vec![study.clone(), StudyUid::known("1.3")]),
        Selection::Series { study: study.clone(), series: vec![series.clone()] },
        Selection::Instances(instances.clone()),
    ] {
        for form in FORMS {
            let bytes = write_selection(form, &selection);
            assert_eq!(read_selection(QueryRoot::Patient, form, &bytes).unwrap(), selection);
        }
    }
    let bytes = write_instances(Form::ImplicitLittle, &study, &series, &instances);
    let selection = read_selection(QueryRoot::Study, Form::ImplicitLittle, &bytes).unwrap();
    assert_eq!(selection, Selection::Instances(instances));
}

#[test]
fn what_cannot_be_answered_says_why() {
    let check = |elements: &[Element], why: fn(&IdentifierError) -> bool| {
        let bytes = write(&elements.iter().cloned().collect(), Form::ExplicitLittle);
        let error = read_selection(QueryRoot::Study, Form::ExplicitLittle, &bytes).unwrap_err();
        assert!(why(&error), "{error}");
    };
    let level = |name| Element::text(Tag::QUERY_RETRIEVE_LEVEL, Vr::CS, name);
    let study = |uid| Element::text(Tag::STUDY_INSTANCE_UID, Vr::UI, uid);
    check(&[], |error| matches!(error, IdentifierError::NoLevel));
    check(&[level("FRAME")], |error| matches!(error, IdentifierError::UnknownLevel { .. }));
    check(&[level("PATIENT")], |error| matches!(error, IdentifierError::LevelOutsideModel { .. }));
    check(&[level("STUDY")], |error| matches!(error, IdentifierError::MissingKey { .. }));
    check(&[level("STUDY"), study("")], |error| matches!(error, IdentifierError::MissingKey { .. }));
    check(&[level("STUDY"), study("a b")], |error| matches!(error, IdentifierError::BadUid { .. }));
    check(&[level("SERIES"), study("1.2")], |error| {
        matches!(error, IdentifierError::MissingKey { tag: Tag::SERIES_INSTANCE_UID })
    });
    let cut = read_query(QueryRoot::Study, Form::ExplicitLittle, b"\x08\0\x52\0CS\x10\0");
    assert!(matches!(cut, Err(IdentifierError::Unreadable(_))));
}

#[test]
fn failed_lists_go_there_and_back() {
    let failed = vec![SopInstanceUid::known("1.2"), SopInstanceUid::known("1.3")];
    for list in [failed, Vec::new()] {
        let bytes = write_failed(Form::ImplicitLittle, &list);
        assert_eq!(read_failed(Form::ImplicitLittle, &bytes).unwrap(), list);
    }
}

fn instance(uid: &'static str) -> InstanceRef {
    InstanceRef {
        sop_class: SopClassUid::known("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance: SopInstanceUid::known(uid),
    }
}

#[test]
fn commitment_goes_there_and_back() {
    let transaction = TransactionUid::known("2.25.9");
    let request =
        Request { transaction: transaction.clone(), instances: vec![instance("1.2"), instance("1.3")] };
    let failed = vec![Failed { instance: instance("1.3"), reason: 0x0112 }];
    let report = Report { transaction, committed: vec![instance("1.2")], failed };
    let all = Report { failed: Vec::new(), ..report.clone() };
    assert_eq!((report.event_type(), all.event_type()), (2, 1));
    for form in FORMS {
        assert_eq!(Request::read(form, &request.write(form)).unwrap(), request);
        for report in [&report, &all] {
            assert_eq!(Report::read(form, &report.write(form)).unwrap(), *report);
        }
    }
}

#[test]
fn commitment_without_a_transaction_is_none() {
    let bytes = write(&DataSet::default(), Form::ExplicitLittle);
    let error = Request::read(Form::ExplicitLittle, &bytes).unwrap_err();
    assert!(matches!(error, CommitmentError::BadUid { tag: Tag(0x0008, 0x1195), .. }));
}
