//! The scrub: journal and ledger are read again in the background, and what is no longer as it was written becomes a finding.
//!
//! One task owns its state. It reads beside the writers, by files and connections of its own, a step at a time.

#[cfg(test)]
mod tests;

use std::time::Duration;

use outrigger_journal::{JournalHandle, ScrubStep};
use outrigger_ledger::{Coverage, Harm, JOURNAL_DAMAGE, Ledger};
use outrigger_model::WallTime;
use outrigger_runtime::{Clock, Shutdown};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::process::with_causes;

/// The first scrub of a process begins this long after its start, which has deliveries to catch up with.
const FIRST_AFTER: Duration = Duration::from_secs(60);
/// Damage named by one scrub at most: a person who has so many bad places replaces the disk.
const NAMED_MAX: usize = 1_000;
/// People who ask at the same time; the others wait their turn.
const ASKING_MAX: usize = 16;

/// What is scrubbed, and how.
pub(crate) struct ScrubParts {
    /// The journal.
    pub(crate) journal: JournalHandle,
    /// The ledger.
    pub(crate) ledger: Ledger,
    /// From the end of one to the start of the next; zero: only when asked for.
    pub(crate) every: Duration,
    /// The journal is read no faster than this.
    pub(crate) bytes_per_second: u64,
    /// Time.
    pub(crate) clock: Clock,
}

/// Asks for scrubs and sees how they go; clones ask the same.
#[derive(Debug, Clone)]
pub(crate) struct Scrubber {
    asks: mpsc::Sender<oneshot::Sender<u64>>,
    seen: watch::Receiver<Seen>,
}

/// How scrubbing goes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// The one under way.
    pub(crate) running: Option<Running>,
    /// The last that ended.
    pub(crate) last: Option<Ended>,
}

/// A scrub under way.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    /// Its number, from 1 at each start.
    pub(crate) number: u64,
    /// When it began.
    pub(crate) began_at: WallTime,
    /// Bytes of the journal read.
    pub(crate) bytes: u64,
    /// Bytes of the journal when it began.
    pub(crate) of_bytes: u64,
}

/// A scrub that ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// Its number.
    pub(crate) number: u64,
    /// When it began.
    pub(crate) began_at: WallTime,
    /// When it ended.
    pub(crate) over_at: WallTime,
    /// Bytes of the journal read.
    pub(crate) bytes: u64,
    /// What is not as it was written, in words.
    pub(crate) findings: Vec<String>,
    /// Damage that was found and is not named.
    pub(crate) more: usize,
    /// Why not everything was looked at, in words.
    pub(crate) failed: Option<String>,
}

/// The scrubber is gone.
#[derive(Debug, thiserror::Error)]
#[error("the node is stopping")]
pub(crate) struct Stopping;

impl Scrubber {
    /// Begins to scrub, until stopping is asked for.
    pub(crate) fn start(parts: ScrubParts, shutdown: Shutdown) -> Self {
        let (asks, asked) = mpsc::channel(ASKING_MAX);
        let (seen, watched) = watch::channel(Seen::default());
        drop(tokio::spawn(Task { parts, seen, asked, number: 0 }.run(shutdown)));
        Self { asks, seen: watched }
    }

    /// Asks for a scrub now, and gives its number; one that is under way is the one.
    pub(crate) async fn ask(&self) -> Result<u64, Stopping> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(answer).await.map_err(|_| Stopping)?;
        answered.await.map_err(|_| Stopping)
    }

    /// How it goes.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// How it goes when scrub `number` has ended, or the scrubber.
    pub(crate) async fn ended(&self, number: u64) -> Seen {
        let mut seen = self.seen.clone();
        let is_over = |seen: &Seen| seen.last.as_ref().is_some_and(|last| last.number >= number);
        match seen.wait_for(is_over).await {
            Ok(seen) => seen.clone(),
            Err(_) => self.seen(),
        }
    }
}

struct Task {
    parts: ScrubParts,
    seen: watch::Sender<Seen>,
    asked: mpsc::Receiver<oneshot::Sender<u64>>,
    number: u64,
}

/// What one scrub has come to.
#[derive(Debug, Default)]
struct Found {
    harm: Vec<Harm>,
    more: usize,
    bytes: u64,
    failed: Vec<String>,
}

