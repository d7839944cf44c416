//! Storage commitment: requests are kept in the ledger, decided as soon as they can be, and told until they are taken.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use outrigger_front::{CommitRefusal, CommitRequest, CommitResult, Committing, Reporter};
use outrigger_ledger::promise::ToAttest;
use outrigger_ledger::{
    Asked, CommitPolicy, Ledger, LedgerError, Promise, PromiseError, REPORT_AGAIN_MAX, ReportEnd,
};
use outrigger_model::{Requestor, Seq, SopClassUid, SopInstanceUid, Status, TransactionUid, with_causes};
use outrigger_query::Reader;
use outrigger_runtime::backoff::Backoff;
use outrigger_runtime::{Random, Shutdown};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// Duplicate transaction UID, a code of PS3.3 section C.14.1.1.
const DUPLICATE_TRANSACTION: Status = Status(0x0131);
/// Resource limitation (PS3.7 section C.5.13).
const RESOURCE_LIMITATION: Status = Status(0x0213);

/// How often a result is told again; the ledger holds no longer wait.
const AGAIN: Backoff = Backoff { first: Duration::from_secs(5), longest: REPORT_AGAIN_MAX };
/// For how long: a modality that is away for a long weekend hears of it; after that it asks again itself.
const TOLD_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// For how long a result of the web is there to be looked at: as long as others are told.
const KEPT_FOR: Duration = TOLD_FOR;
/// How long an answer of the web waits for the result: what is settled already is decided within one pace of the keeper.
const ANSWER_AFTER: Duration = Duration::from_millis(500);
/// Results told at once, one for each requestor: one that does not answer holds up its own.
const TELLING_MAX: usize = 8;
/// Instances that members are asked for before requests are looked at again, and how many of them at once: retrievals go on.
const ATTESTED_BATCH: usize = 64;
const ATTESTED_AT_ONCE: usize = 2;
/// Least time between two looks at what is open: news come with every object.
const PACE: Duration = Duration::from_millis(50);
/// How soon the ledger is asked again after it failed.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// How often what is open is looked at without news: never needed, and cheap.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);

/// Keeps a request until its result was told, or was there to be looked at for long enough.
pub(crate) async fn keep(ledger: &Ledger, request: CommitRequest) -> Result<Committing, CommitRefusal> {
    let CommitRequest { transaction, requestor, called, instances, places } = request;
    let mut asked = Asked::new(transaction.clone(), (requestor.clone(), called), instances);
    if !places.is_empty() {
        asked = asked.by_study(&places);
    }
    let mut news = ledger.watch();
    ledger.promise(asked).await.map_err(refusal)?;
    if let Requestor::Ae(_) = requestor {
        return Ok(Committing::Kept);
    }
    let until = Instant::now() + ANSWER_AFTER;
    loop {
        news.borrow_and_update();
        match stands(ledger, &requestor, &transaction).await {
            Ok(Some(Committing::Decided(result))) => return Ok(Committing::Decided(result)),
            Ok(_) => {}
            Err(error) => {
                // It is kept, and whoever looks later is told.
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "a request that was taken cannot be looked at"
                );
                return Ok(Committing::Kept);
            }
        }
        if !matches!(timeout_at(until, news.changed()).await, Ok(Ok(()))) {
            return Ok(Committing::Kept);
        }
    }
}

/// How a request of this requestor stands, as far as it is kept.
pub(crate) async fn stands(
    ledger: &Ledger,
    requestor: &Requestor,
    transaction: &TransactionUid,
) -> Result<Option<Committing>, CommitRefusal> {
    let promise = ledger.promise_of(requestor, transaction).await;
    let promise = promise.map_err(|error| refusal(PromiseError::Ledger(error)))?;
    Ok(promise.map(|promise| match promise.head.decided_at {
        Some(_) => Committing::Decided(result(&promise)),
        None => Committing::Kept,
    }))
}

