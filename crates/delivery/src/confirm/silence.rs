//! A member that takes requests for storage commitment and does not report on them.

use std::time::Duration;

use tokio::time::Instant;

/// A report that has not come after this is asked for anew, under a new transaction.
pub const REPORT_WAIT: Duration = Duration::from_secs(600);

/// Requests in a row that a member that has not reported since the start may leave without a report: an hour's. Most such
/// members have no way to us, or no address of ours, and do not report at all; one that is slow is tried again every hour,
/// and a report of its that comes late counts.
const OF_A_STRANGER: u32 = 6;

/// The same where it has reported before: a day's. It can, and what keeps it, such as a queue on its side or a restart, is
/// usually over by then; archives try for hours to get a report to us.
const OF_ONE_THAT_REPORTED: u32 = 144;

/// What it has shown of its reports so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Seen {
    /// None, since the start.
    #[default]
    None,
    /// At least one.
    Reported,
    /// None for so long that it is held to be unable; the next request is to show whether it still is.
    Unable,
}

/// How long a member has not reported.
#[derive(Debug, Default)]
pub struct Silence {
    seen: Seen,
    waits: u32,
    counted: Option<Instant>,
}

impl Silence {
    /// The wait for some requests is over; gives how many there were in a row, if that is too many.
    ///
    /// Requests that were under way together count once, or a long backlog would use up the bound with its first wait.
    pub fn waited(&mut self, now: Instant) -> Option<u32> {
        if self.counted.is_some_and(|last| now.saturating_duration_since(last) < REPORT_WAIT) {
            return None;
        }
        self.counted = Some(now);
        self.waits = self.waits.saturating_add(1);
        let most = match self.seen {
            Seen::None => OF_A_STRANGER,
            Seen::Reported => OF_ONE_THAT_REPORTED,
            Seen::Unable => 1,
        };
        (self.waits >= most).then_some(self.waits)
    }

    /// It is held to be unable to report, since just now or since before the start.
    pub fn is_unable(&mut self) {
        self.seen = Seen::Unable;
        self.waits = 0;
    }

    /// A report came.
    pub fn ended(&mut self) {
        *self = Self { seen: Seen::Reported, waits: 0, counted: None };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits until the silence is too long.
    fn lasts(silence: &mut Silence, from: Instant) -> u32 {
        (1..1000).find(|wait| silence.waited(from + REPORT_WAIT * *wait).is_some()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_hour_from_a_stranger_a_day_from_one_that_reported_and_one_request_thereafter() {
        let (mut silence, now) = (Silence::default(), Instant::now());
        assert_eq!(lasts(&mut silence, now), OF_A_STRANGER);
        silence.ended();
        assert_eq!(lasts(&mut silence, now), OF_ONE_THAT_REPORTED);
        silence.is_unable();
        assert_eq!(lasts(&mut silence, now + REPORT_WAIT * 1000), 1);
        assert_eq!(REPORT_WAIT * OF_A_STRANGER, Duration::from_secs(3600));
        assert_eq!(REPORT_WAIT * OF_ONE_THAT_REPORTED, Duration::from_secs(24 * 3600));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_for_together_counts_once() {
        let (mut silence, now) = (Silence::default(), Instant::now());
        for second in 0..599 {
            assert_eq!(silence.waited(now + Duration::from_secs(second)), None, "{second}");
        }
        assert_eq!(silence.waits, 1);
    }
}
