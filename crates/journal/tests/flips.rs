//! One bit flipped anywhere: found, named, and every other entry readable.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use outrigger_journal::{
    Carried, Damage, Entry, Journal, JournalReader, Opened, Presence, RecordKind, RecoveryReport, Seq,
};
use outrigger_runtime::disk::simulated::{Loss, SimDisk};
use outrigger_runtime::{Clock, Random};

use crate::kit::{all_of, append, closing, object, options};

const DIRECTORY: &str = "/node/journal";
const LARGE: usize = (1 << 20) + 100;

type Content = BTreeMap<Seq, (Bytes, Option<Bytes>)>;

fn open(disk: &SimDisk, applied: Seq) -> Opened {
    let options = options(Path::new(DIRECTORY));
    Journal::open(disk.shared(), Clock::System, Random::System, options, applied).unwrap()
}

/// How the journal came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Killed,
}

/// Segments sealed, carried forward, merged and open; bodies small, large and released.
fn written(end: End) -> SimDisk {
    let disk = SimDisk::new(3, 1 << 30);
    for round in 0..2 {
        let mut journal = open(&disk, Seq(0)).journal;
        for at in 0..6_u64 {
            let seed = round * 100 + at * 10;
            let batch = vec![object(seed, 2500), closing(seed + 1), object(seed + 2, 300), closing(seed + 3)];
            append(&mut journal, batch);
        }
        journal.append(vec![object(round, LARGE)]).remove(0).unwrap();
        let released: Vec<Seq> = (1..15).map(Seq).collect();
        journal.release(&released).unwrap();
        while journal.carry_forward().unwrap() == Carried::Some {}
        append(&mut journal, vec![object(7, 3000), closing(8)]);
        match (round, end) {
            (0, _) | (_, End::Closed) => journal.close().unwrap(),
            (_, End::Killed) => drop(journal),
        }
    }
    disk.crash(Loss::Nothing);
    disk
}

/// The bytes of an entry, if all of them can be read.
fn body_of(reader: &JournalReader, seq: Seq) -> Option<Bytes> {
    let source = reader.body(seq).ok()?;
    let blocks = source.length().div_ceil(1 << 20);
    let is_sound = (0..blocks).all(|at| source.read_block(at).is_ok());
    is_sound.then(|| all_of(&*source))
}

/// What can be read, and what is said to be damaged.
fn read(reader: &JournalReader) -> (Content, Vec<Damage>) {
    let (mut content, mut damaged) = (Content::new(), Vec::new());
    let mut after = Seq(0);
    loop {
        let entries = reader.records(after, 16).unwrap();
        for entry in &entries {
            let record = match entry {
                Entry::Record(record) => record,
                Entry::Damaged(damage) => {
                    after = damage.entries.unwrap().1;
                    damaged.push(damage.clone());
                    continue;
                }
            };
            after = record.seq;
            let is_kept = record.body.is_some_and(|facts| facts.presence == Presence::Kept);
            let body = if is_kept { body_of(reader, record.seq).map(Some) } else { Some(None) };
            let Some(body) = body else { continue };
            content.insert(record.seq, (record.header.clone(), body));
        }
        if entries.is_empty() {
            return (content, damaged);
        }
    }
}

fn check(disk: &SimDisk, expected: &Content, file: &Path, bit: u64, applied: Seq) {
    let disk = disk.fork(bit);
    disk.flip(file, bit).unwrap();
    let context = format!("bit {bit} (byte {}) of {}, applied {applied}", bit / 8, file.display());
    let Opened { journal, report } = open(&disk, applied);
    let reader = journal.reader();
    let (content, while_reading) = read(&reader);
    let RecoveryReport { mut damaged, cut_bytes, .. } = report;
    damaged.extend(while_reading);
    let mut scrub = reader.scrub();
    while let Some(step) = scrub.step().unwrap() {
        damaged.extend(step.damaged);
    }
    assert!(!damaged.is_empty() || cut_bytes > 0, "not found: {context}");
    assert!(damaged.iter().all(|damage| damage.file == file), "{context}: {damaged:?}");
    let lost: Vec<Seq> =
        expected.keys().copied().filter(|seq| content.get(seq) != expected.get(seq)).collect();
    assert!(lost.len() <= 1, "{context}: lost {lost:?}: {damaged:?}");
    if let Some(lost) = lost.first() {
        let is_named = damaged.iter().any(|damage| damage.entries == Some((*lost, *lost)));
        let is_torn_end = cut_bytes > 0 && Some(lost) == expected.keys().next_back() && applied < *lost;
        assert!(is_named || is_torn_end, "{context}: lost {lost}, named {damaged:?}");
    }
    // A large object whose frame is lost comes back as a new entry.
    let mut extra = content.iter().filter(|(seq, _)| !expected.contains_key(seq)).map(|(_, content)| content);
    assert!(
        extra.all(|content| lost.first().and_then(|seq| expected.get(seq)) == Some(content)),
        "{context}"
    );
}

/// How many bytes of a file are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tried {
    /// Some of each part.
    Some,
    /// All, but of large objects and of room made in advance.
    All,
}

impl Tried {
    fn takes(self, content: &[u8], at: usize) -> bool {
        let length = content.len();
        let is_room = content.iter().skip(at).take(64).all(|byte| *byte == 0);
        let is_end = length - at < 20;
        match self {
            Self::Some => at.is_multiple_of(length / 40) || (at < 300 && at.is_multiple_of(11)) || is_end,
            Self::All if length > LARGE => at.is_multiple_of(9973) || length - at < 500,
            Self::All => !is_room || at.is_multiple_of(61) || is_end,
        }
    }
}

fn flip(end: End, tried: Tried) {
    let disk = written(end);
    let whole = disk.fork(0);
    let journal = open(&whole, Seq(0)).journal;
    let (expected, damaged) = read(&journal.reader());
    assert_eq!(damaged, []);
    let tail = *expected.keys().next_back().unwrap();
    assert_eq!(expected.len() as u64, tail.0);
    let files: Vec<PathBuf> = disk.files().into_iter().map(|(path, _)| path).collect();
    let files = files.iter().filter(|path| !path.ends_with("reserve") && !path.ends_with("lock"));
    let mut flipped = 0;
    for file in files {
        let content = disk.content(file).unwrap();
        for at in (0..content.len()).filter(|at| tried.takes(&content, *at)) {
            let byte = at as u64;
            let applied = if byte.is_multiple_of(2) { tail } else { Seq(0) };
            check(&disk, &expected, file, byte * 8 + byte % 7, applied);
            flipped += 1;
        }
    }
    assert!(flipped > 300, "{flipped}");
}

#[test]
fn a_flipped_bit_is_found_and_takes_one_entry_at_most() {
    flip(End::Closed, Tried::Some);
    flip(End::Killed, Tried::Some);
}

#[test]
fn fault_a_flipped_bit_in_every_byte_of_a_closed_journal() {
    flip(End::Closed, Tried::All);
}

#[test]
fn fault_a_flipped_bit_in_every_byte_of_a_killed_journal() {
    flip(End::Killed, Tried::All);
}

#[test]
fn kinds_are_numbered_apart() {
    let codes: Vec<u8> = RecordKind::ALL.iter().map(|kind| kind.code()).collect();
    assert_eq!(codes, [1, 2, 3, 4, 5, 6]);
}