fn refusal(error: PromiseError) -> CommitRefusal {
    let status = match &error {
        PromiseError::Duplicate(_) => DUPLICATE_TRANSACTION,
        PromiseError::TooMany { .. } => RESOURCE_LIMITATION,
        PromiseError::Ledger(_) => Status::PROCESSING_FAILURE,
    };
    let text = match &error {
        PromiseError::Duplicate(_) => "the Transaction UID is in use".to_owned(),
        PromiseError::TooMany { .. } => error.to_string(),
        PromiseError::Ledger(_) => "the request cannot be kept now".to_owned(),
    };
    CommitRefusal { status, text, source: Some(Box::new(error)) }
}

/// What a keeper works with.
#[derive(Debug, Clone)]
pub struct KeeperOptions {
    /// The ledger.
    pub ledger: Ledger,
    /// What asks members for instances that were never stored here.
    pub reader: Reader,
    /// What tells results.
    pub reporter: Reporter,
    /// Who has to have an object before it is committed.
    pub policy: CommitPolicy,
    /// How long a request waits for what it asks, before the rest has failed.
    pub wait: Duration,
    /// Spreads what is told again.
    pub random: Random,
}

/// Decides requests and tells their results.
#[derive(Debug)]
pub struct Keeper {
    options: KeeperOptions,
    news: watch::Receiver<Seq>,
    telling: JoinSet<Requestor>,
    /// Transactions that are told, by their requestors.
    told: HashMap<Requestor, TransactionUid>,
    /// Members being asked for instances.
    attesting: JoinSet<()>,
}

impl Keeper {
    /// Starts it; it ends when stopping is asked for.
    pub fn start(options: KeeperOptions, shutdown: Shutdown) -> JoinHandle<()> {
        let news = options.ledger.watch();
        let keeper =
            Self { options, news, telling: JoinSet::new(), told: HashMap::new(), attesting: JoinSet::new() };
        tokio::spawn(keeper.run(shutdown))
    }

    async fn run(mut self, mut shutdown: Shutdown) {
        tokio::select! {
            () = self.keep_on() => {}
            () = shutdown.stopping() => {}
        }
        // What was not answered is told again after the next start.
        self.telling.shutdown().await;
        self.attesting.shutdown().await;
    }

    async fn keep_on(&mut self) {
        loop {
            self.news.borrow_and_update();
            let next = match self.work().await {
                Ok(next) => next.unwrap_or(LOOK_AGAIN),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(error, "requests for storage commitment wait for the ledger");
                    ASK_AGAIN
                }
            };
            let until = Instant::now() + next;
            tokio::select! {
                Some(ended) = self.telling.join_next() => match ended {
                    Ok(requestor) => drop(self.told.remove(&requestor)),
                    Err(error) => {
                        tracing::error!(%error, "telling a result of storage commitment ended badly");
                        self.told.clear();
                    }
                },
                Some(ended) = self.attesting.join_next() => if let Err(error) = ended {
                    tracing::error!(%error, "asking members for instances to commit to ended badly");
                },
                changed = self.news.changed() => if changed.is_err() { return },
                () = sleep_until(until) => {}
            }
            sleep(PACE).await;
        }
    }

    /// Decides what can be decided and begins to tell what is due; gives when there is more to do.
    async fn work(&mut self) -> Result<Option<Duration>, LedgerError> {
        let KeeperOptions { ledger, policy, wait, .. } = &self.options;
        let undecided = ledger.settle_promises(*policy, *wait).await?;
        let expires = ledger.expire_results(KEPT_FOR).await?;
        if self.attesting.is_empty() {
            let all = ledger.to_attest(*policy, ATTESTED_BATCH).await?;
            if !all.is_empty() {
                self.attesting.spawn(attest(self.options.clone(), all));
            }
        }
        let (due, later) = ledger.promises_due().await?;
        for head in due {
            if self.telling.len() >= TELLING_MAX {
                break;
            }
            if self.told.contains_key(&head.requestor) {
                continue;
            }
            self.told.insert(head.requestor.clone(), head.transaction.clone());
            self.telling.spawn(tell(self.options.clone(), head.requestor, head.transaction));
        }
        Ok(undecided.into_iter().chain(expires).chain(later).min())
    }
}

