//! The task that sends the collector what stands in the audit file.
//!
//! The file is the queue: it is bounded by the disk, outlives the process, and whoever writes it waits for nobody. In memory
//! there is one batch at most.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use outrigger_runtime::Clock;
use outrigger_runtime::backoff::Backoff;
use outrigger_runtime::disk::{self, ArcDisk};
use outrigger_runtime::net::ArcNet;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::file::AuditReader;
use super::syslog;
use crate::config::{Syslog, SyslogTransport};
use crate::process::with_causes;

/// Bytes of the file sent at once over a stream: a few hundred messages for one look whether the collector is there.
const STREAM_BYTES: usize = 256 << 10;
/// Bytes of the file sent at once as datagrams: well below what a socket holds by default (some 200 KiB) until it is read.
const DATAGRAM_BYTES: usize = 32 << 10;
/// Waits between two attempts to reach the collector.
const AGAIN: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) };
/// Bytes of the file of which the position is kept.
const MARKER_BYTES: u64 = 64;

/// How far the file is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) bytes: u64,
    /// Messages since the first that was not sent before this process began.
    pub(super) messages: u64,
}

/// How far it was sent.
#[derive(Debug, Clone, Default)]
struct Sent {
    messages: u64,
    away: Option<Away>,
}

/// A collector that takes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Away {
    /// Since when, microseconds since 1970-01-01 UTC.
    pub(crate) since_us: i64,
    /// What it was last time.
    pub(crate) error: String,
}

/// How the collector is, for whoever asks.
#[derive(Debug, Clone)]
pub(crate) struct Collector {
    to: String,
    written: watch::Receiver<Written>,
    sent: watch::Receiver<Sent>,
}

/// How the collector is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Collecting {
    /// Who it is, such as `tls://host:port`.
    pub(crate) to: String,
    /// Messages in the file that were not sent yet.
    pub(crate) unsent: u64,
    /// Set while it takes nothing.
    pub(crate) away: Option<Away>,
}

impl Collector {
    /// How it is now.
    pub(crate) fn now(&self) -> Collecting {
        let (sent, written) = (self.sent.borrow().clone(), self.written.borrow().messages);
        Collecting { to: self.to.clone(), unsent: written.saturating_sub(sent.messages), away: sent.away }
    }
}

