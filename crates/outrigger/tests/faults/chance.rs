//! How often, and what is left to chance: the seed is printed, and `OUTRIGGER_SEED` repeats it.

use std::time::Duration;

use outrigger_runtime::Random;

/// How many times over the counts run.
pub(crate) fn soak() -> u64 {
    std::env::var("OUTRIGGER_SOAK").map_or(1, |times| times.parse().unwrap())
}

/// A seeded source of chance.
#[derive(Debug)]
pub(crate) struct Chance {
    pub(crate) seed: u64,
    random: Random,
}

impl Chance {
    /// With the seed that is asked for, else with any.
    pub(crate) fn new() -> Self {
        let seed = match std::env::var("OUTRIGGER_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => Random::System.u64().unwrap() >> 32,
        };
        println!("OUTRIGGER_SEED={seed} repeats these choices");
        Self { seed, random: Random::seeded(seed) }
    }

    pub(crate) fn below(&self, limit: u64) -> u64 {
        self.random.u64().unwrap() % limit
    }

    /// A time up to the latest, to the microsecond.
    pub(crate) fn within(&self, latest: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(latest.as_micros()).unwrap().max(1)))
    }
}
