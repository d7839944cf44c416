//! What is SQLite's own: its write-ahead log, the file of bodies beside it, and each bit of both.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use outrigger_journal::{
    Carried, Certainty, DamagedPart, EngineKind, Entry, HeadRestored, Journal, JournalReader, OpenError,
    Opened, Place, ReadError, Seq, restore_head,
};
use outrigger_runtime::{Random, Threads};

use crate::kit::{all_of, append, bytes, closing, listed, object, open_of, real_disk, scrubbed, try_open_of};

fn open(directory: &Path, applied: u64) -> Opened {
    open_of(EngineKind::Sqlite, directory, Seq(applied))
}

fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let segments = listed(&directory.join("segments"));
    segments.into_iter().filter(|path| path.to_str().unwrap().ends_with(ending)).collect()
}

/// A copy of what stands in a directory, as a crash would leave it.
fn crashed(directory: &Path) -> tempfile::TempDir {
    let other = tempfile::tempdir().unwrap();
    for sub in ["", "segments", "objects"] {
        std::fs::create_dir_all(other.path().join(sub)).unwrap();
        for path in listed(&directory.join(sub)).into_iter().filter(|path| path.is_file()) {
            std::fs::copy(&path, other.path().join(sub).join(path.file_name().unwrap())).unwrap();
        }
    }
    other
}

fn flip(path: &Path, at: usize, bit: u32) {
    let mut content = std::fs::read(path).unwrap();
    content[at] ^= 1 << bit;
    std::fs::write(path, content).unwrap();
}

fn count(journal: &Journal) -> usize {
    journal.reader().records(Seq(0), 10_000).unwrap().len()
}

/// One flipped bit in the middle of the write-ahead log takes what was committed behind it, all in order and all of it acknowledged: SQLite
/// says nothing of that, and a start does.
#[test]
fn a_flipped_bit_in_the_write_ahead_log_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path(), 0).journal;
    for seed in 0..200 {
        append(&mut journal, vec![closing(seed)]);
    }
    let control = crashed(directory.path());
    let opened = open(control.path(), 0);
    assert_eq!((opened.report.damaged, count(&opened.journal)), (vec![], 200), "the control");
    let length = std::fs::metadata(&files(directory.path(), "-wal")[0]).unwrap().len();
    for part in 1..20_u64 {
        let other = crashed(directory.path());
        let at = usize::try_from(length * part / 25).unwrap();
        flip(&files(other.path(), "-wal")[0], at, u32::try_from(part % 8).unwrap());
        let opened = open(other.path(), 0);
        assert!(count(&opened.journal) < 200, "byte {at}: SQLite drops what stands behind it");
        let found = opened.report.damaged;
        assert!(found.iter().any(|damage| damage.part == DamagedPart::WriteAhead), "byte {at}: {found:?}");
        assert!(found.iter().any(|damage| damage.certainty == Certainty::Acknowledged), "byte {at}");
        let kept = std::fs::metadata(&files(other.path(), "-wal-damaged")[0]).unwrap().len();
        assert_eq!(kept, length, "it is kept as it was found");
        // What the ledger had applied is named besides.
        let other = crashed(directory.path());
        flip(&files(other.path(), "-wal")[0], at, u32::try_from(part % 8).unwrap());
        let found = open(other.path(), 200).report.damaged;
        let missing = found.iter().find(|damage| damage.part == DamagedPart::Missing).unwrap();
        assert_eq!(missing.entries.unwrap().1, Seq(200), "byte {at}");
    }
}

#[test]
fn bytes_of_the_last_commit_that_never_came_to_the_disk_are_cut_and_others_are_damage() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path(), 0).journal;
    append(&mut journal, vec![object(1, 3000)]);
    append(&mut journal, vec![object(2, 3000), object(3, 3000)]);
    for (at, applied, kept, part) in [
        (7000, 0, 2, None),
        (4000, 0, 1, None),
        (7000, 3, 3, Some(DamagedPart::Body)),
        (100, 0, 3, Some(DamagedPart::Body)),
    ] {
        let other = crashed(directory.path());
        flip(&files(other.path(), ".bodies")[0], at, 3);
        let Opened { mut journal, report } = open(other.path(), applied);
        assert_eq!(count(&journal), kept, "{at} {applied}");
        assert_eq!(report.cut.is_some(), part.is_none(), "{at} {applied}");
        let found: Vec<_> = report.damaged.iter().map(|damage| damage.part).collect();
        assert_eq!(found, part.into_iter().collect::<Vec<_>>(), "{at} {applied}");
        // It goes on, and what is damaged is never served.
        let next = append(&mut journal, vec![object(9, 10)])[0].seq();
        assert_eq!(all_of(&*journal.reader().body(next).unwrap()), bytes(9, 10));
        let reader = journal.reader();
        for seq in 1..=kept as u64 {
            let read = reader.body(Seq(seq)).unwrap().read_block(0);
            let is_damaged = report.damaged.iter().any(|damage| damage.entries == Some((Seq(seq), Seq(seq))));
            assert_eq!(read.is_err(), is_damaged, "{at} {applied} {seq}");
        }
    }
}

/// All that a reader gives: what each entry says, and its bytes where it has any.
fn all(reader: &JournalReader) -> Vec<(Entry, Option<Bytes>)> {
    // What cannot be read at all gives nothing: it is not the whole, and has to be found.
    let entries = reader.records(Seq(0), 10_000).unwrap_or_default();
    let bytes = |entry: &Entry| match entry {
        Entry::Record(record) => reader.body(record.seq).ok().and_then(|body| body.read_block(0).ok()),
        Entry::Damaged(_) => None,
    };
    entries.into_iter().map(|entry| (bytes(&entry), entry)).map(|(bytes, entry)| (entry, bytes)).collect()
}

