//! The journal as the asynchronous parts use it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use outrigger_journal::{
    AppendError, Durable, Entry, Health, Journal, JournalHandle, JournalReader, ReadError, Seq,
};
use outrigger_runtime::disk::simulated::{Fault, FaultAt, Lasting, Loss, SimDisk};
use outrigger_runtime::{Clock, Random, Spool, Threads};

use crate::gate::Gate;
use crate::kit::{all_of, bytes, closing, object, open_on, options, real_disk, scrubbed};

/// Beyond what a frame holds.
const LARGE: usize = (1 << 20) + 100;

fn on_sim(disk: &SimDisk) -> JournalHandle {
    let opened = open_on(&disk.shared(), Path::new("/journal"), Seq(0));
    opened.journal.start(Threads::Simulated).unwrap()
}

fn numbers(receipts: &[Durable]) -> Vec<u64> {
    receipts.iter().map(|receipt| receipt.seq().0).collect()
}

#[tokio::test]
async fn what_arrives_together_is_committed_together() {
    let disk = SimDisk::new(1, 1 << 30);
    let journal = on_sim(&disk);
    journal.append(object(0, 100)).await.unwrap();
    let calls = disk.calls();
    journal.append(object(1, 100)).await.unwrap();
    let alone = disk.calls() - calls;
    let calls = disk.calls();
    let tasks: Vec<_> = (0..64)
        .map(|seed| {
            let journal = journal.clone();
            tokio::spawn(async move { journal.append(object(seed, 100)).await })
        })
        .collect();
    let mut receipts = Vec::new();
    for task in tasks {
        receipts.push(task.await.unwrap().unwrap());
    }
    assert_eq!(numbers(&receipts), (3..67).collect::<Vec<_>>());
    assert!(disk.calls() - calls <= 3 * alone, "{} calls, one alone takes {alone}", disk.calls() - calls);
    assert_eq!((journal.tail(), *journal.watch_tail().borrow()), (Seq(66), Seq(66)));
}

#[tokio::test]
async fn a_failed_sync_ends_the_acknowledgements_and_a_restart_goes_on() {
    let disk = SimDisk::new(1, 1 << 30);
    let journal = on_sim(&disk);
    journal.append(object(1, 100)).await.unwrap();
    let call = disk.calls() + 3;
    disk.plan(Some(FaultAt { call, fault: Fault::Io, lasting: Lasting::Once }));
    assert!(matches!(journal.append(object(2, 100)).await, Err(AppendError::Failed)));
    assert!(disk.struck().unwrap().contains("sync /journal/segments"), "{:?}", disk.struck());
    assert!(matches!(journal.append(closing(3)).await, Err(AppendError::Failed)));
    assert_eq!(journal.state().health, Health::Failed);
    assert_eq!(all_of(&*journal.reader().body(Seq(1)).unwrap()), bytes(1, 100));
    assert!(matches!(journal.clone().close().await, Err(AppendError::Failed)));
    disk.crash(Loss::Nothing);
    let journal = on_sim(&disk);
    assert_eq!(journal.state().health, Health::Healthy);
    assert!(journal.append(object(2, 100)).await.unwrap().seq() > Seq(1));
}

#[tokio::test]
async fn a_closed_journal_says_so_and_opens_again() {
    let directory = tempfile::tempdir().unwrap();
    let handle = |threads| open_on(&real_disk(), directory.path(), Seq(0)).journal.start(threads).unwrap();
    let journal = handle(Threads::System);
    let first = journal.append(object(1, 100)).await.unwrap();
    let locked = Journal::open(real_disk(), Clock::System, Random::System, options(directory.path()), Seq(0));
    assert!(locked.unwrap_err().to_string().contains("in use by another process"));
    journal.clone().close().await.unwrap();
    assert!(matches!(journal.append(object(2, 100)).await, Err(AppendError::Closed)));
    assert!(matches!(journal.clone().close().await, Err(AppendError::Closed)));
    let again = handle(Threads::System);
    let second = again.append(object(2, 100)).await.unwrap();
    assert_eq!((first.seq(), second.seq()), (Seq(1), Seq(2)));
    assert_eq!((first.journal(), first.epoch().0 + 1), (second.journal(), second.epoch().0));
    assert_eq!(scrubbed(&again.reader()), []);
    again.close().await.unwrap();
}

#[tokio::test]
async fn a_large_object_streams_through_the_spool_into_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open_on(&real_disk(), directory.path(), Seq(0)).journal.start(Threads::System).unwrap();
    let spool = Spool {
        disk: real_disk(),
        directory: journal.spool_directory(),
        threads: Threads::System,
        random: Random::System,
        memory_bytes_max: usize::try_from(outrigger_journal::FRAME_BODY_BYTES_MAX).unwrap(),
        object_bytes_max: 1 << 30,
    };
    let content = bytes(4, 5_000_000);
    let mut writer = spool.begin();
    for piece in content.chunks(100_000) {
        writer.push(bytes::Bytes::copy_from_slice(piece)).await.unwrap();
    }
    let body = Some(writer.finish().await.unwrap());
    let receipt = journal.append(outrigger_journal::Append { body, ..object(4, 0) }).await.unwrap();
    assert_eq!(all_of(&*journal.reader().body(receipt.seq()).unwrap()), content);
    assert_eq!(std::fs::read_dir(directory.path().join("spool")).unwrap().count(), 0);
    journal.release(vec![receipt.seq()]).await.unwrap();
    assert!(matches!(journal.reader().body(receipt.seq()), Err(ReadError::Released(_))));
    assert_eq!(std::fs::read_dir(directory.path().join("objects")).unwrap().count(), 0);
    journal.close().await.unwrap();
}

