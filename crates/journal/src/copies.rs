//! The copies that are written to, all of them for every commit.
//!
//! A journal that has one place writes it on the writer's own thread: another would cost every commit two switches. Beside others each
//! copy has a thread, so that they sync at the same time and one that hangs holds nobody up for longer than it is given.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use tokio::time::Instant;

use crate::commit::Setback;
use crate::engine::Engine;
use crate::head::Copy;
use crate::home::Home;
use crate::reader::CopyReader;
use crate::room::Room;

/// A copy that has not answered for so long is taken out, if another has.
pub(crate) const COPY_TIME_MAX: Duration = Duration::from_secs(5);
/// The same for what is no commit: a release removes files by the thousand, and a disk of its own may take some seconds longer for that.
pub(crate) const CHORE_TIME_MAX: Duration = Duration::from_secs(60);
/// A copy is waited for at least so long after the first has answered: copies on one disk that was away come back together.
const COPY_TIME_BEHIND: Duration = Duration::from_secs(1);
/// Jobs that wait for a copy's thread: its engine, and the first one; the writer waits for each before the next.
const JOBS_MAX: usize = 2;

/// A copy that is written to.
#[derive(Debug)]
pub(crate) struct InUse {
    /// Which of the configured places it is in.
    pub(crate) at: usize,
    /// What it is called in heads.
    pub(crate) copy: Copy,
    pub(crate) home: Arc<Home>,
    pub(crate) reader: CopyReader,
    /// The room it had for objects, less what it was given since.
    pub(crate) room: Option<Room>,
    hand: Hand,
}

/// Who does what is to be done to a copy.
#[derive(Debug)]
enum Hand {
    /// Whoever asks.
    Own(Option<Box<dyn Engine>>),
    /// A thread that owns it.
    Thread(SyncSender<Job>),
}

type Job = Box<dyn FnOnce(&mut Option<Box<dyn Engine>>) + Send>;

/// What came of something that was done to every copy, in their order.
pub(crate) type Outcomes<T> = Vec<Result<T, Setback>>;

impl InUse {
    pub(crate) fn new(at: usize, engine: Box<dyn Engine>) -> Self {
        let (home, reader) = (engine.home().clone(), engine.reader());
        let copy = engine.keeping().head().own();
        Self { at, copy, home, reader, room: None, hand: Hand::Own(Some(engine)) }
    }

    /// The engine, as long as it has no thread of its own.
    pub(crate) fn engine(&mut self) -> Option<&mut (dyn Engine + 'static)> {
        match &mut self.hand {
            Hand::Own(engine) => engine.as_deref_mut(),
            Hand::Thread(_) => None,
        }
    }

    pub(crate) fn is_on_a_thread(&self) -> bool {
        matches!(self.hand, Hand::Thread(_))
    }

    /// Gives the copy a thread of its own.
    pub(crate) fn on_a_thread(&mut self) -> io::Result<()> {
        let Hand::Own(engine) = &mut self.hand else { return Ok(()) };
        let (jobs, queue) = sync_channel::<Job>(JOBS_MAX);
        let work = move || {
            let mut engine = None;
            while let Ok(job) = queue.recv() {
                job(&mut engine);
            }
        };
        let name = format!("journal-{}", self.home.place.engine.name());
        std::thread::Builder::new().name(name).spawn(work)?;
        let given = engine.take();
        let moved = jobs.send(Box::new(move |engine| *engine = given));
        moved.map_err(|_| io::Error::other("the thread ended at once"))?;
        self.hand = Hand::Thread(jobs);
        Ok(())
    }

