//! What moves the bytes of a connection: in the task that waits for them, so that none is woken for another.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use hyper::client::conn::http1::Connection;
use hyper_util::rt::TokioIo;
use outrigger_runtime::net::BoxStream;

use super::sending::Sending;

type Moving = Pin<Box<Connection<TokioIo<BoxStream>, Sending>>>;

/// A connection to a web server; it moves only while somebody waits for something of it.
pub(super) struct Driver(Mutex<Option<Moving>>);

impl Driver {
    /// Moves this connection.
    pub(super) fn of(connection: Connection<TokioIo<BoxStream>, Sending>) -> Self {
        Self(Mutex::new(Some(Box::pin(connection))))
    }

    /// Moves the connection as long as this is waited for.
    pub(super) async fn along<F: Future>(&self, waited_for: F) -> F::Output {
        let mut waited_for = pin!(waited_for);
        poll_fn(|context| {
            self.moves(context);
            waited_for.as_mut().poll(context)
        })
        .await
    }

    /// Ends the connection, whoever waits for it still, and lets go of what it was to send.
    pub(super) fn end(&self) {
        *self.moving() = None;
    }

    /// A leaf lock: nothing waits under it.
    fn moving(&self) -> MutexGuard<'_, Option<Moving>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moves(&self, context: &mut Context<'_>) {
        let mut moving = self.moving();
        let Some(connection) = moving.as_mut() else { return };
        if let Poll::Ready(ended) = connection.as_mut().poll(context) {
            *moving = None;
            if let Err(error) = ended {
                // Whoever waits for an answer is told as well.
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "a connection to a web server broke"
                );
            }
        }
    }
}
