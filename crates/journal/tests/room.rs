//! Full disks, full journals, and what comes back.

use std::path::Path;

use outrigger_journal::{AppendError, Health, Journal, Options, RecordKind, Seq};
use outrigger_runtime::disk::simulated::{Fault, FaultAt, Lasting, SimDisk};
use outrigger_runtime::{Clock, Random};

use crate::kit::{all_of, bytes, closing, object, options};
use outrigger_journal::{Entry, OpenError};

fn open(disk: &SimDisk, change: impl FnOnce(Options) -> Options) -> Journal {
    let options = change(options(Path::new("/journal")));
    Journal::open(disk.shared(), Clock::System, Random::System, options, Seq(0)).unwrap().journal
}

/// Appends objects until one is refused, and gives their numbers.
fn fill(journal: &mut Journal) -> Vec<Seq> {
    let mut taken = Vec::new();
    for seed in 0..10_000 {
        match journal.append(vec![object(seed, 9000)]).remove(0) {
            Ok(receipt) => taken.push(receipt.seq()),
            Err(AppendError::Full) => return taken,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("never full");
}

fn goes_on_after_release(journal: &mut Journal, taken: &[Seq]) {
    assert_eq!(journal.state().health, Health::Full);
    for at in 0..20 {
        journal.append(vec![closing(at)]).remove(0).unwrap();
    }
    assert_eq!(journal.state().health, Health::Full);
    journal.release(&taken[1..]).unwrap();
    while journal.carry_forward().unwrap() == outrigger_journal::Carried::Some {}
    let receipt = journal.append(vec![object(77, 9000)]).remove(0).unwrap();
    assert_eq!(journal.state().health, Health::Healthy);
    assert_eq!(all_of(&*journal.reader().body(receipt.seq()).unwrap()), bytes(77, 9000));
    assert_eq!(all_of(&*journal.reader().body(taken[0]).unwrap()), bytes(0, 9000));
}

#[test]
fn a_journal_at_its_greatest_size_refuses_objects_and_finishes_what_is_owed() {
    let disk = SimDisk::new(1, 1 << 30);
    let mut journal = open(&disk, |options| Options { max_size_bytes: 2 << 20, ..options });
    let taken = fill(&mut journal);
    assert!((100..230).contains(&taken.len()), "{}", taken.len());
    goes_on_after_release(&mut journal, &taken);
}

#[test]
fn a_full_disk_refuses_objects_and_the_reserve_finishes_what_is_owed() {
    let disk = SimDisk::new(1, 2 << 20);
    let mut journal = open(&disk, |options| options);
    let taken = fill(&mut journal);
    assert!(taken.len() > 100, "{}", taken.len());
    // Something else takes the last byte.
    let used: u64 = disk.files().iter().map(|(_, length)| length).sum();
    disk.set_capacity(used);
    goes_on_after_release(&mut journal, &taken);
}

#[test]
fn numbers_of_a_refused_batch_are_explained_and_never_used_again() {
    let disk = SimDisk::new(1, 1 << 30);
    let mut journal = open(&disk, |options| options);
    journal.append(vec![object(1, 100)]).remove(0).unwrap();
    let used: u64 = disk.files().iter().map(|(_, length)| length).sum();
    disk.set_capacity(used + (64 << 10) + 40_000);
    // Room enough by the count, and not by the time it is written.
    let refused = journal.append((0..12).map(|seed| object(seed, 9000)).collect());
    assert!(refused.iter().any(|outcome| matches!(outcome, Err(AppendError::Full))));
    disk.set_capacity(1 << 30);
    journal.append(vec![object(2, 100)]).remove(0).unwrap();
    let kinds = |journal: &Journal| -> Vec<(u64, RecordKind)> {
        let entries = journal.reader().records(Seq(0), 100).unwrap();
        entries
            .into_iter()
            .map(|entry| match entry {
                Entry::Record(record) => (record.seq.0, record.kind),
                Entry::Damaged(damage) => panic!("{damage}"),
            })
            .collect()
    };
    let before = kinds(&journal);
    drop(journal);
    let journal = open(&disk, |options| options);
    assert_eq!(kinds(&journal), before);
    let gaps = before.windows(2).filter(|pair| pair[1].0 != pair[0].0 + 1).count();
    let voids = before.iter().filter(|(_, kind)| *kind == RecordKind::Void).count();
    assert_eq!(gaps, voids, "{before:?}");
}

#[test]
fn a_newer_format_or_another_journal_is_refused_in_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let open = |applied| {
        let options = options(directory.path());
        Journal::open(crate::kit::real_disk(), Clock::System, Random::System, options, Seq(applied))
    };
    assert!(matches!(open(5), Err(OpenError::Missing { applied: Seq(5), .. })));
    let mut journal = open(0).unwrap().journal;
    journal.append(vec![object(1, 100)]).remove(0).unwrap();
    drop(journal);
    let segment = std::fs::read(path("segments/0000000001.segment")).unwrap();
    let head = std::fs::read_to_string(path("head")).unwrap();
    let json = head.lines().next().unwrap()[9..].replace("\"format\":1", "\"format\":2");
    let line = format!("{:08x} {json}\n", crc32c::crc32c(json.as_bytes()));
    std::fs::write(path("head"), format!("{line}{line}")).unwrap();
    let error = open(0).unwrap_err().to_string();
    assert!(error.contains("format 2") && error.contains("only up to 1"), "{error}");
    std::fs::remove_file(path("head")).unwrap();
    assert!(matches!(open(0), Err(OpenError::HeadMissing { .. })));
    std::fs::remove_file(path("segments/0000000001.segment")).unwrap();
    drop(open(0).unwrap());
    std::fs::write(path("segments/0000000001.segment"), segment).unwrap();
    assert!(matches!(open(0), Err(OpenError::Foreign { .. })));
}

/// Releases a large object with no room at one call, or nowhere; gives the calls that took, and what was struck.
fn release_without_room(call: Option<u64>) -> (u64, Option<String>) {
    let disk = SimDisk::new(1, 1 << 30);
    let mut journal = open(&disk, |options| options);
    let large = journal.append(vec![object(1, 3 << 20)]).remove(0).unwrap().seq();
    let before = disk.calls();
    let fault = |call| FaultAt { call: before + call, fault: Fault::NoSpace, lasting: Lasting::Once };
    disk.plan(call.map(fault));
    let released = journal.release(&[large]);
    let calls = disk.calls() - before;
    let struck = disk.struck();
    assert_ne!(journal.state().health, Health::Failed, "{struck:?} {released:?}");
    let receipt = journal.append(vec![object(2, 9000)]).remove(0).unwrap();
    assert_eq!(all_of(&*journal.reader().body(receipt.seq()).unwrap()), bytes(2, 9000));
    (calls, struck)
}

#[test]
fn a_release_that_finds_no_room_at_whatever_call_stops_nothing() {
    let (calls, _) = release_without_room(None);
    let struck: Vec<String> = (1..=calls).filter_map(|call| release_without_room(Some(call)).1).collect();
    assert!(struck.iter().any(|call| call.contains("remove")), "{struck:?}");
}
