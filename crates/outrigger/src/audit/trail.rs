//! The task that writes the audit trail and feeds the collector from it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use outrigger_front::AuditEvent;
use outrigger_runtime::backoff::Backoff;
use outrigger_runtime::disk::{self, ArcDisk};
use outrigger_runtime::net::{ArcNet, BoxStream};
use outrigger_runtime::{Clock, Shutdown};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::file::AuditFile;
use super::message::{self, Activity};
use super::syslog;
use super::tally::{Leg, LegReport, Tallies};

/// Events written at once: one sync for all that waited.
const BATCH: usize = 256;
/// Bytes sent to the collector at once.
const SEND_BYTES: usize = 256 << 10;
/// Longest wait for the collector to connect or to take what is sent.
const COLLECTOR_WAIT: Duration = Duration::from_secs(5);
/// Waits between two attempts to reach the collector.
const COLLECTOR_AGAIN: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) };
/// How often it is looked for something to send when nothing was written.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the audit trail is made of.
pub(crate) struct AuditTrail {
    /// The node's name, the audit source.
    pub(crate) node: String,
    /// The local file.
    pub(crate) file: PathBuf,
    /// The collector, `host:port`.
    pub(crate) collector: Option<String>,
    /// The disk.
    pub(crate) disk: ArcDisk,
    /// The network.
    pub(crate) net: ArcNet,
    /// Time.
    pub(crate) clock: Clock,
}

struct Collector {
    address: String,
    stream: Option<BoxStream>,
    sent: u64,
    failures: u32,
    next: tokio::time::Instant,
}

/// What the trail is fed from.
pub(crate) struct Sources {
    /// What happens at the front doors.
    pub(crate) events: mpsc::Receiver<AuditEvent>,
    /// What passes between this node and its members.
    pub(crate) legs: mpsc::Receiver<Leg>,
}

/// Opens the file and starts the task; it ends when every sender of both sources is gone.
pub(crate) fn start(
    trail: AuditTrail,
    sources: Sources,
    shutdown: Shutdown,
) -> io::Result<tokio::task::JoinHandle<()>> {
    let file = AuditFile::open(&trail.disk, &trail.file)?;
    let sent = sent_before(&trail, file.length())?;
    let collector = trail.collector.clone().map(|address| Collector {
        address,
        stream: None,
        sent,
        failures: 0,
        next: trail.clock.now(),
    });
    Ok(tokio::spawn(run(trail, file, collector, sources, shutdown)))
}

async fn run(
    trail: AuditTrail,
    mut file: AuditFile,
    mut collector: Option<Collector>,
    mut sources: Sources,
    shutdown: Shutdown,
) {
    let started = message::of_activity(Activity::Start, trail.clock.wall_us(), &trail.node);
    write(&mut file, &[started]);
    let mut tallies = Tallies::default();
    loop {
        // A time-out is the occasion to look what has waited long enough.
        let arrived = timeout(LOOK_EVERY, sources.next()).await.unwrap_or_else(|_| Some(Batch::default()));
        let Some(batch) = arrived else { break };
        let now = trail.clock.wall_us();
        let events = batch.events.iter().map(|event| message::of_event(event, now, &trail.node));
        let mut lines: Vec<String> = events.collect();
        let mut reports: Vec<LegReport> =
            batch.legs.iter().flat_map(|leg| noted(&mut tallies, leg)).collect();
        reports.extend(tallies.due(now));
        lines.extend(reports.iter().map(|report| message::of_leg(report, &trail.node)));
        write(&mut file, &lines);
        if let Some(collector) = &mut collector {
            collector.feed(&trail, &file).await;
        }
    }
    let left: Vec<_> = tallies.all().iter().map(|report| message::of_leg(report, &trail.node)).collect();
    write(&mut file, &left);
    write(&mut file, &[message::of_activity(Activity::Stop, trail.clock.wall_us(), &trail.node)]);
    if let Some(collector) = &mut collector {
        collector.feed(&trail, &file).await;
    }
    drop(shutdown);
}

fn noted(tallies: &mut Tallies, leg: &Leg) -> Vec<LegReport> {
    match leg {
        Leg::Moved(moved) => tallies.note(moved),
        Leg::Ended { line } => tallies.ended(*line),
    }
}

/// What arrived together.
#[derive(Default)]
struct Batch {
    events: Vec<AuditEvent>,
    legs: Vec<Leg>,
}

impl Sources {
    /// What comes next of either, or nothing when all senders are gone. Nothing is lost when the future is dropped.
    async fn next(&mut self) -> Option<Batch> {
        let mut batch = Batch::default();
        tokio::select! {
            count = self.events.recv_many(&mut batch.events, BATCH) => {
                if count == 0 && self.legs.recv_many(&mut batch.legs, BATCH).await == 0 {
                    return None;
                }
            }
            count = self.legs.recv_many(&mut batch.legs, BATCH) => {
                if count == 0 && self.events.recv_many(&mut batch.events, BATCH).await == 0 {
                    return None;
                }
            }
        }
        Some(batch)
    }
}

/// What cannot be written down goes to the log, so that it is not lost without a trace.
fn write(file: &mut AuditFile, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    if let Err(error) = file.append(lines) {
        metrics::counter!("outrigger_audit_failed_total").increment(lines.len() as u64);
        tracing::error!(%error, count = lines.len(), "audit messages could not be written to the audit file");
    }
}

fn marker(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sent");
    PathBuf::from(name)
}

/// How far the file was sent before; a marker beyond the file's end belongs to another file.
fn sent_before(trail: &AuditTrail, length: u64) -> io::Result<u64> {
    match disk::read_small(&*trail.disk, &marker(&trail.file), 64) {
        Ok(text) => {
            let sent = String::from_utf8_lossy(&text).trim().parse().unwrap_or(0);
            Ok(if sent <= length { sent } else { 0 })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

impl Collector {
    /// Sends what the collector does not have yet, as far as it takes it now.
    async fn feed(&mut self, trail: &AuditTrail, file: &AuditFile) {
        while self.sent < file.length() && trail.clock.now() >= self.next {
            match self.send_some(trail, file).await {
                Ok(0) => return,
                Ok(bytes) => {
                    self.sent += bytes;
                    self.failures = 0;
                }
                Err(error) => {
                    self.stream = None;
                    self.failures = self.failures.saturating_add(1);
                    self.next = trail.clock.now() + COLLECTOR_AGAIN.after(self.failures, u8::MAX);
                    tracing::warn!(collector = %self.address, %error, "the audit collector takes nothing; the file keeps it");
                }
            }
        }
    }

    async fn send_some(&mut self, trail: &AuditTrail, file: &AuditFile) -> io::Result<u64> {
        let lines = file.lines(self.sent, SEND_BYTES)?;
        let mut frames = Vec::with_capacity(lines.len() + lines.len() / 4);
        for line in String::from_utf8_lossy(&lines).lines() {
            frames.extend(syslog::framed(line, trail.clock.wall_us(), &trail.node));
        }
        if self.stream.is_none() {
            self.stream = Some(timeout(COLLECTOR_WAIT, trail.net.connect(&self.address)).await??);
        }
        let Some(stream) = &mut self.stream else { return Ok(0) };
        timeout(COLLECTOR_WAIT, stream.write_all(&frames)).await??;
        timeout(COLLECTOR_WAIT, stream.flush()).await??;
        let sent = self.sent + lines.len() as u64;
        disk::replace(&*trail.disk, &marker(&trail.file), sent.to_string().as_bytes())?;
        Ok(lines.len() as u64)
    }
}