#[tokio::test]
async fn a_commit_that_hangs_is_not_waited_for_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let gate = Gate::default();
    let journal = open_on(&gate.disk(), directory.path(), Seq(0)).journal.start(Threads::System).unwrap();
    journal.append(object(1, 100)).await.unwrap();
    gate.shut();
    let hanging = tokio::spawn({
        let journal = journal.clone();
        async move { journal.append(object(2, 100)).await }
    });
    let at_the_gate = gate.clone();
    tokio::task::spawn_blocking(move || at_the_gate.wait_for_somebody()).await.unwrap();
    tokio::time::pause();
    let behind = journal.append(object(3, 100)).await;
    for refused in [hanging.await.unwrap(), behind] {
        assert!(matches!(refused, Err(AppendError::Stalled { seconds: 5 })), "{refused:?}");
    }
    tokio::time::resume();
    gate.open();
    journal.append(closing(4)).await.unwrap();
    journal.close().await.unwrap();
}

/// Reads here and there until `done`, and counts the bodies.
fn read_until(done: &AtomicU64, reader: &JournalReader, from: u64) -> u64 {
    let (mut read, mut at) = (0, from);
    while done.load(Ordering::Relaxed) == 0 || read == 0 {
        at = at.wrapping_mul(31).wrapping_add(7);
        let seq = Seq(at % reader.tail().0.max(1) + 1);
        match reader.body(seq) {
            Ok(body) if body.length() > 0 => {
                assert_eq!(all_of(&*body).len() as u64, body.length());
                read += 1;
            }
            Ok(_) | Err(ReadError::Released(_) | ReadError::Unknown(_)) => {}
            Err(error) => panic!("{seq}: {error}"),
        }
        let listed = reader.records(Seq(seq.0 - 1), 3).unwrap();
        assert!(listed.iter().all(|entry| matches!(entry, Entry::Record(_))), "{listed:?}");
    }
    read
}

/// Scrubs until `done`, never with a finding, and counts.
fn scrub_until(done: &AtomicU64, reader: &JournalReader) -> u64 {
    let mut scrubs = 0;
    while done.load(Ordering::Relaxed) == 0 || scrubs == 0 {
        assert_eq!(scrubbed(reader), []);
        scrubs += 1;
    }
    scrubs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_whole_entries_while_segments_are_carried_forward() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open_on(&real_disk(), directory.path(), Seq(0)).journal.start(Threads::System).unwrap();
    let done = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = (0..2_u64)
        .map(|number| {
            let (reader, done) = (journal.reader(), done.clone());
            std::thread::spawn(move || read_until(&done, &reader, number))
        })
        .collect();
    let scrubs = std::thread::spawn({
        let (reader, done) = (journal.reader(), done.clone());
        move || scrub_until(&done, &reader)
    });
    for round in 0..60 {
        let mut kept = Vec::new();
        for seed in 0..8 {
            kept.push(journal.append(object(round * 8 + seed, 9000)).await.unwrap().seq());
        }
        if round % 5 == 0 {
            kept.push(journal.append(object(round, LARGE)).await.unwrap().seq());
        }
        kept.remove(0);
        journal.release(kept).await.unwrap();
    }
    done.store(1, Ordering::Relaxed);
    for reader in readers.into_iter().chain([scrubs]) {
        assert!(reader.join().unwrap() > 0);
    }
    assert_eq!(scrubbed(&journal.reader()), []);
    assert_eq!(journal.state().bodies, 60);
    journal.close().await.unwrap();
    let kept = open_on(&real_disk(), directory.path(), Seq(0)).journal.state();
    assert_eq!(kept.bodies, 60);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_somebody_else_fills_is_noticed_before_an_object_is_refused() {
    let disk = SimDisk::new(1, 1 << 30);
    let journal = on_sim(&disk);
    journal.append(object(1, 100)).await.unwrap();
    let health_after_a_look = async || {
        tokio::time::sleep(Duration::from_secs(2)).await;
        journal.state().health
    };
    assert_eq!(health_after_a_look().await, Health::Healthy);
    let used: u64 = disk.files().iter().map(|(_, length)| length).sum();
    disk.set_capacity(used + 10_000);
    assert_eq!(health_after_a_look().await, Health::Full);
    disk.set_capacity(1 << 30);
    assert_eq!(health_after_a_look().await, Health::Healthy);
}

#[tokio::test(start_paused = true)]
async fn a_journal_counts_on_no_more_than_its_disk_holds() {
    let disk = SimDisk::new(1, 8 << 20);
    let journal = on_sim(&disk);
    journal.append(object(1, 100)).await.unwrap();
    assert_eq!(options(Path::new("/journal")).max_size_bytes, 64 << 20);
    let small = journal.state().capacity;
    assert!((7 << 20..8 << 20).contains(&small), "{small}");
    disk.set_capacity(1 << 30);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(journal.state().capacity, (64 << 20) - (64 << 10), "its greatest size without the reserve");
}
