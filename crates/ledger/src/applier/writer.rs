//! The one owner of the books: it follows the journal, and does what others send it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use outrigger_catalogue::{Inheritance, SeenStudy};
use outrigger_journal::{JournalReader, Seq as JournalSeq};
use outrigger_model::{ConfirmLevel, JournalId, MemberNumber, Seq, SopInstanceUid, TransactionUid, WallTime};
use outrigger_runtime::backoff::Backoff;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::applier::desk::Desk;
use crate::applier::repeats::Repeats;
use crate::applier::{Fact, Incoming, apply};
use crate::claims::Claims;
use crate::closed_lately::ClosedLately;
use crate::commitment::Commitment;
use crate::error::LedgerError;
use crate::followers::Followers;
use crate::health::LedgerHealth;
use crate::ledger::due::{Lane, Nothing};
use crate::ledger::report::Unnoted;
use crate::posting::PostingKey;
use crate::record::{Closed, Decision, MemberState};
use crate::steady::Steady;
use crate::store::{LedgerStore, LedgerTx, StoreError, read};
use crate::tail::Tail;
use crate::worker::{Job, next};

/// Records applied in one transaction: enough to spread its cost, few enough that whoever waits for the worker waits some ten milliseconds.
const BATCH_RECORDS: usize = 256;

/// Least time from one transaction to the next while records keep coming: a transaction writes whole pages of the database, and
/// those of ten objects are hardly more than those of one. Whoever waits for the books to follow does not wait for this.
const PACE: Duration = Duration::from_millis(10);

/// Pieces of work done between two batches, so that neither starves the other.
const JOBS_PER_BATCH: usize = 64;

/// How often the journal is looked at though nothing was heard of it: never needed, and cheap.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);

/// How soon a database that failed is tried again.
const RECONNECT: Backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(2) };

/// The owner of the books.
pub(crate) struct Writer {
    pub(crate) store: Box<dyn LedgerStore>,
    pub(crate) claims: Claims,
    /// Postings a member was asked to commit to, without an answer yet.
    pub(crate) committing: HashSet<PostingKey>,
    /// Transactions that are waited for no longer, since the start: their reports count all the same.
    pub(crate) late: HashSet<TransactionUid>,
    /// What was closed in the last quarter of an hour, by a clock that nobody sets.
    pub(crate) closed_lately: ClosedLately,
    /// Closed postings that could not be read back, and when that is tried again.
    pub(crate) read_back_later: HashMap<PostingKey, ReadBackLater>,
    /// Up to which entry a member was asked to give entries back, when it is asked for the oldest.
    pub(crate) read_back_to: BTreeMap<MemberNumber, Seq>,
    /// Levels that members cannot be confirmed at, by their kind.
    pub(crate) unable: BTreeSet<(MemberNumber, ConfirmLevel)>,
    /// Who asked for work lately and got none.
    pub(crate) nothing_due: BTreeMap<(MemberNumber, Lane), Nothing>,
    /// How often the database was written since the start.
    pub(crate) changes: u64,
    pub(crate) steady: Steady,
    reader: JournalReader,
    journal: JournalId,
    position: Seq,
    entries: u64,
    states: BTreeMap<MemberNumber, MemberState>,
    tail: Arc<Tail>,
    pub(crate) repeats: Arc<Repeats>,
    followers: Followers,
    health: watch::Sender<LedgerHealth>,
    /// Failures since the database last worked: while there are any, nobody is given work whose outcome could not be noted.
    failures: u32,
    /// What was reported and could not be written yet.
    pub(crate) unnoted: VecDeque<Unnoted>,
}

/// A closed posting that could not be read back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadBackLater {
    /// When it is tried again, by the steady clock.
    pub(crate) at: WallTime,
    /// How often it could not since the start.
    pub(crate) failed: u32,
}

/// What the writer tells the others.
pub(crate) struct Told {
    pub(crate) tail: Arc<Tail>,
    pub(crate) repeats: Arc<Repeats>,
    pub(crate) followers: Followers,
    pub(crate) health: watch::Sender<LedgerHealth>,
}

/// What there was to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// As many records as one transaction takes: more are likely there.
    Full,
    /// All that was there.
    Partial,
    /// Nothing.
    AtTheTail,
}

/// What the writer waits for, beside work that is sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// Nothing: it goes on at once.
    Not,
    /// Something new in the journal.
    News,
    /// A time, whatever comes.
    Until(Instant),
}

