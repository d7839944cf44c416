//! A connection as actix reads and writes it, with what its requests are told.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use outrigger_runtime::stall::Stalling;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tracing::Span;

use super::carrying::Handlers;
use super::turn::Turn;
use crate::web::server::{Line, Spoke};

/// Bytes read at once: actix asks for 8 KiB at a time.
const READ_BYTES: usize = 64 * 1024;

/// What a connection tells its requests.
pub(super) struct Link {
    pub(super) handlers: Rc<Handlers>,
    pub(super) line: Line,
    pub(super) spoke: Spoke,
    pub(super) span: Span,
    pub(super) turn: Rc<Turn>,
}

/// A connection.
pub(super) struct Wire {
    stream: BufReader<Stalling>,
    pub(super) link: Rc<Link>,
}

impl Wire {
    pub(super) fn new(stream: Stalling, link: Rc<Link>) -> Self {
        Self { stream: BufReader::with_capacity(READ_BYTES, stream), link }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let bytes = ready!(Pin::new(&mut this.stream).poll_fill_buf(context))?;
        if bytes.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let passed = this.link.turn.pass(bytes, buffer.remaining(), context.waker());
        let Some(bytes @ [_, ..]) = bytes.get(..passed) else { return Poll::Pending };
        buffer.put_slice(bytes);
        Pin::new(&mut this.stream).consume(passed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if matches!(written, Poll::Ready(Ok(_))) {
            self.link.turn.restart();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
