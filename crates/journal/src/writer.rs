//! The one task that owns the journal: gathers, commits, lets go, carries forward.

use std::future::{self, Future};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outrigger_runtime::Threads;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::carry::Carried;
use crate::commit::Durable;
use crate::engine::{Forwarded, Obstacle};
use crate::error::{AppendError, ReleaseError};
use crate::ids::Seq;
use crate::journal::Journal;
use crate::log::Prepared;
use crate::state::Health;

/// Records in one commit: beyond this a larger one is no cheaper by the record.
const GROUP_ENTRIES_MAX: usize = 256;
/// Bytes in one commit: bounds how long its first record waits for its last.
const GROUP_BYTES_MAX: u64 = 8 << 20;
/// How often it is looked whether there is room: who else writes to the disk is not known.
const RECHECK: Duration = Duration::from_secs(1);

/// What the writer is asked to do.
#[derive(Debug)]
pub(crate) enum Request {
    Append(Waiting),
    Release { seqs: Vec<Seq>, answer: oneshot::Sender<Result<(), ReleaseError>> },
    Close { answer: oneshot::Sender<Result<(), AppendError>> },
}

/// A record and who waits for it.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) prepared: Prepared,
    pub(crate) answer: oneshot::Sender<Result<Durable, AppendError>>,
    pub(crate) room: OwnedSemaphorePermit,
}

/// Since when the writer is at one commit.
#[derive(Debug, Default)]
pub(crate) struct Pulse(Mutex<Option<Instant>>);

impl Pulse {
    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// When the commit that is running will have taken `limit`; nothing if none is.
    pub(crate) fn stalls_at(&self, limit: Duration) -> Option<Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map(|since| since + limit)
    }

    /// Whether the commit that is running has taken `limit`.
    pub(crate) fn is_stalled(&self, limit: Duration) -> bool {
        self.stalls_at(limit).is_some_and(|at| at <= Instant::now())
    }
}

type Carrying = Pin<Box<dyn Future<Output = Result<Forwarded, Obstacle>> + Send>>;

/// The one task that owns the journal.
pub(crate) struct Writer {
    journal: Journal,
    queue: mpsc::Receiver<Request>,
    pulse: Arc<Pulse>,
    threads: Threads,
    carrying: Option<Carrying>,
    recheck_at: Instant,
}

enum Event {
    Request(Option<Request>),
    Carried(Result<Forwarded, Obstacle>),
    Recheck,
}

impl Writer {
    pub(crate) fn new(
        journal: Journal,
        queue: mpsc::Receiver<Request>,
        pulse: Arc<Pulse>,
        threads: Threads,
    ) -> Self {
        Self { journal, queue, pulse, threads, carrying: None, recheck_at: Instant::now() }
    }

    /// Serves requests until closed, or until every handle is gone.
    pub(crate) async fn run(mut self) {
        self.carry();
        loop {
            match self.event().await {
                Event::Request(None) => return,
                Event::Request(Some(request)) => {
                    if let Some(answer) = self.serve(request) {
                        return self.close(answer).await;
                    }
                }
                Event::Carried(forwarded) => self.carried(forwarded),
                Event::Recheck => self.recheck(),
            }
        }
    }

    async fn event(&mut self) -> Event {
        let takes_records = self.journal.engine.home().health() != Health::Failed;
        let recheck_at = self.recheck_at;
        let is_carrying = self.carrying.is_some();
        let carried = async {
            match self.carrying.as_mut() {
                Some(carrying) => carrying.await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = sleep_until(recheck_at), if takes_records => Event::Recheck,
            request = self.queue.recv() => Event::Request(request),
            forwarded = carried, if is_carrying => Event::Carried(forwarded),
        }
    }

    /// Serves a request and the appends that wait behind it; gives back who asked to close.
    fn serve(&mut self, request: Request) -> Option<oneshot::Sender<Result<(), AppendError>>> {
        let mut next = Some(request);
        while let Some(request) = next.take() {
            match request {
                Request::Append(first) => next = self.gather(first),
                Request::Release { seqs, answer } => {
                    let outcome = self.timed(|journal| journal.release(&seqs));
                    answered(answer.send(outcome).is_ok(), "release");
                    self.carry();
                }
                Request::Close { answer } => return Some(answer),
            }
        }
        None
    }

    /// Commits `first` and what has arrived since; gives back what it met that is no append.
    fn gather(&mut self, first: Waiting) -> Option<Request> {
        let mut bytes = first.prepared.frame_bytes();
        let mut group = vec![first];
        let mut next = None;
        while group.len() < GROUP_ENTRIES_MAX && bytes < GROUP_BYTES_MAX {
            match self.queue.try_recv() {
                Ok(Request::Append(waiting)) => {
                    bytes += waiting.prepared.frame_bytes();
                    group.push(waiting);
                }
                Ok(other) => {
                    next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        // Whoever has given up waiting was told that it is refused.
        group.retain(|waiting| !waiting.answer.is_closed());
        let (records, waiting): (Vec<_>, Vec<_>) =
            group.into_iter().map(|Waiting { prepared, answer, room }| (prepared, (answer, room))).unzip();
        let outcomes = self.timed(|journal| journal.commit(records));
        for ((answer, room), outcome) in waiting.into_iter().zip(outcomes) {
            answered(answer.send(outcome).is_ok(), "append");
            drop(room);
        }
        next
    }

    fn timed<T>(&mut self, work: impl FnOnce(&mut Journal) -> T) -> T {
        self.pulse.set(Some(Instant::now()));
        let outcome = work(&mut self.journal);
        self.pulse.set(None);
        outcome
    }

    /// Begins to carry forward, beside the commits, if something is worth while and nothing is under way.
    fn carry(&mut self) {
        if self.carrying.is_some() || self.journal.engine.home().health() == Health::Failed {
            return;
        }
        let Some(plan) = self.journal.engine.plan() else { return };
        let (keys, threads) = (plan.keys(), self.threads);
        self.carrying = Some(Box::pin(async move {
            let written = threads.blocking("carry forward", move || plan.write()).await;
            written.unwrap_or(Err(Obstacle::Stuck(keys)))
        }));
    }

    fn carried(&mut self, forwarded: Result<Forwarded, Obstacle>) {
        self.carrying = None;
        match self.journal.install(forwarded) {
            Ok(Carried::Some) => self.carry(),
            Ok(Carried::Nothing) => {}
            Err(error) => tracing::warn!(%error, "segments could not be carried forward"),
        }
    }

    fn recheck(&mut self) {
        self.recheck_at = Instant::now() + RECHECK;
        let was_full = self.journal.engine.home().health() == Health::Full;
        self.journal.recheck();
        if was_full {
            self.carry();
        }
    }

    async fn close(mut self, answer: oneshot::Sender<Result<(), AppendError>>) {
        self.queue.close();
        if let Some(carrying) = self.carrying.take() {
            let forwarded = carrying.await;
            if let Err(error) = self.journal.install(forwarded) {
                tracing::warn!(%error, "segments could not be carried forward");
            }
        }
        answered(answer.send(self.journal.close()).is_ok(), "close");
    }
}

/// Notes that nobody waited any more; what was done stays done.
fn answered(is_heard: bool, what: &'static str) {
    if !is_heard {
        tracing::debug!(what, "nobody waited for the journal's answer");
    }
}
