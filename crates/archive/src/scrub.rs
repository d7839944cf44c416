//! The scrub: every object is read again at a bounded rate and held against its SHA-256; what is not as it was stored becomes a
//! finding, until the same bytes are stored again or a later scrub finds them sound.
//!
//! One task owns its state and writes it down, so that a scrub of weeks goes on after a restart.

mod look;
mod state;

use std::sync::Arc;
use std::time::Duration;

use outrigger_catalogue::Cursor;
use outrigger_model::{WallTime, with_causes};
use outrigger_runtime::Shutdown;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, sleep_until};

pub(crate) use self::look::checked;
use self::look::{Part, ScrubError, next_part, sound};
use self::state::State;
use crate::archive::Archive;

/// The first scrub of a process goes on this long after its start.
const FIRST_AFTER: Duration = Duration::from_secs(60);
/// A scrub that could not go on, as the objects cannot be reached, tries again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(300);
/// People who ask at the same time; the others wait their turn.
const ASKING_MAX: usize = 16;

/// How objects are scrubbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrubOptions {
    /// From the end of one to the start of the next; zero: only when asked for.
    pub every: Duration,
    /// Objects are read no faster than this.
    pub bytes_per_second: u64,
}

/// How scrubbing goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScrubSeen {
    /// The one under way.
    pub running: Option<ScrubRunning>,
    /// The last that ended.
    pub last: Option<ScrubEnded>,
}

/// A scrub under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrubRunning {
    /// Its number, from 1 at each start.
    pub number: u64,
    /// When it began, perhaps before the last start.
    pub began_at: WallTime,
    /// Objects looked at.
    pub objects: u64,
    /// Bytes read.
    pub bytes: u64,
}

/// A scrub that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrubEnded {
    /// Its number.
    pub number: u64,
    /// When it began.
    pub began_at: WallTime,
    /// When it ended.
    pub over_at: WallTime,
    /// Objects looked at.
    pub objects: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Why not everything was looked at, in words; it goes on there.
    pub failed: Option<String>,
}

/// The archive is closing.
#[derive(Debug, thiserror::Error)]
#[error("the archive is stopping")]
pub struct ScrubStopping;

/// Asks for scrubs and sees how they go; clones ask the same.
#[derive(Debug, Clone)]
pub struct Scrub {
    asks: mpsc::Sender<oneshot::Sender<u64>>,
    seen: watch::Receiver<ScrubSeen>,
}

impl Scrub {
    /// Begins to scrub an archive, until stopping is asked for; findings of an earlier run stand at once.
    pub async fn start(archive: Arc<Archive>, options: ScrubOptions, shutdown: Shutdown) -> Self {
        let (asks, asked) = mpsc::channel(ASKING_MAX);
        let (seen, watched) = watch::channel(ScrubSeen::default());
        let state = state::read(&archive).await;
        archive.findings.restore(state.findings.clone());
        drop(tokio::spawn(Task { archive, options, state, seen, asked, number: 0 }.run(shutdown)));
        Self { asks, seen: watched }
    }

    /// Asks for a scrub now, and gives its number; one that is under way is the one.
    pub async fn ask(&self) -> Result<u64, ScrubStopping> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(answer).await.map_err(|_| ScrubStopping)?;
        answered.await.map_err(|_| ScrubStopping)
    }

    /// How it goes.
    pub fn seen(&self) -> ScrubSeen {
        self.seen.borrow().clone()
    }

    /// How it goes when scrub `number` has ended, or the archive.
    pub async fn ended(&self, number: u64) -> ScrubSeen {
        let mut seen = self.seen.clone();
        let is_over = |seen: &ScrubSeen| seen.last.as_ref().is_some_and(|last| last.number >= number);
        match seen.wait_for(is_over).await {
            Ok(seen) => seen.clone(),
            Err(_) => self.seen(),
        }
    }
}

