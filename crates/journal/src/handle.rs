//! The journal as the asynchronous parts see it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outrigger_runtime::threads::WorkLost;
use outrigger_runtime::{Content, SpoolPlace, Threads};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::commit::Durable;
use crate::error::{AppendError, ReleaseError};
use crate::ids::{Epoch, JournalId, Seq};
use crate::journal::{Journal, check};
use crate::log::Prepared;
use crate::options::FRAME_BODY_BYTES_MAX;
use crate::reader::JournalReader;
use crate::reader::ScrubStep;
use crate::record::Append;
use crate::state::{Health, JournalState};
use crate::writer::{Pulse, Request, Waiting, Writer};

/// Records waiting for the writer: four full commits.
const QUEUE_ENTRIES_MAX: usize = 1024;
/// Bytes of bodies waiting for the writer: eight full commits, and a quarter of what the process may take.
const QUEUE_BYTES_MAX: u64 = 64 << 20;
/// Bytes of the queue are counted in units, because a semaphore counts with 32 bits.
const UNIT_BYTES: u64 = 1024;
/// A record that waited this long is refused: its sender has better to try again than to time out.
const QUEUE_WAIT: Duration = Duration::from_secs(10);
/// A commit of one copy that takes this long counts as stalled.
const COMMIT_TIME_MAX: Duration = Duration::from_secs(5);

/// Of several copies, one that hangs is taken out after that time; the others then have this long to note it.
const COPIES_TIME_MORE: Duration = Duration::from_secs(2);

/// The journal as the asynchronous parts see it; clones share the one writer.
#[derive(Debug, Clone)]
pub struct JournalHandle {
    requests: mpsc::Sender<Request>,
    room: Arc<Semaphore>,
    pulse: Arc<Pulse>,
    tail: watch::Receiver<Seq>,
    reader: JournalReader,
    epoch: Epoch,
    /// A commit that takes this long counts as stalled.
    commit_time_max: Duration,
    threads: Threads,
    ended: Arc<Mutex<Option<oneshot::Receiver<()>>>>,
}

impl Journal {
    /// Starts the writer on a thread of its own; must be called from within a tokio runtime.
    ///
    /// A writer whose handles are all dropped stops as in a crash; [`JournalHandle::close`] ends it in order.
    pub fn start(mut self, threads: Threads) -> io::Result<JournalHandle> {
        let (requests, queue) = mpsc::channel(QUEUE_ENTRIES_MAX);
        let pulse = Arc::new(Pulse::default());
        let (reader, epoch) = (self.reader(), self.epoch);
        let tail = reader.book.tail.subscribe();
        let commit_time_max =
            if self.options.copies.len() > 1 { COMMIT_TIME_MAX + COPIES_TIME_MORE } else { COMMIT_TIME_MAX };
        if threads == Threads::System && self.options.copies.len() > 1 {
            for copy in &mut self.copies {
                copy.on_a_thread()?;
            }
        }
        let writer = Writer::new(self, queue, pulse.clone(), threads);
        let ended = threads.dedicated("journal", writer.run())?;
        Ok(JournalHandle {
            requests,
            room: Arc::new(Semaphore::new(
                usize::try_from(QUEUE_BYTES_MAX / UNIT_BYTES).unwrap_or(usize::MAX),
            )),
            pulse,
            tail,
            reader,
            epoch,
            commit_time_max,
            threads,
            ended: Arc::new(Mutex::new(Some(ended))),
        })
    }
}

impl JournalHandle {
    /// Appends a record and waits until it is on stable storage.
    pub async fn append(&self, append: Append) -> Result<Durable, AppendError> {
        check(&append)?;
        if self.reader.book.health() == Health::Failed {
            return Err(AppendError::Failed);
        }
        let prepared = self.prepare(append).await?;
        let deadline = Instant::now() + QUEUE_WAIT;
        let (answer, answered) = oneshot::channel();
        match timeout_at(deadline, self.enqueue(prepared, answer)).await {
            Ok(queued) => queued?,
            Err(_) => return Err(self.waited()),
        }
        self.answered(answered, deadline).await
    }

    /// The last durable number.
    pub fn tail(&self) -> Seq {
        *self.tail.borrow()
    }

    /// Follows the last durable number.
    pub fn watch_tail(&self) -> watch::Receiver<Seq> {
        self.tail.clone()
    }

