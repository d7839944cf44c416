//! Files cut short, zeroed, lost, swapped and put back from an older day: found, named, and the rest is read.

use std::path::Path;

use outrigger_journal::{
    Certainty, Damage, DamagedPart, Entry, Opened, Presence, ReadError, RecordKind, Seq,
};

use crate::kit::{
    all_of, append, bytes, closing, listed, object, open, open_on, real_disk, scrubbed, segments,
};

const LARGE: usize = (1 << 20) + 100;

/// Thirty-two records in several segments; two bodies are files of their own.
fn written() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path());
    for seed in 0..10 {
        append(&mut journal, vec![object(seed, 15_000), closing(seed), object(seed + 20, 300)]);
    }
    append(&mut journal, vec![object(50, LARGE), object(51, LARGE)]);
    directory
}

/// Opens with everything applied, and gives what was said to be damaged and which numbers are still read.
fn found(directory: &Path) -> (Vec<Damage>, Vec<u64>, Opened) {
    let opened = open_on(&real_disk(), directory, Seq(32));
    let reader = opened.journal.reader();
    let mut damaged = opened.report.damaged.clone();
    damaged.extend(scrubbed(&reader));
    let entries = reader.records(Seq(0), 1000).unwrap();
    let read = entries.iter().filter_map(|entry| match entry {
        Entry::Record(record) => Some(record.seq.0),
        Entry::Damaged(_) => None,
    });
    let read = read.collect();
    (damaged, read, opened)
}

/// Whether each of `lost` is named by some damage that says it was acknowledged.
fn names(damaged: &[Damage], lost: impl IntoIterator<Item = u64>) -> bool {
    let is_named = |seq: u64| {
        damaged.iter().any(|damage| {
            damage.certainty == Certainty::Acknowledged
                && damage.entries.is_some_and(|(first, last)| (first.0..=last.0).contains(&seq))
        })
    };
    lost.into_iter().all(is_named)
}

fn lost(read: &[u64]) -> Vec<u64> {
    (1..=32).filter(|seq| !read.contains(seq)).collect()
}

#[test]
fn a_tail_that_was_cut_or_zeroed_is_missed() {
    for zeroed in [0, 1] {
        let directory = written();
        let last = segments(directory.path()).pop().unwrap();
        let mut content = std::fs::read(&last).unwrap();
        let keep = 4000;
        if zeroed == 1 {
            content[keep..].fill(0);
        } else {
            content.truncate(keep);
        }
        std::fs::write(&last, content).unwrap();
        let (damaged, read, opened) = found(directory.path());
        assert!(!lost(&read).is_empty() && names(&damaged, lost(&read)), "{damaged:?}");
        let mut journal = opened.journal;
        let next = append(&mut journal, vec![closing(9)]).remove(0).seq();
        assert!(next > Seq(32), "a number the ledger knows was used again");
    }
}

#[test]
fn a_lost_segment_is_missed() {
    for at in 0..segments(written().path()).len() {
        let directory = written();
        std::fs::remove_file(&segments(directory.path())[at]).unwrap();
        let (damaged, read, _) = found(directory.path());
        assert!(!lost(&read).is_empty() && names(&damaged, lost(&read)), "segment {at}: {damaged:?}");
    }
}

#[test]
fn swapped_segments_are_noticed_and_nothing_is_taken_for_something_else() {
    let directory = written();
    let paths = segments(directory.path());
    let (first, second) = (std::fs::read(&paths[0]).unwrap(), std::fs::read(&paths[1]).unwrap());
    std::fs::write(&paths[0], second).unwrap();
    std::fs::write(&paths[1], first).unwrap();
    let (damaged, read, opened) = found(directory.path());
    assert!(!damaged.is_empty() && names(&damaged, lost(&read)), "{damaged:?}");
    let reader = opened.journal.reader();
    for seq in read.iter().filter(|seq| **seq <= 30 && *seq % 3 == 1) {
        let body = reader.body(Seq(*seq)).unwrap();
        assert_eq!(all_of(&*body), bytes((seq - 1) / 3, 15_000));
    }
}

