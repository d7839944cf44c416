//! Who was heard when something was looked up, and so how far "nobody has it" can be relied on.

use std::collections::BTreeMap;

use outrigger_model::{MemberName, MemberNumber};

/// Why a member's word is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unheard {
    /// It did not answer, or not to the end.
    Silent,
    /// It shows what was looked up, and did not list it.
    Unlisted,
}

/// Whose word is missing of what was looked up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Looked {
    missing: BTreeMap<MemberNumber, (MemberName, Unheard)>,
    /// Something was asked of members and answered by none.
    is_unanswered: bool,
}

impl Looked {
    /// What each member that was asked one thing said.
    pub(super) fn of(said: Vec<(MemberNumber, MemberName, Result<(), Unheard>)>) -> Self {
        let is_unanswered = !said.is_empty() && said.iter().all(|(_, _, said)| said.is_err());
        let missing = said.into_iter().filter_map(|(number, name, said)| Some((number, (name, said.err()?))));
        Self { missing: missing.collect(), is_unanswered }
    }

    /// Both that and this were looked up.
    pub fn and(&mut self, other: Self) {
        self.is_unanswered |= other.is_unanswered;
        for (number, (name, why)) in other.missing {
            let both = self.missing.entry(number).or_insert((name, why));
            both.1 = both.1.max(why);
        }
    }

    /// The members that may have what was not found; none where "nobody has it" is final. A member that was not heard may have it
    /// unless the catalogue knows what it holds; whatever that knows, where something was shown before, or nobody was heard.
    pub(super) fn may_have(
        self,
        is_inventoried: impl Fn(MemberNumber) -> bool,
        was_shown: bool,
    ) -> Vec<MemberName> {
        let is_any = was_shown || self.is_unanswered;
        let may = self
            .missing
            .into_iter()
            .filter(|(number, (_, why))| is_any || *why == Unheard::Unlisted || !is_inventoried(*number));
        may.map(|(_, (name, _))| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MemberNumber = MemberNumber(0);
    const B: MemberNumber = MemberNumber(1);

    fn looked(a: Result<(), Unheard>, b: Result<(), Unheard>) -> Looked {
        let name = |name| MemberName::new(name).unwrap();
        Looked::of(vec![(A, name("a"), a), (B, name("b"), b)])
    }

    fn may_have(looked: &Looked, inventoried: &[MemberNumber], was_shown: bool) -> String {
        let names = looked.clone().may_have(|number| inventoried.contains(&number), was_shown);
        names.iter().map(MemberName::as_str).collect()
    }

    #[test]
    fn nothing_found_is_final_where_all_were_heard_or_are_known() {
        let (silent, unlisted) = (Err(Unheard::Silent), Err(Unheard::Unlisted));
        for (looked, inventoried, was_shown, expected) in [
            (looked(Ok(()), Ok(())), &[][..], true, ""),
            (looked(silent, Ok(())), &[], false, "a"),
            (looked(silent, Ok(())), &[A, B], false, ""),
            (looked(silent, Ok(())), &[A, B], true, "a"),
            (looked(unlisted, Ok(())), &[A, B], false, "a"),
            (looked(silent, silent), &[A, B], false, "ab"),
            (Looked::of(Vec::new()), &[], true, ""),
            (Looked::default(), &[], false, ""),
        ] {
            assert_eq!(
                may_have(&looked, inventoried, was_shown),
                expected,
                "{looked:?} {inventoried:?} {was_shown}"
            );
        }
    }

    #[test]
    fn what_was_looked_up_in_two_steps_is_as_sure_as_the_less_sure() {
        let mut both = looked(Err(Unheard::Silent), Ok(()));
        both.and(looked(Err(Unheard::Unlisted), Ok(())));
        assert_eq!(may_have(&both, &[A, B], false), "a");
        let mut both = looked(Ok(()), Ok(()));
        both.and(looked(Err(Unheard::Silent), Err(Unheard::Silent)));
        assert_eq!(may_have(&both, &[A, B], false), "ab");
    }
}
