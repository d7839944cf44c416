//! Sets of members, one bit each.

use serde::{Deserialize, Serialize};

use crate::MemberNumber;

/// A set of members: bit `n` is the member that owns number `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct MemberSet(pub u64);

impl MemberSet {
    /// Nobody.
    pub const EMPTY: Self = Self(0);

    /// Whether nobody is in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `member` is in it.
    pub fn contains(self, member: MemberNumber) -> bool {
        self.0 & member.bit() != 0
    }

    /// Takes `member` in.
    pub fn insert(&mut self, member: MemberNumber) {
        self.0 |= member.bit();
    }

    /// Leaves `member` out.
    pub fn remove(&mut self, member: MemberNumber) {
        self.0 &= !member.bit();
    }

    /// Those in either.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those in this one and not in the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those in both.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The members, by number.
    pub fn iter(self) -> impl Iterator<Item = MemberNumber> {
        (0..MemberNumber::COUNT_MAX).map(MemberNumber).filter(move |member| self.contains(*member))
    }
}

impl FromIterator<MemberNumber> for MemberSet {
    fn from_iter<I: IntoIterator<Item = MemberNumber>>(members: I) -> Self {
        let mut set = Self::EMPTY;
        members.into_iter().for_each(|member| set.insert(member));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_has_a_bit_too() {
        let set: MemberSet = [MemberNumber(0), MemberNumber(63)].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [MemberNumber(0), MemberNumber(63)]);
        assert!(set.without(MemberSet(1)).contains(MemberNumber(63)));
        assert!(!set.without(MemberSet(1)).contains(MemberNumber(0)));
    }
}
