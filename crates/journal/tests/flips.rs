//! One bit flipped anywhere: found, named, and every other entry readable.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use outrigger_journal::{
    Append, Carried, Certainty, Damage, DamagedPart, Entry, Journal, JournalReader, Opened, Presence,
    RecordKind, RecoveryReport, Seq,
};
use outrigger_runtime::disk::Access;
use outrigger_runtime::disk::simulated::{Loss, SimDisk};
use outrigger_runtime::{Clock, Random, Spool, Threads};

use crate::kit::{all_of, append, bytes, closing, object, options, scrubbed};

const DIRECTORY: &str = "/node/journal";
const LARGE: usize = (2 << 20) + 100;

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

/// An object in a file of its own, however short.
fn filed(disk: &SimDisk, seed: u64, length: usize) -> Append {
    let spool = Spool {
        disk: disk.shared(),
        directory: Path::new(DIRECTORY).join("spool").into(),
        threads: Threads::Simulated,
        random: Random::System,
        memory_bytes_max: 0,
        object_bytes_max: u64::MAX,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = runtime.block_on(async {
        let mut writer = spool.begin();
        writer.push(bytes(seed, length)).await.unwrap();
        writer.finish().await.unwrap()
    });
    Append { body: Some(body), ..object(seed, 0) }
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
        append(&mut journal, vec![filed(&disk, round, 900)]);
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

/// Where a bit is flipped, and how far the ledger had applied what is there.
#[derive(Debug)]
struct Flip<'a> {
    file: &'a Path,
    bit: u64,
    applied: Seq,
}

fn check(disk: &SimDisk, expected: &Content, flip: &Flip<'_>) {
    let Flip { file, bit, applied } = *flip;
    let disk = disk.fork(bit);
    disk.flip(file, bit).unwrap();
    let context = format!("byte {}: {flip:?}", bit / 8);
    let Opened { journal, report } = open(&disk, applied);
    let reader = journal.reader();
    let (content, while_reading) = read(&reader);
    let RecoveryReport { mut damaged, cut, .. } = report;
    damaged.extend(while_reading);
    damaged.extend(scrubbed(&reader));
    let is_cut = cut.is_some_and(|cut| cut.file == file && cut.offset <= bit / 8);
    assert!(!damaged.is_empty() || is_cut, "neither found nor named: {context}");
    assert!(damaged.iter().all(|damage| damage.file == file), "{context}: {damaged:?}");
    let lost: Vec<Seq> =
        expected.keys().copied().filter(|seq| content.get(seq) != expected.get(seq)).collect();
    assert!(lost.len() <= 1, "{context}: lost {lost:?}: {damaged:?}");
    if let Some(lost) = lost.first() {
        let is_named = damaged.iter().any(|damage| damage.entries == Some((*lost, *lost)));
        let is_torn_end = is_cut && Some(lost) == expected.keys().next_back() && applied < *lost;
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
    /// All.
    All,
}

impl Tried {
    fn takes(self, length: usize, at: usize) -> bool {
        let is_edge = (at < 300 && at.is_multiple_of(11)) || length - at < 20;
        self == Self::All || at.is_multiple_of(length / 40) || is_edge
    }
}

/// The files that hold entries or lead to them: a lock is empty, and a reserve is room.
fn files(disk: &SimDisk) -> Vec<PathBuf> {
    let files = disk.files().into_iter().map(|(path, _)| path);
    files.filter(|path| !path.ends_with("reserve") && !path.ends_with("lock")).collect()
}

fn flip(end: End, tried: Tried) {
    let disk = written(end);
    let whole = disk.fork(0);
    let journal = open(&whole, Seq(0)).journal;
    let (expected, damaged) = read(&journal.reader());
    assert_eq!((damaged, scrubbed(&journal.reader())), (vec![], vec![]), "the control");
    let tail = *expected.keys().next_back().unwrap();
    assert_eq!(expected.len() as u64, tail.0);
    let mut flipped = 0;
    for file in files(&disk) {
        let length = disk.content(&file).unwrap().len();
        for at in (0..length).filter(|at| tried.takes(length, *at)) {
            let byte = at as u64;
            let applied = if byte.is_multiple_of(2) { tail } else { Seq(0) };
            check(&disk, &expected, &Flip { file: &file, bit: byte * 8 + byte % 7, applied });
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

/// A journal in use: its last segment is open, and no start has read it again.
fn in_use() -> (SimDisk, Journal) {
    let disk = SimDisk::new(3, 1 << 30);
    let mut journal = open(&disk, Seq(0)).journal;
    for seed in 0..24 {
        append(&mut journal, vec![object(seed, 2500), closing(seed), filed(&disk, seed, 300)]);
    }
    journal.release(&(1..40).map(Seq).collect::<Vec<_>>()).unwrap();
    while journal.carry_forward().unwrap() == Carried::Some {}
    append(&mut journal, vec![object(30, 2500), filed(&disk, 31, 300), closing(32)]);
    (disk, journal)
}

/// Whether a scrub finds something in this file, and in no other.
fn names(journal: &Journal, file: &Path) -> bool {
    let damaged = scrubbed(&journal.reader());
    assert!(damaged.iter().all(|damage| damage.file == file), "{}: {damaged:?}", file.display());
    !damaged.is_empty()
}

fn flip_in_use(tried: Tried) {
    let (disk, journal) = in_use();
    let end = journal.state().bytes;
    assert_eq!(scrubbed(&journal.reader()), [], "the control");
    for file in files(&disk) {
        let content = disk.content(&file).unwrap();
        // Room made in advance is the writer's, and nothing stands in it.
        let used = content.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        for at in (0..used).filter(|at| tried.takes(used, *at)) {
            let bit = at as u64 * 8 + at as u64 % 7;
            disk.flip(&file, bit).unwrap();
            assert!(names(&journal, &file), "byte {at} of {}", file.display());
            disk.flip(&file, bit).unwrap();
        }
    }
    assert_eq!((scrubbed(&journal.reader()), journal.state().bytes), (vec![], end));
}

#[test]
fn a_flipped_bit_is_found_by_the_scrub_of_a_journal_in_use() {
    flip_in_use(Tried::Some);
}

#[test]
fn fault_a_flipped_bit_in_every_byte_of_a_journal_in_use() {
    flip_in_use(Tried::All);
}

/// Wherever the scrub is, and however full the open segment: it is sealed, and the next ones after it.
#[test]
fn a_scrub_that_the_writer_overtakes_finds_nothing() {
    for fill in (0..16).step_by(3) {
        let mut after = 0;
        while overtaken(fill, after) == Overtaken::In {
            after += 1;
        }
        assert!(after > 10, "{after} steps");
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overtaken {
    /// In the middle of a scrub.
    In,
    /// When it had ended.
    Behind,
}

/// Overtakes a scrub after so many steps, the open segment filled by so many commits.
fn overtaken(fill: u64, after: u64) -> Overtaken {
    let (_disk, mut journal) = in_use();
    for seed in 0..fill {
        append(&mut journal, vec![object(seed, 2500)]);
    }
    let mut scrub = journal.reader().scrub();
    let steps: Vec<_> = (0..after).map_while(|_| scrub.step()).collect();
    for seed in 40..44 {
        append(&mut journal, vec![object(seed, 50_000)]);
    }
    let tail = journal.reader().tail();
    journal.release(&(60..tail.0).map(Seq).collect::<Vec<_>>()).unwrap();
    while journal.carry_forward().unwrap() == Carried::Some {}
    let where_it_was = if (steps.len() as u64) < after { Overtaken::Behind } else { Overtaken::In };
    let steps = steps.into_iter().chain(std::iter::from_fn(|| scrub.step()));
    let damaged: Vec<Damage> = steps.flat_map(|step| step.damaged).collect();
    assert_eq!(damaged, [], "after {after} steps, with {fill} commits");
    where_it_was
}

#[test]
fn a_file_that_goes_from_a_journal_in_use_is_missed() {
    let (disk, journal) = in_use();
    let reader = journal.reader();
    // Held open by readers and by the writer, so that all of it can still be read.
    let (content, _) = read(&reader);
    for file in files(&disk) {
        let disk = disk.shared();
        let aside = file.with_extension("aside");
        disk.rename(&file, &aside).unwrap();
        let damaged = scrubbed(&reader);
        let [damage] = damaged.as_slice() else { panic!("{}: {damaged:?}", file.display()) };
        assert_eq!((&damage.file, damage.part), (&file, DamagedPart::Gone));
        let is_head = file.ends_with("head");
        assert_eq!(damage.entries.is_none(), is_head, "{damage}");
        disk.rename(&aside, &file).unwrap();
    }
    assert_eq!((scrubbed(&reader), read(&reader).0), (vec![], content));
}

#[test]
fn an_open_segment_that_is_cut_short_under_a_journal_in_use_is_missed() {
    let (disk, journal) = in_use();
    let last =
        files(&disk).into_iter().filter(|file| file.extension().is_some_and(|end| end == "segment")).max();
    let file = disk.shared().open(&last.clone().unwrap(), Access::ReadWrite).unwrap();
    let tail = journal.reader().tail();
    file.set_length(100).unwrap();
    let damaged = scrubbed(&journal.reader());
    let [damage] = damaged.as_slice() else { panic!("{damaged:?}") };
    assert_eq!((Some(&damage.file), damage.certainty), (last.as_ref(), Certainty::Acknowledged));
    assert_eq!(damage.entries.map(|(_, end)| end), Some(tail));
}

/// Of a body in several blocks a stride that meets each block, of what stands behind it every byte.
#[test]
fn fault_a_flipped_bit_in_a_large_object() {
    let disk = SimDisk::new(3, 1 << 30);
    let mut journal = open(&disk, Seq(0)).journal;
    append(&mut journal, vec![closing(1), object(2, LARGE), closing(3)]);
    journal.close().unwrap();
    disk.crash(Loss::Nothing);
    let (expected, _) = read(&open(&disk.fork(0), Seq(0)).journal.reader());
    let file =
        files(&disk).into_iter().find(|file| file.extension().is_some_and(|end| end == "object")).unwrap();
    let length = disk.content(&file).unwrap().len();
    for at in (0..length).filter(|at| at.is_multiple_of(19_997) || *at > LARGE - 20) {
        let byte = at as u64;
        check(&disk, &expected, &Flip { file: &file, bit: byte * 8 + byte % 7, applied: Seq(3) });
    }
}

#[test]
fn kinds_are_numbered_apart() {
    let codes: Vec<u8> = RecordKind::ALL.iter().map(|kind| kind.code()).collect();
    assert_eq!(codes, [1, 2, 3, 4, 5, 6]);
}