    /// Has something done; on a thread the answer comes with this copy's number.
    fn begin<T: Send + 'static>(
        &mut self,
        number: usize,
        work: impl FnOnce(&mut Option<Box<dyn Engine>>) -> Result<T, Setback> + Send + 'static,
        answers: &SyncSender<(usize, Result<T, Setback>)>,
    ) -> Begun<T> {
        match &mut self.hand {
            Hand::Own(engine) => Begun::Done(work(engine)),
            Hand::Thread(jobs) => {
                let answers = answers.clone();
                let job: Job = Box::new(move |engine| {
                    if answers.send((number, work(engine))).is_err() {
                        tracing::debug!("nobody waits for this copy of the journal any more");
                    }
                });
                match jobs.try_send(job) {
                    Ok(()) => Begun::UnderWay,
                    Err(_) => Begun::Done(Err(gone())),
                }
            }
        }
    }
}

impl InUse {
    /// Has something done and waits for it, where there is a limit no longer than that; synchronous, blocks.
    pub(crate) fn done<T: Send + 'static>(
        &mut self,
        time_max: Option<Duration>,
        work: impl FnOnce(&mut dyn Engine) -> Result<T, Setback> + Send + 'static,
    ) -> Result<T, Setback> {
        let (answers, answered) = sync_channel(1);
        let work = |engine: &mut Option<Box<dyn Engine>>| match engine {
            Some(engine) => work(&mut **engine),
            None => Err(gone()),
        };
        if let Begun::Done(outcome) = self.begin(0, work, &answers) {
            return outcome;
        }
        drop(answers);
        let answer = match time_max {
            Some(time_max) => answered.recv_timeout(time_max).ok(),
            None => answered.recv().ok(),
        };
        answer.map_or_else(|| Err(stalled()), |(_, outcome)| outcome)
    }
}

enum Begun<T> {
    Done(Result<T, Setback>),
    UnderWay,
}

/// A copy whose owner is gone or still at what it was asked before.
fn gone() -> Setback {
    Setback::Failed { doing: "waiting for its thread", error: io::Error::other("it does not answer") }
}

/// Does something to each of these copies at the same time, and waits for all that answer in time; synchronous, blocks.
pub(crate) fn each<T: Send + 'static>(
    copies: &mut [InUse],
    work: impl Fn(&mut dyn Engine) -> Result<T, Setback> + Clone + Send + 'static,
) -> Outcomes<T> {
    each_within(copies, COPY_TIME_MAX, work)
}

/// Does something to the copy in one place, if it is in use. Where others stand it is waited for no longer than the limit; alone it is all
/// there is.
pub(crate) fn one<T: Send + 'static>(
    copies: &mut [InUse],
    at: usize,
    time_max: Duration,
    work: impl FnOnce(&mut dyn Engine) -> Result<T, Setback> + Send + 'static,
) -> Option<Result<T, Setback>> {
    let time_max = (copies.len() > 1).then_some(time_max);
    copies.iter_mut().find(|copy| copy.at == at).map(|copy| copy.done(time_max, work))
}

/// The same as [`each`] for what may take its time, as the removal of many files.
pub(crate) fn each_chore<T: Send + 'static>(
    copies: &mut [InUse],
    work: impl Fn(&mut dyn Engine) -> Result<T, Setback> + Clone + Send + 'static,
) -> Outcomes<T> {
    each_within(copies, CHORE_TIME_MAX, work)
}

fn each_within<T: Send + 'static>(
    copies: &mut [InUse],
    time_max: Duration,
    work: impl Fn(&mut dyn Engine) -> Result<T, Setback> + Clone + Send + 'static,
) -> Outcomes<T> {
    all(copies, time_max, move |engine: &mut Option<Box<dyn Engine>>| match engine {
        Some(engine) => work(&mut **engine),
        None => Err(gone()),
    })
}

/// Closes each of these copies in order.
pub(crate) fn close(copies: &mut [InUse]) -> Outcomes<()> {
    all(copies, CHORE_TIME_MAX, |engine: &mut Option<Box<dyn Engine>>| match engine.take() {
        Some(engine) => engine.close(),
        None => Err(gone()),
    })
}

