//! How fast a message has to come in: a peer that drips would hold an association for as long as it likes.

use std::time::Duration;

/// Least bytes a second over a whole inactivity timer: a thirtieth of an ISDN line, so that no honest link is slower.
const FLOOR_BYTES_PER_SECOND: u64 = 256;

/// What came of a message, and how long we waited for it, since it was last looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    waited: Duration,
    bytes: u64,
}

/// Whether a message comes fast enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Enough,
    TooSlow,
}

impl Pace {
    /// Adds what came after waiting for the peer that long; what we took to use what had come before is not the peer's.
    pub(super) fn add(&mut self, waited: Duration, bytes: usize, inactivity: Duration) -> Verdict {
        self.waited = self.waited.saturating_add(waited);
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.waited < inactivity {
            return Verdict::Enough;
        }
        let floor = self.waited.as_secs().saturating_mul(FLOOR_BYTES_PER_SECOND);
        let verdict = if self.bytes < floor { Verdict::TooSlow } else { Verdict::Enough };
        *self = Self::default();
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// How long a message may come in at this rate, up to an hour.
    fn lasts(bytes_a_second: usize) -> Duration {
        let (mut pace, mut lasted) = (Pace::default(), Duration::ZERO);
        while lasted < 60 * MINUTE {
            lasted += Duration::from_secs(1);
            if pace.add(Duration::from_secs(1), bytes_a_second, MINUTE) == Verdict::TooSlow {
                break;
            }
        }
        lasted
    }

    #[test]
    fn who_drips_is_given_up_after_a_minute_and_a_slow_link_never() {
        assert_eq!((lasts(1), lasts(255)), (MINUTE, MINUTE));
        assert_eq!((lasts(256), lasts(7_000)), (60 * MINUTE, 60 * MINUTE));
    }

    #[test]
    fn a_pause_is_made_up_for_by_what_comes_behind_it() {
        let mut pace = Pace::default();
        let pause = Duration::from_secs(59);
        for _ in 0..10 {
            assert_eq!(pace.add(pause, 100, MINUTE), Verdict::Enough);
            assert_eq!(pace.add(Duration::from_secs(1), 16_384, MINUTE), Verdict::Enough);
        }
    }
}
