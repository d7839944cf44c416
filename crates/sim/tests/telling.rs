//! Results of storage commitment are told for days, over restarts, until they are taken or given up in words.

mod away;
mod log;

use std::sync::Arc;
use std::time::Duration;

use outrigger_front::{Destination, Peer, Peers, Permission, Reporter, WhenIncomplete};
use outrigger_gateway::{Keeper, KeeperOptions};
use outrigger_journal::{Journal, JournalHandle, Options, Seq as JournalSeq};
use outrigger_ledger::{Asked, CommitPolicy, Ledger, LedgerOptions, LedgerStore, MemoryStore, Promised};
use outrigger_model::{AeTitle, Requestor, SopClassUid, SopInstanceUid, TransactionUid};
use outrigger_query::{Reader, ReaderOptions, Respondents};
use outrigger_runtime::disk::simulated::SimDisk;
use outrigger_runtime::{Clock, Random, Shutdown, ShutdownGuard, Threads};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use self::away::Modality;
use self::log::Errors;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long a result is told, as the conformance statement has it.
const TOLD_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// The longest wait between two calls, as it has it too.
const LONGEST: Duration = Duration::from_secs(600);
/// What an instance that never comes is waited for.
const WAIT: Duration = Duration::from_secs(60);
/// What the keeper's own pace may add to a wait.
const PACES: Duration = Duration::from_secs(1);

/// What a node keeps, and who asked it.
struct Node {
    disk: SimDisk,
    clock: Clock,
    modality: Modality,
}

/// A node that runs.
struct Running {
    journal: JournalHandle,
    ledger: Ledger,
    keeper: JoinHandle<()>,
    guard: ShutdownGuard,
}

impl Node {
    fn new() -> Self {
        let (disk, clock) = (SimDisk::new(1, 1 << 32), Clock::simulated(1_767_225_600_000_000));
        Self { disk, clock, modality: Modality::default() }
    }

    /// Starts it over these books.
    async fn start(&self, books: &MemoryStore) -> Running {
        let store: Box<dyn LedgerStore> = Box::new(books.clone());
        let applied = store.position().unwrap().map_or(0, |position| position.applied.0);
        let options = Options {
            copies: vec![outrigger_journal::Place::new(outrigger_journal::EngineKind::Log, "/node/journal")],
            accept_loss: None,
            segment_bytes_max: 4 << 20,
            reserve_bytes: 1 << 20,
            max_size_bytes: 1 << 30,
        };
        let (disk, clock) = (self.disk.shared(), self.clock.clone());
        let opened = Journal::open(disk, clock.clone(), Random::seeded(7), options, JournalSeq(applied));
        let journal = opened.unwrap().journal.start(Threads::Simulated).unwrap();
        let options = LedgerOptions { members: Vec::new(), fresh_for: Duration::from_secs(900) };
        let ledger = Ledger::open(journal.clone(), store, options, clock.clone(), Threads::Simulated);
        let ledger = ledger.await.unwrap();
        let reader = Reader::new(ReaderOptions {
            ledger: ledger.clone(),
            sources: Vec::new(),
            respondents: Respondents::Members,
            timeout: Duration::from_secs(2),
            clock,
            threads: Threads::Simulated,
        });
        let (guard, shutdown) = Shutdown::pair();
        let keeper = Keeper::start(
            KeeperOptions {
                ledger: ledger.clone(),
                reader,
                reporter: Reporter::new(Arc::new(self.modality.clone()), watch::channel(peers()).1),
                policy: CommitPolicy::Journal { members: 1 },
                wait: WAIT,
                random: Random::seeded(3),
            },
            shutdown,
        );
        Running { journal, ledger, keeper, guard }
    }
}

impl Running {
    async fn stop(self) {
        self.guard.stop();
        self.keeper.await.unwrap();
        self.ledger.close().await;
        self.journal.close().await.unwrap();
    }

    /// Results that are not told yet.
    async fn unreported(&self) -> u64 {
        self.ledger.promise_facts().await.unwrap().unreported
    }
}

fn peers() -> Arc<Peers> {
    Arc::new(Peers(vec![Peer {
        ae_title: AeTitle::known("CT1"),
        hosts: Vec::new(),
        allow: vec![Permission::Commit],
        issuer: None,
        member: None,
        incomplete: WhenIncomplete::Warn,
        destination: None,
        commit_destination: Some(Destination { address: "ct1:104".to_owned(), tls: None }),
    }]))
}

/// A request for an instance that never comes.
fn asked() -> Asked {
    let pair = (SopClassUid::known("1.2.840.10008.5.1.4.1.1.2"), SopInstanceUid::new("1.2.3").unwrap());
    let who = (Requestor::Ae(AeTitle::known("CT1")), AeTitle::known("OUTRIGGER"));
    Asked::new(TransactionUid::new("1.9.1").unwrap(), who, [pair])
}