    /// Reads while the writer writes.
    pub fn reader(&self) -> JournalReader {
        self.reader.clone()
    }

    /// Lets the bodies of these entries go; those already released, or without a body, are passed over.
    pub async fn release(&self, seqs: Vec<Seq>) -> Result<(), ReleaseError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Release { seqs, answer }).await.map_err(|_| AppendError::Closed)?;
        answered.await.map_err(|_| AppendError::Closed)?
    }

    /// How it is doing.
    pub fn state(&self) -> JournalState {
        self.reader.state()
    }

    /// The name of the journal.
    pub fn journal(&self) -> JournalId {
        self.reader.journal()
    }

    /// Where large bodies stream to while they arrive; the directory a spool for this journal needs.
    pub fn spool_directory(&self) -> SpoolPlace {
        self.reader.spool_directory()
    }

    /// Reads and checks everything, at most about `bytes_per_second`, and tells of each step; dropped, it stops after the step it is at.
    pub async fn scrub(
        &self,
        bytes_per_second: u64,
        mut told: impl FnMut(ScrubStep),
    ) -> Result<(), WorkLost> {
        let mut scrub = self.reader.scrub();
        loop {
            let begun = Instant::now();
            let work = move || {
                let step = scrub.step();
                (scrub, step)
            };
            let (again, step) = self.threads.blocking("scrub", work).await?;
            scrub = again;
            let Some(step) = step else { return Ok(()) };
            let micros = step.bytes.saturating_mul(1_000_000) / bytes_per_second.max(1);
            told(step);
            sleep_until(begun + Duration::from_micros(micros)).await;
        }
    }

    /// Finishes what is queued, seals the open segment and stops; later appends find it closed.
    pub async fn close(self) -> Result<(), AppendError> {
        let (answer, answered) = oneshot::channel();
        let asked = self.requests.send(Request::Close { answer }).await;
        let outcome = match asked {
            Ok(()) => answered.await.unwrap_or(Err(AppendError::Closed)),
            Err(_) => Err(AppendError::Closed),
        };
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended {
            // It ends by being dropped; both ways the writer is gone.
            drop(ended.await);
        }
        outcome
    }

    /// Brings the body to where a commit needs it; only a large one costs syncs, and those run beside other commits.
    async fn prepare(&self, append: Append) -> Result<Prepared, AppendError> {
        let stays_in_memory = append.body.as_ref().is_none_or(|body| {
            matches!(body.content, Content::Memory(_)) && body.length <= FRAME_BODY_BYTES_MAX
        });
        let (book, epoch) = (self.reader.book.clone(), self.epoch);
        if stays_in_memory {
            return book.prepare(epoch, append);
        }
        let work = move || book.prepare(epoch, append);
        self.threads.blocking("large object", work).await.unwrap_or(Err(AppendError::Closed))
    }

    async fn enqueue(
        &self,
        prepared: Prepared,
        answer: oneshot::Sender<Result<Durable, AppendError>>,
    ) -> Result<(), AppendError> {
        let units = prepared.frame_bytes().min(QUEUE_BYTES_MAX) / UNIT_BYTES + 1;
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let room = self.room.clone().acquire_many_owned(units).await.map_err(|_| AppendError::Closed)?;
        let request = Request::Append(Waiting { prepared, answer, room });
        self.requests.send(request).await.map_err(|_| AppendError::Closed)
    }

    /// Waits for the outcome, as long as the writer gets on.
    async fn answered(
        &self,
        mut answered: oneshot::Receiver<Result<Durable, AppendError>>,
        deadline: Instant,
    ) -> Result<Durable, AppendError> {
        let mut look_at = Instant::now() + self.commit_time_max;
        loop {
            match timeout_at(look_at, &mut answered).await {
                Ok(outcome) => return outcome.unwrap_or(Err(AppendError::Closed)),
                Err(_) if self.pulse.is_stalled(self.commit_time_max) || Instant::now() >= deadline => {
                    return Err(self.waited());
                }
                Err(_) => {
                    look_at = self.pulse.stalls_at(self.commit_time_max).unwrap_or(deadline).min(deadline);
                }
            }
        }
    }

    fn waited(&self) -> AppendError {
        if self.pulse.is_stalled(self.commit_time_max) {
            return AppendError::Stalled { seconds: self.commit_time_max.as_secs() };
        }
        AppendError::QueueTimeout { seconds: QUEUE_WAIT.as_secs() }
    }
}
