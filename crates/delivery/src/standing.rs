//! How a member stands: shared by its connections, shown by `status`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outrigger_ledger::PostingKey;
use outrigger_member::breaker::{Breaker, Failure, Permit, Turn};
use outrigger_member::routes::Routes;
use outrigger_model::WallTime;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::confirm::DOUBT;
use crate::plan::Others;

/// Objects lost one after the other, none taken between, from which on the fault is taken to be the member's: a whole batch
/// of objects that it cannot take is rare, and a member that takes nothing must not soon fill the suspense.
const LOST_IN_A_ROW: usize = 32;

/// Objects lost one after the other, none taken between, up to which each is held to be at fault as soon as the member answers: those
/// that it alone cannot take are few. Of more it is known only when it takes another.
const AT_FAULT_IN_A_ROW: usize = 3;

/// Lost objects that are remembered, each way: far more than a member chokes on, some megabytes at most. What is forgotten
/// is held to be lost for the first time.
const LOST_MAX: usize = 65_536;

/// How long a member may refuse for now all that it is sent before it is not held to be well: longer than an archive is short of
/// a connection to its database or has its disk cleared, short enough that a person hears of it while the modalities still send.
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// Stores that a member refused for now, none taken between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusals {
    /// How many.
    pub count: u64,
    /// When the first was refused.
    pub since: WallTime,
    /// The status of the last one, and what the member said of it.
    pub words: String,
}

/// The refusals in a row so far.
#[derive(Debug)]
struct Row {
    refusals: Refusals,
    began: Instant,
    newest: Instant,
}

/// How a member stands, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandingState {
    /// Calls reach it.
    Up,
    /// Calls fail now and then.
    Shaky,
    /// It answers and takes nothing: it refuses for now what it is sent, or loses it.
    TakesNothing,
    /// It is left alone and probed.
    Away,
}

/// What the connections of one member share. The lock is a leaf: nothing is awaited and nothing else locked under it.
#[derive(Debug)]
pub struct Standing {
    inner: Mutex<Inner>,
    back: watch::Sender<u64>,
    routes: Routes,
}

#[derive(Debug)]
struct Inner {
    breaker: Breaker,
    /// When a store last went well; tells whether others succeed while one object fails.
    stored: Option<Instant>,
    /// When calls began to fail, while they do.
    failing_since: Option<WallTime>,
    /// Objects lost on the way since the last store that went well, while the member answered, but for the `blamed`.
    lost: BTreeSet<PostingKey>,
    /// Objects after whose loss it took another: the fault is theirs, and their losses say nothing more of the member.
    blamed: BTreeSet<PostingKey>,
    /// Objects refused for now, or lost among many, since the last store that went well.
    put_off: BTreeSet<PostingKey>,
    /// How often each object failed while the member fared well: it answered after it lost the object, or took others after it had
    /// refused it.
    faults: BTreeMap<PostingKey, u32>,
    /// The first loss of an object since what was confirmed was last put in doubt.
    doubt: Option<WallTime>,
    /// When what was confirmed was last put in doubt.
    doubted: Option<Instant>,
    last_error: Option<String>,
    /// What it refused for now since the last store that went well.
    refused: Option<Row>,
}

impl Inner {
    /// The refusals in a row, once they have gone on for long.
    fn refusals(&self) -> Option<&Refusals> {
        let is_long = |row: &&Row| row.newest.saturating_duration_since(row.began) >= REFUSED_FOR;
        self.refused.as_ref().filter(is_long).map(|row| &row.refusals)
    }

    fn takes_nothing(&self) -> bool {
        self.lost.len() >= LOST_IN_A_ROW
    }

    /// An object failed, and it is not known whose fault that is until the member takes another.
    fn puts_off(&mut self, posting: PostingKey) {
        if self.put_off.len() < LOST_MAX {
            self.put_off.insert(posting);
        }
    }

    /// An object failed, and the member is not to blame.
    fn fails(&mut self, posting: PostingKey) {
        let count = self.faults.entry(posting).or_default();
        *count = count.saturating_add(1);
        while self.faults.len() > LOST_MAX {
            self.faults.pop_first();
        }
    }
}

impl Default for Standing {
    fn default() -> Self {
        let inner = Inner {
            breaker: Breaker::default(),
            stored: None,
            failing_since: None,
            lost: BTreeSet::new(),
            blamed: BTreeSet::new(),
            put_off: BTreeSet::new(),
            faults: BTreeMap::new(),
            doubt: None,
            doubted: None,
            last_error: None,
            refused: None,
        };
        Self { inner: Mutex::new(inner), back: watch::Sender::new(0), routes: Routes::default() }
    }
}

impl Standing {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its routes.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Asks to call the member.
    pub fn permit(&self, now: Instant) -> Permit {
        self.lock().breaker.permit(now)
    }

    /// A call that was permitted was not made.
    pub fn untried(&self, now: Instant) {
        self.lock().breaker.untried(now);
    }