/// The waits between calls are those of the statement: after 5 s at first, then longer ones, and never more than ten minutes.
fn are_spaced(calls: &[Instant]) {
    let waits: Vec<Duration> = calls.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mut whole = Duration::from_secs(5);
    for wait in &waits {
        assert!((whole / 2..=whole + PACES).contains(wait), "{wait:?} of {whole:?}: {waits:?}");
        whole = (whole * 2).min(LONGEST);
    }
}

#[tokio::test(start_paused = true)]
async fn a_requestor_that_stays_away_is_called_for_seven_days_and_then_given_up_in_words() {
    let errors = Errors::default();
    let _guard = tracing::subscriber::set_default(errors.clone());
    let (node, books) = (Node::new(), MemoryStore::default());
    let running = node.start(&books).await;
    assert_eq!(running.ledger.promise(asked()).await.unwrap(), Promised::Taken);
    let begun = Instant::now();
    sleep(TOLD_FOR).await;
    assert_eq!((running.unreported().await, errors.all()), (1, Vec::new()));
    sleep(DAY).await;
    let calls = node.modality.calls();
    are_spaced(&calls);
    assert!((WAIT..WAIT + PACES).contains(&(calls[0] - begun)), "{:?}", calls[0] - begun);
    let told_for = *calls.last().unwrap() - calls[0];
    assert!((TOLD_FOR..=TOLD_FOR + LONGEST + PACES).contains(&told_for), "{told_for:?}");
    // Who looks into the log reads which request of whom it was, and why.
    let errors = errors.all();
    let words = ["given up", "1.9.1", "CT1", "ct1:104", "attempts="];
    assert!(errors.len() == 1 && words.iter().all(|word| errors[0].contains(word)), "{errors:?}");
    assert_eq!(running.unreported().await, 0);
    // It may ask anew, and is called anew.
    assert_eq!(running.ledger.promise(asked()).await.unwrap(), Promised::Taken);
    sleep(DAY).await;
    assert!(node.modality.calls().len() > calls.len());
    running.stop().await;
}

/// With the books as they were, and with none, as they are read again from the journal.
#[tokio::test(start_paused = true)]
async fn a_result_is_told_days_and_restarts_later_once_and_as_it_was() {
    let (node, books) = (Node::new(), MemoryStore::default());
    let running = node.start(&books).await;
    running.ledger.promise(asked()).await.unwrap();
    sleep(2 * DAY).await;
    running.stop().await;
    let before = node.modality.calls();
    // Off over night: whoever is back has not waited for that.
    sleep(DAY / 2).await;
    assert_eq!(node.modality.calls(), before);
    let running = node.start(&books).await;
    let again = Instant::now();
    sleep(DAY).await;
    let calls = node.modality.calls();
    let mine = &calls[before.len()..];
    assert!(mine[0] - again < LONGEST + PACES, "{:?}", mine[0] - again);
    // It goes on where it was: no sooner than a requestor that has been away for long is called.
    let waits: Vec<Duration> = mine.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.iter().all(|wait| (LONGEST / 2..=LONGEST + PACES).contains(wait)), "{waits:?}");
    running.stop().await;

    let running = node.start(&MemoryStore::default()).await;
    sleep(DAY).await;
    let anew = &node.modality.calls()[calls.len()..];
    are_spaced(anew);
    assert!(anew.len() > 100, "{}", anew.len());
    node.modality.comes_back();
    sleep_until(Instant::now() + LONGEST + PACES).await;
    let told = node.modality.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].transaction.as_str(), told[0].committed.len()), ("1.9.1", 0));
    let failed: Vec<_> =
        told[0].failed.iter().map(|failed| (failed.instance.sop_instance.as_str(), failed.reason)).collect();
    assert_eq!(failed, [("1.2.3", 0x0112)]);
    sleep(DAY).await;
    assert_eq!((node.modality.told().len(), running.unreported().await), (1, 0));
    running.stop().await;
}

/// Days that the node is off count: a requestor hears of what was decided eight days ago once more, and then asks anew.
#[tokio::test(start_paused = true)]
async fn what_was_decided_too_long_ago_is_told_once_more_after_a_start() {
    let errors = Errors::default();
    let _guard = tracing::subscriber::set_default(errors.clone());
    let (node, books) = (Node::new(), MemoryStore::default());
    let running = node.start(&books).await;
    running.ledger.promise(asked()).await.unwrap();
    sleep(DAY).await;
    running.stop().await;
    let before = node.modality.calls().len();
    sleep(TOLD_FOR).await;
    let running = node.start(&books).await;
    sleep(DAY).await;
    assert_eq!((node.modality.calls().len() - before, errors.all().len()), (1, 1));
    assert_eq!(running.unreported().await, 0);
    running.stop().await;
}
