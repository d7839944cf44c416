//! Scrubs by a clock that is turned, over a disk that flips.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use outrigger_journal::{Append, Journal, Options, RecordKind, Seq};
use outrigger_ledger::{LedgerOptions, MemoryStore};
use outrigger_runtime::disk::simulated::SimDisk;
use outrigger_runtime::{Body, Content, Random, ShutdownGuard, Threads};
use sha2::{Digest, Sha256};
use tokio::time::{advance, timeout};

use super::*;

/// 2026-01-01, in microseconds since 1970.
const START_US: i64 = 1_767_225_600_000_000;
const HOUR: Duration = Duration::from_secs(3600);
const FAST: u64 = 1 << 40;

struct Rig {
    disk: SimDisk,
    journal: JournalHandle,
    ledger: Ledger,
    clock: Clock,
}

impl Rig {
    /// Some segments of the journal, and books that know nothing of them.
    async fn new() -> Self {
        let (disk, clock) = (SimDisk::new(1, 1 << 30), Clock::simulated(START_US));
        let options = Options {
            copies: vec![outrigger_journal::Place::new(outrigger_journal::EngineKind::Log, "/journal")],
            accept_loss: None,
            segment_bytes_max: 64 << 10,
            reserve_bytes: 1 << 20,
            max_size_bytes: 1 << 30,
        };
        let opened = Journal::open(disk.shared(), clock.clone(), Random::seeded(7), options, Seq(0)).unwrap();
        let journal = opened.journal.start(Threads::Simulated).unwrap();
        for seed in 0..20_u8 {
            journal.append(record(seed)).await.unwrap();
        }
        let store = Box::new(MemoryStore::default());
        let options = LedgerOptions { members: Vec::new(), fresh_for: HOUR };
        let ledger =
            Ledger::open(journal.clone(), store, options, clock.clone(), Threads::Simulated).await.unwrap();
        Self { disk, journal, ledger, clock }
    }

    fn start(&self, every: Duration, bytes_per_second: u64) -> (ShutdownGuard, Scrubber) {
        let (guard, shutdown) = Shutdown::pair();
        let (journal, ledger, clock) = (self.journal.clone(), self.ledger.clone(), self.clock.clone());
        let parts = ScrubParts { journal, ledger, every, bytes_per_second, clock };
        (guard, Scrubber::start(parts, shutdown))
    }

    fn segment(&self) -> PathBuf {
        let mut segments: Vec<PathBuf> = self.disk.files().into_iter().map(|(path, _)| path).collect();
        segments.retain(|path| path.extension().is_some_and(|end| end == "segment"));
        segments.sort();
        segments.swap_remove(0)
    }

    /// Flips a bit in the index of a sealed segment, which nobody else reads.
    fn flip(&self) -> PathBuf {
        let segment = self.segment();
        let length = self.disk.content(&segment).unwrap().len() as u64;
        self.disk.flip(&segment, (length - 20) * 8).unwrap();
        segment
    }

    async fn findings(&self) -> Vec<String> {
        self.ledger.findings().await.unwrap().into_iter().map(|finding| finding.text).collect()
    }
}

/// A record that the books pass over, with a body.
fn record(seed: u8) -> Append {
    let bytes = Bytes::from(vec![seed; 15_000]);
    let body = Body {
        length: bytes.len() as u64,
        sha256: Sha256::digest(&bytes).into(),
        block_crcs: vec![crc32c::crc32c(&bytes)],
        content: Content::Memory(vec![bytes]),
    };
    Append { kind: RecordKind::Release, header: Bytes::from_static(b"{\"released\":[]}"), body: Some(body) }
}

fn names(findings: &[String], file: &Path) -> bool {
    findings.len() == 1 && findings[0].contains(&file.display().to_string())
}

#[tokio::test(start_paused = true)]
async fn a_scrub_comes_soon_and_then_by_the_interval_and_its_findings_come_and_go() {
    let rig = Rig::new().await;
    let (_guard, scrubber) = rig.start(HOUR, FAST);
    let began = rig.clock.now();
    let first = scrubber.ended(1).await.last.unwrap();
    assert!(began.elapsed() >= FIRST_AFTER && began.elapsed() < 2 * FIRST_AFTER, "{:?}", began.elapsed());
    assert_eq!((first.findings, first.failed), (vec![], None), "the control");
    assert!(first.bytes > 300_000, "{}", first.bytes);

    let file = rig.flip();
    let second = scrubber.ended(2).await.last.unwrap();
    assert!(began.elapsed() >= HOUR, "{:?}", began.elapsed());
    assert!(names(&second.findings, &file), "{second:?}");
    assert!(names(&rig.findings().await, &file), "{:?}", rig.findings().await);

    scrubber.ended(3).await;
    assert!(names(&rig.findings().await, &file), "found again, noted once: {:?}", rig.findings().await);

    rig.flip();
    let last = scrubber.ended(4).await.last.unwrap();
    assert_eq!((last.findings, rig.findings().await), (vec![], vec![]), "it is no more");
}

#[tokio::test(start_paused = true)]
async fn a_scrub_reads_no_faster_than_it_may() {
    let rig = Rig::new().await;
    let (_guard, scrubber) = rig.start(Duration::ZERO, 10_000);
    let ended = scrubber.ended(scrubber.ask().await.unwrap()).await.last.unwrap();
    let took = ended.over_at.since(ended.began_at);
    assert!(took.as_secs() >= ended.bytes / 10_000, "{took:?} for {} bytes", ended.bytes);
}

#[tokio::test(start_paused = true)]
async fn who_asks_while_one_is_under_way_is_told_of_that_one() {
    let rig = Rig::new().await;
    let (_guard, scrubber) = rig.start(Duration::ZERO, 10_000);
    advance(100 * HOUR).await;
    tokio::task::yield_now().await;
    assert!(scrubber.seen().running.is_none() && scrubber.seen().last.is_none(), "nobody asked for one");
    assert_eq!((scrubber.ask().await.unwrap(), scrubber.ask().await.unwrap()), (1, 1));
    let running = scrubber.seen().running.unwrap();
    assert!(running.number == 1 && running.of_bytes > 300_000, "{running:?}");
    scrubber.ended(1).await;
    assert_eq!(scrubber.ask().await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_no_scrub() {
    let rig = Rig::new().await;
    let (mut guard, scrubber) = rig.start(Duration::ZERO, 1);
    scrubber.ask().await.unwrap();
    assert!(timeout(HOUR, scrubber.ended(1)).await.is_err(), "the control: it would take days");
    guard.stop();
    timeout(Duration::from_secs(1), guard.all_gone()).await.unwrap();
    assert!(scrubber.ask().await.is_err());
}
