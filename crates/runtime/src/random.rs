//! Randomness, seeded in the simulator.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The source of random numbers; clones share it.
#[derive(Debug, Clone)]
pub enum Random {
    /// The operating system's.
    System,
    /// A repeatable sequence (SplitMix64, Steele et al. 2014) from a seed.
    Seeded(Arc<AtomicU64>),
}

/// The operating system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct RandomError(#[source] getrandom::Error);

impl Random {
    /// A repeatable source.
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(AtomicU64::new(seed)))
    }

    /// 64 random bits.
    pub fn u64(&self) -> Result<u64, RandomError> {
        match self {
            Self::System => getrandom::u64().map_err(RandomError),
            Self::Seeded(state) => Ok(split_mix(state.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed))),
        }
    }

    /// 128 random bits.
    pub fn u128(&self) -> Result<u128, RandomError> {
        Ok(u128::from(self.u64()?) << 64 | u128::from(self.u64()?))
    }
}

fn split_mix(state: u64) -> u64 {
    let mut mixed = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_two_seeds_differ() {
        let draw = |seed| {
            let random = Random::seeded(seed);
            [random.u64().unwrap(), random.u64().unwrap()]
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
