//! Postings that somebody is working on, in memory only: a restart gives all of them back.

use std::collections::HashMap;
use std::time::Duration;

use outrigger_model::{MemberNumber, Seq};
use tokio::time::Instant;

use crate::posting::PostingKey;

/// After this long a claim counts as lost: far longer than any object takes, and a posting is never stuck for ever. Sending twice does no harm.
const CLAIM_MAX: Duration = Duration::from_secs(2 * 3600);

/// Postings that somebody is working on.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    since: HashMap<PostingKey, Instant>,
    ended: u64,
}

impl Claims {
    /// Claims a posting, unless somebody else has.
    pub(crate) fn claim(&mut self, key: PostingKey, now: Instant) -> Claimed {
        if !self.is_free(key, now) {
            return Claimed::ByOthers;
        }
        self.since.insert(key, now);
        Claimed::Now
    }

    /// Whether nobody holds it.
    pub(crate) fn is_free(&self, key: PostingKey, now: Instant) -> bool {
        self.since.get(&key).is_none_or(|since| now.saturating_duration_since(*since) >= CLAIM_MAX)
    }

    /// Whether somebody works on an entry, at whatever member.
    pub(crate) fn is_worked_on(&self, entry: Seq, now: Instant) -> bool {
        let held = self.since.keys().filter(|key| key.entry == entry);
        held.into_iter().any(|key| !self.is_free(*key, now))
    }

    /// Gives a posting back.
    pub(crate) fn end(&mut self, key: PostingKey) {
        self.since.remove(&key);
        self.ended = self.ended.wrapping_add(1);
    }

    /// How often one ended.
    pub(crate) fn ended(&self) -> u64 {
        self.ended
    }

    /// Gives postings back.
    pub(crate) fn end_all(&mut self, keys: impl IntoIterator<Item = PostingKey>) {
        for key in keys {
            self.end(key);
        }
    }

    /// How many are claimed at a member.
    pub(crate) fn at(&self, member: MemberNumber) -> usize {
        self.since.keys().filter(|key| key.member == member).count()
    }
}

/// Whether a claim was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// It was.
    Now,
    /// Somebody else holds it.
    ByOthers,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_claim_lasts_until_it_ends_or_is_lost() {
        let key = PostingKey { entry: Seq(1), member: MemberNumber(0) };
        let mut claims = Claims::default();
        assert_eq!(claims.claim(key, Instant::now()), Claimed::Now);
        assert_eq!(claims.claim(key, Instant::now()), Claimed::ByOthers);
        assert_eq!((claims.at(MemberNumber(0)), claims.at(MemberNumber(1))), (1, 0));
        claims.end(key);
        assert_eq!(claims.claim(key, Instant::now()), Claimed::Now);
        tokio::time::advance(CLAIM_MAX).await;
        assert_eq!(claims.claim(key, Instant::now()), Claimed::Now);
    }
}
