//! The time that waiting is measured by, which no setting of the wall clock touches.

use std::time::Duration;

use outrigger_model::WallTime;
use outrigger_runtime::Clock;
use tokio::time::Instant;

use crate::store::Come;

/// Longest wait before a posting is tried again: delivery's longest is ten minutes. What the books hold beyond this and the
/// member's settling time was written by another clock than today's, and counts as come.
pub const RETRY_WAIT_MAX: Duration = Duration::from_secs(600);

/// Longest time a member is not asked to give a closed posting back: what it lacks by its kind is tried again every hour.
pub(crate) const READ_BACK_WAIT_MAX: Duration = Duration::from_secs(3600);

/// Wall-clock time at the start and monotonic time from then on: it never jumps while a node runs.
#[derive(Debug, Clone)]
pub(crate) struct Steady {
    clock: Clock,
    origin: WallTime,
    started: Instant,
    /// When the newest record was written that was there at the start.
    last_record: Option<WallTime>,
}

/// Times of balance: those `from` and up to `by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Balanced {
    pub(crate) from: WallTime,
    pub(crate) by: WallTime,
}

impl Steady {
    pub(crate) fn new(clock: Clock, last_record: Option<WallTime>) -> Self {
        Self { origin: WallTime(clock.wall_us()), started: clock.now(), clock, last_record }
    }

    /// The time that waits are set and compared by.
    pub(crate) fn now(&self) -> WallTime {
        self.origin.after(self.lived())
    }

    /// Wall-clock time, in which records and attempts are dated.
    pub(crate) fn wall(&self) -> WallTime {
        WallTime(self.clock.wall_us())
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whose time has come at a member with this settling time.
    pub(crate) fn come(&self, settle: Duration) -> Come {
        let by = self.now();
        Come { by, beyond: by.after(settle.max(RETRY_WAIT_MAX)) }
    }

    fn lived(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.started)
    }

    /// The end of a wait that was told as a moment of the wall clock, held at `longest`.
    pub(crate) fn wait_until(&self, at: WallTime, longest: Duration) -> WallTime {
        self.now().after(at.since(self.wall()).min(longest))
    }

    /// The end of a wait as the wall clock will show it.
    pub(crate) fn shown(&self, at: WallTime) -> WallTime {
        WallTime(at.0.saturating_sub(self.now().0).saturating_add(self.wall().0))
    }

    /// Wall-clock time as far as it is plausible: a clock set forward since the start is not followed.
    pub(crate) fn plausible(&self) -> WallTime {
        self.now().min(self.wall())
    }

    /// When entries must have been balanced for their retention time to have passed.
    ///
    /// While a node runs, that time is lived through by the monotonic clock. Of the time in which no record was written
    /// before the start, at most half the retention counts, whatever the wall clock says: so a clock set forward over a
    /// restart lets nothing go at once. What was balanced by a clock ahead of now stays until that time has come, or the
    /// journal needs the room.
    ///
    /// Not defended: what was balanced while the clock was behind, once the clock is right again (bytes then go sooner than
    /// they would, though never before a member gave them back); a clock that goes wrong a second time, so that the newest
    /// record is dated by the wrong one; a machine whose monotonic clock is wrong.
    pub(crate) fn retained(&self, retention: Duration) -> Vec<Balanced> {
        let before = |at: WallTime| WallTime(at.0.saturating_sub(micros(retention)));
        let by = before(self.plausible());
        let all = Balanced { from: WallTime(i64::MIN), by };
        let Some(last) = self.last_record else { return vec![all] };
        let away = self.origin.since(last);
        if away <= retention / 2 {
            return vec![all];
        }
        let seen = last.after(retention / 2).after(self.lived());
        let earlier = Balanced { by: before(seen).min(by), ..all };
        // What this process saw balanced is dated by the clock it started with.
        let since = Balanced { from: self.origin.max(WallTime(earlier.by.0.saturating_add(1))), by };
        vec![earlier, since]
    }
}

/// A span in microseconds, held at the end of time.
pub(crate) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: i64 = 1_767_225_600_000_000;
    const HOUR_US: i64 = 3_600_000_000;
    const YEAR_US: i64 = 8_766 * HOUR_US;
    const RETENTION: Duration = Duration::from_secs(72 * 3600);

    fn may_go(steady: &Steady, at: i64) -> bool {
        steady.retained(RETENTION).iter().any(|span| span.from.0 <= at && at <= span.by.0)
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_as_long_as_it_was_told_wherever_the_clock_is_set() {
        for set in [-3 * YEAR_US, -HOUR_US, 0, 10 * YEAR_US] {
            let clock = Clock::simulated(NOW_US);
            let steady = Steady::new(clock.clone(), None);
            clock.set_by(set);
            let told = steady.wall().after(Duration::from_secs(60));
            assert_eq!(steady.wait_until(told, RETRY_WAIT_MAX), WallTime(NOW_US + 60_000_000));
            assert_eq!(steady.shown(WallTime(NOW_US + 60_000_000)), told);
            let (past, far) = (WallTime(0), WallTime(i64::MAX));
            assert_eq!(steady.wait_until(past, RETRY_WAIT_MAX), WallTime(NOW_US));
            assert_eq!(steady.wait_until(far, RETRY_WAIT_MAX), WallTime(NOW_US + 600_000_000));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn retention_is_lived_through_though_the_clock_leapt_over_a_restart() {
        let last = NOW_US - 10 * YEAR_US;
        let steady = Steady::new(Clock::simulated(NOW_US), Some(WallTime(last)));
        assert!(may_go(&steady, last - 72 * HOUR_US), "by the records alone it has passed");
        assert!(!may_go(&steady, last));
        tokio::time::advance(Duration::from_secs(36 * 3600 - 1)).await;
        assert!(!may_go(&steady, last));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(may_go(&steady, last), "half was lived through");
        assert!(!may_go(&steady, NOW_US), "this was balanced by the new clock");
        tokio::time::advance(Duration::from_secs(36 * 3600)).await;
        assert!(may_go(&steady, NOW_US));
    }

    #[tokio::test(start_paused = true)]
    async fn retention_does_not_pass_by_setting_the_clock() {
        let clock = Clock::simulated(NOW_US);
        let steady = Steady::new(clock.clone(), Some(WallTime(NOW_US - HOUR_US)));
        clock.set_by(10 * YEAR_US);
        assert!(!may_go(&steady, NOW_US - HOUR_US));
        clock.set_by(-13 * YEAR_US);
        assert!(!may_go(&steady, NOW_US - 3 * YEAR_US), "balanced just now by the clock as it is set");
        clock.set_by(3 * YEAR_US);
        tokio::time::advance(Duration::from_secs(71 * 3600)).await;
        assert!(may_go(&steady, NOW_US - HOUR_US));
        assert!(!may_go(&steady, NOW_US));
    }
}
