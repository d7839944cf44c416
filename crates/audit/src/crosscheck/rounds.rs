//! Rounds through all studies, one after another, from where the last start left off; studies of which differences stand open
//! are looked at again between.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use outrigger_catalogue::Cursor;
use outrigger_ledger::finding::OpenDifference;
use outrigger_ledger::{Ledger, LedgerError, MemberState};
use outrigger_model::{Level, Query, QueryKey, QueryRoot, SopInstanceUid, StudyUid, Tag, WallTime};
use outrigger_runtime::disk::{ArcDisk, read_small, replace};
use outrigger_runtime::{Clock, Random, Shutdown, Threads};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::budget::{Budget, Purse, Quiet};
use super::line::Line;
use super::look::{Cause, Looked, Looker};
use super::pace::{Activity, Pace};
use super::sample::{Draw, Share};
use super::suspects::Suspects;
use crate::inventory::Source;

/// The first look of a process is this long after its start, which has deliveries to catch up with.
const FIRST_AFTER: Duration = Duration::from_secs(60);

/// How soon it goes on after the books could not be read or written.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// The file in which a round is kept: some hundred bytes.
const KEPT_BYTES_MAX: u64 = 1 << 16;

/// How members are cross-checked.
#[derive(Debug, Clone)]
pub struct CrosscheckOptions {
    /// Catalogue, books and journal.
    pub ledger: Ledger,
    /// The members.
    pub sources: Vec<Source>,
    /// How much may be asked and read.
    pub budget: Budget,
    /// The instances of a study whose copies are compared in one round.
    pub share: Share,
    /// From the beginning of one round to that of the next.
    pub every: Duration,
    /// How soon a study of which differences stand open is looked at again, and one with suspects.
    pub again: Duration,
    /// Instances that are looked at before their turn.
    pub suspects: Suspects,
    /// How long the node must have served nobody.
    pub idle: Duration,
    /// What it has done for others.
    pub activity: Activity,
    /// Where it is kept how far a round is.
    pub kept: Kept,
    /// Time.
    pub clock: Clock,
    /// Where copies are compared.
    pub threads: Threads,
    /// Where the choice of instances begins.
    pub random: Random,
    /// When to stop.
    pub shutdown: Shutdown,
}

/// A small file that outlives a restart.
#[derive(Clone)]
pub struct Kept {
    /// The disk.
    pub disk: ArcDisk,
    /// Its path.
    pub path: PathBuf,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("path", &self.path).finish_non_exhaustive()
    }
}

/// How cross-checking goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// The round under way, or the last one; 0 before the first.
    pub round: u64,
    /// When it began.
    pub began_at: Option<WallTime>,
    /// When it ended, if it has.
    pub ended_at: Option<WallTime>,
    /// Studies looked at in it.
    pub studies: u64,
    /// Copies of instances compared since the start.
    pub copies: u64,
    /// Questions asked since the start.
    pub questions: u64,
    /// Bytes of instances read since the start.
    pub bytes: u64,
    /// Differences noted since the start.
    pub opened: u64,
    /// Differences closed since the start.
    pub closed: u64,
    /// Times that something else was seen of a difference that stood open, since the start.
    pub changed: u64,
}

/// What is kept between two starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Round {
    seed: u64,
    number: u64,
    began_at: WallTime,
    /// Where it goes on; `None` where it has ended.
    after: Option<Cursor>,
    ended_at: Option<WallTime>,
    studies: u64,
}

/// Begins to cross-check, until the node stops; gives how it goes.
pub fn start(options: CrosscheckOptions) -> watch::Receiver<Progress> {
    let (progress, seen) = watch::channel(Progress::default());
    let mut shutdown = options.shutdown.clone();
    drop(tokio::spawn(async move {
        let task = Task::new(options, progress);
        tokio::select! {
            biased;
            () = shutdown.stopping() => {}
            () = task.run() => {}
        }
    }));
    seen
}

struct Task {
    options: CrosscheckOptions,
    lines: Vec<Line>,
    pace: Pace,
    progress: watch::Sender<Progress>,
}