impl Writer {
    /// Takes the books over; their position, or none, was read from `store`.
    pub(crate) fn new(
        store: Box<dyn LedgerStore>,
        reader: JournalReader,
        steady: Steady,
        told: Told,
    ) -> Result<Self, StoreError> {
        let position = read(&*store, |books| books.position())?;
        let mut writer = Self {
            journal: JournalId(reader.journal().0),
            position: position.map_or(Seq(0), |position| position.applied),
            entries: position.map_or(0, |position| position.entries),
            store,
            claims: Claims::default(),
            committing: HashSet::new(),
            late: HashSet::new(),
            closed_lately: ClosedLately::default(),
            read_back_later: HashMap::new(),
            read_back_to: BTreeMap::new(),
            unable: BTreeSet::new(),
            nothing_due: BTreeMap::new(),
            changes: 0,
            steady,
            reader,
            states: BTreeMap::new(),
            tail: told.tail,
            repeats: told.repeats,
            followers: told.followers,
            health: told.health,
            failures: 0,
            unnoted: VecDeque::new(),
        };
        writer.learn_states()?;
        writer.learn_unable()?;
        let commitments = read(&*writer.store, |books| books.commitments())?;
        writer.committing.extend(commitments.iter().flat_map(Commitment::postings));
        Ok(writer)
    }