/// Asks members for instances that were never stored here, and notes what they gave.
async fn attest(options: KeeperOptions, all: Vec<ToAttest>) {
    let mut asking: JoinSet<()> = JoinSet::new();
    for one in all {
        while asking.len() >= ATTESTED_AT_ONCE {
            ended(asking.join_next().await);
        }
        let (reader, ledger) = (options.reader.clone(), options.ledger.clone());
        asking.spawn(async move {
            let ToAttest { instance, members } = one;
            match reader.attest(&instance, members).await {
                Ok(given) => {
                    let said = given.said.join("; ");
                    tracing::info!(%instance, gave = given.gave.iter().count(), said, "members were asked for an instance to commit to");
                    ledger.attest(instance, given.gave, given.header.as_ref(), given.copies);
                }
                Err(error) => {
                    let error = with_causes(&error);
                    tracing::warn!(%instance, error, "members could not be asked for an instance to commit to");
                }
            }
        });
    }
    while let Some(one) = asking.join_next().await {
        ended(Some(one));
    }
}

fn ended(asked: Option<Result<(), JoinError>>) {
    if let Some(Err(error)) = asked {
        tracing::error!(%error, "asking members for an instance to commit to ended badly");
    }
}

/// Tells one result once, and notes how that went.
async fn tell(options: KeeperOptions, requestor: Requestor, transaction: TransactionUid) -> Requestor {
    if let Err(error) = try_tell(&options, &transaction).await {
        let error = with_causes(&error);
        tracing::warn!(%transaction, error, "how a result of storage commitment was told could not be noted");
        sleep(ASK_AGAIN).await;
    }
    requestor
}

async fn try_tell(options: &KeeperOptions, transaction: &TransactionUid) -> Result<(), LedgerError> {
    let ledger = &options.ledger;
    let Some(promise) = ledger.open_promise(transaction).await? else { return Ok(()) };
    let error = match options.reporter.report(Arc::new(result(&promise))).await {
        Ok(()) => return ledger.promise_ended(transaction, ReportEnd::Taken).await,
        Err(error) => with_causes(&error),
    };
    let requestor = &promise.asked.requestor;
    let attempts = promise.head.attempts.saturating_add(1);
    if ledger.decided_for(&promise.head) > TOLD_FOR {
        tracing::error!(%transaction, %requestor, attempts, error, "a result of storage commitment is given up: nobody took it for days");
        metrics::counter!("outrigger_commitment_reports_total", "association" => "none", "outcome" => "given_up")
            .increment(1);
        return ledger.promise_ended(transaction, ReportEnd::GivenUp).await;
    }
    let jitter = options.random.u64().map_or(u8::MAX, |bits| bits.to_le_bytes()[0]);
    let wait = AGAIN.after(attempts, jitter);
    tracing::warn!(%transaction, %requestor, attempts, again_in = ?wait, error, "a result of storage commitment could not be told");
    ledger.promise_unreported(transaction, wait).await
}

/// A decided request as its requestor is told of it.
fn result(promise: &Promise) -> CommitResult {
    let owned = |(class, instance): (&SopClassUid, &SopInstanceUid)| (class.clone(), instance.clone());
    CommitResult {
        transaction: promise.asked.transaction.clone(),
        requestor: promise.asked.requestor.clone(),
        called: promise.asked.called.clone(),
        committed: promise.committed().map(owned).collect(),
        failed: promise.failed().map(|(pair, reason)| (owned(pair), reason)).collect(),
        places: promise.asked.places().map(|(instance, place)| (instance.clone(), place.clone())).collect(),
    }
}