impl Task {
    async fn run(mut self, mut shutdown: Shutdown) {
        let mut due = self.parts.clock.now() + FIRST_AFTER;
        loop {
            let waiting = tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                Some(answer) = self.asked.recv() => Some(answer),
                () = sleep_until(due), if !self.parts.every.is_zero() => None,
            };
            let began_at = self.begin();
            if let Some(answer) = waiting {
                told(answer, self.number);
            }
            let Some(found) = self.found(&mut shutdown).await else { return };
            self.end(began_at, found);
            due = later(self.parts.clock.now(), self.parts.every);
        }
    }

    fn begin(&mut self) -> WallTime {
        self.number += 1;
        let began_at = self.now();
        let running =
            Running { number: self.number, began_at, bytes: 0, of_bytes: self.parts.journal.state().bytes };
        self.seen.send_modify(|seen| seen.running = Some(running));
        began_at
    }

    /// Scrubs, and answers whoever asks for it meanwhile; `None` once stopping is asked for.
    async fn found(&mut self, shutdown: &mut Shutdown) -> Option<Found> {
        let Self { parts, seen, asked, number } = self;
        let mut scrub = std::pin::pin!(scrub(parts, seen));
        loop {
            tokio::select! {
                biased;
                () = shutdown.stopping() => return None,
                Some(answer) = asked.recv() => told(answer, *number),
                found = &mut scrub => return Some(found),
            }
        }
    }

    fn end(&self, began_at: WallTime, found: Found) {
        let Found { harm, more, bytes, failed } = found;
        let findings: Vec<String> = harm.into_iter().map(|harm| harm.text).collect();
        let failed = (!failed.is_empty()).then(|| failed.join("; "));
        let outcome = match (&failed, findings.is_empty()) {
            (Some(_), _) => "failed",
            (None, true) => "sound",
            (None, false) => "findings",
        };
        metrics::counter!("outrigger_scrubs_total", "outcome" => outcome).increment(1);
        tracing::info!(number = self.number, bytes, findings = findings.len() + more, failed, "scrub ended");
        let (number, over_at) = (self.number, self.now());
        let ended = Ended { number, began_at, over_at, bytes, findings, more, failed };
        self.seen.send_modify(|seen| *seen = Seen { running: None, last: Some(ended) });
    }

    fn now(&self) -> WallTime {
        WallTime(self.parts.clock.wall_us())
    }
}

fn told(answer: oneshot::Sender<u64>, number: u64) {
    if answer.send(number).is_err() {
        tracing::trace!(number, "nobody waits any more to hear which scrub it is");
    }
}

/// A time that is reached some day, however long the interval.
fn later(now: Instant, every: Duration) -> Instant {
    now.checked_add(every).unwrap_or(now + FIRST_AFTER)
}

/// Reads everything: the books first, which takes less.
async fn scrub(parts: &ScrubParts, seen: &watch::Sender<Seen>) -> Found {
    let mut found = Found::default();
    match parts.ledger.scrub().await {
        Ok(faults) => {
            found.harm.extend(faults.iter().map(|fault| Harm::of_books(fault)));
            counted("ledger", found.harm.len());
        }
        Err(error) => found.failed.push(format!("the ledger: {}", with_causes(&error))),
    }
    let books = found.harm.len();
    let read = parts.journal.scrub(parts.bytes_per_second, |step| found.take(&step, seen)).await;
    let harm = found.harm.split_off(books);
    counted("journal", harm.len() + found.more);
    for harm in &harm {
        tracing::error!(damage = %harm.text, "the journal is damaged here");
    }
    let coverage = if read.is_ok() && found.more == 0 { Coverage::Whole } else { Coverage::Part };
    if let Err(error) = read {
        found.failed.push(format!("the journal: {}", with_causes(&error)));
    }
    if let Err(error) = parts.ledger.note_damage(JOURNAL_DAMAGE, harm.clone(), coverage).await {
        tracing::error!(error = &error as &dyn std::error::Error, "damage of the journal could not be noted");
    }
    found.harm.extend(harm);
    found
}

fn counted(book: &'static str, findings: usize) {
    let findings = u32::try_from(findings).unwrap_or(u32::MAX);
    metrics::gauge!("outrigger_scrub_findings", "book" => book).set(findings);
}

impl Found {
    fn take(&mut self, step: &ScrubStep, seen: &watch::Sender<Seen>) {
        self.bytes += step.bytes;
        metrics::counter!("outrigger_scrub_read_bytes_total").increment(step.bytes);
        for damage in &step.damaged {
            if self.harm.len() < NAMED_MAX {
                self.harm.push(Harm::of_journal(damage));
            } else {
                self.more += 1;
            }
        }
        let bytes = self.bytes;
        seen.send_modify(|seen| seen.running.iter_mut().for_each(|running| running.bytes = bytes));
    }
}
