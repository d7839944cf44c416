//! Whether an instance that was never stored here may be promised: by what members gave of it when they were asked.

use std::collections::HashMap;
use std::time::Duration;

use outrigger_model::{MemberSet, SopInstanceUid};
use outrigger_runtime::backoff::Backoff;
use tokio::time::Instant;

use crate::promise::CommitPolicy;

/// Instances of which it is known at once what members gave, some hundred bytes each: a handful of the largest requests.
pub(crate) const ATTESTED_MAX: usize = 1 << 16;
/// For how long what members gave stands for what they have: as long as the largest request takes to be asked for, many times over.
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(3600);
/// How often members are asked again that did not give enough: they may have been away.
const ASK_AGAIN: Backoff = Backoff { first: Duration::from_secs(60), longest: GOOD_FOR };

/// What the copies that members gave say of one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    /// Those of all that are counted have the same content.
    Agree,
    /// Two of them contradict one another.
    Contradict,
}

/// What members gave of an instance that was never stored here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attested {
    /// The members that gave it whole, with the same content.
    pub(crate) gave: MemberSet,
    /// The members of the configuration in whose scope it falls; nobody where no member gave it.
    pub(crate) wanted: MemberSet,
    pub(crate) copies: Copies,
    pub(crate) at: Instant,
    /// How often they were asked.
    pub(crate) asked: u32,
}

/// An instance that was never stored here, and the members that are to give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToAttest {
    /// The instance.
    pub instance: SopInstanceUid,
    /// The members, all of which were seen to have it.
    pub members: MemberSet,
}

/// What members gave, by instance.
pub(crate) type Attestations = HashMap<SopInstanceUid, Attested>;

/// Who must give an instance that was never stored here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand {
    pub(crate) policy: CommitPolicy,
    /// Required members of the configuration.
    pub(crate) required: MemberSet,
}

impl Demand {
    /// Whether those who gave it are enough.
    ///
    /// The journal has no bytes of it that could stand in for a member, so that a policy with the journal asks for all required members,
    /// as it does for an object whose bytes were let go.
    pub(crate) fn is_met(&self, attested: &Attested) -> bool {
        let gave = attested.gave.iter().count();
        attested.copies == Copies::Agree
            && match self.policy {
                CommitPolicy::All => self.all_gave(attested),
                CommitPolicy::Journal { members } => self.all_gave(attested) && gave >= usize::from(members),
                CommitPolicy::Members { members } => gave >= usize::from(members),
            }
    }

    fn all_gave(&self, attested: &Attested) -> bool {
        let asked = attested.wanted.common(self.required);
        !asked.is_empty() && asked.without(attested.gave).is_empty()
    }

    /// Whom it is worth to ask now, of those that were seen to have it; `None` while nothing can come of it.
    pub(crate) fn whom(
        &self,
        seen: MemberSet,
        attested: Option<&Attested>,
        now: Instant,
    ) -> Option<MemberSet> {
        let whom = match self.policy {
            CommitPolicy::All | CommitPolicy::Journal { .. } => seen.common(self.required),
            CommitPolicy::Members { .. } => seen,
        };
        let is_time = attested.is_none_or(|attested| {
            let age = now.saturating_duration_since(attested.at);
            if self.is_met(attested) {
                age > GOOD_FOR
            } else {
                age >= ASK_AGAIN.after(attested.asked, u8::MAX)
            }
        });
        (is_time && self.may_be_met(whom, attested)).then_some(whom)
    }

    /// Whether these could be enough.
    fn may_be_met(&self, whom: MemberSet, attested: Option<&Attested>) -> bool {
        let enough = match self.policy {
            CommitPolicy::All => 1,
            CommitPolicy::Journal { members } | CommitPolicy::Members { members } => usize::from(members),
        };
        // Who must have it is known once somebody gave it.
        let wanted = attested.map(|attested| attested.wanted.common(self.required));
        let lacks = match self.policy {
            CommitPolicy::Members { .. } => MemberSet::EMPTY,
            CommitPolicy::All | CommitPolicy::Journal { .. } => wanted.unwrap_or_default().without(whom),
        };
        !whom.is_empty() && whom.iter().count() >= enough && lacks.is_empty()
    }
}