    /// A call reached the member; gives the time since which what it had confirmed before is in doubt, if it is.
    ///
    /// It is once for each time that calls had failed; for objects lost while the member answered, at most once in the time
    /// that is doubted, so that the same confirmations are not asked for with each of them.
    pub fn reached(&self, now: Instant) -> Option<WallTime> {
        let mut inner = self.lock();
        let turn = inner.breaker.succeeded();
        let had_time = inner.doubted.is_none_or(|last| now.saturating_duration_since(last) >= DOUBT);
        let mut since = inner.failing_since.take();
        if since.is_some() || had_time {
            since = since.into_iter().chain(inner.doubt.take()).min();
        }
        if since.is_some() {
            inner.doubted = Some(now);
        }
        if !inner.takes_nothing() {
            inner.last_error = None;
        }
        drop(inner);
        self.tell_back(turn);
        since
    }

    fn tell_back(&self, turn: Turn) {
        if turn == Turn::Closed {
            self.back.send_modify(|times| *times += 1);
        }
    }

    /// A call did not reach the member or lost it.
    pub fn lost(&self, failure: Failure, now: Instant, at: WallTime, jitter: u8, error: String) -> Turn {
        let mut inner = self.lock();
        inner.failing_since.get_or_insert(at);
        inner.last_error = Some(error);
        inner.breaker.failed(failure, now, jitter)
    }

    /// An object was lost on the way, and the member answered afterwards: the fault may lie in the object. Tells how others
    /// fare.
    pub fn lost_object(&self, posting: PostingKey, at: WallTime, error: String) -> Others {
        let mut inner = self.lock();
        inner.doubt.get_or_insert(at);
        let is_blamed = inner.blamed.contains(&posting);
        if !is_blamed && inner.lost.len() < LOST_MAX {
            inner.lost.insert(posting);
        }
        if inner.takes_nothing() {
            inner.last_error = Some(error);
        }
        let others = if inner.takes_nothing() && !is_blamed { Others::AreLost } else { Others::Succeed };
        if is_blamed || inner.lost.len() <= AT_FAULT_IN_A_ROW {
            inner.fails(posting);
        } else {
            inner.puts_off(posting);
        }
        let turn = inner.breaker.succeeded();
        drop(inner);
        self.tell_back(turn);
        others
    }

    /// Whether it answers, and so many objects in a row were lost that the fault is not theirs.
    pub fn takes_nothing(&self) -> bool {
        self.lock().takes_nothing()
    }

    /// Whether the last call reached it.
    pub fn is_reached(&self) -> bool {
        matches!(self.lock().breaker, Breaker::Closed { failures: 0 })
    }

    /// How often an object failed where the member was not to blame, as far as that is remembered.
    pub fn faults(&self, posting: PostingKey) -> u32 {
        self.lock().faults.get(&posting).copied().unwrap_or_default()
    }

    /// A store went well: what was refused before it was refused for its own sake.
    pub fn stored(&self, posting: PostingKey, now: Instant) {
        let mut inner = self.lock();
        inner.put_off.remove(&posting);
        inner.faults.remove(&posting);
        for put_off in std::mem::take(&mut inner.put_off) {
            inner.fails(put_off);
        }
        inner.stored = Some(now);
        inner.refused = None;
        let lost = std::mem::take(&mut inner.lost);
        inner.blamed.extend(lost);
        while inner.blamed.len() > LOST_MAX {
            inner.blamed.pop_first();
        }
    }

    /// A store was refused for now.
    pub fn refused(&self, posting: PostingKey, now: Instant, at: WallTime, words: String) {
        let mut inner = self.lock();
        inner.puts_off(posting);
        let first =
            Row { refusals: Refusals { count: 0, since: at, words: String::new() }, began: now, newest: now };
        let row = inner.refused.get_or_insert(first);
        row.refusals.count = row.refusals.count.saturating_add(1);
        row.refusals.words = words;
        row.newest = now;
    }

    /// What it refused in a row, if it has taken nothing for long.
    pub fn refusals(&self) -> Option<Refusals> {
        self.lock().refusals().cloned()
    }

    /// Whether a store went well within `span` before `now`.
    pub fn stored_within(&self, span: Duration, now: Instant) -> bool {
        self.lock().stored.is_some_and(|last| now.saturating_duration_since(last) <= span)
    }

    /// Fires whenever the member comes back.
    pub fn watch_back(&self) -> watch::Receiver<u64> {
        self.back.subscribe()
    }

    /// How it stands, since when calls fail, and the last error in words.
    pub fn state(&self) -> (StandingState, Option<WallTime>, Option<String>) {
        let inner = self.lock();
        let takes_nothing = inner.takes_nothing() || inner.refusals().is_some();
        let state = match inner.breaker {
            Breaker::Open { .. } | Breaker::Probing { .. } => StandingState::Away,
            Breaker::Closed { .. } if takes_nothing => StandingState::TakesNothing,
            Breaker::Closed { failures: 0 } => StandingState::Up,
            Breaker::Closed { .. } => StandingState::Shaky,
        };
        let refused = || inner.refusals().map(|refusals| refusals.words.clone());
        let error = inner.last_error.clone().or_else(refused);
        (state, inner.failing_since, error)
    }
}