struct Task {
    archive: Arc<Archive>,
    options: ScrubOptions,
    state: State,
    seen: watch::Sender<ScrubSeen>,
    asked: mpsc::Receiver<oneshot::Sender<u64>>,
    number: u64,
}

impl Task {
    async fn run(mut self, mut shutdown: Shutdown) {
        let clock = self.archive.clock.clone();
        let mut due = clock.now() + FIRST_AFTER;
        loop {
            let waiting = tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                Some(answer) = self.asked.recv() => Some(answer),
                () = sleep_until(due), if !self.options.every.is_zero() => None,
            };
            self.number += 1;
            told(waiting, self.number);
            let began_at = *self.state.began_at.get_or_insert(WallTime(clock.wall_us()));
            let Some(failed) = self.round(&mut shutdown).await else { return };
            let wait = if failed.is_some() { AGAIN_AFTER } else { self.options.every };
            self.end(began_at, failed).await;
            due = clock.now().checked_add(wait).unwrap_or(clock.now() + FIRST_AFTER);
        }
    }

    /// Goes on until all is looked at, or it cannot be; `None` once stopping is asked for.
    async fn round(&mut self, shutdown: &mut Shutdown) -> Option<Option<String>> {
        self.show();
        loop {
            while let Ok(answer) = self.asked.try_recv() {
                told(Some(answer), self.number);
            }
            let part = tokio::select! {
                biased;
                () = shutdown.stopping() => return None,
                part = self.part() => part,
            };
            match part {
                Ok(Some(next)) => {
                    self.state.next = next;
                    self.show();
                    self.save().await;
                }
                Ok(None) => return Some(None),
                Err(error) => return Some(Some(with_causes(&error))),
            }
        }
    }

    /// Looks at the objects of one study, or of some that are not shown; gives where to go on.
    async fn part(&mut self) -> Result<Option<Position>, ScrubError> {
        let Part { objects, next } = next_part(&self.archive.reader, self.state.next.clone()).await?;
        for (sop_instance, version) in objects {
            let read = sound(&self.archive, &sop_instance, &version).await?;
            self.state.objects += 1;
            self.state.bytes += read;
            sleep(paced(read, self.options.bytes_per_second)).await;
        }
        Ok(next)
    }

    async fn end(&mut self, began_at: WallTime, failed: Option<String>) {
        let over_at = WallTime(self.archive.clock.wall_us());
        let State { objects, bytes, .. } = self.state;
        let findings = self.archive.findings.all().len();
        tracing::info!(number = self.number, objects, bytes, findings, failed, "scrub ended");
        if failed.is_none() {
            self.state = State::default();
        }
        self.save().await;
        let ended = ScrubEnded { number: self.number, began_at, over_at, objects, bytes, failed };
        self.seen.send_modify(|seen| *seen = ScrubSeen { running: None, last: Some(ended) });
    }

    fn show(&self) {
        let State { objects, bytes, began_at, .. } = self.state;
        let began_at = began_at.unwrap_or(WallTime(0));
        let running = ScrubRunning { number: self.number, began_at, objects, bytes };
        self.seen.send_modify(|seen| seen.running = Some(running));
    }

    async fn save(&mut self) {
        self.state.findings = self.archive.findings.all();
        if let Err(error) = state::write(&self.archive, &self.state).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "how far the scrub is could not be written down");
        }
    }
}

/// Where a scrub goes on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Position {
    /// With the studies from there on.
    Studies(Cursor),
    /// With what is not shown, behind this key.
    Withheld(String),
}

impl Default for Position {
    fn default() -> Self {
        Self::Studies(Cursor::default())
    }
}

/// How long so many bytes may take.
fn paced(bytes: u64, bytes_per_second: u64) -> Duration {
    Duration::from_micros(bytes.saturating_mul(1_000_000) / bytes_per_second.max(1))
}

fn told(answer: Option<oneshot::Sender<u64>>, number: u64) {
    if answer.is_some_and(|answer| answer.send(number).is_err()) {
        tracing::trace!(number, "nobody waits any more to hear which scrub it is");
    }
}