impl Task {
    fn new(options: CrosscheckOptions, progress: watch::Sender<Progress>) -> Self {
        let now = options.clock.now();
        let activity = options.activity.clone();
        let pace = Pace {
            purse: Purse::new(options.budget, now),
            quiet: Quiet::new(options.idle, activity.done(), now),
            activity,
            clock: options.clock.clone(),
            asked: 0,
            bytes: 0,
        };
        let lines = options.sources.iter().cloned().map(Line::new).collect();
        Self { options, lines, pace, progress }
    }

    /// Dropped at any wait, it goes on after the next start from the last study that was looked at.
    async fn run(mut self) {
        sleep(FIRST_AFTER.min(self.options.every)).await;
        let mut round = self.begin().await;
        let mut again_at = self.options.clock.now();
        loop {
            self.show(&round);
            if let Err(error) = self.step(&mut round, &mut again_at).await {
                for line in &mut self.lines {
                    line.hang_up().await;
                }
                tracing::info!(
                    error = &error as &dyn std::error::Error,
                    "the cross-check waits for the books"
                );
                sleep(AGAIN_AFTER).await;
            }
        }
    }

    /// Looks at one study of the round, or again at those of which differences stand open, or waits until either is due.
    async fn step(&mut self, round: &mut Round, again_at: &mut Instant) -> Result<(), LedgerError> {
        let now = self.options.clock.now();
        if now >= *again_at {
            let open = self.options.ledger.differences().await?;
            for (study, cause) in by_study(open, self.options.suspects.take()) {
                self.look(&study, &cause, round).await?;
                self.show(round);
            }
            *again_at = later(self.options.clock.now(), self.options.again);
            return Ok(());
        }
        let Some(after) = round.after else {
            let due = later(now, self.until_next(round));
            sleep_until(due.min(*again_at)).await;
            if due <= self.options.clock.now() {
                self.next_round(round).await;
            }
            return Ok(());
        };
        let page = self.options.ledger.find(all_studies(), after, 1).await?;
        for answer in &page.items {
            if let Some(study) = study_of(answer) {
                let open = self.options.ledger.differences().await?;
                let open = open.into_iter().filter(|open| open.study == study).collect();
                self.look(&study, &Cause { open, suspects: BTreeSet::new() }, round).await?;
                round.studies += 1;
                metrics::counter!("outrigger_crosscheck_studies_total").increment(1);
            }
        }
        round.after = page.next;
        if page.next.is_none() {
            round.ended_at = Some(self.now());
            tracing::info!(
                round = round.number,
                studies = round.studies,
                "a round of the cross-check has ended"
            );
        }
        self.keep(round).await;
        Ok(())
    }

    async fn look(&mut self, study: &StudyUid, cause: &Cause, round: &Round) -> Result<(), LedgerError> {
        let states = self.options.ledger.members().await?;
        let is_active = |line: &Line| {
            let row = states.iter().find(|row| row.number == line.source.number);
            row.is_some_and(|row| row.state == MemberState::Active)
        };
        // Who is held or retired is left in peace: at the end, for this look.
        let (mut lines, rest): (Vec<Line>, Vec<Line>) =
            std::mem::take(&mut self.lines).into_iter().partition(is_active);
        let mut looker = Looker {
            ledger: &self.options.ledger,
            lines: &mut lines,
            pace: &mut self.pace,
            threads: self.options.threads,
            draw: Draw { seed: round.seed, round: round.number },
            share: self.options.share,
        };
        let (asked, bytes) = (looker.pace.asked, looker.pace.bytes);
        let looked = looker.look(study, cause).await;
        self.lines = lines;
        self.lines.extend(rest);
        metrics::counter!("outrigger_crosscheck_questions_total").increment(self.pace.asked - asked);
        metrics::counter!("outrigger_crosscheck_read_bytes_total").increment(self.pace.bytes - bytes);
        self.count(looked?);
        Ok(())
    }

