//! The thread that writes the audit trail and feeds the collector from it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use outrigger_front::AuditEvent;
use outrigger_runtime::disk::ArcDisk;
use outrigger_runtime::net::ArcNet;
use outrigger_runtime::{Clock, Threads};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::feed::{Collector, Feeder, FeederParts, Written};
use super::file::AuditFile;
use super::message::{self, Activity};
use super::tally::{Leg, LegReport, Tallies};
use crate::config::Syslog;

/// Events written at once: one sync for all that waited.
const BATCH: usize = 256;
/// What comes within this after a sync waits for the next one: each sync of the trail competes with those of the journal, and what a
/// crash takes of it is no more than this.
const REST: Duration = Duration::from_millis(50);
/// How often it is looked for something to send when nothing was written.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a process that ends waits until the collector has what was written last; the rest is sent after the next start.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// What the audit trail is made of.
pub(crate) struct AuditTrail {
    /// The node's name, the audit source.
    pub(crate) node: String,
    /// The local file.
    pub(crate) file: PathBuf,
    /// The collector.
    pub(crate) syslog: Option<Syslog>,
    /// The disk.
    pub(crate) disk: ArcDisk,
    /// The network.
    pub(crate) net: ArcNet,
    /// Time.
    pub(crate) clock: Clock,
    /// Where the file is written: a disk may take its time.
    pub(crate) threads: Threads,
}

/// The audit trail at work.
pub(crate) struct Running {
    /// Fires when every sender of both sources is gone and all is written, and errs if the trail ended badly.
    pub(crate) ended: oneshot::Receiver<()>,
    /// How the collector is, if there is one.
    pub(crate) collector: Option<Collector>,
}

/// The local file, and who is told how far it is written.
struct Book {
    file: AuditFile,
    /// Whether its name leads to it.
    found: Found,
    told: Option<watch::Sender<Written>>,
    disk: ArcDisk,
    path: PathBuf,
}

/// Whether the name of the audit file leads to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Yes,
    /// It did not, and that was told.
    No,
}

/// What the trail is fed from.
pub(crate) struct Sources {
    /// What happens at the front doors.
    pub(crate) events: mpsc::Receiver<AuditEvent>,
    /// What passes between this node and its members.
    pub(crate) legs: mpsc::Receiver<Leg>,
}

/// Opens the file and starts the thread that writes it, and a task beside it that feeds the collector.
pub(crate) fn start(trail: AuditTrail, sources: Sources) -> io::Result<Running> {
    let file = AuditFile::open(&trail.disk, &trail.file)?;
    let AuditTrail { node, clock, threads, .. } = &trail;
    let (node, clock, threads) = (node.clone(), clock.clone(), *threads);
    let (disk, path) = (trail.disk.clone(), trail.file.clone());
    let (mut told, mut feeding, mut collector) = (None, None, None);
    if let Some(to) = trail.syslog {
        let parts = FeederParts {
            node: trail.node,
            to,
            path: trail.file,
            reader: file.reader(),
            disk: trail.disk,
            net: trail.net,
            clock: trail.clock,
        };
        let (feeder, writer, seen) = Feeder::new(parts, file.length())?;
        (told, feeding, collector) = (Some(writer), Some(tokio::spawn(feeder.run())), Some(seen));
    }
    let book = Book { file, found: Found::Yes, told, disk, path };
    let ended = threads.dedicated("audit trail", async move {
        record(&node, &clock, book, sources).await;
        if let Some(feeding) = feeding {
            fed(feeding).await;
        }
    })?;
    Ok(Running { ended, collector })
}

/// Waits a while until the collector has what it is to get.
async fn fed(mut feeding: JoinHandle<()>) {
    match timeout(LAST_WAIT, &mut feeding).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the audit trail's way to the collector ended badly"),
        Err(_) => feeding.abort(),
    }
}

/// Writes down what comes until nothing can come any more.
async fn record(node: &str, clock: &Clock, mut book: Book, mut sources: Sources) {
    book.write(&[message::of_activity(Activity::Start, clock.wall_us(), node)]);
    let mut tallies = Tallies::default();
    loop {
        // A time-out is the occasion to look what has waited long enough.
        let arrived = timeout(LOOK_EVERY, sources.next()).await.unwrap_or_else(|_| Some(Batch::default()));
        let Some(batch) = arrived else { break };
        let now = clock.wall_us();
        let events = batch.events.iter().map(|event| message::of_event(event, now, node));
        let mut lines: Vec<String> = events.collect();
        let mut reports: Vec<LegReport> =
            batch.legs.iter().flat_map(|leg| noted(&mut tallies, leg)).collect();
        reports.extend(tallies.due(now));
        lines.extend(reports.iter().map(|report| message::of_leg(report, node)));
        if !lines.is_empty() {
            book.write(&lines);
            sleep(REST).await;
        }
    }
    let left: Vec<_> = tallies.all().iter().map(|report| message::of_leg(report, node)).collect();
    book.write(&left);
    book.write(&[message::of_activity(Activity::Stop, clock.wall_us(), node)]);
}

