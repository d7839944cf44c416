//! The account of a member: how many entries stand where. The sum of all but the first is the first, else something is wrong.

use outrigger_model::MemberName;
use serde::{Deserialize, Serialize};

use crate::entry::Standing;

/// How many entries stand where at a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Account {
    /// Entries accepted since the journal began.
    pub accepted: u64,
    /// Closed by confirmation, or come from there.
    pub confirmed: u64,
    /// Owed.
    pub pending: u64,
    /// A person must look.
    pub suspense: u64,
    /// Another entry of the same instance stands for it.
    pub superseded: u64,
    /// Outside the member's scope.
    pub not_wanted: u64,
    /// Given up by a named person.
    pub written_off: u64,
}

/// What changes in an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccountChange {
    /// Entries accepted.
    pub accepted: i64,
    /// Change of confirmed.
    pub confirmed: i64,
    /// Change of pending.
    pub pending: i64,
    /// Change of suspense.
    pub suspense: i64,
    /// Change of superseded.
    pub superseded: i64,
    /// Change of not wanted.
    pub not_wanted: i64,
    /// Change of written off.
    pub written_off: i64,
}

impl Account {
    /// Accepted less all the others: 0 in sound books.
    pub fn difference(&self) -> i64 {
        let others =
            [self.confirmed, self.pending, self.suspense, self.superseded, self.not_wanted, self.written_off];
        others.iter().fold(self.accepted.cast_signed(), |rest, part| rest.wrapping_sub(part.cast_signed()))
    }

    /// The account of a member that joins after `accepted` entries: it owes nothing for what was there before.
    pub(crate) fn joining(accepted: u64) -> Self {
        Self { accepted, not_wanted: accepted, ..Self::default() }
    }

    /// One more entry that stands so.
    pub(crate) fn count(&mut self, standing: Standing) {
        let mut change = AccountChange { accepted: 1, ..AccountChange::default() };
        change.add(standing, 1);
        *self = self.changed(&change);
    }

    /// The account after a change.
    #[must_use]
    pub(crate) fn changed(&self, change: &AccountChange) -> Self {
        Self {
            accepted: self.accepted.wrapping_add_signed(change.accepted),
            confirmed: self.confirmed.wrapping_add_signed(change.confirmed),
            pending: self.pending.wrapping_add_signed(change.pending),
            suspense: self.suspense.wrapping_add_signed(change.suspense),
            superseded: self.superseded.wrapping_add_signed(change.superseded),
            not_wanted: self.not_wanted.wrapping_add_signed(change.not_wanted),
            written_off: self.written_off.wrapping_add_signed(change.written_off),
        }
    }
}

impl AccountChange {
    /// `count` entries more, or fewer, stand so.
    pub(crate) fn add(&mut self, standing: Standing, count: i64) {
        let part = match standing {
            Standing::Confirmed => &mut self.confirmed,
            Standing::Pending => &mut self.pending,
            Standing::Suspense => &mut self.suspense,
            Standing::Superseded => &mut self.superseded,
            Standing::NotWanted => &mut self.not_wanted,
            Standing::WrittenOff => &mut self.written_off,
        };
        *part += count;
    }
}

/// The trial balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Whether nothing is owed, nothing in suspense, and no difference anywhere.
    pub balanced: bool,
    /// Member by member.
    pub members: Vec<MemberBalance>,
}

/// The trial balance of one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberBalance {
    /// The member.
    pub name: MemberName,
    /// Entries accepted since the journal began.
    pub accepted_entries: u64,
    /// Closed by confirmation, or come from there.
    pub confirmed: u64,
    /// Owed below the level the member must reach.
    pub pending: u64,
    /// A person must look.
    pub suspense: u64,
    /// Another entry of the same instance stands for it.
    pub superseded: u64,
    /// Outside the member's scope.
    pub not_wanted: u64,
    /// Given up by a named person.
    pub written_off: u64,
    /// Accepted less all the others: 0 in sound books.
    pub difference: i64,
}

impl MemberBalance {
    pub(crate) fn new(name: MemberName, account: &Account) -> Self {
        Self {
            name,
            accepted_entries: account.accepted,
            confirmed: account.confirmed,
            pending: account.pending,
            suspense: account.suspense,
            superseded: account.superseded,
            not_wanted: account.not_wanted,
            written_off: account.written_off,
            difference: account.difference(),
        }
    }
}

impl Balance {
    pub(crate) fn new(members: Vec<MemberBalance>) -> Self {
        let settled =
            |member: &MemberBalance| member.pending == 0 && member.suspense == 0 && member.difference == 0;
        Self { balanced: members.iter().all(settled), members }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_whichever_side_is_wrong() {
        let mut account = Account::joining(2);
        account.count(Standing::Pending);
        assert_eq!((account.accepted, account.difference()), (3, 0));
        let mut moved = AccountChange::default();
        moved.add(Standing::Pending, -1);
        moved.add(Standing::Confirmed, 1);
        account = account.changed(&moved);
        assert_eq!((account.confirmed, account.pending, account.difference()), (1, 0, 0));
        assert_eq!(Account { confirmed: 0, ..account }.difference(), 1);
        assert_eq!(Account { confirmed: 2, ..account }.difference(), -1);
    }

    #[test]
    fn only_settled_books_are_balanced() {
        let name = MemberName::new("primary").unwrap();
        let balance =
            |account: Account| Balance::new(vec![MemberBalance::new(name.clone(), &account)]).balanced;
        assert!(balance(Account { accepted: 1, confirmed: 1, ..Account::default() }));
        assert!(!balance(Account { accepted: 1, pending: 1, ..Account::default() }));
        assert!(!balance(Account { accepted: 1, suspense: 1, ..Account::default() }));
        assert!(!balance(Account { accepted: 1, ..Account::default() }));
    }
}
