//! How much may be asked and read: an average over time, in questions and in bytes, and nothing while others are served.

use std::time::Duration;

use tokio::time::Instant;

/// Questions and bytes a second, of all members together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Time from one question to the next.
    pub between: Duration,
    /// Bytes of instances read a second; at least one.
    pub bytes_per_second: u64,
}

/// When the next question is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purse {
    budget: Budget,
    free_at: Instant,
}

impl Purse {
    /// A purse that owes nothing.
    pub fn new(budget: Budget, now: Instant) -> Self {
        Self { budget, free_at: now }
    }

    /// When the next question may be asked.
    pub fn free_at(&self) -> Instant {
        self.free_at
    }

    /// A question is asked; what was not used before is not saved up.
    pub fn ask(&mut self, now: Instant) {
        self.free_at = self.free_at.max(now) + self.budget.between;
    }

    /// So many bytes were read: nobody knows before how many they are, so that they are paid for afterwards.
    pub fn read(&mut self, bytes: u64, now: Instant) {
        let micros = u128::from(bytes) * 1_000_000 / u128::from(self.budget.bytes_per_second.max(1));
        let owed = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
        let free_at = self.free_at.max(now);
        self.free_at = free_at.checked_add(owed).unwrap_or(free_at);
    }
}

/// Whether the node serves others: it does not once what it has done for them has not moved for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    idle: Duration,
    done: u64,
    since: Instant,
}

impl Quiet {
    /// Nothing is known of what was before `now`.
    pub fn new(idle: Duration, done: u64, now: Instant) -> Self {
        Self { idle, done, since: now }
    }

    /// Takes how much was done for others so far; gives when to look again, or `None` where it is quiet.
    pub fn look(&mut self, done: u64, now: Instant) -> Option<Instant> {
        if done != self.done {
            (self.done, self.since) = (done, now);
        }
        let quiet_at = self.since + self.idle;
        (quiet_at > now).then_some(quiet_at)
    }
}
