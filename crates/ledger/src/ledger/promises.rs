//! Requests for storage commitment at the front door (PS3.4 Annex J, PS3.18 section 13): taken, decided, reported or looked at.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outrigger_journal::RecordKind;
use outrigger_model::{Requestor, SopClassUid, SopInstanceUid, TransactionUid, WallTime};
use tokio::time::Instant;

use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::ledger::doubted::WhenAsked;
use crate::promise::{
    Asked, Attestations, Attested, CommitPolicy, Failing, GOOD_FOR, GROUPS_MAX, INSTANCES_MAX, OPEN_MAX,
    OPEN_OF_ONE_MAX, Promise, PromiseHead, ReportEnd, Room, Rule, Verdict, grouped, has_its_share, room,
};
use crate::record::{Decision, DecisionRecord};
use crate::store::{LedgerReads, StoreError};

/// How a request was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promised {
    /// It stands in the journal.
    Taken,
    /// It stood there already: the same requestor asked the same before, and was not told the result yet.
    Again,
}

/// Why a request is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PromiseError {
    /// Another request that is open has its Transaction UID.
    #[error("the transaction {0} is in use by another request for storage commitment")]
    Duplicate(TransactionUid),
    /// Too many requests are open, or it names too many instances.
    #[error("{what}: at most {most} are taken")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        most: usize,
    },
    /// The ledger did not take it.
    #[error("the request for storage commitment could not be kept")]
    Ledger(#[from] LedgerError),
}

/// What `status` shows of requests for storage commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PromiseFacts {
    /// Requests of which something is waited for.
    pub waiting: u64,
    /// Requests decided and not reported yet.
    pub unreported: u64,
    /// When the oldest of both was asked.
    pub oldest: Option<WallTime>,
}

/// What is known of undecided requests, and nowhere kept.
#[derive(Debug, Default)]
pub(crate) struct WaitedFor {
    /// The one instance that each waits for: nothing else of it need be looked at before that one is settled.
    first: Mutex<HashMap<TransactionUid, Pair>>,
    /// What members gave of instances that were never stored here.
    attested: Mutex<Attestations>,
    /// When members are asked again for instances of a request, and which of them it waited for by then.
    asked_again: Mutex<HashMap<TransactionUid, (Pair, Instant)>>,
}

pub(super) type Pair = (SopClassUid, SopInstanceUid);

/// How a look at a request ends.
enum Look {
    Waits(Pair),
    Decided(Vec<Failing>),
    Gone,
}

impl WaitedFor {
    /// The lock is a leaf: nothing is awaited and nothing else locked under it.
    pub(super) fn known(&self) -> MutexGuard<'_, HashMap<TransactionUid, Pair>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A leaf as well.
    pub(super) fn attested(&self) -> MutexGuard<'_, Attestations> {
        self.attested.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A leaf as well.
    pub(super) fn asked_again(&self) -> MutexGuard<'_, HashMap<TransactionUid, (Pair, Instant)>> {
        self.asked_again.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What members gave of an instance, as long as it stands for what they have.
    fn attestation(&self, instance: &SopInstanceUid, now: Instant) -> Option<Attested> {
        let attested = self.attested().get(instance).copied();
        attested.filter(|attested| now.saturating_duration_since(attested.at) <= GOOD_FOR)
    }

    fn forget(&self, transaction: &TransactionUid) {
        self.known().remove(transaction);
        self.asked_again().remove(transaction);
    }
}

impl Ledger {
    /// Takes a request for storage commitment; it survives restarts and rebuilds until its result was reported.
    pub async fn promise(&self, asked: Asked) -> Result<Promised, PromiseError> {
        if asked.each().count() > INSTANCES_MAX {
            return Err(PromiseError::TooMany { what: "instances of one request", most: INSTANCES_MAX });
        }
        if asked.instances.len() > GROUPS_MAX {
            let what = "series and SOP classes of one request";
            return Err(PromiseError::TooMany { what, most: GROUPS_MAX });
        }
        // A request is compared with those that are in the journal and not in the books yet, too.
        self.caught_up().await?;
        if let Some(open) = self.open_promise(&asked.transaction).await? {
            return if open.asked == asked {
                Ok(Promised::Again)
            } else {
                Err(PromiseError::Duplicate(asked.transaction))
            };
        }
        self.make_room(&asked.requestor).await?;
        let decision = Decision::CommitmentAsked(asked.clone());
        match self.record(RecordKind::Decision, &DecisionRecord::of_system(decision)).await {
            // It is durable, and takes effect once the database can be written.
            Ok(_) | Err(LedgerError::Recorded(_)) => {}
            Err(error) => return Err(error.into()),
        }
        match self.open_promise(&asked.transaction).await {
            // Another one under the same transaction came a moment before.
            Ok(Some(open)) if open.asked != asked => Err(PromiseError::Duplicate(asked.transaction)),
            Ok(_) | Err(_) => Ok(Promised::Taken),
        }
    }

