//! How a member stands: shared by its connections, shown by `status`.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outrigger_ledger::PostingKey;
use outrigger_model::WallTime;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::breaker::{Breaker, Failure, Permit, Turn};
use crate::confirm::DOUBT;
use crate::plan::Others;

/// Objects lost one after the other, none taken between, from which on the fault is taken to be the member's: a whole batch
/// of objects that it cannot take is rare, and a member that takes nothing must not soon fill the suspense.
const LOST_IN_A_ROW: usize = 32;

/// Lost objects that are remembered, each way: far more than a member chokes on, some megabytes at most. What is forgotten
/// is held to be lost for the first time.
const LOST_MAX: usize = 65_536;

/// How a member stands, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandingState {
    /// Calls reach it.
    Up,
    /// Calls fail now and then, or it answers and takes nothing.
    Shaky,
    /// It is left alone and probed.
    Away,
}

/// What the connections of one member share. The lock is a leaf: nothing is awaited and nothing else locked under it.
#[derive(Debug)]
pub struct Standing {
    inner: Mutex<Inner>,
    back: watch::Sender<u64>,
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
    /// The first loss of an object since what was confirmed was last put in doubt.
    doubt: Option<WallTime>,
    /// When what was confirmed was last put in doubt.
    doubted: Option<Instant>,
    last_error: Option<String>,
}

impl Inner {
    fn takes_nothing(&self) -> bool {
        self.lost.len() >= LOST_IN_A_ROW
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
            doubt: None,
            doubted: None,
            last_error: None,
        };
        Self { inner: Mutex::new(inner), back: watch::Sender::new(0) }
    }
}

impl Standing {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// A store went well.
    pub fn stored(&self, now: Instant) {
        let mut inner = self.lock();
        inner.stored = Some(now);
        let lost = std::mem::take(&mut inner.lost);
        inner.blamed.extend(lost);
        while inner.blamed.len() > LOST_MAX {
            inner.blamed.pop_first();
        }
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
        let state = match inner.breaker {
            Breaker::Closed { failures: 0 } if !inner.takes_nothing() => StandingState::Up,
            Breaker::Closed { .. } => StandingState::Shaky,
            Breaker::Open { .. } | Breaker::Probing { .. } => StandingState::Away,
        };
        (state, inner.failing_since, inner.last_error.clone())
    }
}
