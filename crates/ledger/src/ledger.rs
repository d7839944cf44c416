//! The handle that all others hold.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outrigger_journal::{Append, Durable, Entry, JournalHandle, RecordKind, Seq as JournalSeq};
use outrigger_model::{JournalId, MemberName, MemberNumber, Seq, WallTime};
use outrigger_runtime::{Clock, Threads};
use serde::Serialize;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::applier::repeats::Repeats;
use crate::applier::writer::{Told, Writer};
use crate::error::LedgerError;
use crate::followers::Followers;
use crate::health::LedgerHealth;
use crate::policy::{MemberPolicy, Policies};
use crate::record::{Decider, Decision, DecisionRecord, MemberRecord, MemberState, RECORD_VERSION, encode};
use crate::steady::Steady;
use crate::store::{LedgerReader, LedgerReads, LedgerStore, MemberRow, StoreError, read};
use crate::tail::{Accepting, Tail};
use crate::worker::Worker;

mod ability;
mod accept;
mod attesting;
mod books;
mod commitments;
mod copies;
pub(crate) mod crosscheck;
mod damage;
pub(crate) mod doubted;
pub(crate) mod due;
mod find;
mod inventory;
mod members;
mod notes;
mod object;
mod owing;
mod promises;
mod rebuild;
mod release;
pub(crate) mod report;
mod scrub;
mod suspense;
mod unshown;
mod why;

pub use ability::Noted;
pub(crate) use ability::in_words;
pub use accept::{AcceptError, Acceptance, Accepted};
pub use books::{BalanceBy, BalanceOf, BalanceRow, MemberFacts, Settling, StatusFacts};
pub use damage::{Coverage, Harm, JOURNAL_DAMAGE};
pub use due::{Due, DueAsk, Lane};
pub use members::Resend;
pub use notes::{Compared, FindingShown, Refusal, RefusalShown};
pub use object::StoredObject;
pub use owing::Within;
pub use promises::{PromiseError, PromiseFacts, Promised, REPORT_AGAIN_MAX};
pub use rebuild::{RebuildError, RebuildReport};
pub use release::ReleaseMode;
pub use scrub::check;
pub use suspense::{SuspenseFilter, SuspenseItem, WriteOffShown};
pub use unshown::{Passed, Unshown};
pub use why::{Why, WhyAnswer, WhyAttempt, WhyInstance, WhyMember, WhyStudy};

/// The ledger; clones share it.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) shared: Arc<Shared>,
}

/// What the ledger is opened with.
#[derive(Debug, Clone)]
pub struct LedgerOptions {
    /// The members of the configuration.
    pub members: Vec<MemberPolicy>,
    /// How long after its last object a study goes before the backlog.
    pub fresh_for: Duration,
}

pub(crate) struct Shared {
    pub(crate) journal: JournalHandle,
    pub(crate) clock: Clock,
    pub(crate) steady: Steady,
    pub(crate) threads: Threads,
    pub(crate) fresh_for: Duration,
    pub(crate) tail: Arc<Tail>,
    pub(crate) repeats: Arc<Repeats>,
    pub(crate) accepting: Accepting,
    pub(crate) repeated: AtomicU64,
    pub(crate) lookups_slow: Mutex<Option<Instant>>,
    pub(crate) followers: Followers,
    pub(crate) health: watch::Receiver<LedgerHealth>,
    policies: Mutex<Policies>,
    writer: Worker<Writer>,
    lookups: Worker<Box<dyn LedgerReader>>,
    queries: Worker<Box<dyn LedgerReader>>,
    pub(crate) inventories: inventory::Inventories,
    pub(crate) waited_for: promises::WaitedFor,
    stop: watch::Sender<bool>,
    ended: Mutex<Vec<oneshot::Receiver<()>>>,
}