#[test]
fn a_segment_of_an_older_day_is_noticed_by_its_hash() {
    let directory = written();
    let paths = segments(directory.path());
    drop(found(directory.path()));
    // Sound in itself, and not what was sealed.
    let path = &paths[1];
    let mut content = std::fs::read(path).unwrap();
    let at = content.windows(10).position(|window| window == b"{\"closing\"").unwrap();
    let frame = content[..at].windows(8).rposition(|window| window == b"\x89OUTRFRM").unwrap();
    content[at + 11] ^= 1;
    let header_end = at + 13;
    let crc = crc32c::crc32c(&content[frame..header_end + 60]).to_le_bytes();
    content[header_end + 60..header_end + 64].copy_from_slice(&crc);
    std::fs::write(path, content).unwrap();
    let (damaged, read, _) = found(directory.path());
    assert_eq!(read.len(), 32);
    let parts: Vec<DamagedPart> = damaged.iter().map(|damage| damage.part).collect();
    assert_eq!((parts, damaged[0].file == *path), (vec![DamagedPart::Hash], true));
}

#[test]
fn object_files_lost_cut_or_swapped_are_missed_and_never_served() {
    for surgery in 0..3 {
        let directory = written();
        let paths = listed(&directory.path().join("objects"));
        let [first, second] = [0, 1].map(|at| std::fs::read(&paths[at]).unwrap());
        match surgery {
            0 => std::fs::remove_file(&paths[0]).unwrap(),
            1 => std::fs::write(&paths[0], &first[..first.len() - 300]).unwrap(),
            _ => {
                std::fs::write(&paths[0], second).unwrap();
                std::fs::write(&paths[1], first).unwrap();
            }
        }
        let (damaged, read, opened) = found(directory.path());
        assert_eq!(read.len(), 32);
        let reader = opened.journal.reader();
        let gone: Vec<u64> = [31, 32].into_iter().filter(|seq| reader.body(Seq(*seq)).is_err()).collect();
        let expected = if surgery == 2 { 2 } else { 1 };
        assert_eq!(gone.len(), expected, "{damaged:?}");
        assert!(names(&damaged, gone.iter().copied()), "{damaged:?}");
        for seq in gone {
            assert!(matches!(reader.body(Seq(seq)), Err(ReadError::Damaged { .. })));
        }
    }
}

/// What a journal written by the first version of format 1 held: written once, kept for ever.
const FORMAT_1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/format-1");

#[test]
fn a_journal_written_by_an_older_version_is_read_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("segments")).unwrap();
    for name in ["head", "segments/0000000001.segment", "segments/0000000003.segment"] {
        std::fs::copy(Path::new(FORMAT_1).join(name), directory.path().join(name)).unwrap();
    }
    let opened = open_on(&real_disk(), directory.path(), Seq(19));
    assert_eq!((opened.report.entries, opened.report.damaged), (18, vec![]));
    let mut journal = opened.journal;
    let kinds: Vec<(u64, RecordKind, bool)> = (journal.reader().records(Seq(0), 100).unwrap().into_iter())
        .map(|entry| match entry {
            Entry::Record(record) => {
                (record.seq.0, record.kind, record.body.is_some_and(|facts| facts.presence == Presence::Kept))
            }
            Entry::Damaged(damage) => panic!("{damage}"),
        })
        .collect();
    let kept: Vec<u64> = kinds.iter().filter(|(.., is_kept)| *is_kept).map(|(seq, ..)| *seq).collect();
    assert_eq!(kept, [15, 19]);
    assert_eq!(all_of(&*journal.reader().body(Seq(15)).unwrap()), bytes(7, 900));
    assert_eq!(append(&mut journal, vec![closing(1)])[0].seq(), Seq(20));
}

/// The record of a large object, the last of a segment, is damaged after a kill: its file is adopted into the next segment, and the number
/// that is missing is named where it stood.
#[test]
fn a_lost_number_is_named_where_it_stood_and_not_where_the_next_one_begins() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path());
    append(&mut journal, vec![object(1, 3_000), object(2, 4_000)]);
    append(&mut journal, vec![object(9, 3 << 20)]);
    drop(journal);
    let segment = directory.path().join("segments/0000000001.segment");
    let mut content = std::fs::read(&segment).unwrap();
    let header = br#"{"object":9}"#;
    let at = content.windows(header.len()).rposition(|window| window == header).unwrap();
    content[at] ^= 4;
    std::fs::write(&segment, content).unwrap();

    for start in 0..2 {
        let opened = open_on(&real_disk(), directory.path(), Seq(3));
        assert_eq!(opened.report.adopted.len(), usize::from(start == 0), "{:?}", opened.report);
        let scrubbed = scrubbed(&opened.journal.reader());
        let named: Vec<_> = opened.report.damaged.iter().chain(&scrubbed).collect();
        assert!(named.iter().any(|damage| damage.entries == Some((Seq(3), Seq(3)))), "{named:?}");
        assert!(named.iter().all(|damage| damage.file == segment), "{named:?}");
    }
}