/// Makes room for one more; whether there is.
pub(crate) fn make_room(attestations: &mut Attestations, now: Instant) -> bool {
    if attestations.len() >= ATTESTED_MAX {
        attestations.retain(|_, attested| now.saturating_duration_since(attested.at) <= GOOD_FOR);
    }
    attestations.len() < ATTESTED_MAX
}

#[cfg(test)]
mod tests {
    use outrigger_model::MemberNumber;

    use super::*;

    fn members(numbers: &[u8]) -> MemberSet {
        numbers.iter().map(|number| MemberNumber(*number)).collect()
    }

    fn attested(gave: &[u8], wanted: &[u8]) -> Attested {
        let (gave, wanted) = (members(gave), members(wanted));
        Attested { gave, wanted, copies: Copies::Agree, at: Instant::now(), asked: 1 }
    }

    /// Members 0 and 1 are required, 2 is not.
    fn demand(policy: CommitPolicy) -> Demand {
        Demand { policy, required: members(&[0, 1]) }
    }

    #[test]
    fn each_policy_asks_for_what_it_says() {
        let journal = |members| CommitPolicy::Journal { members };
        let number = |members| CommitPolicy::Members { members };
        for (policy, gave, wanted, met) in [
            (CommitPolicy::All, &[0, 1][..], &[0, 1, 2][..], true),
            (CommitPolicy::All, &[0, 2], &[0, 1, 2], false),
            (CommitPolicy::All, &[0], &[0, 2], true),
            (CommitPolicy::All, &[2], &[2], false),
            (CommitPolicy::All, &[], &[], false),
            (journal(1), &[0, 1], &[0, 1], true),
            (journal(1), &[0], &[0, 1], false),
            (journal(2), &[0], &[0], false),
            (number(1), &[2], &[0, 1, 2], true),
            (number(2), &[2], &[0, 1, 2], false),
            (number(2), &[1, 2], &[0, 1, 2], true),
        ] {
            let attested = attested(gave, wanted);
            assert_eq!(demand(policy).is_met(&attested), met, "{policy:?} {gave:?} of {wanted:?}");
            let contradicting = Attested { copies: Copies::Contradict, ..attested };
            assert!(!demand(policy).is_met(&contradicting), "{policy:?} {gave:?}");
        }
    }

    #[test]
    fn nobody_is_asked_where_nothing_can_come_of_it_or_too_soon() {
        let now = Instant::now();
        let ask = |policy, seen: &[u8], attested: Option<&Attested>, now| {
            demand(policy).whom(members(seen), attested, now)
        };
        let all = CommitPolicy::All;
        assert_eq!(ask(all, &[0, 1, 2], None, now), Some(members(&[0, 1])));
        assert_eq!(ask(all, &[0], None, now), Some(members(&[0])), "it may be nothing for the other");
        assert_eq!(ask(all, &[2], None, now), None);
        assert_eq!(ask(CommitPolicy::Members { members: 2 }, &[2], None, now), None);
        assert_eq!(ask(CommitPolicy::Members { members: 2 }, &[1, 2], None, now), Some(members(&[1, 2])));

        let one_of_two = attested(&[0], &[0, 1]);
        let later = now + ASK_AGAIN.first + Duration::from_secs(1);
        assert_eq!(ask(all, &[0], Some(&one_of_two), later), None, "the other has not been seen to have it");
        assert_eq!(ask(all, &[0, 1], Some(&one_of_two), now), None, "too soon");
        assert_eq!(ask(all, &[0, 1], Some(&one_of_two), later), Some(members(&[0, 1])));
        let both = attested(&[0, 1], &[0, 1]);
        assert_eq!(ask(all, &[0, 1], Some(&both), later), None, "it is known");
        let old = now + GOOD_FOR + Duration::from_secs(1);
        assert_eq!(ask(all, &[0, 1], Some(&both), old), Some(members(&[0, 1])), "not any more");
    }
}
