//! One listener, whatever is spoken on it: accept, back off, bound what has not said who it is, drain.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use outrigger_runtime::Shutdown;
use outrigger_runtime::backoff::Backoff;
use outrigger_runtime::net::{BoxStream, Listener};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout_at};

/// Connections that have not said who they are yet: each may hold an A-ASSOCIATE-RQ of up to 1 MiB, and a hospital's burst is smaller.
pub const OPENING_MAX: usize = 128;
/// How long connections may go on after stopping was asked for.
pub const DRAIN: Duration = Duration::from_secs(30);
/// What connections get beyond [`DRAIN`] to say that they end.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Waits after an accept that failed for want of file descriptors or memory.
const ACCEPT_BACKOFF: Backoff = Backoff { first: Duration::from_millis(10), longest: Duration::from_secs(1) };

/// A connection that was just accepted.
pub(crate) struct Incoming {
    pub(crate) stream: BoxStream,
    pub(crate) from: SocketAddr,
    pub(crate) opening: Opening,
}

/// Held by a connection until it has said who it is; the oldest of too many is told to go.
pub(crate) struct Opening(oneshot::Receiver<()>);

impl Opening {
    /// Waits until the connection must go to make room.
    pub(crate) async fn evicted(&mut self) {
        if (&mut self.0).await.is_err() {
            // The listener is gone, and nobody needs the room.
            std::future::pending::<()>().await;
        }
    }
}

/// The connections that have not said who they are, oldest first.
#[derive(Default)]
struct Openings(VecDeque<oneshot::Sender<()>>);

impl Openings {
    fn admit(&mut self) -> Opening {
        if self.0.len() >= OPENING_MAX {
            self.0.retain(|opening| !opening.is_closed());
        }
        while self.0.len() >= OPENING_MAX {
            if let Some(oldest) = self.0.pop_front()
                && oldest.send(()).is_ok()
            {
                metrics::counter!("outrigger_front_evicted_total").increment(1);
            }
        }
        let (evict, evicted) = oneshot::channel();
        self.0.push_back(evict);
        Opening(evicted)
    }
}

/// Accepts until stopping is asked for, then waits for the connections to end.
pub(crate) async fn serve<H, F>(listener: Box<dyn Listener>, mut shutdown: Shutdown, handle: H)
where
    H: Fn(Incoming) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut openings = Openings::default();
    let mut failures = 0;
    loop {
        tokio::select! {
            () = shutdown.stopping() => break,
            Some(ended) = connections.join_next() => note_end(ended),
            accepted = accept(&*listener, failures) => match accepted {
                Ok((stream, from)) => {
                    failures = 0;
                    connections.spawn(handle(Incoming { stream, from, opening: openings.admit() }));
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    tracing::warn!(%error, failures, "a connection could not be accepted");
                }
            },
        }
    }
    drop(listener);
    drain(connections).await;
}

/// Waits as `failures` failures in a row ask for, then accepts; one that the peer gave up at once is no failure.
async fn accept(listener: &dyn Listener, failures: u32) -> io::Result<(BoxStream, SocketAddr)> {
    if failures > 0 {
        sleep(ACCEPT_BACKOFF.after(failures, u8::MAX)).await;
    }
    loop {
        match listener.accept().await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            outcome => return outcome,
        }
    }
}

async fn drain(mut connections: JoinSet<()>) {
    let deadline = Instant::now() + DRAIN + LAST_WORDS;
    while !connections.is_empty() {
        let Ok(ended) = timeout_at(deadline, connections.join_next()).await else {
            tracing::warn!(left = connections.len(), "connections outlived the drain and are cut");
            connections.shutdown().await;
            return;
        };
        ended.into_iter().for_each(note_end);
    }
}

fn note_end(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        metrics::counter!("outrigger_front_panics_total").increment(1);
        tracing::error!(%error, "a connection's task failed");
    }
}
