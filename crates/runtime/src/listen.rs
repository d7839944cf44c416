//! One listener, whatever is spoken on it: accept, back off, bound what has not said who it is, drain.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout_at};

use crate::backoff::Backoff;
use crate::net::{BoxStream, Listener};
use crate::shutdown::Shutdown;

/// Connections that have not said who they are yet: each may hold a first message of up to 1 MiB, and a hospital's burst is smaller.
pub const OPENING_MAX: usize = 128;
/// How long connections may go on after stopping was asked for.
pub const DRAIN: Duration = Duration::from_secs(30);
/// What connections get beyond [`DRAIN`] to say that they end.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Waits after an accept that failed for want of file descriptors or memory.
const ACCEPT_BACKOFF: Backoff = Backoff { first: Duration::from_millis(10), longest: Duration::from_secs(1) };

/// A connection that was just accepted.
pub struct Incoming {
    /// The connection.
    pub stream: BoxStream,
    /// Where it came from.
    pub from: SocketAddr,
    /// Its place among those that have not said who they are; dropped when it has.
    pub opening: Opening,
}

/// Held by a connection until it has said who it is; the oldest of too many is told to go.
pub struct Opening(oneshot::Receiver<()>);

impl Opening {
    /// Waits until the connection must go to make room.
    pub async fn evicted(&mut self) {
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
                tracing::debug!("a connection that said nothing makes room for another");
            }
        }
        let (evict, evicted) = oneshot::channel();
        self.0.push_back(evict);
        Opening(evicted)
    }
}

/// Accepts until stopping is asked for, then waits for the connections to end.
pub async fn serve<H, F>(listener: Box<dyn Listener>, mut shutdown: Shutdown, handle: H)
where
    H: Fn(Incoming) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut openings = Openings::default();
    let mut failures = 0;
    loop {
        tokio::select! {
            // Once stopping is asked for nobody is let in any more, whoever knocks at the same moment.
            biased;
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
        tracing::error!(%error, "a connection's task failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_that_said_nothing_makes_room() {
        let mut openings = Openings::default();
        let mut held: VecDeque<_> = (0..OPENING_MAX).map(|_| openings.admit()).collect();
        // One that has said who it is makes room by itself.
        drop(held.pop_front());
        let within = openings.admit();
        let beyond = openings.admit();
        held.pop_front().unwrap().evicted().await;
        for mut stays in held.into_iter().chain([within, beyond]) {
            assert!(stays.0.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty));
        }
    }
}