fn noted(tallies: &mut Tallies, leg: &Leg) -> Vec<LegReport> {
    match leg {
        Leg::Begins(moving) => tallies.begins(moving),
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

impl Book {
    /// Begins the file anew where its name leads to it no more: what is written to a file that was removed is lost.
    fn find_again(&mut self) {
        if self.file.is_at(&self.disk, &self.path) {
            self.found = Found::Yes;
            return;
        }
        let file = self.path.display();
        if self.told.is_some() {
            if std::mem::replace(&mut self.found, Found::No) == Found::Yes {
                tracing::error!(%file, "the audit file was removed or moved away while in use; the collector is fed from it all the same, and the next start begins it anew");
            }
            return;
        }
        match AuditFile::open(&self.disk, &self.path) {
            Ok(anew) => {
                tracing::error!(%file, "the audit file was removed or moved away while in use; it is begun anew");
                self.file = anew;
            }
            Err(error) => {
                tracing::error!(%error, %file, "the audit file was removed or moved away while in use, and cannot be begun anew");
            }
        }
    }

    /// What cannot be written down goes to the log, so that it is not lost without a trace.
    fn write(&mut self, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        self.find_again();
        if let Err(error) = self.file.append(lines) {
            metrics::counter!("outrigger_audit_failed_total").increment(lines.len() as u64);
            let (file, count) = (self.path.display(), lines.len());
            tracing::error!(%error, %file, count, "audit messages could not be written to the audit file; they follow here");
            for message in lines {
                tracing::error!(message, "an audit message that is not in the audit file");
            }
            return;
        }
        if let Some(told) = &self.told {
            told.send_modify(|written| {
                written.bytes = self.file.length();
                written.messages += lines.len() as u64;
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::path::Path;
    use std::sync::Arc;

    use async_trait::async_trait;
    use outrigger_front::Outbox;
    use outrigger_runtime::disk::Access;
    use outrigger_runtime::disk::simulated::SimDisk;
    use outrigger_runtime::net::{BoxStream, Listener, Net};
    use tokio::time::Instant;

    use super::*;
    use crate::config::SyslogTransport;

    /// A network on which a collector never answers.
    struct Silence;

    #[async_trait]
    impl Net for Silence {
        async fn listen(&self, _: SocketAddr) -> io::Result<Box<dyn Listener>> {
            Err(io::ErrorKind::Unsupported.into())
        }

        async fn connect(&self, _: &str) -> io::Result<BoxStream> {
            std::future::pending().await
        }
    }

    fn lines(disk: &ArcDisk) -> usize {
        let Ok(file) = disk.open(Path::new("/audit.log"), Access::Read) else { return 0 };
        let mut text = vec![0; usize::try_from(file.length().unwrap()).unwrap()];
        file.read_at(&mut text, 0).unwrap();
        String::from_utf8(text).unwrap().lines().count()
    }

    /// The clock stands unless everybody waits: a wait for the collector would be seen as time.
    #[tokio::test(start_paused = true)]
    async fn a_collector_that_is_silent_holds_up_nothing_and_loses_nothing() {
        let disk: ArcDisk = Arc::new(SimDisk::new(1, 1 << 20));
        let (_, events) = Outbox::<AuditEvent>::new("test");
        let (box_of_legs, legs) = Outbox::new("test");
        let address = "collector:601".to_owned();
        let trail = AuditTrail {
            node: "node".to_owned(),
            file: "/audit.log".into(),
            syslog: Some(Syslog { address, transport: SyslogTransport::Tcp }),
            disk: disk.clone(),
            net: Arc::new(Silence),
            clock: Clock::System,
            threads: Threads::Simulated,
        };
        let running = start(trail, Sources { events, legs }).unwrap();
        let collector = running.collector.unwrap();
        let before = Instant::now();
        while lines(&disk) < 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!((before.elapsed(), collector.now().unsent), (Duration::ZERO, 1));

        drop(box_of_legs);
        while lines(&disk) < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!((before.elapsed(), collector.now().unsent), (Duration::ZERO, 2));
        running.ended.await.unwrap();
        // The control: who waits for this collector waits as long as is let.
        let waited = before.elapsed();
        assert!((LAST_WAIT..LAST_WAIT + Duration::from_secs(1)).contains(&waited), "{waited:?}");
        assert_eq!(collector.now().unsent, 2);
    }

    #[test]
    fn a_file_that_was_removed_is_begun_anew() {
        let disk: ArcDisk = Arc::new(SimDisk::new(1, 1 << 20));
        let path = PathBuf::from("/audit.log");
        let file = AuditFile::open(&disk, &path).unwrap();
        let mut book = Book { file, found: Found::Yes, told: None, disk: disk.clone(), path: path.clone() };
        book.write(&["one".to_owned()]);
        assert_eq!(lines(&disk), 1);
        disk.remove(&path).unwrap();
        book.write(&["two".to_owned()]);
        assert_eq!(lines(&disk), 1, "what is written now is there");
        disk.rename(&path, Path::new("/elsewhere.log")).unwrap();
        book.write(&["three".to_owned(), "four".to_owned()]);
        assert_eq!(lines(&disk), 2);
    }
}
