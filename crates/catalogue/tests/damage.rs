//! One flipped bit anywhere in a database is found, or changes no answer.

use std::path::Path;

use outrigger_catalogue::{CatalogueError, Cursor, Located, open};
use outrigger_model::{Answer, Level, Query, QueryKey, QueryRoot, Selection, StudyUid, Tag};

use crate::made::{instance, other_bytes, with};

/// Everything the catalogue says.
#[derive(Debug, PartialEq)]
struct Said {
    findings: Vec<String>,
    studies: Vec<Answer>,
    images: Vec<Answer>,
    instances: Vec<Located>,
}

fn said(url: &str) -> Option<Said> {
    let mut catalogue = open(url).ok()?;
    let findings = catalogue.check().ok()?;
    let mut answers = |level, keys: &[(Tag, &str)]| {
        let keys =
            keys.iter().map(|(tag, value)| QueryKey { tag: *tag, value: (*value).to_owned() }).collect();
        let query = Query::new(QueryRoot::Study, level, keys);
        Some(catalogue.find(&query, Cursor::default(), 1000).ok()?.items)
    };
    let names = [(Tag::PATIENT_NAME, "DOE*"), (Tag::STUDY_DATE, "2024-"), (Tag::PATIENT_ID, "P1")];
    let studies = answers(Level::Study, &[&names[..], &[(Tag::STUDY_DESCRIPTION, "")]].concat())?;
    let images =
        answers(Level::Image, &[(Tag::ROWS, ""), (Tag::SOP_INSTANCE_UID, ""), (Tag::PATIENT_NAME, "")])?;
    let whole =
        Selection::Studies((0..4).map(|study| StudyUid::new(&format!("1.2.{study}")).unwrap()).collect());
    let instances = catalogue.select(&whole, Cursor::default(), 1000).ok()?.items;
    Some(Said { findings, studies, images, instances })
}

fn filled(url: &str) {
    let mut catalogue = open(url).unwrap();
    for study in 0..4 {
        let one = with(instance(study, 1, 1), &[(Tag::STUDY_DESCRIPTION, "WRITTEN ONCE")]);
        catalogue.put(&[one.clone(), instance(study, 1, 2), other_bytes(one, 250)]).unwrap();
    }
}

/// Flips one bit in each of `flips` places spread over the file; gives how many were found and how many changed nothing.
fn flipped(kind: &str, flips: usize) -> (usize, usize) {
    let directory = tempfile::tempdir().unwrap();
    let (whole, damaged) = (directory.path().join("whole"), directory.path().join("damaged"));
    let url = |path: &Path| format!("{kind}:{}", path.display());
    filled(&url(&whole));
    let before = said(&url(&whole)).unwrap();
    assert_eq!((before.findings.len(), before.instances.len()), (0, 8));
    let bytes = std::fs::read(&whole).unwrap();
    let (mut found, mut harmless) = (0, 0);
    for flip in 0..flips {
        let mut bytes = bytes.clone();
        let place = flip * bytes.len() / flips;
        bytes[place] ^= 1 << (flip % 8);
        std::fs::write(&damaged, &bytes).unwrap();
        match said(&url(&damaged)) {
            None => found += 1,
            Some(after) if !after.findings.is_empty() => found += 1,
            Some(after) => {
                assert_eq!(after, before, "the flip at byte {place} changed an answer unseen");
                harmless += 1;
            }
        }
        for left in ["damaged", "damaged-wal", "damaged-shm"] {
            if directory.path().join(left).exists() {
                std::fs::remove_file(directory.path().join(left)).unwrap();
            }
        }
    }
    (found, harmless)
}

#[test]
fn a_flipped_bit_in_sqlite_is_found_or_changes_nothing() {
    let (found, harmless) = flipped("sqlite", 700);
    assert!(found > 50 && harmless > 50, "{found} found, {harmless} harmless");
}

#[test]
fn a_flipped_bit_in_redb_is_found_or_changes_nothing() {
    let (found, harmless) = flipped("redb", 200);
    assert!(found > 5 && harmless > 50, "{found} found, {harmless} harmless");
}

/// What SQLite's own check does not see: a letter inside a value.
#[test]
fn a_changed_letter_breaks_the_seal_and_nothing_else_does_see_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c");
    let url = format!("sqlite:{}", path.display());
    filled(&url);
    let connection = rusqlite::Connection::open(&path).unwrap();
    let alter =
        "UPDATE study SET attributes = replace(attributes, 'WRITTEN ONCE', 'WRITTEN 0NCE') WHERE id = 2";
    assert_eq!(connection.execute(alter, []).unwrap(), 1);
    let own: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(own, "ok");
    let mut catalogue = open(&url).unwrap();
    assert_eq!(catalogue.check().unwrap(), ["row 2 of table `study` is not as it was written"]);
    let damaged = catalogue.summary(&StudyUid::new("1.2.1").unwrap());
    assert!(matches!(damaged, Err(CatalogueError::BadRow { table: "study", row: 2, .. })), "{damaged:?}");
    assert!(catalogue.summary(&StudyUid::new("1.2.2").unwrap()).is_ok());
}
