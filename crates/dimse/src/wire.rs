//! Whole PDUs from and to a stream: bounded, one allocation for a PDU, one write for a PDU.

use std::io;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use outrigger_runtime::net::{BoxStream, Stream as _};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::pdu::{HEADER_BYTES, Header, PduError, PduKind};

/// Bytes read beyond the PDU at hand: the next header comes along, and little is moved when a buffer is full.
const READ_AHEAD: usize = 1024;
/// Most bytes made room for at once: what a header announces is not yet there.
const ROOM_MAX: usize = 256 * 1024;

/// A stream of PDUs.
pub(crate) struct Wire {
    stream: BoxStream,
    inbox: BytesMut,
    header: Option<Header>,
    /// When the PDU that has begun must be complete.
    complete_by: Option<Instant>,
    /// The P-DATA-TF length we offered.
    data_max: u32,
    /// A PDU was sent in part only.
    torn: bool,
}

/// What comes next.
pub(crate) enum Frame {
    /// A PDU with its variable field.
    Pdu(PduKind, Bytes),
    /// The peer closed.
    Closed,
}

/// Why no PDU comes, or none can be sent.
#[derive(Debug)]
pub(crate) enum WireError {
    Io(io::Error),
    Pdu(PduError),
    /// Nothing came in time.
    Silent,
    /// A PDU was not complete in time, or not taken in time.
    Slow,
    Torn,
}

impl Wire {
    pub(crate) fn new(stream: BoxStream, data_max: u32) -> Self {
        Self { stream, inbox: BytesMut::new(), header: None, complete_by: None, data_max, torn: false }
    }

    /// The next PDU: its first byte within `patience`, all of it within `whole` after that. Nothing is lost when
    /// the future is dropped.
    pub(crate) async fn read(&mut self, patience: Duration, whole: Duration) -> Result<Frame, WireError> {
        let start_by = Instant::now() + patience;
        loop {
            if let Some(frame) = self.take_frame().map_err(WireError::Pdu)? {
                return Ok(frame);
            }
            if self.has_begun() {
                self.complete_by.get_or_insert_with(|| Instant::now() + whole);
            }
            let deadline = self.complete_by.unwrap_or(start_by);
            match timeout_at(deadline, self.fill()).await {
                Ok(Ok(0)) => return Ok(Frame::Closed),
                Ok(Ok(_)) => (),
                Ok(Err(error)) => return Err(WireError::Io(error)),
                Err(_) if self.has_begun() => return Err(WireError::Slow),
                Err(_) => return Err(WireError::Silent),
            }
        }
    }

    fn has_begun(&self) -> bool {
        self.header.is_some() || !self.inbox.is_empty()
    }

    /// A PDU that is there already.
    fn take_frame(&mut self) -> Result<Option<Frame>, PduError> {
        if self.header.is_none()
            && let Some(bytes) = self.inbox.first_chunk::<HEADER_BYTES>()
        {
            self.header = Some(Header::read(*bytes, self.data_max)?);
            self.inbox.advance(HEADER_BYTES);
        }
        let Some(header) = self.header else { return Ok(None) };
        let length = header.length as usize;
        if self.inbox.len() < length {
            return Ok(None);
        }
        self.header = None;
        self.complete_by = None;
        Ok(Some(Frame::Pdu(header.kind, self.inbox.split_to(length).freeze())))
    }

    async fn fill(&mut self) -> io::Result<usize> {
        let wanted = self.header.map_or(HEADER_BYTES, |header| header.length as usize);
        let room = (wanted.saturating_sub(self.inbox.len()) + READ_AHEAD).min(ROOM_MAX);
        self.inbox.reserve(room);
        self.stream.quick_ack();
        self.stream.read_buf(&mut (&mut self.inbox).limit(room)).await
    }

    /// Sends `head` and `data` in one write where the stream can gather, within `limit`.
    pub(crate) async fn write(
        &mut self,
        head: impl Buf,
        data: Bytes,
        limit: Duration,
    ) -> Result<(), WireError> {
        if self.torn {
            return Err(WireError::Torn);
        }
        self.torn = true;
        let sending = async {
            let mut whole = head.chain(data);
            if self.stream.is_write_vectored() {
                self.stream.write_all_buf(&mut whole).await?;
            } else {
                let mut copy = whole.copy_to_bytes(whole.remaining());
                self.stream.write_all_buf(&mut copy).await?;
            }
            self.stream.flush().await
        };
        match timeout_at(Instant::now() + limit, sending).await {
            Ok(Ok(())) => {
                self.torn = false;
                Ok(())
            }
            Ok(Err(error)) => Err(WireError::Io(error)),
            Err(_) => Err(WireError::Slow),
        }
    }

    /// Reads and drops whatever comes until the peer closes or the deadline is over (Sta13: PDUs are ignored; after
    /// a broken one they could not be told apart anyway).
    pub(crate) async fn linger(&mut self, deadline: Instant) {
        self.header = None;
        loop {
            self.inbox.clear();
            match timeout_at(deadline, self.fill()).await {
                Ok(Ok(0) | Err(_)) | Err(_) => return,
                Ok(Ok(_)) => (),
            }
        }
    }

    /// Closes our side, within `limit`.
    pub(crate) async fn close(&mut self, limit: Duration) {
        if let Ok(Err(error)) = timeout_at(Instant::now() + limit, self.stream.shutdown()).await {
            tracing::debug!(%error, "the connection was closed by the peer first");
        }
    }
}
