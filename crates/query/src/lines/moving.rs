//! How long a member is waited for: until its first byte, and then as long as bytes move.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use outrigger_member::Arrived;
use tokio::time::{Instant, timeout_at};

/// Looks in a time-out: how soon after it a member that hangs in the middle is given up.
const LOOKS: u32 = 4;
/// Slowest that bytes may move: half a megabit a second, below any line that images are sent over. Whoever is slower hangs.
const SLOWEST_BYTES_PER_SECOND: u64 = 64 << 10;
/// Slowest that an archive may read an object before it sends the first byte of it: 64 MB a second, of a busy disk.
const SLOWEST_READ_BYTES_PER_SECOND: u64 = 64 << 20;

/// What is left of the patience with a member, whatever routes it is asked by.
#[derive(Debug)]
pub(super) struct Patience {
    timeout: Duration,
    /// By when a byte usually has come.
    usual: Instant,
    /// By when a byte must have come.
    until: Instant,
    /// When the first byte of an object was seen.
    first: Option<Instant>,
}

impl Patience {
    /// Patience from now on with who is to give an object of so many bytes; 0 where that is not known.
    pub(super) fn from(began: Instant, timeout: Duration, length: u64) -> Self {
        let reading = Duration::from_millis(length.saturating_mul(1000) / SLOWEST_READ_BYTES_PER_SECOND);
        let usual = began + timeout + reading;
        Self { timeout, usual, until: usual, first: None }
    }

    /// Patience with who is slow to begin: it lasts for so long before the first byte.
    pub(super) fn for_first_byte(began: Instant, timeout: Duration, most: Duration) -> Self {
        Self { until: began + most, ..Self::from(began, timeout, 0) }
    }

    /// Whether the first byte took longer than it usually may.
    pub(super) fn was_slow(&self) -> bool {
        self.first.is_some_and(|first| first > self.usual)
    }

    /// Waits for an answer of which nothing is seen before it is there.
    pub(super) async fn for_answer<T>(&self, asked: impl Future<Output = T>) -> Option<T> {
        timeout_at(self.until, asked).await.ok()
    }

    /// Waits for an object as long as its bytes move; whoever is asked after that has the whole time again.
    pub(super) async fn for_object<T>(
        &mut self,
        arrived: &Arrived,
        asked: impl Future<Output = T>,
    ) -> Option<T> {
        let mut asked = pin!(asked);
        let (begun, step) = (arrived.bytes(), self.timeout / LOOKS);
        let mut look = Instant::now();
        // Bytes at the looks of the last time-out, since the first byte.
        let mut counts: VecDeque<u64> = VecDeque::new();
        loop {
            look = if counts.is_empty() { self.until.min(look + step) } else { look + step };
            if let Ok(answered) = timeout_at(look, &mut asked).await {
                self.first.get_or_insert_with(Instant::now);
                return Some(answered);
            }
            let came = arrived.bytes();
            if counts.is_empty() && came == begun {
                if look >= self.until {
                    return None;
                }
                continue;
            }
            self.first.get_or_insert(look);
            self.until = look + self.timeout;
            counts.push_back(came);
            if counts.len() > LOOKS as usize
                && let Some(before) = counts.pop_front()
                && came - before < least(self.timeout)
            {
                return None;
            }
        }
    }
}

/// Fewest bytes of a time-out.
fn least(timeout: Duration) -> u64 {
    let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    SLOWEST_BYTES_PER_SECOND.saturating_mul(millis) / 1000
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::sleep;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(2);
    const TICK: Duration = Duration::from_millis(100);

    /// Waits for one who gives so many bytes each tenth of a second; after so many of them it ends, or hangs.
    async fn given(per_tick: usize, ticks: u32, ends: bool) -> (bool, Duration) {
        let (arrived, began) = (Arrived::default(), Instant::now());
        let mut patience = Patience::from(began, TIMEOUT, 0);
        let counted = arrived.clone();
        let giving = async move {
            for _ in 0..ticks {
                sleep(TICK).await;
                counted.add(per_tick);
            }
            if !ends {
                pending::<()>().await;
            }
        };
        let whole = patience.for_object(&arrived, giving).await.is_some();
        (whole, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_is_waited_for_as_long_as_it_moves() {
        assert_eq!(given(100_000, 60, true).await, (true, TICK * 60));
        assert_eq!(given(100_000, 36_000, true).await, (true, TICK * 36_000), "an hour");
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_hangs_is_given_up_soon_whenever_it_does() {
        assert_eq!(given(0, 1, false).await, (false, TIMEOUT), "before its first byte");
        for ticks in 1..80 {
            let (whole, took) = given(100_000, ticks, false).await;
            let since = took.saturating_sub(TICK * ticks);
            assert!(!whole && since <= TIMEOUT + TIMEOUT / LOOKS, "after {ticks} ticks: {since:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_drips_is_taken_for_one_who_hangs() {
        let (whole, took) = given(1000, 1000, true).await;
        assert!(!whole && took <= Duration::from_secs(3), "{took:?}");
        let slow_enough = usize::try_from(SLOWEST_BYTES_PER_SECOND / 10 + 1).unwrap();
        assert!(given(slow_enough, 1000, true).await.0);
        let too_slow = usize::try_from(SLOWEST_BYTES_PER_SECOND / 10 * 9 / 10).unwrap();
        assert!(!given(too_slow, 1000, true).await.0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_is_one_whatever_ways_it_is_asked_by() {
        let asked = || Patience::from(Instant::now(), TIMEOUT, 0);
        let (patience, began) = (asked(), Instant::now());
        sleep(TICK * 7).await;
        assert!(patience.for_answer(pending::<()>()).await.is_none());
        assert_eq!(began.elapsed(), TIMEOUT);
        let (mut patience, began) = (asked(), Instant::now());
        sleep(TICK * 7).await;
        assert!(patience.for_object(&Arrived::default(), pending::<()>()).await.is_none());
        assert_eq!(began.elapsed(), TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_object_may_be_read_before_its_first_byte() {
        let began = Instant::now();
        let mut patience = Patience::from(began, TIMEOUT, 640 << 20);
        assert!(patience.for_object(&Arrived::default(), pending::<()>()).await.is_none());
        assert_eq!(began.elapsed(), Duration::from_secs(12));
    }

    #[tokio::test(start_paused = true)]
    async fn after_bytes_that_came_to_nothing_the_next_has_the_whole_time() {
        let (arrived, began) = (Arrived::default(), Instant::now());
        let mut patience = Patience::from(began, TIMEOUT, 0);
        let counted = arrived.clone();
        let breaking = async move {
            for _ in 0..50 {
                sleep(TICK).await;
                counted.add(100_000);
            }
        };
        patience.for_object(&arrived, breaking).await.unwrap();
        let asked_again = Instant::now();
        assert!(patience.for_answer(pending::<()>()).await.is_none());
        assert!((TIMEOUT / 2..=TIMEOUT).contains(&asked_again.elapsed()), "{:?}", asked_again.elapsed());
    }
}