    /// Lets the oldest result go that is there to be looked at, where as many requests are open as may be.
    async fn make_room(&self, requestor: &Requestor) -> Result<(), PromiseError> {
        let heads = self.query(|books| books.promise_heads()).await?;
        if has_its_share(&heads, requestor) {
            return Err(PromiseError::TooMany {
                what: "requests of one client that wait",
                most: OPEN_OF_ONE_MAX,
            });
        }
        match room(&heads, OPEN_MAX) {
            Room::Enough => Ok(()),
            Room::None => Err(PromiseError::TooMany { what: "requests that wait", most: OPEN_MAX }),
            Room::Without(oldest) => {
                tracing::info!(transaction = %oldest, "the result of a request for storage commitment makes room");
                Ok(self.promise_ended(oldest, ReportEnd::Expired).await?)
            }
        }
    }

    /// A request of this requestor, as long as it is open or its result is kept; what was acknowledged before is seen.
    pub async fn promise_of(
        &self,
        requestor: &Requestor,
        transaction: &TransactionUid,
    ) -> Result<Option<Promise>, LedgerError> {
        self.caught_up().await?;
        let open = self.open_promise(transaction).await?;
        Ok(open.filter(|open| open.asked.requestor == *requestor))
    }

    /// Lets results go that have been there to be looked at for `kept`; gives how long until the first of the others has.
    pub async fn expire_results(&self, kept: Duration) -> Result<Option<Duration>, LedgerError> {
        let heads = self.query(|books| books.promise_heads()).await?;
        let mut next: Option<Duration> = None;
        for head in heads.iter().filter(|head| head.is_looked_at()) {
            let left = head.decided_at.map_or(kept, |at| self.left(at, kept));
            if left.is_zero() {
                self.promise_ended(&head.transaction, ReportEnd::Expired).await?;
            } else {
                next = Some(next.map_or(left, |next| next.min(left)));
            }
        }
        Ok(next)
    }

    /// A request that is open, or whose result is kept.
    pub async fn open_promise(&self, transaction: &TransactionUid) -> Result<Option<Promise>, LedgerError> {
        let transaction = transaction.clone();
        self.query(move |books| books.promise(&transaction)).await
    }

    /// Decides the requests of which nothing is waited for any more, as all is settled or they have waited for `wait`; gives how
    /// long until the first of the others has.
    pub async fn settle_promises(
        &self,
        policy: CommitPolicy,
        wait: Duration,
    ) -> Result<Option<Duration>, LedgerError> {
        let heads = self.query(|books| books.promise_heads()).await?;
        let rule = Rule::new(policy, &self.policies());
        let mut next: Option<Duration> = None;
        for head in heads.into_iter().filter(|head| head.decided_at.is_none()) {
            let left = self.left(head.at, wait);
            match self.look_at(&head, rule, left).await? {
                Look::Gone => self.shared.waited_for.forget(&head.transaction),
                Look::Waits(pair) => {
                    self.shared.waited_for.known().insert(head.transaction, pair);
                    next = Some(next.map_or(left, |next| next.min(left)));
                }
                Look::Decided(failed) => self.decide_promise(head.transaction, failed).await?,
            }
        }
        Ok(next)
    }

    /// How much of a wait is left; none where the clock was ahead when it began.
    fn left(&self, since: WallTime, wait: Duration) -> Duration {
        let now = self.shared.steady.now();
        if since > now { Duration::ZERO } else { wait.saturating_sub(now.since(since)) }
    }

    async fn look_at(&self, head: &PromiseHead, rule: Rule, left: Duration) -> Result<Look, LedgerError> {
        let before = self.shared.waited_for.known().get(&head.transaction).cloned();
        let (transaction, shared) = (head.transaction.clone(), Arc::clone(&self.shared));
        let now = self.shared.clock.now();
        self.query(move |books| {
            let attested = |of: &SopInstanceUid| shared.waited_for.attestation(of, now);
            let doubted = WhenAsked::new(books);
            let verdict = |(class, of): (&SopClassUid, &SopInstanceUid)| {
                rule.verdict(books, class, of, attested, &doubted)
            };
            look(books, &transaction, verdict, left, before)
        })
        .await
    }

    async fn decide_promise(
        &self,
        transaction: TransactionUid,
        failed: Vec<Failing>,
    ) -> Result<(), LedgerError> {
        let count: usize = failed.iter().map(|failing| failing.of.sop_instances.len()).sum();
        tracing::info!(%transaction, failed = count, "a request for storage commitment is decided");
        self.shared.waited_for.forget(&transaction);
        self.decide(None, [Decision::CommitmentDecided { transaction, failed }]).await
    }

