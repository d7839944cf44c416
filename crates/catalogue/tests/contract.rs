//! What every catalogue must do, whatever database it is kept in: each test runs over all of them.

use outrigger_catalogue::{Catalogue, Counts, Current, Cursor, Located, Page, Put, open};
use outrigger_dataset::dictionary;
use outrigger_dataset::element::Vr;
use outrigger_dataset::identifier::{compared, item_keys};
use outrigger_model::{
    Answer, Item, Items, Level, Query, QueryKey, QueryRoot, Rules, Selection, SeriesUid, SopInstanceUid,
    StudyUid, Tag,
};

use crate::made::{instance, other_bytes, with};
use crate::servers;

/// Runs a test over every embedded catalogue, or, where servers are given, over one of a new database of theirs.
pub(crate) fn over_all(test: impl Fn(&mut dyn Catalogue)) {
    if let Some(url) = servers::new_database() {
        return test(&mut *open(&url).unwrap());
    }
    for kind in ["memory", "sqlite", "redb"] {
        let directory = tempfile::tempdir().unwrap();
        let place =
            if kind == "memory" { String::new() } else { directory.path().join("c").display().to_string() };
        println!("over {kind}");
        test(&mut *open(&format!("{kind}:{place}")).unwrap());
    }
}

/// The tests of this file that run over every catalogue.
pub(crate) const ALL: &[fn()] = &[
    items_of_sequences_are_matched_and_returned,
    each_of_several_values_matches_where_that_was_agreed_on,
    entering_twice_changes_nothing_and_other_bytes_become_a_version,
    the_same_instance_twice_in_one_batch_is_entered_once,
    digests_of_sets_do_not_depend_on_order_or_batches,
    queries_at_four_levels,
    ranges_of_moments_and_empty_values_where_they_were_agreed_on,
    words_of_other_languages_are_only_values,
    a_list_of_a_hundred_thousand_uids_finds_those_that_are_there,
    answers_hold_what_was_asked_for_and_has_a_value,
    selections_list_each_instance_once,
    patients_are_one_by_id_and_issuer_and_apart_without_an_id,
    a_study_keeps_its_first_words_and_takes_what_it_lacked,
    an_instance_outside_patients_and_studies_is_kept,
    another_handle_sees_what_was_put,
    a_search_that_finds_little_gives_others_their_turn,
];

/// The tests of this file that are about embedded catalogues, or about none.
pub(crate) const OTHERS: usize = 2;

/// Everything, page by page.
fn all<T>(mut page: impl FnMut(Cursor) -> Page<T>) -> Vec<T> {
    let mut found = Vec::new();
    let mut after = Cursor::default();
    loop {
        let Page { items, next } = page(after);
        found.extend(items);
        match next {
            Some(next) => after = next,
            None => return found,
        }
    }
}

fn query(level: Level, keys: &[(Tag, &str)]) -> Query {
    let keys = keys.iter().map(|(tag, value)| QueryKey { tag: *tag, value: (*value).to_owned() }).collect();
    Query::new(QueryRoot::Patient, level, keys)
}

/// The values of `wanted` in every answer, in pages of two.
pub(crate) fn found(
    catalogue: &mut dyn Catalogue,
    level: Level,
    keys: &[(Tag, &str)],
    wanted: Tag,
) -> Vec<String> {
    let mut keys = keys.to_vec();
    if keys.iter().all(|(tag, _)| *tag != wanted) {
        keys.push((wanted, ""));
    }
    let query = query(level, &keys);
    let answers = all(|after| catalogue.find(&query, after, 2).unwrap());
    let value = |answer: &Answer| answer.attributes.iter().find(|(tag, _)| *tag == wanted).unwrap().1.clone();
    answers.iter().map(value).collect()
}

pub(crate) fn selected(catalogue: &mut dyn Catalogue, selection: &Selection) -> Vec<String> {
    let found: Vec<Located> = all(|after| catalogue.select(selection, after, 2).unwrap());
    found.iter().map(|instance| instance.sop_instance.to_string()).collect()
}

