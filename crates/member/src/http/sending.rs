//! The body of a request: bytes at hand, or an object read block by block while it is sent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use outrigger_runtime::{BlockError, BlockSource, Threads};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Blocks read ahead of the connection: one is sent while the next is read.
const AHEAD: usize = 1;

/// What is sent with a request.
#[derive(Debug, Clone)]
pub(crate) enum Payload {
    /// Nothing.
    None,
    /// A few bytes.
    Bytes(Bytes),
    /// An object between what stands before and behind it.
    Object { before: Bytes, object: Arc<dyn BlockSource>, after: Bytes },
}

/// The bytes of an object could not be read: the request breaks off.
#[derive(Debug, thiserror::Error)]
#[error("the object's bytes could not be read")]
pub(crate) struct Unreadable;

/// A body on its way; each piece taken is told.
#[derive(Debug)]
pub(crate) struct Sending {
    pieces: Pieces,
    left: u64,
    taken: watch::Sender<u64>,
}

#[derive(Debug)]
enum Pieces {
    Whole(Option<Bytes>),
    Fed(mpsc::Receiver<Result<Bytes, Unreadable>>),
}

/// What reads an object while it is sent; stops when dropped.
#[derive(Debug)]
pub(crate) struct Feeder(Option<JoinHandle<Result<(), BlockError>>>);

impl Feeder {
    /// Why the object could not be read, if that ended it; the body must be gone, so that nothing is read for it any more.
    pub(crate) async fn failure(mut self) -> Option<BlockError> {
        self.0.as_mut()?.await.ok()?.err()
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        if let Some(reading) = self.0.take() {
            reading.abort();
        }
    }
}

impl Payload {
    /// Whether sending it twice does no harm and costs little.
    pub(crate) fn is_small(&self) -> bool {
        matches!(self, Self::None | Self::Bytes(_))
    }

    /// Begins to send it: the body, what reads it, and how often a piece of it was taken.
    pub(crate) fn begin(&self, threads: Threads) -> (Sending, Feeder, watch::Receiver<u64>) {
        let (taken, progress) = watch::channel(0);
        let whole = |bytes: Option<Bytes>| {
            let left = bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
            (Pieces::Whole(bytes), left, Feeder(None))
        };
        let (pieces, left, feeder) = match self {
            Self::None => whole(None),
            Self::Bytes(bytes) => whole(Some(bytes.clone()).filter(|bytes| !bytes.is_empty())),
            Self::Object { before, object, after } => {
                let (feed, pieces) = mpsc::channel(AHEAD);
                let left = (before.len() + after.len()) as u64 + object.length();
                let reading = read(before.clone(), Arc::clone(object), after.clone(), threads, feed);
                (Pieces::Fed(pieces), left, Feeder(Some(tokio::spawn(reading))))
            }
        };
        (Sending { pieces, left, taken }, feeder, progress)
    }
}

/// Reads an object to its end, or until nobody takes it.
async fn read(
    before: Bytes,
    object: Arc<dyn BlockSource>,
    after: Bytes,
    threads: Threads,
    feed: mpsc::Sender<Result<Bytes, Unreadable>>,
) -> Result<(), BlockError> {
    if feed.send(Ok(before)).await.is_err() {
        return Ok(());
    }
    for index in 0.. {
        let source = Arc::clone(&object);
        let read = threads.blocking("block read", move || source.read_block(index)).await;
        let block = match read.map_err(|lost| of_thread(index, lost)).flatten() {
            Ok(block) => block,
            Err(error) => {
                if feed.send(Err(Unreadable)).await.is_err() {
                    tracing::debug!("a request ended before its object turned out not to be readable");
                }
                return Err(error);
            }
        };
        if block.is_empty() {
            break;
        }
        if feed.send(Ok(block)).await.is_err() {
            return Ok(());
        }
    }
    if feed.send(Ok(after)).await.is_err() {
        tracing::debug!("a request ended before all of its object was sent");
    }
    Ok(())
}

fn of_thread(index: u64, lost: outrigger_runtime::threads::WorkLost) -> BlockError {
    BlockError::Read { what: "the object".to_owned(), index, source: std::io::Error::other(lost) }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = Unreadable;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Unreadable>>> {
        let piece = match &mut self.pieces {
            Pieces::Whole(bytes) => bytes.take().map(Ok),
            Pieces::Fed(pieces) => match pieces.poll_recv(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(piece) => piece,
            },
        };
        if let Some(Ok(piece)) = &piece {
            self.left = self.left.saturating_sub(piece.len() as u64);
        }
        self.taken.send_modify(|count| *count += 1);
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
