//! actix-web: its own parser and its own connection machine carry requests to the handlers.
//!
//! What actix makes of a connection cannot move between threads, so it has a few of its own. They frame and copy bytes; the
//! handlers run where they run behind any other server.

mod answering;
mod asking;
mod carrying;
mod turn;
mod wire;

use std::future::Future;
use std::io;
use std::num::NonZero;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use outrigger_runtime::stall::Stalling;
use outrigger_runtime::{Shutdown, Threads};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tracing::Span;

use self::carrying::{Handlers, carry_all};
use super::{Line, Spoke};
use crate::web::WebTimers;

/// Threads of one listener, and no more than the machine has processors: one frames some hundred megabytes a second.
const THREADS_MAX: usize = 4;
/// Connections handed to a thread that it has not taken up: it does so as soon as it has written what it is at.
const HANDED_MAX: usize = 16;

/// Why a connection that actix carried ended before its time.
#[derive(Debug, thiserror::Error)]
pub(in crate::web) enum ActixError {
    /// The connection broke.
    #[error("reading or writing failed")]
    Connection(#[source] io::Error),
    /// No request came.
    #[error("no whole head of a request came in time")]
    Silent,
    /// Something that is no request came, or an answer could not be ended.
    #[error("the exchange failed: {0}")]
    Exchange(String),
    /// The thread is gone.
    #[error("the thread that carries the connection has ended")]
    Lost,
}

/// The threads that carry the connections of one listener; clones share them, and they end with the last.
#[derive(Clone)]
pub(in crate::web) struct Carriers(Arc<[mpsc::Sender<Handed>]>);

/// A connection on its way to a thread.
struct Handed {
    stream: Stalling,
    line: Line,
    spoke: Spoke,
    /// What its requests are logged under.
    span: Span,
    ended: oneshot::Sender<Result<(), ActixError>>,
}

/// A connection that a thread carries until this is dropped.
pub(in crate::web) struct Carried(oneshot::Receiver<Result<(), ActixError>>);

impl Carriers {
    /// Starts the threads.
    pub(in crate::web) fn open(
        threads: Threads,
        router: &Router,
        timers: WebTimers,
        shutdown: &Shutdown,
    ) -> io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
        let open = |number| {
            let (hand, handed) = mpsc::channel(HANDED_MAX);
            let handlers = Handlers { router: router.clone(), runtime: Handle::current() };
            let shutdown = shutdown.clone();
            threads.apart(&format!("actix-{number}"), move || {
                carry_all(handlers, timers.head, shutdown, handed)
            })?;
            Ok(hand)
        };
        (0..count).map(open).collect::<io::Result<_>>().map(Self)
    }

    /// Hands a connection to the thread whose turn it is.
    pub(in crate::web) async fn carry(
        &self,
        stream: Stalling,
        line: Line,
        spoke: Spoke,
    ) -> Result<Carried, ActixError> {
        let (ended, end) = oneshot::channel();
        let turn = usize::try_from(line.id.0 % THREADS_MAX as u64).unwrap_or_default();
        let thread = self.0.iter().cycle().nth(turn).ok_or(ActixError::Lost)?;
        let handed = Handed { stream, line, spoke, span: Span::current(), ended };
        thread.send(handed).await.map_err(|_| ActixError::Lost)?;
        Ok(Carried(end))
    }
}

impl Future for Carried {
    type Output = Result<(), ActixError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(Pin::new(&mut self.0).poll(context)).unwrap_or(Err(ActixError::Lost)))
    }
}
