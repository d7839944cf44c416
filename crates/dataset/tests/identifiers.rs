//! Identifiers and storage commitment information, there and back in every form.

use outrigger_dataset::commitment::{CommitmentError, Failed, InstanceRef, Report, Request};
use outrigger_dataset::element::{DataSet, Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::identifier::{
    Asked, IdentifierError, read_answer, read_failed, read_find, read_query, read_selection, write_answer,
    write_failed, write_instances, write_query, write_selection,
};
use outrigger_dataset::write::write;
use outrigger_model::{
    Answer, Level, Query, QueryKey, QueryRoot, Rules, Selection, SeriesUid, SopClassUid, SopInstanceUid,
    StudyUid, Tag, TransactionUid,
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
    Query::new(QueryRoot::Study, Level::Study, keys)
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
        Selection::Series { study: Some(study.clone()), series: vec![series.clone()] },
        Selection::Series { study: None, series: vec![series.clone()] },
        Selection::Instances { study: Some(study.clone()), instances: instances.clone() },
        Selection::Instances { study: None, instances: instances.clone() },
    ] {
        for form in FORMS {
            let bytes = write_selection(form, &selection);
            assert_eq!(read_selection(QueryRoot::Patient, form, &bytes).unwrap(), selection);
        }
    }
    let bytes = write_instances(Form::ImplicitLittle, &study, &series, &instances);
    let selection = read_selection(QueryRoot::Study, Form::ImplicitLittle, &bytes).unwrap();
    assert_eq!(selection, Selection::Instances { study: Some(study), instances });
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

/// A request that declares a character set and asks for the name.
fn asked(declared: &str, name: &[u8], rules: Rules) -> Asked {
    let elements = [
        Element::text(Tag::SPECIFIC_CHARACTER_SET, Vr::CS, declared),
        Element::text(Tag::QUERY_RETRIEVE_LEVEL, Vr::CS, "STUDY"),
        Element::new(Tag::PATIENT_NAME, Vr::PN, name.to_vec()),
    ];
    let bytes = write(&elements.into_iter().collect(), Form::ImplicitLittle);
    read_find(QueryRoot::Study, Form::ImplicitLittle, &bytes, rules).unwrap()
}

#[test]
fn answers_are_in_the_character_set_of_the_request_where_that_holds_them() {
    for (declared, name, answered) in [
        ("ISO_IR 100", "M\u{fc}ller^J\u{f6}rg", "ISO_IR 100"),
        ("ISO_IR 100", "\u{418}\u{432}\u{430}\u{43d}", "ISO_IR 192"),
        ("ISO_IR 144", "\u{418}\u{432}\u{430}\u{43d}", "ISO_IR 144"),
        ("GB18030", "Wang=\u{738b}^\u{5c0f}\u{4e1c}", "GB18030"),
        ("\\ISO 2022 IR 87", "Yamada=\u{5c71}\u{7530}^\u{592a}\u{90ce}", "\\ISO 2022 IR 87"),
        ("\\ISO 2022 IR 149", "Hong=\u{6d2a}^\u{5409}\u{6d1e}", "\\ISO 2022 IR 149"),
        ("\\ISO 2022 IR 87", "Hong=\u{d64d}", "ISO_IR 192"),
        ("ISO_IR 192", "\u{5c71}", "ISO_IR 192"),
        ("", "M\u{fc}ller", "ISO_IR 192"),
        ("KLINGON", "M\u{fc}ller", "ISO_IR 192"),
    ] {
        let asked = asked(declared, b"", Rules::default());
        let answer = Answer { attributes: vec![(Tag::PATIENT_NAME, name.to_owned())] };
        let bytes = asked.answer(&answer);
        assert_eq!(read_answer(Form::ImplicitLittle, &bytes).unwrap(), answer, "{declared}");
        let whole = outrigger_dataset::read::read_form(Form::ImplicitLittle, bytes.into()).unwrap();
        assert_eq!(whole.plain(Tag::SPECIFIC_CHARACTER_SET), Some(answered), "{declared} {name}");
    }
    let ascii = Answer { attributes: vec![(Tag::PATIENT_NAME, "Doe".to_owned())] };
    let bytes = asked("ISO_IR 100", b"", Rules::default()).answer(&ascii);
    let whole = outrigger_dataset::read::read_form(Form::ImplicitLittle, bytes.into()).unwrap();
    assert_eq!(whole.get(Tag::SPECIFIC_CHARACTER_SET), None);
}

#[test]
fn keys_are_read_in_the_character_set_declared() {
    for (declared, bytes, name) in [
        ("ISO_IR 100", &b"M\xfc*"[..], "M\u{fc}*"),
        ("ISO_IR 144", b"\xb8\xd2*", "\u{418}\u{432}*"),
        ("GB18030", b"*\xcd\xf5*", "*\u{738b}*"),
        ("\\ISO 2022 IR 87", b"*\x1b$B;3\x1b(B*", "*\u{5c71}*"),
        ("\\ISO 2022 IR 149", b"*\x1b$)C\xfb\xf3*", "*\u{6d2a}*"),
        ("ISO_IR 192", "*\u{5c71}*".as_bytes(), "*\u{5c71}*"),
    ] {
        assert_eq!(asked(declared, bytes, Rules::default()).query.keys, [key(Tag::PATIENT_NAME, name)]);
    }
}

#[test]
fn members_are_asked_by_the_rules_of_the_baseline() {
    let keys = vec![
        key(Tag::STUDY_DATE, "20240101-20240102"),
        key(Tag::STUDY_TIME, "1800-0600"),
        key(Tag::STUDY_ID, "\"\""),
    ];
    let mut query = Query::new(QueryRoot::Study, Level::Study, keys);
    let written = |query: &Query| {
        let bytes = write_query(Form::ExplicitLittle, query);
        let read = read_query(QueryRoot::Study, Form::ExplicitLittle, &bytes).unwrap();
        read.keys.into_iter().map(|key| key.value).collect::<Vec<_>>()
    };
    assert_eq!(written(&query), ["20240101-20240102", "1800-0600", "\"\""]);
    query.rules = Rules { relational: true, date_times: true, empty_values: true, multiple_values: false };
    assert_eq!(written(&query), ["20240101-20240102", "", ""]);
}

/// Of the items of a sequence: the key with what it asks for, and no more than one.
#[test]
fn the_key_of_a_sequence_has_one_item() {
    let step = |value: &str| -> DataSet {
        let keys = [
            Element::text(Tag(0x0040, 0x0009), Vr::SH, value),
            Element::text(Tag(0x0040, 0x1001), Vr::SH, ""),
        ];
        keys.into_iter().collect()
    };
    let read = |items: Vec<DataSet>| {
        let elements = [
            Element::text(Tag::QUERY_RETRIEVE_LEVEL, Vr::CS, "SERIES"),
            Element::text(Tag::STUDY_INSTANCE_UID, Vr::UI, "1.2"),
            Element::sequence(Tag::REQUEST_ATTRIBUTES, items),
        ];
        let bytes = write(&elements.into_iter().collect(), Form::ImplicitLittle);
        read_find(QueryRoot::Study, Form::ImplicitLittle, &bytes, Rules::default())
    };
    let asked = read(vec![step("M")]).unwrap();
    assert_eq!(asked.query.keys[1], key(Tag::REQUEST_ATTRIBUTES, r#"[{"00400009":"M","00401001":""}]"#));
    assert!(asked.is_supported());
    for universal in [Vec::new(), vec![DataSet::default()]] {
        assert!(read(universal).unwrap().is_supported());
    }
    let unknown: DataSet = [Element::text(Tag(0x0040, 0x0010), Vr::SH, "x")].into_iter().collect();
    assert!(!read(vec![unknown]).unwrap().is_supported());
    let refused = read(vec![step("a"), step("b")]).unwrap_err();
    assert!(matches!(refused, IdentifierError::TooManyItems { found: 2, .. }), "{refused}");
    // An answer comes back with what is known of it alone, in whatever character set it went.
    let answered = |text: &str| (Tag::REQUEST_ATTRIBUTES, text.to_owned());
    let answer = Answer { attributes: vec![answered("[{\"00400009\":\"M\u{fc}\",\"00401001\":\"\"}]")] };
    let back = read_answer(Form::ImplicitLittle, &asked.answer(&answer)).unwrap();
    assert!(back.attributes.contains(&answered("[{\"00400009\":\"M\u{fc}\"}]")), "{back:?}");
}

#[test]
fn identifiers_made_to_hurt_are_refused_or_read() {
    let at = |mut elements: Vec<Element>| {
        elements.insert(0, Element::text(Tag::QUERY_RETRIEVE_LEVEL, Vr::CS, "STUDY"));
        let mut data_set = DataSet::default();
        for element in elements {
            data_set.put(element);
        }
        let bytes = write(&data_set, Form::ExplicitLittle);
        read_find(QueryRoot::Study, Form::ExplicitLittle, &bytes, Rules::default())
    };
    let uids = vec!["1.2"; 100_000].join("\\");
    let read = at(vec![Element::text(Tag::STUDY_INSTANCE_UID, Vr::UI, &uids)]).unwrap();
    assert_eq!(read.query.keys.len(), 1);
    let names = Element::text(Tag::PATIENT_NAME, Vr::PN, &"*\\".repeat(1_000));
    assert!(matches!(at(vec![names]), Err(IdentifierError::TooManyValues { .. })));
    // Value representations that the dictionary does not give these attributes.
    for (vr, value, text) in [
        (Vr::OB, &[1_u8, 2][..], "\u{1}\u{2}"),
        (Vr::US, &[1, 0], "1"),
        (Vr::FD, &[0, 0, 0, 0, 0, 0, 240, 127], "inf"),
        (Vr::UN, b"DOE ", "DOE"),
        (Vr::UT, b"DOE ", "DOE"),
    ] {
        let read = at(vec![Element::new(Tag::PATIENT_NAME, vr, value.to_vec())]).unwrap();
        assert_eq!(read.query.keys, [key(Tag::PATIENT_NAME, text)], "{vr:?}");
        assert!(!read.answer(&Answer::default()).is_empty());
    }
    let nested = (0..200).fold(DataSet::default(), |inner, _| {
        [Element::sequence(Tag(0x0040, 0x0275), vec![inner])].into_iter().collect()
    });
    let nested = at(nested.elements);
    assert!(matches!(nested, Err(IdentifierError::Unreadable(_))));
}
