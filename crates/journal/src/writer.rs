//! The one task that owns the journal: gathers, commits, lets go, carries forward.

use std::future::{self, Future};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outrigger_runtime::Threads;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::carry::{Carried, Chosen};
use crate::commit::Durable;
use crate::engine::{Forwarded, Obstacle};
use crate::error::{AppendError, ReleaseError};
use crate::ids::Seq;
use crate::journal::Journal;
use crate::log::Prepared;
use crate::remake::{Fresh, Joined, RemakeError};
use crate::state::Health;

/// Records in one commit: beyond this a larger one is no cheaper by the record.
const GROUP_ENTRIES_MAX: usize = 256;
/// Bytes in one commit: bounds how long its first record waits for its last.
const GROUP_BYTES_MAX: u64 = 8 << 20;
/// How often it is looked whether there is room: who else writes to the disk is not known.
const RECHECK: Duration = Duration::from_secs(1);

/// A copy that was taken out is made anew after so long, where that is possible: a disk that was away for a moment is back then.
const REMAKE_AFTER: Duration = Duration::from_secs(60);
/// Tries to make a copy anew come no more seldom than this: a new disk is put to use within the hour.
const REMAKE_AFTER_MOST: Duration = Duration::from_secs(3600);

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

/// Something that runs beside the commits, and the place of the copy it is for.
struct Beside<T> {
    at: usize,
    work: Pin<Box<dyn Future<Output = T> + Send>>,
}

type Carrying = Beside<Result<Forwarded, Obstacle>>;
type Remaking = Beside<Result<Fresh, RemakeError>>;

/// The one task that owns the journal.
pub(crate) struct Writer {
    journal: Journal,
    queue: mpsc::Receiver<Request>,
    pulse: Arc<Pulse>,
    threads: Threads,
    carrying: Option<Carrying>,
    remaking: Option<Remaking>,
    remake_at: Instant,
    /// Between this try to make a copy anew and the next.
    remake_wait: Duration,
    recheck_at: Instant,
}

enum Event {
    Request(Option<Request>),
    Carried(Result<Forwarded, Obstacle>),
    Remade(Result<Fresh, RemakeError>),
    Recheck,
}

impl Writer {
    pub(crate) fn new(
        journal: Journal,
        queue: mpsc::Receiver<Request>,
        pulse: Arc<Pulse>,
        threads: Threads,
    ) -> Self {
        let now = Instant::now();
        Self {
            journal,
            queue,
            pulse,
            threads,
            carrying: None,
            remaking: None,
            remake_at: now,
            remake_wait: REMAKE_AFTER,
            recheck_at: now,
        }
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
                Event::Remade(fresh) => self.remade(fresh),
                Event::Recheck => self.recheck(),
            }
        }
    }

    async fn event(&mut self) -> Event {
        let takes_records = self.journal.book.health() != Health::Failed;
        let recheck_at = self.recheck_at;
        tokio::select! {
            biased;
            () = sleep_until(recheck_at), if takes_records => Event::Recheck,
            request = self.queue.recv() => Event::Request(request),
            forwarded = done(&mut self.carrying) => Event::Carried(forwarded),
            fresh = done(&mut self.remaking) => Event::Remade(fresh),
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
        if self.carrying.is_some() || self.journal.book.health() == Health::Failed {
            return;
        }
        let Ok(Some(Chosen { at, plan })) = self.journal.choose() else { return };
        let (keys, threads) = (plan.keys(), self.threads);
        let work = async move {
            let written = threads.blocking("carry forward", move || plan.write()).await;
            written.unwrap_or(Err(Obstacle::Stuck(keys)))
        };
        self.carrying = Some(Beside { at, work: Box::pin(work) });
    }

    fn carried(&mut self, forwarded: Result<Forwarded, Obstacle>) {
        let Some(Beside { at, .. }) = self.carrying.take() else { return };
        match self.journal.install(at, forwarded) {
            Ok(Carried::Some) => self.carry(),
            Ok(Carried::Nothing) => {}
            Err(error) => tracing::warn!(%error, "segments could not be carried forward"),
        }
    }

    fn recheck(&mut self) {
        self.recheck_at = Instant::now() + RECHECK;
        let was_full = self.journal.book.health() == Health::Full;
        let copies = self.journal.copies.len();
        // What failed is noted where it did.
        drop(self.journal.recheck());
        if was_full {
            self.carry();
        }
        if self.journal.copies.len() < copies {
            self.remake_at = Instant::now() + self.remake_wait;
        }
        self.remake();
    }

    /// Begins to make a copy anew, beside the commits, where one is wanting and it is time to try.
    fn remake(&mut self) {
        if self.remaking.is_some() || Instant::now() < self.remake_at {
            return;
        }
        let Some(at) = self.journal.wanting() else { return };
        match self.journal.making(at) {
            Ok(making) => {
                self.journal.begin_remaking(at);
                let threads = self.threads;
                let work = async move {
                    let made = threads.blocking("copy of the journal", move || making.fill()).await;
                    made.unwrap_or(Err(RemakeError::Lost))
                };
                self.remaking = Some(Beside { at, work: Box::pin(work) });
            }
            Err(error) => self.not_remade(at, &error),
        }
    }

    fn remade(&mut self, fresh: Result<Fresh, RemakeError>) {
        let Some(Beside { at, .. }) = self.remaking.take() else { return };
        let joined = fresh.and_then(|fresh| self.timed(|journal| journal.join(fresh)));
        match joined {
            Ok(Joined::Yes) => {
                self.remake_wait = REMAKE_AFTER;
                self.remake();
            }
            Ok(Joined::Behind(fresh)) => {
                let (source, threads) = (self.journal.reader(), self.threads);
                let work = async move {
                    let made = threads.blocking("copy of the journal", move || fresh.go_on(&source)).await;
                    made.unwrap_or(Err(RemakeError::Lost))
                };
                self.remaking = Some(Beside { at, work: Box::pin(work) });
            }
            Err(error) => self.not_remade(at, &error),
        }
    }

    fn not_remade(&mut self, at: usize, error: &RemakeError) {
        let again_in_s = self.remake_wait.as_secs();
        tracing::error!(
            error = error as &dyn std::error::Error,
            again_in_s,
            "a copy of the journal could not be made anew"
        );
        self.journal.not_remade(at, error);
        self.remake_at = Instant::now() + self.remake_wait;
        self.remake_wait = (self.remake_wait * 2).min(REMAKE_AFTER_MOST);
    }

    async fn close(mut self, answer: oneshot::Sender<Result<(), AppendError>>) {
        self.queue.close();
        if let Some(Beside { at, work }) = self.carrying.take() {
            let forwarded = work.await;
            if let Err(error) = self.journal.install(at, forwarded) {
                tracing::warn!(%error, "segments could not be carried forward");
            }
        }
        answered(answer.send(self.journal.close()).is_ok(), "close");
    }
}

/// What came of something that runs beside; never, where nothing does.
async fn done<T>(beside: &mut Option<Beside<T>>) -> T {
    match beside.as_mut() {
        Some(beside) => beside.work.as_mut().await,
        None => future::pending().await,
    }
}

/// Notes that nobody waited any more; what was done stays done.
fn answered(is_heard: bool, what: &'static str) {
    if !is_heard {
        tracing::debug!(what, "nobody waited for the journal's answer");
    }
}