/// A flipped bit of what is sealed is found by a start or a scrub, or changes nothing of what is read.
#[test]
fn a_flipped_bit_of_what_is_sealed_is_found_or_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path(), 0).journal;
    for seed in 1..=6 {
        append(&mut journal, vec![object(seed, 2000), closing(seed)]);
    }
    journal.close().unwrap();
    let control = open(directory.path(), 0).journal;
    let whole = all(&control.reader());
    assert_eq!((scrubbed(&control.reader()), whole.len()), (vec![], 12), "the control");
    drop(control);
    for (ending, step) in [(".sqlite", 331), (".bodies", 977)] {
        let path = files(directory.path(), ending).remove(0);
        let length = usize::try_from(std::fs::metadata(&path).unwrap().len()).unwrap();
        for at in (0..length).step_by(step) {
            let other = crashed(directory.path());
            flip(&files(other.path(), ending)[0], at, u32::try_from(at % 8).unwrap());
            let opened = try_open_of(EngineKind::Sqlite, other.path(), Seq(12));
            // SQLite takes it for no database of its own.
            let Ok(Opened { journal, report }) = opened else { continue };
            let reader = journal.reader();
            let is_found = !report.damaged.is_empty() || !scrubbed(&reader).is_empty();
            let read = all(&reader);
            assert!(is_found || read == whole, "{ending} byte {at}");
            assert!(ending == ".sqlite" || is_found, "{ending} byte {at}");
            for (entry, found) in &read {
                let right = whole.iter().find(|(known, _)| known == entry);
                assert!(
                    found.is_none() || right.is_some_and(|(_, bytes)| bytes == found),
                    "{ending} byte {at}"
                );
            }
        }
    }
}

/// Looks at an entry that must have this number, and be the object of this seed if it is one; gives how many objects it is.
fn followed(reader: &JournalReader, entry: &Entry, seq: Seq, seed: u64) -> u64 {
    let Entry::Record(record) = entry else { panic!("{entry:?}") };
    assert_eq!(record.seq, seq);
    if record.body.is_none() {
        return 0;
    }
    assert_eq!(record.header, format!(r#"{{"object":{seed}}}"#));
    match reader.body(seq) {
        Ok(body) => assert_eq!(all_of(&*body), bytes(seed, 4000)),
        Err(ReadError::Released(_)) => {}
        Err(error) => panic!("{error}"),
    }
    1
}

/// Readers see whole entries while a segment grows, is sealed, and is written anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_whole_entries_while_segments_are_written_anew() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path(), 0).journal.start(Threads::System).unwrap();
    let reader = journal.reader();
    let reading = tokio::task::spawn_blocking(move || {
        let (mut after, mut seen) = (Seq(0), 0);
        while seen < 400 {
            for entry in reader.records(after, 50).unwrap() {
                after = after.next();
                seen += followed(&reader, &entry, after, seen + 1);
            }
        }
    });
    let mut kept = Vec::new();
    for seed in 1..=400 {
        kept.push(journal.append(object(seed, 4000)).await.unwrap().seq());
        if seed % 40 == 0 {
            journal.release(kept.split_off(1)).await.unwrap();
        }
    }
    tokio::time::timeout(Duration::from_secs(60), reading).await.unwrap().unwrap();
    journal.close().await.unwrap();
    let mut again = open(directory.path(), 410).journal;
    while again.carry_forward().unwrap() == Carried::Some {}
    assert_eq!((count(&again), again.state().bodies), (410, 1));
    assert_eq!(scrubbed(&again.reader()), []);
}

#[test]
fn another_engine_than_the_one_that_is_configured_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path(), 0).journal.close().unwrap();
    let refused = try_open_of(EngineKind::Log, directory.path(), Seq(0)).unwrap_err();
    let said = refused.to_string();
    assert!(said.contains("kept by engine `sqlite`") && said.contains("says `log`"), "{said}");
}

#[test]
fn a_lost_head_is_made_anew_from_the_databases() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path(), 0).journal;
    append(&mut journal, vec![object(1, 100), closing(2)]);
    let name = journal.journal();
    for seed in 0..30 {
        append(&mut journal, vec![closing(seed)]);
    }
    let harmed = crashed(directory.path());
    drop(journal);
    for of in [directory.path(), harmed.path()] {
        std::fs::remove_file(of.join("head")).unwrap();
    }
    let (disk, random) = (real_disk(), Random::System);
    let refused = try_open_of(EngineKind::Sqlite, directory.path(), Seq(2)).unwrap_err();
    assert!(matches!(refused, OpenError::HeadMissing { .. }), "{refused}");
    let restored = restore_head(&disk, &random, &[Place::new(EngineKind::Sqlite, directory.path())]).unwrap();
    assert_eq!(restored, HeadRestored::FromSegments { journal: name, segments: 1 });
    let opened = open(directory.path(), 2);
    assert_eq!((opened.journal.journal(), count(&opened.journal)), (name, 32));
    assert_eq!(opened.report.damaged, vec![]);
    // Making it anew does not have SQLite drop what it would drop of a damaged write-ahead log, before that was looked through.
    flip(&files(harmed.path(), "-wal")[0], 9000, 1);
    restore_head(&disk, &random, &[Place::new(EngineKind::Sqlite, harmed.path())]).unwrap();
    let found = open(harmed.path(), 0).report.damaged;
    assert!(found.iter().any(|damage| damage.part == DamagedPart::WriteAhead), "{found:?}");
}