/// Why the ledger could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum LedgerOpenError {
    /// The database failed.
    #[error("the ledger's database could not be read")]
    Store(#[from] StoreError),
    /// The books follow another journal.
    #[error(
        "the ledger belongs to journal {found}, not to {ours}; restore the one that belongs to this journal, or run `outrigger rebuild`"
    )]
    Foreign {
        /// The journal the books name.
        found: JournalId,
        /// The journal given.
        ours: JournalId,
    },
    /// The books know more than the journal has.
    #[error(
        "the ledger has applied record {applied}, and the journal ends at {tail}; restore the journal that belongs to it, or run `outrigger rebuild`"
    )]
    Ahead {
        /// The position of the books.
        applied: Seq,
        /// The end of the journal.
        tail: Seq,
    },
    /// No number is left for a new member.
    #[error(
        "the member `{name}` cannot be numbered: all {} numbers are taken, also by members long retired",
        MemberNumber::COUNT_MAX
    )]
    NoNumber {
        /// The member.
        name: MemberName,
    },
    /// A member could not be given its number.
    #[error("the member `{name}` could not be given a number")]
    Name {
        /// The member.
        name: MemberName,
        /// The cause.
        #[source]
        source: LedgerError,
    },
    /// A worker could not be started.
    #[error("a worker of the ledger could not be started")]
    Thread(#[from] io::Error),
    /// The workers are gone.
    #[error("the ledger could not be asked")]
    Ledger(#[source] LedgerError),
}

impl Ledger {
    /// Opens the books that follow `journal`, starts the applier, and numbers members that are new.
    pub async fn open(
        journal: JournalHandle,
        store: Box<dyn LedgerStore>,
        options: LedgerOptions,
        clock: Clock,
        threads: Threads,
    ) -> Result<Self, LedgerOpenError> {
        let (applied, tail) = check_position(&*store, &journal)?;
        let inventories = inventory::Inventories::new(read(&*store, |books| books.inventories())?);
        let followers = Followers::new(applied);
        let (health_sender, health) = watch::channel(LedgerHealth::Up);
        let (stop, stopped) = watch::channel(false);
        let known = Arc::new(Tail::new(applied, tail));
        let (lookups, lookups_end) =
            Worker::start(store.reader()?, "ledger lookup", threads, stopped.clone())?;
        let (queries, queries_end) =
            Worker::start(store.reader()?, "ledger query", threads, stopped.clone())?;
        let steady = Steady::new(clock.clone(), last_record(&journal));
        let repeats = Arc::new(Repeats::of_books(&*store)?);
        let told = Told {
            tail: known.clone(),
            repeats: repeats.clone(),
            followers: followers.clone(),
            health: health_sender,
        };
        let owner = Writer::new(store, journal.reader(), steady.clone(), told)?;
        let (writer, queue) = Worker::new();
        let run = owner.run(queue, journal.watch_tail(), stopped);
        let writer_end = threads.dedicated("ledger applier", run)?;
        let ledger = Self {
            shared: Arc::new(Shared {
                journal,
                clock,
                steady,
                threads,
                fresh_for: options.fresh_for,
                tail: known,
                repeats,
                accepting: Accepting::default(),
                repeated: AtomicU64::new(0),
                lookups_slow: Mutex::new(None),
                followers,
                health,
                policies: Mutex::new(Policies::default()),
                writer,
                lookups,
                queries,
                inventories,
                waited_for: promises::WaitedFor::default(),
                stop,
                ended: Mutex::new(vec![lookups_end, queries_end, writer_end]),
            }),
        };
        ledger.configure(options.members).await?;
        Ok(ledger)
    }

    /// Takes the members of another configuration, and numbers those that are new.
    pub async fn configure(&self, members: Vec<MemberPolicy>) -> Result<(), LedgerOpenError> {
        let known = self.known_members().await.map_err(LedgerOpenError::Ledger)?;
        let unnamed = |policy: &MemberPolicy| known.iter().all(|row| row.name != policy.name);
        let known = if members.iter().any(unnamed) {
            // What the journal says and the books do not yet may name them.
            let behind = Seq(self.shared.journal.tail().0);
            self.follow(behind).await.map_err(LedgerOpenError::Ledger)?;
            self.name_members(&members).await?;
            self.known_members().await.map_err(LedgerOpenError::Ledger)?
        } else {
            known
        };
        let number = |policy: &MemberPolicy| {
            let row = known.iter().find(|row| row.name == policy.name)?;
            (row.state != MemberState::Retired).then_some(row.number)
        };
        let by_number: BTreeMap<MemberNumber, MemberPolicy> =
            members.iter().filter_map(|policy| Some((number(policy)?, policy.clone()))).collect();
        *self.shared.policies.lock().unwrap_or_else(PoisonError::into_inner) = Policies::new(by_number);
        self.close_reached().await.map_err(LedgerOpenError::Ledger)
    }

    async fn name_members(&self, members: &[MemberPolicy]) -> Result<(), LedgerOpenError> {
        let known = self.known_members().await.map_err(LedgerOpenError::Ledger)?;
        let mut taken: BTreeSet<MemberNumber> = known.iter().map(|row| row.number).collect();
        let named: BTreeSet<&MemberName> = known.iter().map(|row| &row.name).collect();
        for policy in members.iter().filter(|policy| !named.contains(&policy.name)) {
            let free = (0..MemberNumber::COUNT_MAX).map(MemberNumber).find(|number| !taken.contains(number));
            let number = free.ok_or_else(|| LedgerOpenError::NoNumber { name: policy.name.clone() })?;
            taken.insert(number);
            let record = MemberRecord { v: RECORD_VERSION, number, name: policy.name.clone() };
            let named = self.record(RecordKind::Member, &record).await;
            named.map_err(|source| LedgerOpenError::Name { name: policy.name.clone(), source })?;
        }
        Ok(())
    }

    async fn known_members(&self) -> Result<Vec<MemberRow>, LedgerError> {
        self.query(|books| books.members()).await
    }

    /// The members of the configuration, by number.
    pub fn policies(&self) -> Policies {
        self.shared.policies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks nothing of a member any more.
    pub(crate) fn forget_policy(&self, member: MemberNumber) {
        let mut policies = self.shared.policies.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = policies.iter().filter(|(number, _)| *number != member);
        *policies = Policies::new(rest.map(|(number, policy)| (number, policy.clone())).collect());
    }

    /// Follows how far the journal is applied: it changes when something new may be due.
    pub fn watch(&self) -> watch::Receiver<Seq> {
        self.shared.followers.join()
    }

    /// Follows whether the ledger follows the journal.
    pub fn watch_health(&self) -> watch::Receiver<LedgerHealth> {
        self.shared.health.clone()
    }

    /// Stops the applier and the readers, and waits for them; what is asked afterwards finds the ledger closed.
    pub async fn close(&self) {
        self.shared.stop.send_replace(true);
        let ended = std::mem::take(&mut *self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner));
        for end in ended {
            if end.await.is_err() {
                tracing::error!("a worker of the ledger ended in the middle of its work");
            }
        }
    }

    /// Reads the books on the thread for questions.
    pub(crate) async fn query<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn LedgerReads) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        Ok(self.shared.queries.run(move |reader| read(&**reader, work)).await??)
    }

    /// Reads the books on the thread for acceptances, which no long question holds up.
    pub(crate) async fn look_up<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn LedgerReads) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        Ok(self.shared.lookups.run(move |reader| read(&**reader, work)).await??)
    }

    /// Has something done by the owner of the books.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.shared.writer.run(work).await?
    }

    /// Appends a record without an object.
    pub(crate) async fn append<T: Serialize>(
        &self,
        kind: RecordKind,
        record: &T,
    ) -> Result<Durable, LedgerError> {
        let header = encode(record)?;
        Ok(self.shared.journal.append(Append { kind, header, body: None }).await?)
    }

    /// Appends a record without an object and waits until the books show what follows from it.
    pub(crate) async fn record<T: Serialize>(
        &self,
        kind: RecordKind,
        record: &T,
    ) -> Result<Seq, LedgerError> {
        let durable = self.append(kind, record).await?;
        let seq = Seq(durable.seq().0);
        self.follow(seq).await.map_err(|error| LedgerError::Recorded(Box::new(error)))?;
        Ok(seq)
    }

    /// Records decisions of one person, or of the system.
    pub(crate) async fn decide(
        &self,
        by: Option<&Decider>,
        decisions: impl IntoIterator<Item = Decision>,
    ) -> Result<(), LedgerError> {
        for decision in decisions {
            let record = DecisionRecord { v: RECORD_VERSION, by: by.cloned(), decision };
            self.record(RecordKind::Decision, &record).await?;
        }
        Ok(())
    }

    /// Waits until the books show everything up to `seq`, which is durable.
    pub async fn follow(&self, seq: Seq) -> Result<(), LedgerError> {
        self.write(move |writer| writer.follow(seq)).await
    }
}

/// When the newest record was written, as far as it can be read.
fn last_record(journal: &JournalHandle) -> Option<WallTime> {
    let before = JournalSeq(journal.tail().0.checked_sub(1)?);
    match journal.reader().records(before, 1).ok()?.pop()? {
        Entry::Record(record) => Some(WallTime(record.at_us)),
        Entry::Damaged(_) => None,
    }
}

fn check_position(store: &dyn LedgerStore, journal: &JournalHandle) -> Result<(Seq, Seq), LedgerOpenError> {
    let (ours, tail) = (JournalId(journal.journal().0), Seq(journal.tail().0));
    let Some(position) = read(store, |books| books.position())? else { return Ok((Seq(0), tail)) };
    if position.journal != ours {
        return Err(LedgerOpenError::Foreign { found: position.journal, ours });
    }
    if position.applied > tail {
        return Err(LedgerOpenError::Ahead { applied: position.applied, tail });
    }
    Ok((position.applied, tail))
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("applied", &self.shared.followers.applied()).finish_non_exhaustive()
    }
}
