//! A body that is written piece by piece while it is read.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use futures_util::Stream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Pieces between the disk and the connection, each of at most a block of 1 MiB: one is sent while the next is read.
const PIECES_BETWEEN: usize = 2;

/// Where the pieces of a body go.
#[derive(Debug)]
pub(super) struct Pieces(mpsc::Sender<Result<Bytes, Broken>>);

/// Why a body ends before its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    /// What was to follow cannot be had: the connection is broken, so that nobody takes the rest for whole.
    #[error("{0}")]
    Failed(String),
    /// Nobody reads any more.
    #[error("nobody reads the body any more")]
    Unread,
}

impl Pieces {
    /// Sends a piece.
    pub(super) async fn send(&self, piece: Bytes) -> Result<(), Broken> {
        if piece.is_empty() {
            return Ok(());
        }
        self.0.send(Ok(piece)).await.map_err(|_| Broken::Unread)
    }
}

/// A body of the pieces that `write` sends. It ends well only if `write` does.
///
/// Whoever reads the body drives the writing, so that no piece has to wake another task. Where the body is let go, what is
/// left to be done behind the last piece (the audit trail) is still done.
pub(super) fn written<F, W>(write: W) -> Body
where
    W: FnOnce(Pieces) -> F,
    F: Future<Output = Outcome> + Send + 'static,
{
    let (pieces, read) = mpsc::channel(PIECES_BETWEEN);
    Body::from_stream(Written { writing: Some(Box::pin(write(Pieces(pieces)))), read, broken: None })
}

/// How writing a body ended.
type Outcome = (Pieces, Result<(), Broken>);

/// A body and the writing of it.
struct Written {
    /// Until it has ended.
    writing: Option<Pin<Box<dyn Future<Output = Outcome> + Send>>>,
    read: mpsc::Receiver<Result<Bytes, Broken>>,
    /// Why it ended early, told behind the last piece.
    broken: Option<Broken>,
}

impl Stream for Written {
    type Item = Result<Bytes, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            match this.read.poll_recv(context) {
                Poll::Ready(Some(piece)) => return Poll::Ready(Some(piece)),
                Poll::Ready(None) => return Poll::Ready(this.broken.take().map(Err)),
                Poll::Pending => {}
            }
            let Some(writing) = &mut this.writing else { return Poll::Pending };
            match writing.as_mut().poll(context) {
                Poll::Ready((pieces, ended)) => {
                    this.writing = None;
                    this.broken = ended.err();
                    if let Some(broken) = &this.broken {
                        tracing::warn!(error = %broken, "a response ends before its end");
                    }
                    drop(pieces);
                }
                // It may have sent something before it had to wait.
                Poll::Pending => return this.read.poll_recv(context),
            }
        }
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        self.read.close();
        if let (Some(writing), Ok(runtime)) = (self.writing.take(), Handle::try_current()) {
            runtime.spawn(async move {
                if let (_, Err(broken)) = writing.await {
                    tracing::warn!(error = %broken, "a response ends before its end");
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::StreamExt;

    use super::*;

    /// Goal: whoever reads slowly is not read ahead for: little is in memory however long the body is.
    #[tokio::test]
    async fn a_body_is_read_as_it_is_taken() {
        let made = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&made);
        let body = written(|pieces| async move {
            for _ in 0..1000 {
                counter.fetch_add(1, Ordering::Relaxed);
                if let Err(broken) = pieces.send(Bytes::from_static(b"piece")).await {
                    return (pieces, Err(broken));
                }
            }
            (pieces, Ok(()))
        });
        let mut stream = body.into_data_stream();
        for taken in 1..=10 {
            assert_eq!(stream.next().await.unwrap().unwrap(), "piece");
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let ahead = made.load(Ordering::Relaxed) - taken;
            assert!(ahead <= PIECES_BETWEEN + 1, "{ahead} ahead of {taken}");
        }
        assert_eq!(stream.count().await, 990);
    }

    #[tokio::test]
    async fn a_body_that_fails_ends_in_an_error_and_one_that_is_left_stops() {
        let failing = written(|pieces| async move {
            let sent = pieces.send(Bytes::from_static(b"piece")).await;
            assert_eq!(sent, Ok(()));
            (pieces, Err(Broken::Failed("gone".to_owned())))
        });
        let mut stream = failing.into_data_stream();
        assert!(stream.next().await.unwrap().is_ok());
        assert!(stream.next().await.unwrap().is_err());

        let (told, hears) = tokio::sync::oneshot::channel();
        let left = written(|pieces| async move {
            let sent = loop {
                if let Err(broken) = pieces.send(Bytes::from_static(b"piece")).await {
                    break broken;
                }
            };
            told.send(sent.clone()).unwrap();
            (pieces, Err(sent))
        });
        drop(left);
        assert_eq!(hears.await, Ok(Broken::Unread));
    }
}