    fn count(&self, looked: Looked) {
        metrics::counter!("outrigger_crosscheck_copies_total").increment(looked.copies);
        if looked.settled.left_out > 0 {
            tracing::warn!(
                left_out = looked.settled.left_out,
                "more differences than findings are kept: they are noted once others are closed"
            );
        }
        let (asked, bytes) = (self.pace.asked, self.pace.bytes);
        self.progress.send_modify(|progress| {
            progress.copies += looked.copies;
            progress.questions = asked;
            progress.bytes = bytes;
            progress.opened += looked.settled.opened as u64;
            progress.closed += looked.settled.closed as u64;
            progress.changed += looked.settled.changed as u64;
        });
    }

    fn show(&self, round: &Round) {
        self.progress.send_modify(|progress| {
            progress.round = round.number;
            progress.began_at = Some(round.began_at);
            progress.ended_at = round.ended_at;
            progress.studies = round.studies;
        });
    }

    fn now(&self) -> WallTime {
        WallTime(self.options.clock.wall_us())
    }

    /// How long until the next round is due; a clock that was set back must not make it wait for longer than a whole one.
    fn until_next(&self, round: &Round) -> Duration {
        let every = self.options.every;
        every.saturating_sub(self.now().since(round.began_at)).min(every)
    }

    /// The round that was kept, or the first one.
    async fn begin(&mut self) -> Round {
        let Kept { disk, path } = self.options.kept.clone();
        let read =
            self.options.threads.blocking("reading how far a cross-check is", move || read(&disk, &path));
        match read.await {
            Ok(Ok(Some(round))) => return round,
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "how far a cross-check was cannot be read; it begins anew");
            }
            Err(error) => tracing::warn!(%error, "how far a cross-check was cannot be read; it begins anew"),
        }
        let seed = self.options.random.u64().unwrap_or_else(|error| {
            tracing::warn!(%error, "a cross-check chooses instances as every other does");
            0
        });
        Round {
            seed,
            number: 1,
            began_at: self.now(),
            after: Some(Cursor::default()),
            ended_at: None,
            studies: 0,
        }
    }

    async fn next_round(&mut self, round: &mut Round) {
        *round = Round {
            seed: round.seed,
            number: round.number + 1,
            began_at: self.now(),
            after: Some(Cursor::default()),
            ended_at: None,
            studies: 0,
        };
        self.keep(round).await;
    }

    async fn keep(&mut self, round: &Round) {
        let Kept { disk, path } = self.options.kept.clone();
        let round = *round;
        let write = move || {
            let written = serde_json::to_vec(&round).map_err(io::Error::other)?;
            replace(&*disk, &path, &written)
        };
        let kept = match self.options.threads.blocking("keeping how far a cross-check is", write).await {
            Ok(kept) => kept,
            Err(lost) => Err(io::Error::other(lost)),
        };
        if let Err(error) = kept {
            tracing::warn!(%error, "how far a cross-check is cannot be kept; after a restart it looks at the same again");
        }
    }
}

/// What was kept; `None` where nothing was.
fn read(disk: &ArcDisk, path: &Path) -> io::Result<Option<Round>> {
    match read_small(&**disk, path, KEPT_BYTES_MAX) {
        Ok(kept) => serde_json::from_slice(&kept).map(Some).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A time that is reached some day, however long the wait.
fn later(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait).unwrap_or(now + FIRST_AFTER)
}

fn by_study(
    open: Vec<OpenDifference>,
    suspects: BTreeSet<(StudyUid, SopInstanceUid)>,
) -> BTreeMap<StudyUid, Cause> {
    let mut studies: BTreeMap<StudyUid, Cause> = BTreeMap::new();
    for difference in open {
        studies.entry(difference.study.clone()).or_default().open.push(difference);
    }
    for (study, instance) in suspects {
        studies.entry(study).or_default().suspects.insert(instance);
    }
    studies
}

fn all_studies() -> Query {
    let keys = vec![QueryKey { tag: Tag::STUDY_INSTANCE_UID, value: String::new() }];
    Query::new(QueryRoot::Study, Level::Study, keys)
}

fn study_of(answer: &outrigger_model::Answer) -> Option<StudyUid> {
    answer.value(Tag::STUDY_INSTANCE_UID).and_then(|uid| StudyUid::new(uid).ok())
}
