//! Numbers that follow from a seed.

use outrigger_runtime::Random;

/// A repeatable source of small numbers; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Dice(Random);

impl Dice {
    /// Dice that the seed and the purpose determine, whatever other dice are thrown.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        Self(Random::seeded(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17) ^ purpose))
    }

    /// 64 bits.
    pub(crate) fn bits(&self) -> u64 {
        self.0.u64().unwrap()
    }

    /// A number from 0 to `limit` - 1.
    pub(crate) fn below(&self, limit: u64) -> u64 {
        self.bits() % limit.max(1)
    }

    /// A number from `from` to `to` - 1.
    pub(crate) fn between(&self, from: u64, to: u64) -> u64 {
        from + self.below(to - from)
    }

    /// True this many times in a hundred.
    pub(crate) fn percent(&self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}