fn all<T: Send + 'static>(
    copies: &mut [InUse],
    time_max: Duration,
    work: impl Fn(&mut Option<Box<dyn Engine>>) -> Result<T, Setback> + Clone + Send + 'static,
) -> Outcomes<T> {
    let (answers, answered) = sync_channel(copies.len().max(1));
    let begun = copies.iter_mut().enumerate().map(|(number, copy)| {
        match copy.begin(number, work.clone(), &answers) {
            Begun::Done(outcome) => Some(outcome),
            Begun::UnderWay => None,
        }
    });
    let mut outcomes: Vec<Option<Result<T, Setback>>> = begun.collect();
    // Whoever ends without an answer is then seen to have.
    drop(answers);
    wait(&mut outcomes, &answered, time_max);
    outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| Err(stalled()))).collect()
}

/// Waits until all have answered, or one has and the time of the others is over: without any that answered there is nobody to go on with.
fn wait<T>(
    outcomes: &mut [Option<Result<T, Setback>>],
    answered: &Receiver<(usize, Result<T, Setback>)>,
    time_max: Duration,
) {
    let deadline = Instant::now() + time_max;
    let has_answer = |outcomes: &[Option<Result<T, Setback>>]| {
        outcomes.iter().flatten().any(|outcome| !matches!(outcome, Err(Setback::Failed { .. })))
    };
    let mut until = has_answer(outcomes).then_some(deadline);
    while outcomes.iter().any(Option::is_none) {
        let next = match until {
            None => answered.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(until) => answered.recv_timeout(until.saturating_duration_since(Instant::now())),
        };
        let Ok((number, outcome)) = next else { return };
        if let Some(place) = outcomes.get_mut(number) {
            *place = Some(outcome);
        }
        if until.is_none() && has_answer(outcomes) {
            until = Some(deadline.max(Instant::now() + COPY_TIME_BEHIND));
        }
    }
}

fn stalled() -> Setback {
    let error = io::Error::other("it did not answer in time, and another did");
    Setback::Failed { doing: "waiting for its disk", error }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use outrigger_runtime::{Clock, Random, RealDisk};

    use super::*;
    use crate::{EngineKind, Journal, Options, Place, Seq};

    /// Copies on threads, in places of these names.
    fn copies(directory: &std::path::Path, names: &[&str]) -> Journal {
        let places = names.iter().map(|name| Place::new(EngineKind::Log, directory.join(name)));
        let options = Options {
            copies: places.collect(),
            segment_bytes_max: 64 << 10,
            reserve_bytes: 64 << 10,
            max_size_bytes: 64 << 20,
            accept_loss: None,
        };
        let opened = Journal::open(Arc::new(RealDisk), Clock::System, Random::System, options, Seq(0));
        let mut journal = opened.unwrap().journal;
        for copy in &mut journal.copies {
            copy.on_a_thread().unwrap();
        }
        journal
    }

    #[test]
    fn one_of_several_that_hangs_is_not_waited_for_and_the_only_one_is() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = copies(directory.path(), &["one", "other"]);
        let (go_on, hangs) = channel::<()>();
        let hung = one(&mut journal.copies, 0, Duration::from_millis(50), move |_| {
            assert!(hangs.recv().is_err());
            Ok(())
        });
        assert!(matches!(hung, Some(Err(Setback::Failed { .. }))), "{hung:?}");
        drop(go_on);
        assert!(one(&mut journal.copies, 7, Duration::ZERO, |_| Ok(())).is_none(), "nothing is there");

        let mut only = copies(directory.path(), &["only"]);
        let (started, begun) = channel();
        let (go_on, hangs) = channel::<()>();
        let waited = std::thread::spawn(move || {
            one(&mut only.copies, 0, Duration::ZERO, move |_| {
                started.send(()).unwrap();
                assert!(hangs.recv().is_err());
                Ok(())
            })
        });
        begun.recv().unwrap();
        drop(go_on);
        assert!(matches!(waited.join().unwrap(), Some(Ok(()))));
    }
}
