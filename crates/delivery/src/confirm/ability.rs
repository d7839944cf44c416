//! What a member turned out to be unable to do by its kind, and until when that is taken for granted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use outrigger_member::{Ability, Denial, MemberError};
use outrigger_model::{ConfirmLevel, SopClassUid};
use tokio::time::Instant;

use crate::confirm::Step;

/// What a member cannot do is tried again after this: members are updated, and one association an hour is no burden.
pub const LEARN_AGAIN: Duration = Duration::from_secs(3600);

/// What one member cannot do.
#[derive(Debug, Default)]
pub struct Lacks {
    steps: BTreeMap<Step, (Denial, Instant)>,
    /// SOP classes it does not commit to.
    uncommitted: BTreeMap<SopClassUid, Instant>,
}

impl Lacks {
    /// Whether a step is worth a try.
    pub fn allows(&self, step: Step, now: Instant) -> bool {
        self.steps.get(&step).is_none_or(|(_, again)| *again <= now)
    }

    /// Whether objects of a class are worth a request for storage commitment.
    pub fn commits(&self, class: &SopClassUid, now: Instant) -> bool {
        self.uncommitted.get(class).is_none_or(|again| *again <= now)
    }

    /// The member cannot do a step.
    pub fn note(&mut self, step: Step, denial: Denial, now: Instant) {
        self.steps.insert(step, (denial, now + LEARN_AGAIN));
    }

    /// The member does not commit to objects of a class.
    pub fn note_class(&mut self, class: SopClassUid, now: Instant) {
        self.uncommitted.insert(class, now + LEARN_AGAIN);
    }

    /// The member can do a step.
    pub fn forget(&mut self, step: Step) {
        self.steps.remove(&step);
    }

    /// Whether the member was seen since the start to be unable to do a step.
    pub fn has(&self, step: Step) -> bool {
        self.steps.contains_key(&step)
    }

    /// Whether a step is to be asked for in earnest again, though a negotiation shows nothing new.
    pub fn is_by_deed(&self, step: Step) -> bool {
        matches!(self.steps.get(&step), Some((Denial::Answered(_) | Denial::Unreported(_), _)))
    }
}

/// What an error says against a step as such, whatever the object; `None` if it says something else.
pub fn lack(error: &MemberError) -> Option<&Denial> {
    match error {
        MemberError::Unable { denial, .. } => Some(denial),
        MemberError::Connect(_)
        | MemberError::Lost { .. }
        | MemberError::NoContext { .. }
        | MemberError::NotFound
        | MemberError::OtherClass { .. }
        | MemberError::Refused { .. }
        | MemberError::Http(_)
        | MemberError::Source(_)
        | MemberError::OutsideStudies => None,
    }
}

/// Of the errors of several routes the one that counts: a member cannot do something only if it cannot by any of them.
pub fn gravest(one: MemberError, other: MemberError) -> MemberError {
    if lack(&one).is_some() { other } else { one }
}

/// What a negotiation must show for a step.
pub fn needed(step: Step) -> Ability {
    match step {
        Step::Query => Ability::Query,
        Step::Commit => Ability::Commit,
        Step::ReadBack => Ability::ReadBack,
    }
}

/// The steps that a negotiation shows to be possible.
pub fn shown(abilities: &BTreeSet<Ability>) -> impl Iterator<Item = Step> + '_ {
    let steps = [Step::Query, Step::Commit, Step::ReadBack];
    steps.into_iter().filter(|step| abilities.contains(&needed(*step)))
}

/// What a person is told of a member that cannot do a step: what it lacks, what happens instead, what to do.
pub fn in_words(step: Step, wanted: ConfirmLevel, error: &str) -> String {
    let instead = match (step, wanted) {
        (Step::Query, _) => {
            "objects there count by its word alone, as accepted, and their bytes leave the journal only when that fills up; let the member answer C-FIND of the Study Root model, or set its `confirm` to \"accepted\""
        }
        (Step::Commit, _) => {
            "objects there are confirmed by a query instead, as present; let the member offer the Storage Commitment Push Model by DIMSE and report to `[members]` listen of this node, or set its `confirm` to \"verified\" or \"present\""
        }
        (Step::ReadBack, ConfirmLevel::Verified) => {
            "objects there are confirmed by storage commitment or a query instead; set `read_back` of its route to the other of \"get\" and \"move\", let the member give objects back, or set its `confirm` to \"committed\" or \"present\""
        }
        (Step::ReadBack, _) => {
            "no copy there can be verified, so another member must give each object back before its bytes leave the journal; set `read_back` of its route to the other of \"get\" and \"move\" if it can do that"
        }
    };
    format!("{error}: {instead}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_context() -> Denial {
        Denial::NoContext("1.2".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_member_cannot_do_is_tried_again_after_an_hour() {
        let mut lacks = Lacks::default();
        let now = Instant::now();
        assert!(lacks.allows(Step::Commit, now));
        lacks.note(Step::Commit, no_context(), now);
        lacks.note_class(SopClassUid::known("1.2"), now);
        let almost = now + LEARN_AGAIN - Duration::from_secs(1);
        assert!(!lacks.allows(Step::Commit, almost) && lacks.allows(Step::Query, almost));
        assert!(!lacks.commits(&SopClassUid::known("1.2"), almost));
        assert!(lacks.commits(&SopClassUid::known("1.3"), almost));
        assert!(lacks.allows(Step::Commit, now + LEARN_AGAIN));
        assert!(lacks.commits(&SopClassUid::known("1.2"), now + LEARN_AGAIN));
        lacks.forget(Step::Commit);
        assert!(lacks.allows(Step::Commit, now));
    }

    #[test]
    fn a_member_cannot_only_if_it_cannot_by_any_route() {
        let no = || MemberError::Unable { operation: "C-FIND", denial: no_context() };
        let refused =
            || MemberError::Refused { operation: "C-FIND", status: outrigger_model::Status(0xA700) };
        assert_eq!(lack(&no()), Some(&no_context()));
        assert_eq!(lack(&refused()), None);
        assert_eq!(lack(&gravest(no(), refused())), None);
        assert_eq!(lack(&gravest(refused(), no())), None);
        assert_eq!(lack(&gravest(no(), no())), Some(&no_context()));
    }

    #[test]
    fn a_person_is_told_what_to_do() {
        for (step, wanted) in [
            (Step::Query, ConfirmLevel::Committed),
            (Step::Commit, ConfirmLevel::Committed),
            (Step::ReadBack, ConfirmLevel::Verified),
        ] {
            let words = in_words(step, wanted, "the member knows no such thing");
            assert!(words.starts_with("the member knows") && words.contains("`confirm`"), "{words}");
        }
        assert!(in_words(Step::ReadBack, ConfirmLevel::Present, "").contains("another member"));
    }
}
