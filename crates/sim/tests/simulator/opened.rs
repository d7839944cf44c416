//! A connection whose first PDU was looked at: it reads as if nobody had.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use outrigger_runtime::net::{BoxStream, Stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// Type, reserved byte and length of a PDU.
const HEADER_BYTES: usize = 6;
/// Longest first PDU looked at; of a longer one the beginning decides.
const LOOK_BYTES: u64 = 64 << 10;

/// The connection.
pub(crate) struct Opened {
    head: Vec<u8>,
    given: usize,
    stream: BoxStream,
}

impl Opened {
    /// Reads the first PDU, or as much of it as comes.
    pub(crate) async fn read(mut stream: BoxStream) -> Self {
        let mut head = vec![0; HEADER_BYTES];
        match stream.read_exact(&mut head).await {
            Ok(_) => {
                let length = head[2..].iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
                // What is missing of it is missing for whoever reads on.
                drop((&mut stream).take(length.min(LOOK_BYTES)).read_to_end(&mut head).await);
            }
            Err(_) => head.clear(),
        }
        Self { head, given: 0, stream }
    }

    /// Whether the PDU contains this UID.
    pub(crate) fn names(&self, uid: &str) -> bool {
        self.head.windows(uid.len()).any(|bytes| bytes == uid.as_bytes())
    }
}

impl Stream for Opened {
    fn quick_ack(&self) {
        self.stream.quick_ack();
    }
}

impl AsyncRead for Opened {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.given == self.head.len() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let step = buf.remaining().min(self.head.len() - self.given);
        buf.put_slice(&self.head[self.given..self.given + step]);
        self.given += step;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Opened {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
