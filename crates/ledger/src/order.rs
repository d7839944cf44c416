//! In which order the postings of one member may start.

use outrigger_model::{Seq, SopInstanceUid};

use crate::entry::LaneNumber;

/// What a posting touches at its member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// Its entry; entries are ordered by it.
    pub entry: Seq,
    /// What the entry does.
    pub deed: Deed,
    /// The study it names.
    pub lane: LaneNumber,
}

/// What an entry does at a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Stores an instance.
    Store(SopInstanceUid),
}

impl Keyed {
    /// Whether both name the same study or instance.
    fn shares_key(&self, other: &Self) -> bool {
        let (Deed::Store(mine), Deed::Store(theirs)) = (&self.deed, &other.deed);
        self.lane == other.lane || mine == theirs
    }

    /// Whether the outcome is the same whichever goes first: so it is for stores of two instances.
    fn commutes(&self, other: &Self) -> bool {
        match (&self.deed, &other.deed) {
            (Deed::Store(mine), Deed::Store(theirs)) => mine != theirs,
        }
    }
}

/// Whether a posting may start, given the open postings of its member: it waits for an earlier one that shares a key and does not commute.
///
/// Waits only point backwards, so that they never form a ring. Postings in suspense are not among `open`: they block nothing.
pub fn may_start<'a>(posting: &Keyed, open: impl IntoIterator<Item = &'a Keyed>) -> bool {
    open.into_iter()
        .filter(|other| other.entry < posting.entry)
        .all(|earlier| !posting.shares_key(earlier) || posting.commutes(earlier))
}

/// Takes up to `limit`, of which retries have at most one in `share` as long as others are there.
pub(crate) fn interleave<T>(others: Vec<T>, retries: Vec<T>, limit: usize, share: usize) -> Vec<T> {
    let (mut others, mut retries) = (others.into_iter(), retries.into_iter());
    let mut taken = Vec::new();
    while taken.len() < limit {
        let retry_first = (taken.len() + 1).is_multiple_of(share.max(1));
        let next = if retry_first {
            retries.next().or_else(|| others.next())
        } else {
            others.next().or_else(|| retries.next())
        };
        let Some(next) = next else { break };
        taken.push(next);
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(entry: u64, lane: u64, uid: &'static str) -> Keyed {
        Keyed { entry: Seq(entry), deed: Deed::Store(SopInstanceUid::known(uid)), lane: LaneNumber(lane) }
    }

    #[test]
    fn two_versions_of_an_instance_keep_their_order_and_others_run_freely() {
        let open = [store(1, 7, "1.1"), store(2, 7, "1.2"), store(4, 7, "1.3")];
        assert!(may_start(&store(3, 7, "1.4"), &open));
        assert!(may_start(&store(3, 8, "1.3"), &open), "only earlier ones count");
        assert!(!may_start(&store(3, 7, "1.2"), &open));
        assert!(!may_start(&store(3, 8, "1.2"), &open), "an instance is itself in whatever study");
        assert!(may_start(&store(1, 7, "1.1"), &open), "nothing waits for itself");
    }

    #[test]
    fn retries_have_their_share_and_fill_what_is_left() {
        let mixed =
            |others: &[u32], retries: &[u32], limit| interleave(others.to_vec(), retries.to_vec(), limit, 4);
        assert_eq!(mixed(&[1, 2, 3, 4, 5, 6], &[91, 92, 93], 8), [1, 2, 3, 91, 4, 5, 6, 92]);
        assert_eq!(mixed(&[1], &[91, 92], 8), [1, 91, 92]);
        assert_eq!(mixed(&[], &[91], 8), [91]);
        assert_eq!(mixed(&[1, 2, 3, 4], &[], 3), [1, 2, 3]);
    }
}
