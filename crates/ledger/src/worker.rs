//! One owner for each connection to the database: others send it work and wait for the answer.

use std::future::Future;
use std::io;

use outrigger_runtime::Threads;
use tokio::sync::{mpsc, oneshot, watch};

/// Pieces of work that wait for one worker: every association, every connection to a member and every request of the admin API waits for one at most.
const JOBS_MAX: usize = 1_024;

/// A piece of work for the owner of `S`.
pub(crate) type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

/// The worker is gone, or gave its work up.
#[derive(Debug, thiserror::Error)]
#[error("the ledger is closed")]
pub struct Gone;

/// Sends work to the owner of `S`.
#[derive(Debug)]
pub(crate) struct Worker<S> {
    jobs: mpsc::Sender<Job<S>>,
}

impl<S: Send + 'static> Worker<S> {
    /// A worker and the queue that whoever runs it takes its work from.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Job<S>>) {
        let (jobs, queue) = mpsc::channel(JOBS_MAX);
        (Self { jobs }, queue)
    }

    /// Starts a worker that does nothing but such work, until `stop` is set.
    pub(crate) fn start(
        mut owned: S,
        name: &str,
        threads: Threads,
        mut stop: watch::Receiver<bool>,
    ) -> io::Result<(Self, oneshot::Receiver<()>)> {
        let (worker, mut queue) = Self::new();
        let ended = threads.dedicated(name, async move {
            while let Some(job) = next(&mut queue, &mut stop).await {
                job(&mut owned);
            }
        })?;
        Ok((worker, ended))
    }

    /// Has a piece of work done.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, Gone>> + Send + 'static {
        let (answer, answered) = oneshot::channel();
        let job: Job<S> = Box::new(move |owned| {
            let done = work(owned);
            if answer.send(done).is_err() {
                tracing::trace!("nobody waits for this answer of the ledger any more");
            }
        });
        let jobs = self.jobs.clone();
        async move {
            jobs.send(job).await.map_err(|_| Gone)?;
            answered.await.map_err(|_| Gone)
        }
    }
}

/// The next piece of work; `None` once the worker must stop.
pub(crate) async fn next<S>(
    queue: &mut mpsc::Receiver<Job<S>>,
    stop: &mut watch::Receiver<bool>,
) -> Option<Job<S>> {
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => None,
        job = queue.recv() => job,
    }
}
