//! A head that is lost, and made anew from the segments.

use std::path::Path;

use outrigger_journal::{
    EngineKind, Entry, HeadError, HeadRestored, Journal, JournalId, JournalReader, OpenError, Opened, Place,
    Seq, restore_head,
};
use outrigger_runtime::{Clock, Random};

use crate::kit::{all_of, append, bytes, closing, object, open_on, options, real_disk, scrubbed, segments};

const LARGE: usize = 3 << 20;

/// A journal of several segments, with released and large bodies; the last one is left open.
fn made(directory: &Path) -> JournalId {
    drop(open_on(&real_disk(), directory, Seq(0)).journal.close());
    let mut journal = open_on(&real_disk(), directory, Seq(0)).journal;
    for seed in 1..=8 {
        append(&mut journal, vec![object(seed, 20_000), closing(seed)]);
    }
    append(&mut journal, vec![object(9, LARGE)]);
    journal.release(&[Seq(1), Seq(5)]).unwrap();
    append(&mut journal, vec![object(10, 500)]);
    journal.reader().journal()
}

/// Every entry, its presence and what bytes it has.
fn shown(reader: &JournalReader) -> Vec<(String, Option<bytes::Bytes>)> {
    let entries = reader.records(Seq(0), 100).unwrap();
    let of = |entry: &Entry| {
        let Entry::Record(record) = entry else { panic!("{entry:?}") };
        (format!("{record:?}"), reader.body(record.seq).ok().map(|body| all_of(&*body)))
    };
    entries.iter().map(of).collect()
}

fn try_open(directory: &Path) -> Result<Opened, OpenError> {
    Journal::open(real_disk(), Clock::System, Random::System, options(directory), Seq(0))
}

fn restore(directory: &Path) -> Result<HeadRestored, HeadError> {
    restore_head(&real_disk(), &Random::System, &[Place::new(EngineKind::Log, directory)])
}

fn epoch(directory: &Path) -> u64 {
    let head = std::fs::read_to_string(directory.join("head")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&head.lines().next().unwrap()[9..]).unwrap();
    json["epoch"].as_u64().unwrap()
}

#[test]
fn a_lost_head_is_made_anew_and_every_entry_is_there() {
    for (damage, says) in
        [(None, "missing"), (Some(&b""[..]), "unreadable"), (Some(b"nonsense"), "unreadable")]
    {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let journal = made(directory);
        let head = directory.join("head");
        let before = {
            let copy = tempfile::tempdir().unwrap();
            copied(directory, copy.path());
            shown(&try_open(copy.path()).unwrap().journal.reader())
        };
        assert!(before.len() > 18 && before.iter().any(|(_, all)| all.as_ref() == Some(&bytes(9, LARGE))));
        match damage {
            None => std::fs::remove_file(&head).unwrap(),
            Some(content) => std::fs::write(&head, content).unwrap(),
        }
        let error = try_open(directory).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("`outrigger rebuild`"), "{error}");
        let restored = restore(directory).unwrap();
        assert_eq!(restored, HeadRestored::FromSegments { journal, segments: segments(directory).len() });
        let opened = try_open(directory).unwrap();
        assert!(opened.report.damaged.is_empty(), "{:?}", opened.report);
        assert_eq!(shown(&opened.journal.reader()), before, "{says}");
        assert_eq!(scrubbed(&opened.journal.reader()), []);
        drop(opened);
        assert_eq!(restore(directory).unwrap(), HeadRestored::NotNeeded { journal: Some(journal) });
    }
}

fn copied(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copied(&file.path(), &target);
        } else {
            std::fs::copy(file.path(), target).unwrap();
        }
    }
}

#[test]
fn an_older_head_put_back_loses_no_entry_and_no_start() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    drop(try_open(directory).unwrap());
    let head = directory.join("head");
    let older = std::fs::read(&head).unwrap();
    made(directory);
    let copy = tempfile::tempdir().unwrap();
    copied(directory, copy.path());
    let before = shown(&try_open(copy.path()).unwrap().journal.reader());
    // The start that wrote the last entries: one that wrote none leaves nothing in the segments, and its number may come again.
    let epoch_before = epoch(directory);
    std::fs::write(&head, older).unwrap();
    assert!(epoch(directory) < epoch_before);
    assert!(matches!(restore(directory).unwrap(), HeadRestored::NotNeeded { .. }));
    let opened = try_open(directory).unwrap();
    assert!(opened.report.damaged.is_empty(), "{:?}", opened.report);
    assert_eq!(shown(&opened.journal.reader()), before);
    assert!(epoch(directory) > epoch_before, "{} after {epoch_before}", epoch(directory));
}

#[test]
fn starts_after_it_was_made_anew_are_later_than_all_before() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    made(directory);
    let before = epoch(directory);
    std::fs::remove_file(directory.join("head")).unwrap();
    restore(directory).unwrap();
    drop(try_open(directory).unwrap());
    assert!(epoch(directory) > before, "{} after {before}", epoch(directory));
}

#[test]
fn a_head_is_not_made_up_where_the_segments_do_not_say_one_thing() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    made(one.path());
    made(other.path());
    std::fs::remove_file(one.path().join("head")).unwrap();
    let foreign = &segments(other.path())[0];
    let guest = one.path().join("segments/0000000099.segment");
    std::fs::copy(foreign, &guest).unwrap();
    let error = restore(one.path()).unwrap_err();
    assert!(matches!(&error, HeadError::TwoJournals { file, .. } if *file == guest), "{error}");
    std::fs::remove_file(&guest).unwrap();

    for path in segments(one.path()) {
        // Neither opening nor seal: what is between may hold bytes of a journal that somebody stored as an object.
        let mut content = std::fs::read(&path).unwrap();
        let end = content.len();
        content[..8].fill(0);
        content[end - 8..].fill(0);
        std::fs::write(&path, content).unwrap();
    }
    assert!(matches!(restore(one.path()), Err(HeadError::Nameless { .. })));
    assert!(!one.path().join("head").exists());
}

#[test]
fn no_head_is_made_for_a_journal_that_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(restore(directory.path()).unwrap(), HeadRestored::NotNeeded { journal: None });
    assert_eq!(
        restore(&directory.path().join("not mounted")).unwrap(),
        HeadRestored::NotNeeded { journal: None }
    );
    assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none());
}
