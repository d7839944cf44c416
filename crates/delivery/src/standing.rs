//! How a member stands: shared by its connections, shown by `status`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outrigger_model::WallTime;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::breaker::{Breaker, Failure, Permit, Turn};

/// How a member stands, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandingState {
    /// Calls reach it.
    Up,
    /// Calls fail now and then.
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
    last_error: Option<String>,
}

impl Default for Standing {
    fn default() -> Self {
        let inner =
            Inner { breaker: Breaker::default(), stored: None, failing_since: None, last_error: None };
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

    /// A call reached the member; gives the time since which calls had failed, if they had.
    pub fn reached(&self) -> Option<WallTime> {
        let mut inner = self.lock();
        let turn = inner.breaker.succeeded();
        let since = inner.failing_since.take();
        inner.last_error = None;
        drop(inner);
        if turn == Turn::Closed {
            self.back.send_modify(|times| *times += 1);
        }
        since
    }

    /// A call did not reach the member or lost it.
    pub fn lost(&self, failure: Failure, now: Instant, at: WallTime, jitter: u8, error: String) -> Turn {
        let mut inner = self.lock();
        inner.failing_since.get_or_insert(at);
        inner.last_error = Some(error);
        inner.breaker.failed(failure, now, jitter)
    }

    /// A store went well.
    pub fn stored(&self, now: Instant) {
        self.lock().stored = Some(now);
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
            Breaker::Closed { failures: 0 } => StandingState::Up,
            Breaker::Closed { .. } => StandingState::Shaky,
            Breaker::Open { .. } | Breaker::Probing { .. } => StandingState::Away,
        };
        (state, inner.failing_since, inner.last_error.clone())
    }
}
