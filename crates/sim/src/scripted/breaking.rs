//! A connection that is reset in the middle of a PDU, where the script says so.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use outrigger_runtime::net::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::{Conduct, Shared};

/// Type, a reserved byte and the length (PS3.8 section 9.3.1).
const HEADER_BYTES: usize = 6;
/// The type of a P-DATA-TF PDU (PS3.8 section 9.3.5).
const DATA: u8 = 4;
/// A P-DATA-TF PDU longer than this carries a piece of an object: commands have a few hundred bytes.
const OBJECT_PDU_BYTES: usize = 2048;
/// Bytes read at once.
const CHUNK_BYTES: usize = 32 * 1024;

/// One end of a TCP connection that ends with a reset when the script has it so.
pub(super) struct Breaking {
    stream: TcpStream,
    shared: Arc<Shared>,
    /// The header of the PDU that arrives, as far as it is here.
    header: Vec<u8>,
    /// Bytes of its variable field that are still to come.
    left: usize,
    /// The bytes after which the connection breaks, of those.
    breaks_after: Option<usize>,
    broken: bool,
}

impl Breaking {
    pub(super) fn new(stream: TcpStream, shared: Arc<Shared>) -> Self {
        Self { stream, shared, header: Vec::new(), left: 0, breaks_after: None, broken: false }
    }

    fn conduct(&self) -> Conduct {
        *self.shared.conduct.borrow()
    }

    /// How many bytes may be read without reading past the header, the PDU or the place where it breaks.
    fn room(&self) -> usize {
        if self.header.len() < HEADER_BYTES {
            return HEADER_BYTES - self.header.len();
        }
        self.breaks_after.unwrap_or(self.left).min(CHUNK_BYTES)
    }

    fn note(&mut self, bytes: &[u8]) {
        if self.header.len() < HEADER_BYTES {
            self.header.extend_from_slice(bytes);
            if let [kind, _, a, b, c, d] = self.header[..] {
                self.left = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
                let breaks =
                    kind == DATA && self.left > OBJECT_PDU_BYTES && self.conduct() == Conduct::ResetsReading;
                self.breaks_after = breaks.then_some(self.left / 2);
            }
        } else {
            self.left -= bytes.len();
            self.breaks_after = self.breaks_after.map(|after| after - bytes.len());
        }
        if self.header.len() == HEADER_BYTES && self.left == 0 {
            self.header.clear();
        }
    }

    /// From here on nothing passes, and dropping the socket resets the connection.
    fn breaks(&mut self) -> io::Error {
        if !self.broken {
            self.broken = true;
            match self.stream.set_zero_linger() {
                Ok(()) => self.shared.note_reset(),
                Err(error) => tracing::error!(%error, "a connection is not reset but closed"),
            }
        }
        io::ErrorKind::ConnectionReset.into()
    }
}

impl Stream for Breaking {
    fn quick_ack(&self) {
        self.stream.quick_ack();
    }
}

impl AsyncRead for Breaking {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.broken || self.breaks_after == Some(0) {
            return Poll::Ready(Err(self.breaks()));
        }
        let mut chunk = vec![0; self.room().min(buf.remaining())];
        let mut part = ReadBuf::new(&mut chunk);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part))?;
        self.note(part.filled());
        buf.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Breaking {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.broken {
            return Poll::Ready(Err(self.breaks()));
        }
        if bytes.first() != Some(&DATA) || self.conduct() != Conduct::ResetsAnswering {
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        }
        let half = bytes.split_at(bytes.len() / 2).0;
        let half = ready!(Pin::new(&mut self.stream).poll_write(cx, half))?;
        drop(self.breaks());
        Poll::Ready(Ok(half))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