/// Six studies of three patients (0, 0, 1, 1, 2, 2 have names DOE0 to DOE2), two series of two instances each.
fn filled(catalogue: &mut dyn Catalogue) {
    for study in 0..6 {
        let series = [(1, 1), (1, 2), (2, 1), (2, 2)];
        let instances = series.map(|(series, number)| instance(study, series, number));
        for outcome in catalogue.put(&instances).unwrap() {
            assert_eq!(outcome.put, Put::New);
        }
    }
}

/// Sequence matching over every catalogue: what is kept of items comes back, as far as it was asked for.
#[test]
fn items_of_sequences_are_matched_and_returned() {
    const STEPS: &str = r#"[{"00400009":"S1","00401001":"R1"},{"00400009":"S2"}]"#;
    over_all(|catalogue| {
        let requested = with(
            instance(1, 1, 1),
            &[(Tag::REQUEST_ATTRIBUTES, STEPS), (Tag::OTHER_PATIENT_IDS, r#"[{"00100020":"X7"}]"#)],
        );
        let report =
            with(instance(2, 2, 1), &[(Tag::CONCEPT_NAME, r#"[{"00080100":"126000","00080102":"DCM"}]"#)]);
        catalogue.put(&[requested, report, instance(3, 1, 1)]).unwrap();
        let mut steps = |level, key: &str| {
            found(catalogue, level, &[(Tag::REQUEST_ATTRIBUTES, key)], Tag::REQUEST_ATTRIBUTES)
        };
        assert_eq!(steps(Level::Series, r#"[{"00400009":"S1"}]"#), [r#"[{"00400009":"S1"}]"#]);
        assert_eq!(steps(Level::Image, r#"[{"00401001":"R?"}]"#), [r#"[{"00401001":"R1"}]"#]);
        assert_eq!(steps(Level::Series, r#"[{"00400009":"S2","00401001":"R1"}]"#), [""; 0]);
        let other = [(Tag::OTHER_PATIENT_IDS, r#"[{"00100020":"X7"}]"#)];
        assert_eq!(found(catalogue, Level::Study, &other, Tag::STUDY_INSTANCE_UID), ["1.2.1"]);
        let title = [(Tag::CONCEPT_NAME, r#"[{"00080100":"126000"}]"#)];
        assert_eq!(found(catalogue, Level::Image, &title, Tag::SOP_INSTANCE_UID), ["1.2.2.2.1"]);
        let whole =
            query(Level::Series, &[(Tag::SERIES_INSTANCE_UID, "1.2.1.1"), (Tag::REQUEST_ATTRIBUTES, "")]);
        let answer = catalogue.find(&whole, Cursor::default(), 1).unwrap().items.remove(0);
        assert!(answer.attributes.contains(&(Tag::REQUEST_ATTRIBUTES, STEPS.to_owned())), "{answer:?}");
    });
}

/// Where it was agreed on, each of several values must be there (PS3.4 section C.2.2.2.8); else one is enough.
#[test]
fn each_of_several_values_matches_where_that_was_agreed_on() {
    over_all(|catalogue| {
        catalogue.put(&[instance(1, 1, 1), instance(1, 2, 1), instance(2, 1, 1)]).unwrap();
        for (multiple_values, expected) in [(true, 1), (false, 2)] {
            let mut query = query(Level::Study, &[(Tag::MODALITIES_IN_STUDY, "SR\\CT")]);
            query.rules = Rules { multiple_values, ..Rules::default() };
            assert_eq!(catalogue.find(&query, Cursor::default(), 9).unwrap().items.len(), expected);
        }
    });
}

fn uid(text: &str) -> SopInstanceUid {
    SopInstanceUid::new(text).unwrap()
}

fn study(text: &str) -> StudyUid {
    StudyUid::new(text).unwrap()
}

#[test]
fn entering_twice_changes_nothing_and_other_bytes_become_a_version() {
    over_all(|catalogue| {
        let first = instance(1, 1, 1);
        let outcome = |catalogue: &mut dyn Catalogue, instance| catalogue.put(&[instance]).unwrap().remove(0);
        let new = outcome(catalogue, first.clone());
        assert_eq!(new.put, Put::New);
        let before = catalogue.summary(&study("1.2.1")).unwrap();
        let second = other_bytes(first.clone(), 200);
        for (instance, put) in [
            (&first, Put::Same),
            (&second, Put::Other),
            (&second, Put::Same),
            (&other_bytes(first.clone(), 201), Put::Other),
            (&first, Put::Same),
        ] {
            let again = outcome(catalogue, instance.clone());
            assert_eq!((again.put, again.rows), (put, new.rows));
        }
        let located = catalogue.lookup(&first.header.sop_instance).unwrap().unwrap();
        assert_eq!(located.current, Current::Kept(first.version.clone()));
        assert_eq!(located.others.len(), 2);
        assert_eq!(located.others.first(), Some(&second.version));
        assert_eq!(located.rows, new.rows);
        assert_eq!((located.study, located.series), (first.header.study, first.header.series));
        assert_eq!(catalogue.summary(&study("1.2.1")).unwrap(), before);
        let counts = Counts { patients: 1, studies: 1, series: 1, instances: 1, other_versions: 2 };
        assert_eq!(catalogue.counts().unwrap(), counts);
    });
}

#[test]
fn the_same_instance_twice_in_one_batch_is_entered_once() {
    over_all(|catalogue| {
        let one = instance(1, 1, 1);
        let outcomes = catalogue.put(&[one.clone(), one.clone(), other_bytes(one, 9)]).unwrap();
        assert_eq!(
            outcomes.iter().map(|outcome| outcome.put).collect::<Vec<_>>(),
            [Put::New, Put::Same, Put::Other]
        );
        assert_eq!(catalogue.summary(&study("1.2.1")).unwrap().unwrap().instances.count, 1);
    });
}

#[test]
fn digests_of_sets_do_not_depend_on_order_or_batches() {
    let instances: Vec<_> = (1..=3).flat_map(|series| (1..=4).map(move |n| instance(1, series, n))).collect();
    over_all(|catalogue| {
        catalogue.put(&instances).unwrap();
        let whole = catalogue.summary(&study("1.2.1")).unwrap().unwrap();
        assert_eq!(whole.instances.count, 12);
        assert_eq!(whole.series.iter().map(|series| series.instances.count).collect::<Vec<_>>(), [4, 4, 4]);
        let sum =
            whole.series.iter().fold(0u128, |sum, series| sum.wrapping_add(series.instances.identities));
        assert_eq!(sum, whole.instances.identities);
        assert!(catalogue.summary(&study("1.9")).unwrap().is_none());
    });
    over_all(|catalogue| {
        for instance in instances.iter().rev() {
            catalogue.put(std::slice::from_ref(instance)).unwrap();
        }
        let summary = catalogue.summary(&study("1.2.1")).unwrap().unwrap();
        assert_eq!(summary.series.first().unwrap().series, SeriesUid::new("1.2.1.3").unwrap());
        assert_eq!(summary.instances, {
            let mut forward = open("memory:").unwrap();
            forward.put(&instances).unwrap();
            forward.summary(&study("1.2.1")).unwrap().unwrap().instances
        });
    });
}

#[test]
pub(crate) fn queries_at_four_levels() {
    #[rustfmt::skip]
    #[allow(clippy::type_complexity, reason = "one row a query: level, keys, attribute wanted, its values")]
    let table: &[(Level, &[(Tag, &str)], Tag, &[&str])] = &[
        (Level::Patient, &[(Tag::PATIENT_ID, "P1")], Tag::PATIENT_NAME, &["DOE1^JANE=\u{5C71}1"]),
        (Level::Patient, &[(Tag::PATIENT_NAME, "doe*"), (Tag::ISSUER_OF_PATIENT_ID, "HOSP")], Tag::PATIENT_ID, &["P0", "P1", "P2"]),
        (Level::Patient, &[(Tag::PATIENT_NAME, "\u{5C71}2")], Tag::PATIENT_ID, &["P2"]),
        (Level::Patient, &[(Tag::ISSUER_OF_PATIENT_ID, "ELSEWHERE")], Tag::PATIENT_ID, &[]),
        (Level::Patient, &[(Tag::PATIENT_ID, "P2")], Tag::PATIENT_RELATED_STUDIES, &["2"]),
        (Level::Patient, &[(Tag::PATIENT_ID, "P2")], Tag::PATIENT_RELATED_SERIES, &["4"]),
        (Level::Patient, &[(Tag::PATIENT_ID, "P2")], Tag::PATIENT_RELATED_INSTANCES, &["8"]),
        (Level::Study, &[], Tag::STUDY_INSTANCE_UID, &["1.2.0", "1.2.1", "1.2.2", "1.2.3", "1.2.4", "1.2.5"]),
        (Level::Study, &[(Tag::STUDY_INSTANCE_UID, "1.2.5\\1.2.9\\1.2.0")], Tag::STUDY_INSTANCE_UID, &["1.2.0", "1.2.5"]),
        (Level::Study, &[(Tag::PATIENT_ID, "P1")], Tag::STUDY_INSTANCE_UID, &["1.2.2", "1.2.3"]),
        (Level::Study, &[(Tag::PATIENT_ID, "P?")], Tag::ACCESSION_NUMBER, &["A0", "A1", "A2", "A3", "A4", "A5"]),
        (Level::Study, &[(Tag::PATIENT_NAME, "DOE1^*"), (Tag::STUDY_DATE, "20240303")], Tag::STUDY_INSTANCE_UID, &["1.2.2"]),
        (Level::Study, &[(Tag::ACCESSION_NUMBER, "A4")], Tag::PATIENT_NAME, &["DOE2^JANE=\u{5C71}2"]),
        (Level::Study, &[(Tag::ACCESSION_NUMBER, "a4")], Tag::PATIENT_NAME, &[]),
        (Level::Study, &[(Tag::STUDY_DATE, "20240202-20240404")], Tag::STUDY_INSTANCE_UID, &["1.2.1", "1.2.2", "1.2.3"]),
        (Level::Study, &[(Tag::STUDY_DATE, "-20240202")], Tag::STUDY_INSTANCE_UID, &["1.2.0", "1.2.1"]),
        (Level::Study, &[(Tag::STUDY_DATE, "20240505-")], Tag::STUDY_INSTANCE_UID, &["1.2.4", "1.2.5"]),
        (Level::Study, &[(Tag::STUDY_DATE, "20240505-20240101")], Tag::STUDY_INSTANCE_UID, &[]),
        (Level::Study, &[(Tag::STUDY_TIME, "02-0330")], Tag::STUDY_INSTANCE_UID, &["1.2.2", "1.2.3"]),
        (Level::Study, &[(Tag::STUDY_DESCRIPTION, "*HEAD 3")], Tag::STUDY_RELATED_SERIES, &["2"]),
        (Level::Study, &[(Tag::MODALITIES_IN_STUDY, "SR"), (Tag::STUDY_ID, "*"), (Tag::ACCESSION_NUMBER, "A1")], Tag::MODALITIES_IN_STUDY, &["CT\\SR"]),
        (Level::Study, &[(Tag::MODALITIES_IN_STUDY, "MR")], Tag::STUDY_INSTANCE_UID, &[]),
        (Level::Study, &[(Tag::SOP_CLASSES_IN_STUDY, "1.2.840.10008.5.1.4.1.1.2"), (Tag::ACCESSION_NUMBER, "A1")], Tag::STUDY_RELATED_INSTANCES, &["4"]),
        // Keys of a lower level and keys nobody knows do not filter.
        (Level::Study, &[(Tag::MODALITY, "MR"), (Tag(0x0099, 0x0001), "X"), (Tag::ACCESSION_NUMBER, "A1")], Tag::STUDY_INSTANCE_UID, &["1.2.1"]),
        (Level::Series, &[(Tag::STUDY_INSTANCE_UID, "1.2.3")], Tag::SERIES_INSTANCE_UID, &["1.2.3.1", "1.2.3.2"]),
        (Level::Series, &[(Tag::STUDY_INSTANCE_UID, "1.2.3"), (Tag::MODALITY, "SR")], Tag::SERIES_NUMBER, &["2"]),
        (Level::Series, &[(Tag::SERIES_INSTANCE_UID, "1.2.3.2")], Tag::SERIES_RELATED_INSTANCES, &["2"]),
        (Level::Series, &[(Tag::PATIENT_NAME, "DOE0*"), (Tag::SERIES_NUMBER, "02")], Tag::SERIES_INSTANCE_UID, &["1.2.0.2", "1.2.1.2"]),
        (Level::Image, &[(Tag::STUDY_INSTANCE_UID, "1.2.3"), (Tag::SERIES_INSTANCE_UID, "1.2.3.1")], Tag::SOP_INSTANCE_UID, &["1.2.3.1.1", "1.2.3.1.2"]),
        (Level::Image, &[(Tag::SERIES_INSTANCE_UID, "1.2.3.1"), (Tag::INSTANCE_NUMBER, "2")], Tag::SOP_INSTANCE_UID, &["1.2.3.1.2"]),
        (Level::Image, &[(Tag::SOP_INSTANCE_UID, "1.2.3.1.2")], Tag::SOP_CLASS_UID, &["1.2.840.10008.5.1.4.1.1.2"]),
        (Level::Image, &[(Tag::SOP_INSTANCE_UID, "1.2.3.1.2"), (Tag::STUDY_INSTANCE_UID, "1.2.4")], Tag::SOP_INSTANCE_UID, &[]),
        (Level::Image, &[(Tag::ACCESSION_NUMBER, "A5"), (Tag::INSTANCE_NUMBER, "1")], Tag::SOP_INSTANCE_UID, &["1.2.5.1.1", "1.2.5.2.1"]),
        (Level::Image, &[(Tag::PATIENT_ID, "P0"), (Tag::INSTANCE_NUMBER, "1")], Tag::ROWS, &["512", "512", "512", "512"]),
    ];
    over_all(|catalogue| {
        filled(catalogue);
        for (level, keys, wanted, expected) in table {
            assert_eq!(found(catalogue, *level, keys, *wanted), *expected, "{level:?} {keys:?}");
        }
    });
}

#[test]
fn ranges_of_moments_and_empty_values_where_they_were_agreed_on() {
    // Studies 0 to 5 lie on 1 January to 6 June, each month a day later, at half past the hour of their number.
    let moments =
        |dates: &'static str, times: &'static str| [(Tag::STUDY_DATE, dates), (Tag::STUDY_TIME, times)];
    #[allow(
        clippy::type_complexity,
        reason = "one row a query: keys, studies by the baseline, studies as agreed on"
    )]
    let table: Vec<(Vec<(Tag, &str)>, &[&str], &[&str])> = vec![
        (moments("20240202-20240404", "0200-0100").to_vec(), &[], &["1.2.2"]),
        (
            moments("20240202-20240404", "0130-0330").to_vec(),
            &["1.2.1", "1.2.2", "1.2.3"],
            &["1.2.1", "1.2.2", "1.2.3"],
        ),
        (moments("20240202-20240404", "0131-0329").to_vec(), &["1.2.2"], &["1.2.2"]),
        (moments("20240505-", "05-").to_vec(), &["1.2.5"], &["1.2.5"]),
        (moments("-20240202", "-0100").to_vec(), &["1.2.0"], &["1.2.0"]),
        (moments("20240303", "02-03").to_vec(), &["1.2.2"], &["1.2.2"]),
        (vec![(Tag::STUDY_ID, "\"\""), (Tag::ACCESSION_NUMBER, "A3")], &[], &["1.2.3"]),
        (vec![(Tag::STUDY_DESCRIPTION, "\"\"")], &[], &[]),
    ];
    over_all(|catalogue| {
        filled(catalogue);
        for (keys, baseline, agreed) in &table {
            let mut asked = query(Level::Study, keys);
            asked.keys.push(QueryKey { tag: Tag::STUDY_INSTANCE_UID, value: String::new() });
            for (rules, expected) in [
                (Rules::default(), baseline),
                (Rules { date_times: true, empty_values: true, ..Rules::default() }, agreed),
            ] {
                asked.rules = rules;
                let answers = all(|after| catalogue.find(&asked, after, 2).unwrap());
                let uid = |answer: &Answer| {
                    let uid = answer.attributes.iter().find(|(tag, _)| *tag == Tag::STUDY_INSTANCE_UID);
                    uid.unwrap().1.clone()
                };
                let found: Vec<String> = answers.iter().map(uid).collect();
                assert_eq!(found, **expected, "{keys:?} {rules:?}");
            }
        }
    });
}

#[test]
pub(crate) fn words_of_other_languages_are_only_values() {
    let hostile = [
        "' OR '1'='1",
        "'; DROP TABLE study; --",
        "\" OR \"\"=\"",
        "%",
        "_",
        "1 UNION SELECT * FROM patient",
        "\u{0}\u{1}\u{7f}\u{202e}",
        "${jndi:ldap://127.0.0.1/}",
        "[0-9]+",
        "\u{10FFFF}",
    ];
    // Every key that is compared, those in the items of sequences too, with each of the values.
    let texts = |tag: Tag, value: &str| match item_keys(tag) {
        [] => vec![value.to_owned()],
        keys => {
            let item = |key: &Tag| Items(vec![Item::from([(*key, value.to_owned())])]).to_text();
            keys.iter().map(item).collect()
        }
    };
    let tags: Vec<Tag> = compared().map(|(tag, _)| tag).collect();
    assert!(tags.len() > 40, "{tags:?}");
    over_all(|catalogue| {
        filled(catalogue);
        for (tag, value) in tags.iter().flat_map(|tag| hostile.map(|value| (*tag, value))) {
            for text in texts(tag, value) {
                let answers = found(catalogue, Level::Image, &[(tag, &text)], Tag::SOP_INSTANCE_UID);
                // A time that is none is no restriction; the front door refuses it.
                assert!(answers.is_empty() || dictionary::vr(tag) == Vr::TM, "{tag} {text}");
            }
        }
        assert_eq!(catalogue.counts().unwrap().instances, 24);
    });
}

#[test]
fn a_list_of_a_hundred_thousand_uids_finds_those_that_are_there() {
    let mut list: Vec<String> = (0..100_000).map(|number| format!("1.9.{number}")).collect();
    list.push("1.2.4".to_owned());
    list.push("1.2.1".to_owned());
    let list = list.join("\\");
    over_all(|catalogue| {
        filled(catalogue);
        let studies =
            found(catalogue, Level::Study, &[(Tag::STUDY_INSTANCE_UID, &list)], Tag::STUDY_INSTANCE_UID);
        assert_eq!(studies, ["1.2.1", "1.2.4"]);
    });
}

#[test]
fn answers_hold_what_was_asked_for_and_has_a_value() {
    over_all(|catalogue| {
        filled(catalogue);
        let keys = [
            (Tag::STUDY_INSTANCE_UID, "1.2.3"),
            (Tag::STUDY_ID, ""),
            (Tag::PATIENT_ID, ""),
            (Tag::MODALITY, ""),
        ];
        let page = catalogue.find(&query(Level::Study, &keys), Cursor::default(), 10).unwrap();
        let attributes =
            vec![(Tag::STUDY_INSTANCE_UID, "1.2.3".to_owned()), (Tag::PATIENT_ID, "P1".to_owned())];
        assert_eq!(page.items, [Answer { attributes }]);
    });
}

#[test]
fn selections_list_each_instance_once() {
    let series = |series: &[&str]| series.iter().map(|uid| SeriesUid::new(uid).unwrap()).collect();
    let patient = |id: &str| Selection::Patient { patient_id: id.to_owned() };
    let table: &[(Selection, &[&str])] = &[
        (patient("P7"), &[]),
        (Selection::Studies(vec![study("1.2.3")]), &["1.2.3.1.1", "1.2.3.1.2", "1.2.3.2.1", "1.2.3.2.2"]),
        (
            Selection::Series { study: Some(study("1.2.3")), series: series(&["1.2.3.2"]) },
            &["1.2.3.2.1", "1.2.3.2.2"],
        ),
        (Selection::Series { study: Some(study("1.2.4")), series: series(&["1.2.3.2"]) }, &[]),
        (
            Selection::Series { study: None, series: series(&["1.2.3.2", "1.2.5.1"]) },
            &["1.2.3.2.1", "1.2.3.2.2", "1.2.5.1.1", "1.2.5.1.2"],
        ),
        (
            Selection::Instances {
                study: None,
                instances: ["1.2.9", "1.2.5.1.1", "1.2.0.1.1", "1.2.5.1.1", "1.2.0.1.2"].map(uid).to_vec(),
            },
            &["1.2.5.1.1", "1.2.0.1.1", "1.2.0.1.2"],
        ),
    ];
    over_all(|catalogue| {
        filled(catalogue);
        for (selection, expected) in table {
            assert_eq!(selected(catalogue, selection), *expected, "{selection:?}");
        }
        let whole = selected(catalogue, &patient("P2"));
        assert_eq!(whole.len(), 8);
        assert!(whole.iter().all(|uid| uid.starts_with("1.2.4.") || uid.starts_with("1.2.5.")));
    });
}

#[test]
fn patients_are_one_by_id_and_issuer_and_apart_without_an_id() {
    over_all(|catalogue| {
        let elsewhere =
            with(instance(8, 1, 1), &[(Tag::ISSUER_OF_PATIENT_ID, "OTHER"), (Tag::PATIENT_ID, "P0")]);
        let nobody = with(instance(9, 1, 1), &[(Tag::PATIENT_ID, ""), (Tag::PATIENT_NAME, "")]);
        let nobody_else = with(instance(10, 1, 1), &[(Tag::PATIENT_ID, "")]);
        let outcomes =
            catalogue.put(&[instance(0, 1, 1), elsewhere, nobody, nobody_else, instance(1, 1, 1)]).unwrap();
        let patients: Vec<_> = outcomes.iter().map(|outcome| outcome.rows.parents.unwrap().patient).collect();
        assert_eq!(patients.first(), patients.last());
        assert_eq!(catalogue.counts().unwrap().patients, 4);
        assert_eq!(
            found(catalogue, Level::Patient, &[(Tag::PATIENT_ID, "P0")], Tag::ISSUER_OF_PATIENT_ID),
            ["HOSP", "OTHER"]
        );
        assert_eq!(
            found(catalogue, Level::Study, &[(Tag::PATIENT_NAME, "*OE*")], Tag::ACCESSION_NUMBER),
            ["A0", "A8", "A10", "A1"]
        );
        assert_eq!(
            found(catalogue, Level::Study, &[(Tag::PATIENT_ID, "*0")], Tag::ACCESSION_NUMBER),
            ["A0", "A8", "A1"]
        );
    });
}

#[test]
fn a_study_keeps_its_first_words_and_takes_what_it_lacked() {
    over_all(|catalogue| {
        let bare = with(instance(1, 1, 1), &[(Tag::STUDY_DATE, ""), (Tag::ACCESSION_NUMBER, "")]);
        catalogue.put(&[bare]).unwrap();
        assert!(
            found(catalogue, Level::Study, &[(Tag::STUDY_DATE, "2024-")], Tag::STUDY_INSTANCE_UID).is_empty()
        );
        let later =
            [(Tag::STUDY_DATE, "20200101"), (Tag::STUDY_DESCRIPTION, "OTHER"), (Tag::PATIENT_NAME, "ROE")];
        catalogue.put(&[with(instance(1, 1, 2), &later)]).unwrap();
        for (key, value) in
            [(Tag::STUDY_DATE, "2020-2021"), (Tag::ACCESSION_NUMBER, "A1"), (Tag::PATIENT_NAME, "DOE0*")]
        {
            assert_eq!(
                found(catalogue, Level::Study, &[(key, value)], Tag::STUDY_DESCRIPTION),
                ["CT HEAD 1"],
                "{key}"
            );
        }
        assert!(
            found(catalogue, Level::Study, &[(Tag::PATIENT_NAME, "ROE")], Tag::STUDY_INSTANCE_UID).is_empty()
        );
    });
}

#[test]
fn an_instance_outside_patients_and_studies_is_kept() {
    over_all(|catalogue| {
        let mut palette = instance(1, 1, 1);
        palette.header.study = None;
        palette.header.series = None;
        assert_eq!(catalogue.put(&[palette.clone()]).unwrap().remove(0).rows.parents, None);
        assert_eq!(catalogue.put(&[palette.clone()]).unwrap().remove(0).put, Put::Same);
        assert_eq!(catalogue.lookup(&palette.header.sop_instance).unwrap().unwrap().study, None);
        assert_eq!(
            selected(
                catalogue,
                &Selection::Instances { study: None, instances: vec![palette.header.sop_instance] }
            ),
            ["1.2.1.1.1"]
        );
        assert!(found(catalogue, Level::Image, &[], Tag::SOP_INSTANCE_UID).is_empty());
    });
}

#[test]
fn another_handle_sees_what_was_put() {
    over_all(|catalogue| {
        let mut reader = catalogue.another().unwrap();
        filled(catalogue);
        assert_eq!(reader.counts().unwrap(), catalogue.counts().unwrap());
        assert_eq!(reader.counts().unwrap().instances, 24);
    });
}

#[test]
fn what_was_put_is_there_after_opening_again() {
    for kind in ["sqlite", "redb"] {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("{kind}:{}", directory.path().join("c").display());
        filled(&mut *open(&url).unwrap());
        let mut again = open(&url).unwrap();
        assert_eq!(again.counts().unwrap().instances, 24);
        let next = again.put(&[instance(7, 1, 1)]).unwrap().remove(0);
        assert_eq!(next.rows.instance, 25);
    }
}

#[test]
fn urls_that_name_no_catalogue_are_refused() {
    for url in ["", "sqlite", "sqlite:", "redb:", "memory:x", "oracle:x", "sqlite:/nowhere/at/all"] {
        assert!(open(url).is_err(), "{url}");
    }
}

#[test]
fn a_search_that_finds_little_gives_others_their_turn() {
    over_all(|catalogue| {
        let instances: Vec<_> = (1..=4500).map(|number| instance(1, 1, number)).collect();
        catalogue.put(&instances).unwrap();
        let last = query(Level::Image, &[(Tag::INSTANCE_NUMBER, "4500"), (Tag::SOP_INSTANCE_UID, "")]);
        let first = catalogue.find(&last, Cursor::default(), 10).unwrap();
        assert!(first.items.is_empty() && first.next.is_some());
        let mut pages = 0;
        let found = all(|after| {
            pages += 1;
            catalogue.find(&last, after, 10).unwrap()
        });
        assert_eq!(found.len(), 1);
        assert!(pages > 2, "{pages} pages");
    });
}
