//! The journal as the asynchronous parts use it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use outrigger_journal::{
    AppendError, CopyStanding, Durable, EngineKind, Entry, Health, Journal, JournalHandle, JournalReader,
    OpenError, Options, Place, ReadError, Seq,
};
use outrigger_runtime::disk::ArcDisk;
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

/// A copy of each engine, the log first.
fn of_both(directory: &Path) -> Options {
    let place = |engine: EngineKind| Place::new(engine, directory.join(engine.name()));
    Options { copies: EngineKind::ALL.map(place).to_vec(), ..options(directory) }
}

fn start_both(disk: &ArcDisk, directory: &Path) -> JournalHandle {
    loop {
        match Journal::open(disk.clone(), Clock::System, Random::System, of_both(directory), Seq(0)) {
            // Whoever hung before lets go of the place when it comes to itself.
            Err(OpenError::Locked { .. }) => std::thread::yield_now(),
            opened => return opened.unwrap().journal.start(Threads::System).unwrap(),
        }
    }
}

fn standings(journal: &JournalHandle) -> Vec<CopyStanding> {
    journal.state().copies.into_iter().map(|copy| copy.standing).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_hangs_is_taken_out_and_made_anew_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let gate = Gate::default();
    let disk = gate.disk_under(&directory.path().join("log"));
    let journal = start_both(&disk, directory.path());
    journal.append(object(1, 100)).await.unwrap();
    journal.append(object(2, LARGE)).await.unwrap();
    let generation = journal.state().generation;
    gate.shut();
    let began = Instant::now();
    journal.append(object(3, 100)).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    let out = standings(&journal);
    assert!(matches!(&out[..], [CopyStanding::Out(_), CopyStanding::Healthy]), "{out:?}");
    assert_eq!(journal.state().generation, generation + 1);
    // Nobody waits for it any more, large objects go beside the other copy, and all can be read.
    let began = Instant::now();
    let large = journal.append(object(4, LARGE)).await.unwrap().seq();
    journal.append(closing(5)).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(journal.spool_directory().now().starts_with(directory.path().join("sqlite")));
    assert_eq!(all_of(&*journal.reader().body(large).unwrap()), bytes(4, LARGE));
    assert_eq!(all_of(&*journal.reader().body(Seq(1)).unwrap()), bytes(1, 100));
    gate.open();
    journal.close().await.unwrap();
    // The one that hung is not asked again: it is made anew from the other, while the service goes on.
    let journal = start_both(&disk, directory.path());
    let mut seed = 100;
    while standings(&journal) != [CopyStanding::Healthy, CopyStanding::Healthy] {
        journal.append(object(seed, 100)).await.unwrap();
        seed += 1;
    }
    journal.close().await.unwrap();
    let alone = Options {
        copies: of_both(directory.path()).copies[..1].to_vec(),
        accept_loss: Some("Ada".to_owned()),
        ..options(directory.path())
    };
    let opened = Journal::open(disk, Clock::System, Random::System, alone, Seq(0)).unwrap();
    assert_eq!(opened.report.damaged, []);
    assert_eq!(all_of(&*opened.journal.reader().body(large).unwrap()), bytes(4, LARGE));
    assert_eq!(opened.report.entries, 5 + seed - 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_second_copy_is_made_while_the_first_is_written_and_carried_forward() {
    let directory = tempfile::tempdir().unwrap();
    let disk = real_disk();
    let both = of_both(directory.path());
    let first = Options { copies: both.copies[..1].to_vec(), ..both.clone() };
    let opened = Journal::open(disk.clone(), Clock::System, Random::System, first, Seq(0));
    let journal = opened.unwrap().journal.start(Threads::System).unwrap();
    let mut kept = Vec::new();
    for seed in 0..400 {
        let length = if seed % 50 == 0 { LARGE } else { 9000 };
        kept.push((journal.append(object(seed, length)).await.unwrap().seq(), seed, length));
    }
    journal.close().await.unwrap();
    let journal = start_both(&disk, directory.path());
    let mut seed = 1000;
    while standings(&journal) != [CopyStanding::Healthy, CopyStanding::Healthy] {
        kept.push((journal.append(object(seed, 5000)).await.unwrap().seq(), seed, 5000));
        let gone = kept.remove(usize::try_from(seed % 7).unwrap());
        journal.release(vec![gone.0]).await.unwrap();
        seed += 1;
    }
    assert!(seed > 1000, "it was made beside the service");
    journal.close().await.unwrap();
    for engine in [EngineKind::Sqlite, EngineKind::Log] {
        let place = both.copies.iter().find(|place| place.engine == engine).unwrap().clone();
        let alone =
            Options { copies: vec![place], accept_loss: Some("Ada".to_owned()), ..options(directory.path()) };
        let opened = Journal::open(disk.clone(), Clock::System, Random::System, alone, Seq(0)).unwrap();
        let state = opened.journal.state();
        assert_eq!(state.bodies, kept.len() as u64);
        let reader = opened.journal.reader();
        for (seq, seed, length) in &kept {
            assert_eq!(all_of(&*reader.body(*seq).unwrap()), bytes(*seed, *length));
        }
        assert_eq!(scrubbed(&reader), []);
    }
}
