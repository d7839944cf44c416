//! The two clocks: one that informs (wall) and one that measures (monotonic).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// The source of time; clones share it.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clocks.
    System,
    /// A wall clock that runs with tokio's clock from a given start, for the simulator and tests.
    Simulated {
        /// Microseconds since 1970-01-01 UTC at `started`.
        origin_us: i64,
        /// When it began.
        started: Instant,
        /// Microseconds by which it was set forward since, or back.
        set_us: Arc<AtomicI64>,
    },
}

impl Clock {
    /// A simulated clock that begins now, at `origin_us` microseconds since 1970-01-01 UTC.
    pub fn simulated(origin_us: i64) -> Self {
        Self::Simulated { origin_us, started: Instant::now(), set_us: Arc::default() }
    }

    /// Wall-clock time in microseconds since 1970-01-01 UTC; it may jump.
    #[allow(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
    pub fn wall_us(&self) -> i64 {
        match self {
            Self::System => match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
                Ok(since) => micros(since),
                Err(before) => micros(before.duration()).saturating_neg(),
            },
            Self::Simulated { origin_us, started, set_us } => {
                let set_us = set_us.load(Ordering::Relaxed);
                origin_us.saturating_add(micros(started.elapsed())).saturating_add(set_us)
            }
        }
    }

    /// Sets a simulated wall clock, and its clones, forward by so many microseconds, or back; the machine's is left alone.
    pub fn set_by(&self, micros: i64) {
        match self {
            Self::System => {}
            Self::Simulated { set_us, .. } => {
                set_us.fetch_add(micros, Ordering::Relaxed);
            }
        }
    }

    /// Monotonic time, for intervals; tokio's clock, which tests pause and turn.
    pub fn now(&self) -> Instant {
        Instant::now()
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
