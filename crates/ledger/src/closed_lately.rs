//! What was closed lately by the monotonic clock: the books date closings by the wall clock, and one that is set forward leaves
//! those of a minute ago hours behind, where nobody would put them in doubt.

use std::collections::VecDeque;
use std::time::Duration;

use outrigger_model::{MemberNumber, Seq};
use tokio::time::Instant;

use crate::applier::CLOSINGS_KEPT;
use crate::posting::PostingKey;

/// Closings remembered, the newest ones: seventy a second for a quarter of an hour, some megabytes. Of more, the dates in the
/// books tell.
const CLOSINGS_MAX: usize = 65_536;

/// The closings since the start that are remembered, oldest first.
#[derive(Debug, Default)]
pub(crate) struct ClosedLately(VecDeque<(Instant, PostingKey)>);

impl ClosedLately {
    pub(crate) fn note(&mut self, key: PostingKey, now: Instant) {
        let is_old = |at: Instant| now.saturating_duration_since(at) > CLOSINGS_KEPT;
        while self.0.len() >= CLOSINGS_MAX || self.0.front().is_some_and(|(at, _)| is_old(*at)) {
            self.0.pop_front();
        }
        self.0.push_back((now, key));
    }

    /// The entries that were closed at a member within `span` before `now`.
    pub(crate) fn within(
        &self,
        span: Duration,
        now: Instant,
        member: MemberNumber,
    ) -> impl Iterator<Item = Seq> + '_ {
        let newest = self.0.iter().rev();
        let lately = newest.take_while(move |(at, _)| now.saturating_duration_since(*at) <= span);
        lately.filter(move |(_, key)| key.member == member).map(|(_, key)| key.entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_holds_no_more_and_no_longer_than_it_should() {
        let (mut lately, now, member) = (ClosedLately::default(), Instant::now(), MemberNumber(1));
        let key = |entry| PostingKey { entry: Seq(entry), member };
        lately.note(key(1), now);
        lately.note(key(2), now + Duration::from_secs(60));
        let within = |lately: &ClosedLately, seconds| {
            let (span, now) = (Duration::from_secs(seconds), now + Duration::from_secs(70));
            lately.within(span, now, member).map(|entry| entry.0).collect::<Vec<_>>()
        };
        assert_eq!((within(&lately, 10), within(&lately, 70)), (vec![2], vec![2, 1]));
        assert_eq!(lately.within(CLOSINGS_KEPT, now, MemberNumber(2)).count(), 0);
        lately.note(key(3), now + CLOSINGS_KEPT + Duration::from_secs(1));
        assert_eq!(lately.0.len(), 2);
        for entry in 0..70_000 {
            lately.note(key(entry), now + CLOSINGS_KEPT);
        }
        assert_eq!(lately.0.len(), CLOSINGS_MAX);
    }
}
