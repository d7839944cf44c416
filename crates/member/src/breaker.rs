//! When a member is left alone for a while, and when it is tried again.

use std::time::Duration;

use outrigger_runtime::backoff::Backoff;
use tokio::time::Instant;

/// Failures in a row before a member is left alone: one is an accident, three are a state.
const FAILURES_TO_OPEN: u32 = 3;

/// What a call that did not reach the member met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It was refused, or lost on the way.
    Refused,
    /// Nothing answered it until its time ran out: half a minute of silence is a state by itself, and three of them would
    /// hold up whoever waits to know for minutes.
    Silent,
}

/// Waiting between probes of a member that is away: a second at first, so that a restart is hardly noticed; 30 s at
/// most, so that no fresh study waits more than a minute for a member that is back.
pub const AWAY: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(30) };

/// Whether a member may be called now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaker {
    /// It may; so many calls failed in a row.
    Closed {
        /// Failures in a row.
        failures: u32,
    },
    /// It may not before an instant.
    Open {
        /// Failures in a row.
        failures: u32,
        /// When one call may try it.
        until: Instant,
    },
    /// One call is trying it.
    Probing {
        /// Failures in a row.
        failures: u32,
    },
}

/// What a caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// Call.
    Call,
    /// Ask again then.
    Wait(Instant),
}

/// What changed for the member by a call's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing.
    None,
    /// It is left alone from now on.
    Opened,
    /// It is back.
    Closed,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// Asks to call; where the breaker is open and its time has passed, this caller becomes the probe.
    pub fn permit(&mut self, now: Instant) -> Permit {
        match *self {
            Self::Closed { .. } => Permit::Call,
            Self::Open { failures, until } if now >= until => {
                *self = Self::Probing { failures };
                Permit::Call
            }
            Self::Open { until, .. } => Permit::Wait(until),
            Self::Probing { .. } => Permit::Wait(now + AWAY.first),
        }
    }

    /// A call reached the member.
    pub fn succeeded(&mut self) -> Turn {
        let was_open = !matches!(self, Self::Closed { .. });
        *self = Self::default();
        if was_open { Turn::Closed } else { Turn::None }
    }

    /// A call did not reach the member, or lost it.
    pub fn failed(&mut self, failure: Failure, now: Instant, jitter: u8) -> Turn {
        let (failures, was_closed) = match *self {
            Self::Closed { failures } => (failures.saturating_add(1), true),
            Self::Probing { failures } => (failures.saturating_add(1), false),
            // A call that was under way when it opened: as many connections were lost together, which says nothing new.
            Self::Open { .. } => return Turn::None,
        };
        let failures = match failure {
            Failure::Refused => failures,
            Failure::Silent => failures.max(FAILURES_TO_OPEN),
        };
        if failures < FAILURES_TO_OPEN {
            *self = Self::Closed { failures };
            return Turn::None;
        }
        let wait = AWAY.after(failures - FAILURES_TO_OPEN + 1, jitter);
        *self = Self::Open { failures, until: now + wait };
        if was_closed { Turn::Opened } else { Turn::None }
    }

    /// The probe ended without having tried anything.
    pub fn untried(&mut self, now: Instant) {
        if let Self::Probing { failures } = *self {
            *self = Self::Open { failures, until: now };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn opens_after_three_and_lets_one_probe_through() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        assert_eq!(breaker.failed(Failure::Refused, now, 255), Turn::None);
        assert_eq!(breaker.failed(Failure::Refused, now, 255), Turn::None);
        assert_eq!(breaker.permit(now), Permit::Call);
        assert_eq!(breaker.failed(Failure::Refused, now, 255), Turn::Opened);
        let until = now + Duration::from_secs(1);
        assert_eq!(breaker.permit(now), Permit::Wait(until));
        assert_eq!(breaker.permit(until), Permit::Call);
        assert!(matches!(breaker.permit(until), Permit::Wait(_)), "one probe at a time");
        assert_eq!(breaker.failed(Failure::Refused, until, 255), Turn::None);
        assert_eq!(breaker.permit(until), Permit::Wait(until + Duration::from_secs(2)));
        assert_eq!(breaker.succeeded(), Turn::Closed);
        assert_eq!(breaker.permit(until), Permit::Call);
    }

    #[tokio::test(start_paused = true)]
    async fn one_call_without_an_answer_is_enough() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        assert_eq!(breaker.failed(Failure::Silent, now, 255), Turn::Opened);
        let until = now + AWAY.first;
        assert_eq!(breaker.permit(now), Permit::Wait(until));
        assert_eq!(breaker.permit(until), Permit::Call);
        assert_eq!(breaker.failed(Failure::Silent, until, 255), Turn::None);
        assert_eq!(breaker.permit(until), Permit::Wait(until + AWAY.first * 2), "it waits as after refusals");
    }

    #[tokio::test(start_paused = true)]
    async fn connections_lost_together_count_as_the_loss_that_opened_it() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..32 {
            breaker.failed(Failure::Refused, now, 255);
        }
        let until = now + AWAY.first;
        assert_eq!(breaker.permit(now), Permit::Wait(until), "a restart is hardly noticed");
        assert_eq!(breaker.permit(until), Permit::Call);
    }

    #[tokio::test(start_paused = true)]
    async fn an_untried_probe_gives_its_turn_back() {
        let now = Instant::now();
        let mut breaker = Breaker::Open { failures: 5, until: now };
        assert_eq!(breaker.permit(now), Permit::Call);
        breaker.untried(now);
        assert_eq!(breaker.permit(now), Permit::Call);
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_has_a_ceiling() {
        let now = Instant::now();
        let mut breaker = Breaker::Closed { failures: 1_000_000 };
        breaker.failed(Failure::Refused, now, 255);
        assert_eq!(breaker.permit(now), Permit::Wait(now + AWAY.longest));
    }
}
