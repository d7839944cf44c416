//! Studies that cannot be told apart by their dates, with values that archives do not answer well for.

use super::*;

/// Studies of one second of a day, with these patient IDs and names and an accession number each, and twenty older ones.
fn crowded(count: u32, of: impl Fn(u32) -> (String, String)) -> Vec<Study> {
    let one = |number: u32| {
        let (patient_id, patient_name) = of(number);
        Study {
            uid: format!("1.7.9.4.{number}"),
            date: Some(Day(17_000)),
            second: Some(0),
            patient_id,
            patient_name,
            accession: format!("Q{number}"),
        }
    };
    let older = (0..20u32).map(|number| Study {
        uid: format!("1.7.9.5.{number}"),
        date: Some(Day(15_000 + i32::try_from(number).unwrap())),
        second: Some(3_600),
        patient_id: format!("OLD{number}"),
        patient_name: format!("Old{number}^A"),
        accession: format!("O{number}"),
    });
    (0..count).map(one).chain(older).collect()
}

/// Studies without a date, as many as these, each with its patient, behind more of a single patient than are given at once.
fn undated(count: u32) -> Vec<Study> {
    let of_one = (0..15u32).map(|number| Study {
        uid: format!("1.7.1.3.{number}"),
        patient_id: "NN1".to_owned(),
        ..Study::default()
    });
    let each = (0..count).map(|number| Study {
        uid: format!("1.7.1.2.{number}"),
        patient_id: format!("ND1-{number}"),
        patient_name: "Doe^Jane".to_owned(),
        ..Study::default()
    });
    let dated = (0..40u32).map(|number| Study {
        uid: format!("1.7.1.1.{number}"),
        date: Some(Day(17_000 + i32::try_from(number).unwrap())),
        second: Some(number * 60),
        patient_id: format!("M1-{number}"),
        patient_name: format!("Nam{number}^X"),
        accession: format!("ACM1-{number}"),
    });
    of_one.chain(each).chain(dated).collect()
}

/// Goal: what stands for other characters in a query hides no study, or that it may is said.
#[test]
fn studies_with_wildcards_in_patient_id_and_name_are_found_by_accession_number() {
    for cap in [10, 50] {
        for (id, name) in [("M?", "M?ller"), ("K*", "M*ller"), ("", "M?ller"), ("?", "")] {
            let of = |number: u32| match id {
                "" => (String::new(), format!("{name}{number}^A")),
                _ => (format!("{id}{number}"), format!("{name}^A")),
            };
            let mut all = crowded(cap * 3 / 2, of);
            let manner = Manner { cap: usize::try_from(cap).unwrap(), ..MANNER };
            let (found, sweep) = Archive::new(all.clone(), manner).sweep(Learnt::default(), 7);
            assert_eq!((found.len(), sweep.unlisted), (all.len(), 0), "{id} {name}, cap {cap}");
            assert!(sweep.asked < 3_000, "{} queries", sweep.asked);
            // The control: without accession numbers they cannot be asked for, which is said.
            for study in &mut all {
                study.accession.clear();
            }
            let (found, sweep) = Archive::new(all.clone(), manner).sweep(Learnt::default(), 7);
            assert!(
                found.len() < all.len() && sweep.unlisted > 0,
                "{id} {name}, cap {cap}: {} unlisted",
                sweep.unlisted
            );
        }
    }
}

/// Goal: a patient ID that the archive answers for as for another does not keep it from the rest.
#[test]
fn characters_that_an_archive_leaves_out_of_a_question_do_not_stop_it() {
    let ids = [
        "A*B", "A?B", "A%B", "A_B", "A'B", "a b", "\u{c4}-1", "a*b", "[AB]", "A^B", "<x>", "A/B", "A;B",
        "B1", "B2",
    ];
    let of = |number: u32| {
        let id = ids[usize::try_from(number).unwrap() % ids.len()];
        (format!("{id}{number}"), format!("O'Nm{number}^*?%_"))
    };
    for beyond in [Beyond::Says, Beyond::Refuses, Beyond::Silent] {
        let manner = Manner { cap: 10, accents: Accents::LookedOver, beyond, ..MANNER };
        let archive = Archive::new(crowded(15, of), manner);
        let (found, sweep) = archive.sweep(Learnt::default(), 7);
        assert_eq!(archive.missing(&found).len(), 0, "{beyond:?}");
        assert!(sweep.unlisted <= 4, "{beyond:?}: {} unlisted", sweep.unlisted);
        assert!(sweep.asked < 6_000, "{beyond:?}: {} queries", sweep.asked);
    }
}

/// Goal: what is cut before the characters of the others were seen is cut by these too.
#[test]
fn undated_studies_behind_those_of_one_patient_are_found() {
    for (cap, beyond) in [(9, Beyond::Says), (11, Beyond::Silent), (12, Beyond::Silent)] {
        let archive = Archive::new(undated(100), Manner { cap, beyond, ..MANNER });
        let (found, sweep) = archive.sweep(Learnt::default(), 7);
        let missing = archive.missing(&found);
        let others = missing.iter().filter(|study| study.patient_id != "NN1").count();
        assert_eq!(others, 0, "cap {cap}: {} of {} are missing", missing.len(), archive.studies.len());
        assert!((1..=6).contains(&sweep.unlisted), "cap {cap}: {} unlisted", sweep.unlisted);
    }
}

/// Goal: more studies of one patient than are given at once are found, and the inventory is complete. The control is
/// `more_studies_of_one_second_and_patient_than_are_given_are_said_to_be_unlisted`, where they have no accession numbers.
#[test]
fn studies_of_one_second_and_patient_are_told_apart_by_accession_number() {
    let archive =
        Archive::new(crowded(60, |_| ("ANON".to_owned(), "ANON".to_owned())), Manner { cap: 20, ..MANNER });
    let (found, sweep) = archive.sweep(Learnt::default(), 7);
    assert_eq!((archive.missing(&found).len(), sweep.unlisted), (0, 0));
}