    /// Requests that are decided and to be reported now, the oldest first, and how long until the first of the others is; those of
    /// the web are not reported.
    pub async fn promises_due(&self) -> Result<(Vec<PromiseHead>, Option<Duration>), LedgerError> {
        let heads = self.query(|books| books.promise_heads()).await?;
        let now = self.shared.steady.now();
        let longest = now.after(REPORT_AGAIN_MAX);
        let decided = || heads.iter().filter(|head| head.decided_at.is_some() && !head.is_looked_at());
        // What is beyond the longest wait was set by a clock that was ahead.
        let come = |head: &&PromiseHead| head.not_before <= now || head.not_before > longest;
        let due = decided().filter(come).cloned().collect();
        let waits = decided().filter(|head| !come(head)).map(|head| head.not_before.since(now)).min();
        Ok((due, waits))
    }

    /// Notes that a result could not be reported, and is again after `wait`, which is at most [`REPORT_AGAIN_MAX`].
    pub async fn promise_unreported(
        &self,
        transaction: &TransactionUid,
        wait: Duration,
    ) -> Result<(), LedgerError> {
        let (transaction, not_before) = (transaction.clone(), self.shared.steady.now().after(wait));
        self.write(move |writer| {
            writer.change(|desk| {
                let Some(promise) = desk.reads().promise(&transaction)? else { return Ok(()) };
                let attempts = promise.head.attempts.saturating_add(1);
                desk.changes.promise_heads.push(PromiseHead { attempts, not_before, ..promise.head });
                Ok(())
            })
        })
        .await
    }

    /// Notes that a result was reported, or will not be: its transaction is over.
    pub async fn promise_ended(
        &self,
        transaction: &TransactionUid,
        end: ReportEnd,
    ) -> Result<(), LedgerError> {
        let transaction = transaction.clone();
        self.decide(None, [Decision::CommitmentReported { transaction, end }]).await
    }

    /// How long ago a request was decided.
    pub fn decided_for(&self, head: &PromiseHead) -> Duration {
        head.decided_at.map_or(Duration::ZERO, |at| self.shared.steady.now().since(at))
    }

    /// What `status` shows of them.
    pub async fn promise_facts(&self) -> Result<PromiseFacts, LedgerError> {
        let mut heads = self.query(|books| books.promise_heads()).await?;
        heads.retain(|head| !head.is_looked_at());
        let unreported = heads.iter().filter(|head| head.decided_at.is_some()).count();
        Ok(PromiseFacts {
            waiting: heads.len().saturating_sub(unreported) as u64,
            unreported: unreported as u64,
            oldest: heads.iter().map(|head| head.at).min(),
        })
    }
}

/// Longest wait before a result is reported again: a modality that is switched on in the morning hears of it before the first patient.
pub const REPORT_AGAIN_MAX: Duration = Duration::from_secs(600);

/// Goes through a request until something of it is waited for.
fn look(
    books: &dyn LedgerReads,
    transaction: &TransactionUid,
    verdict: impl Fn((&SopClassUid, &SopInstanceUid)) -> Result<Verdict, StoreError>,
    left: Duration,
    before: Option<Pair>,
) -> Result<Look, StoreError> {
    let in_time = !left.is_zero();
    if let Some((sop_class, instance)) = before.filter(|_| in_time)
        && let Verdict::NotYet(_) = verdict((&sop_class, &instance))?
    {
        return Ok(Look::Waits((sop_class, instance)));
    }
    let Some(promise) = books.promise(transaction)? else { return Ok(Look::Gone) };
    let mut failed: Vec<(u16, Pair)> = Vec::new();
    for (sop_class, instance) in promise.asked.each() {
        let pair = || (sop_class.clone(), instance.clone());
        match verdict((sop_class, instance))? {
            Verdict::Committed => {}
            Verdict::NotYet(_) if in_time => return Ok(Look::Waits(pair())),
            Verdict::Failed(reason) | Verdict::NotYet(reason) => failed.push((reason, pair())),
        }
    }
    failed.sort_by_key(|(reason, _)| *reason);
    let groups = failed.chunk_by(|one, other| one.0 == other.0);
    Ok(Look::Decided(groups.flat_map(failing).collect()))
}

/// Instances that failed for one reason, by class.
fn failing(group: &[(u16, Pair)]) -> Vec<Failing> {
    let Some((reason, _)) = group.first() else { return Vec::new() };
    let of = grouped(group.iter().map(|(_, pair)| pair.clone()));
    of.into_iter().map(|of| Failing { reason: *reason, of }).collect()
}