/// Why nothing was sent.
#[derive(Debug, thiserror::Error)]
enum FeedError {
    #[error("the audit file cannot be read")]
    Read(#[source] io::Error),
    #[error("it cannot be reached")]
    Reach(#[source] io::Error),
    #[error("it took nothing")]
    Send(#[source] io::Error),
}

/// What a feeder works with.
pub(super) struct FeederParts {
    pub(super) node: String,
    pub(super) to: Syslog,
    /// The audit file.
    pub(super) path: PathBuf,
    pub(super) reader: AuditReader,
    pub(super) disk: ArcDisk,
    pub(super) net: ArcNet,
    pub(super) clock: Clock,
}

/// Sends what is written.
pub(super) struct Feeder {
    parts: FeederParts,
    connection: Option<Connection>,
    /// Bytes of the file that were sent.
    position: u64,
    written: watch::Receiver<Written>,
    sent: watch::Sender<Sent>,
    failures: u32,
    again_at: Option<Instant>,
    said: Said,
}

/// What is said in the log once.
#[derive(Debug, Default)]
struct Said {
    cut: bool,
    marker: bool,
}

impl Feeder {
    /// A feeder that goes on where the last one ended, with what tells it and whom it tells.
    pub(super) fn new(
        parts: FeederParts,
        length: u64,
    ) -> io::Result<(Self, watch::Sender<Written>, Collector)> {
        let position = position_before(&parts, length)?;
        let messages = parts.reader.count(position, length, STREAM_BYTES)?;
        let (writer, written) = watch::channel(Written { bytes: length, messages });
        let (sent, sent_seen) = watch::channel(Sent::default());
        let collector = Collector { to: parts.to.to_string(), written: written.clone(), sent: sent_seen };
        let feeder = Self {
            parts,
            connection: None,
            position,
            written,
            sent,
            failures: 0,
            again_at: None,
            said: Said::default(),
        };
        Ok((feeder, writer, collector))
    }

    /// Sends until whoever writes is gone, and what that one wrote last.
    pub(super) async fn run(mut self) {
        loop {
            while self.again_at.is_none() && self.send_next().await {}
            if self.woken().await.is_none() {
                break;
            }
        }
        if let Some(connection) = self.connection {
            connection.close().await;
        }
    }

    /// Waits for something to send and for the time to send it; `None` when nothing will come.
    async fn woken(&mut self) -> Option<()> {
        loop {
            let Some(at) = self.again_at else {
                return self.written.changed().await.ok();
            };
            match timeout_at(at, self.written.changed()).await {
                Err(_) => {
                    self.again_at = None;
                    return Some(());
                }
                Ok(changed) => changed.ok()?,
            }
        }
    }

    /// Sends a batch; whether it was worth it.
    async fn send_next(&mut self) -> bool {
        let written = *self.written.borrow_and_update();
        if self.position >= written.bytes {
            return false;
        }
        match self.send_some(written.bytes).await {
            Ok(messages) => {
                self.failures = 0;
                let was_away = self.sent.borrow().away.is_some();
                self.sent.send_modify(|sent| {
                    sent.messages += messages;
                    sent.away = None;
                });
                if was_away {
                    tracing::info!(collector = %self.parts.to, unsent = self.unsent(), "the audit collector is back");
                }
                true
            }
            Err(error) => {
                self.failed(&error);
                false
            }
        }
    }

    fn failed(&mut self, error: &FeedError) {
        self.connection = None;
        self.failures = self.failures.saturating_add(1);
        // Nobody else calls it at the same moment: no jitter.
        self.again_at = Some(self.parts.clock.now() + AGAIN.after(self.failures, u8::MAX));
        let (error, now_us) = (with_causes(error), self.parts.clock.wall_us());
        tracing::warn!(
            collector = %self.parts.to, error, unsent = self.unsent(),
            "the audit collector is away; its messages stand in the audit file and are sent when it is back"
        );
        self.sent.send_modify(|sent| {
            let since_us = sent.away.as_ref().map_or(now_us, |away| away.since_us);
            sent.away = Some(Away { since_us, error });
        });
    }

    fn unsent(&self) -> u64 {
        self.written.borrow().messages.saturating_sub(self.sent.borrow().messages)
    }

    /// Sends the next messages; gives how many.
    async fn send_some(&mut self, end: u64) -> Result<u64, FeedError> {
        let limit = match self.parts.to.transport {
            SyslogTransport::Udp => DATAGRAM_BYTES,
            SyslogTransport::Tcp | SyslogTransport::Tls(_) => STREAM_BYTES,
        };
        let lines = self.parts.reader.lines(self.position, end, limit).map_err(FeedError::Read)?;
        let text = String::from_utf8_lossy(&lines);
        let messages: Vec<Vec<u8>> = text.lines().map(|line| self.message(line)).collect();
        let mut connection = if let Some(open) = self.connection.take() {
            open
        } else {
            let opened = Connection::open(&*self.parts.net, &self.parts.to).await;
            opened.map_err(FeedError::Reach)?
        };
        connection.send(&messages).await.map_err(FeedError::Send)?;
        self.connection = Some(connection);
        self.position += lines.len() as u64;
        self.keep_position();
        Ok(messages.len() as u64)
    }

    fn message(&mut self, xml: &str) -> Vec<u8> {
        let (now_us, node) = (self.parts.clock.wall_us(), &self.parts.node);
        let whole = syslog::message(xml, now_us, node);
        if !matches!(self.parts.to.transport, SyslogTransport::Udp) {
            return syslog::framed(&whole);
        }
        let limit = syslog::DATAGRAM_OCTETS;
        if whole.len() > limit && !std::mem::replace(&mut self.said.cut, true) {
            tracing::warn!(
                octets = whole.len(),
                limit,
                "an audit message is too long for UDP: such ones go without the objects that do not fit, and stand whole \
                 in the audit file; over tls:// or tcp:// they are sent whole"
            );
        }
        syslog::short(xml, now_us, node).into_bytes()
    }

    /// What cannot be kept costs messages that are sent twice after the next start, no more.
    fn keep_position(&mut self) {
        let marker = marker(&self.parts.path);
        let kept = disk::replace(&*self.parts.disk, &marker, self.position.to_string().as_bytes());
        match kept {
            Ok(()) => self.said.marker = false,
            Err(error) if !std::mem::replace(&mut self.said.marker, true) => {
                tracing::warn!(marker = %marker.display(), %error, "how far the audit file was sent cannot be noted; \
                    after a restart messages are sent again");
            }
            Err(_) => {}
        }
    }
}

fn marker(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sent");
    PathBuf::from(name)
}

/// How far the file was sent before; a marker beyond the file's end belongs to another file.
fn position_before(parts: &FeederParts, length: u64) -> io::Result<u64> {
    match disk::read_small(&*parts.disk, &marker(&parts.path), MARKER_BYTES) {
        Ok(text) => {
            let sent = String::from_utf8_lossy(&text).trim().parse().unwrap_or(0);
            Ok(if sent <= length { sent } else { 0 })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}