    /// Follows the journal and does what comes through `queue`, until `stop` is set.
    pub(crate) async fn run(
        mut self,
        mut queue: mpsc::Receiver<Job<Self>>,
        mut tail: watch::Receiver<JournalSeq>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut rests_until = Instant::now();
        loop {
            // Marked as seen before it is read, so that what comes meanwhile is not missed.
            tail.borrow_and_update();
            let wait = self.advance(&mut rests_until);
            if wait == Wait::Not {
                for _ in 0..JOBS_PER_BATCH {
                    let Ok(job) = queue.try_recv() else { break };
                    job(&mut self);
                }
                tokio::task::yield_now().await;
                if *stop.borrow() {
                    return;
                }
                continue;
            }
            let until = match wait {
                Wait::Until(until) => until,
                Wait::Not | Wait::News => Instant::now() + LOOK_AGAIN,
            };
            tokio::select! {
                biased;
                job = next(&mut queue, &mut stop) => match job {
                    Some(job) => job(&mut self),
                    None => return,
                },
                Ok(()) = tail.changed(), if wait == Wait::News => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// Applies the next batch unless it rests, and says what to wait for.
    fn advance(&mut self, rests_until: &mut Instant) -> Wait {
        let now = Instant::now();
        if now < *rests_until {
            return Wait::Until(*rests_until);
        }
        match self.step().and_then(|step| self.recovered(step)) {
            Ok(Step::Full) => Wait::Not,
            Ok(Step::Partial) => {
                *rests_until = now + PACE;
                Wait::Not
            }
            Ok(Step::AtTheTail) => Wait::News,
            Err(error) => {
                *rests_until = now + self.failed(&error);
                Wait::Until(*rests_until)
            }
        }
    }

    /// Applies the next batch, if there is one.
    fn step(&mut self) -> Result<Step, LedgerError> {
        let entries = self.reader.records(JournalSeq(self.position.0), BATCH_RECORDS)?;
        let mut batch = Vec::with_capacity(entries.len());
        for entry in &entries {
            batch.extend(Incoming::read(entry)?);
        }
        let Some(last) = batch.last().map(|incoming| incoming.seq) else {
            return Ok(Step::AtTheTail);
        };
        let (journal, before) = (self.journal, self.entries);
        let mut repeats = Vec::new();
        self.transact(&mut |tx| {
            repeats = apply(tx, journal, before, &batch)?;
            Ok(())
        })?;
        for repeat in repeats {
            self.repeats.note(repeat);
        }
        self.position = last;
        self.entries +=
            batch.iter().filter(|incoming| matches!(incoming.fact, Fact::Object(..))).count() as u64;
        self.end_claims(&batch);
        if batch.iter().any(|incoming| matches!(incoming.fact, Fact::Member(_) | Fact::Decision(_))) {
            self.learn_states()?;
        }
        if self.unnoted.is_empty() {
            self.is_up();
        }
        self.tail.applied(last);
        self.followers.tell(last);
        Ok(if entries.len() < BATCH_RECORDS { Step::Partial } else { Step::Full })
    }

    /// Applies everything up to `seq`, which is durable.
    pub(crate) fn follow(&mut self, seq: Seq) -> Result<(), LedgerError> {
        while self.position < seq && self.step()? != Step::AtTheTail {}
        Ok(())
    }

    /// Ends the claims of postings that these records closed or suspended.
    fn end_claims(&mut self, batch: &[Incoming]) {
        let now = self.steady.clock().now();
        for (incoming, key) in batch
            .iter()
            .flat_map(|incoming| decided(&incoming.fact).into_iter().map(move |key| (incoming, key)))
        {
            if matches!(incoming.fact, Fact::Closing(_)) {
                self.closed_lately.note(key, now);
            }
            self.claims.end(key);
            self.read_back_later.remove(&key);
        }
    }

    fn learn_states(&mut self) -> Result<(), StoreError> {
        let members = read(&*self.store, |books| books.members())?;
        self.states = members.into_iter().map(|member| (member.number, member.state)).collect();
        Ok(())
    }

    /// Whether a member is delivered to; unknown ones are not.
    pub(crate) fn is_active(&self, member: MemberNumber) -> bool {
        self.states.get(&member) == Some(&MemberState::Active)
    }

    /// Wall-clock time, which dates what is noted.
    pub(crate) fn now(&self) -> WallTime {
        self.steady.wall()
    }

    /// Changes the books apart from the journal: nothing of it survives a rebuild.
    pub(crate) fn change(
        &mut self,
        mut work: impl FnMut(&mut Desk<'_>) -> Result<(), StoreError>,
    ) -> Result<(), LedgerError> {
        let now = self.now();
        self.transact(&mut |tx| {
            let mut desk = Desk::new(tx, now)?;
            work(&mut desk)?;
            desk.flush()
        })
    }

    /// Enters what a member shows of a study.
    pub(crate) fn inherit(
        &mut self,
        member: MemberNumber,
        seen: &SeenStudy,
    ) -> Result<Inheritance, LedgerError> {
        let now = self.now();
        let mut came = Inheritance::default();
        self.transact(&mut |tx| {
            came = tx.inherit(member, now, seen)?;
            Ok(())
        })?;
        Ok(came)
    }

    /// Takes a member out of those that were seen to hold these instances.
    pub(crate) fn depart(
        &mut self,
        member: MemberNumber,
        gone: &[SopInstanceUid],
    ) -> Result<u64, LedgerError> {
        let mut count = 0;
        self.transact(&mut |tx| {
            count = tx.depart(member, gone)?;
            Ok(())
        })?;
        Ok(count)
    }

    /// Writes; a database that does not take it is down from then on, whoever asked.
    fn transact(
        &mut self,
        work: &mut dyn FnMut(&mut dyn LedgerTx) -> Result<(), StoreError>,
    ) -> Result<(), LedgerError> {
        self.changes += 1;
        self.store.transact(work).map_err(|error| {
            let is_damage = error.is_damage();
            let error = LedgerError::from(error);
            if !is_damage {
                self.went_down(&error);
            }
            error
        })
    }

    /// Whether the database is away, or takes nothing.
    pub(crate) fn is_down(&self) -> bool {
        self.failures > 0
    }

    /// After failures: writes what was kept, or the position again, and is up if that went well.
    fn recovered(&mut self, step: Step) -> Result<Step, LedgerError> {
        if !self.is_down() {
            return Ok(step);
        }
        if step == Step::AtTheTail && self.unnoted.is_empty() && self.position > Seq(0) {
            let position = (self.journal, self.position);
            self.change(|desk| {
                desk.changes.position = Some(position);
                Ok(())
            })?;
        }
        self.note_kept()?;
        self.is_up();
        Ok(step)
    }

    fn is_up(&mut self) {
        if self.is_down() {
            self.failures = 0;
            tracing::info!(applied = %self.position, "the ledger's database works again");
            self.health.send_replace(LedgerHealth::Up);
        }
    }

    fn went_down(&mut self, error: &LedgerError) {
        if self.failures == 0 {
            self.failures = 1;
            tracing::error!(error = error as &dyn std::error::Error, "the ledger cannot follow the journal");
            self.health.send_replace(LedgerHealth::down(self.now(), error));
        }
    }

    /// Notes a failure and gives the time to wait before the next try.
    fn failed(&mut self, error: &LedgerError) -> Duration {
        self.went_down(error);
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        if let Err(error) = self.store.reconnect() {
            tracing::debug!(error = &error as &dyn std::error::Error, "the ledger's database is still away");
        }
        RECONNECT.after(failures, u8::MAX)
    }
}

/// The postings that a record closes or suspends.
fn decided(fact: &Fact) -> Vec<PostingKey> {
    match fact {
        Fact::Closing(record) => {
            let keys = |closed: &Closed| {
                let member = closed.member;
                closed.entries.iter().map(|entry| PostingKey { entry: *entry, member }).collect::<Vec<_>>()
            };
            record.closed.iter().flat_map(keys).collect()
        }
        Fact::Decision(record) => match &record.decision {
            Decision::Suspended { entry, member, .. } => {
                vec![PostingKey { entry: *entry, member: *member }]
            }
            Decision::Healed(which) => {
                let member = which.member;
                which.entries.iter().map(|entry| PostingKey { entry: *entry, member }).collect()
            }
            Decision::Retried(_)
            | Decision::WrittenOff(_)
            | Decision::Reopened(_)
            | Decision::Resent(_)
            | Decision::ReEncoded { .. }
            | Decision::OtherContent { .. }
            | Decision::GaveReEncoded { .. }
            | Decision::MemberState { .. }
            | Decision::CommitmentAsked(_)
            | Decision::CommitmentDecided { .. }
            | Decision::CommitmentReported { .. } => Vec::new(),
        },
        Fact::Object(..) | Fact::Member(_) | Fact::Nothing | Fact::Unreadable(_) => Vec::new(),
    }
}
