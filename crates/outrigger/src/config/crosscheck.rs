//! `[crosscheck]`: how what members say and give is compared.

use std::time::Duration;

use outrigger_audit::crosscheck::budget::Budget;
use outrigger_audit::crosscheck::sample::Share;

use super::keys;
use super::section::Section;

/// Most questions a second that may be asked for: archives answer hundreds at best, and have others to answer.
const RATE_MAX: u64 = 1_000;

/// How members are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CrosscheckConfig {
    /// How much may be asked and read.
    pub(crate) budget: Budget,
    /// The instances of a study that are read in one round.
    pub(crate) share: Share,
    /// From the beginning of one round to that of the next.
    pub(crate) every: Duration,
    /// How soon a study with differences is looked at again.
    pub(crate) again: Duration,
    /// How long the node must have served nobody.
    pub(crate) idle: Duration,
}

/// Whether members are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crosscheck {
    /// They are not.
    Off,
    /// In this way.
    On(CrosscheckConfig),
}

/// Reads `[crosscheck]`.
pub(crate) fn read_crosscheck(section: Section<'_>) -> Option<Crosscheck> {
    let enabled = section.truth(&keys::CROSSCHECK_ENABLED);
    let rate = section.number(&keys::CROSSCHECK_RATE, 1..RATE_MAX + 1);
    let bandwidth = section.room(&keys::CROSSCHECK_BANDWIDTH);
    let sample = section.number(&keys::CROSSCHECK_SAMPLE, 1..101);
    let (every, again) = (section.timer(&keys::CROSSCHECK_EVERY), section.timer(&keys::CROSSCHECK_AGAIN));
    let idle = section.duration(&keys::CROSSCHECK_IDLE);
    section.end();
    let between = Duration::from_secs(1) / u32::try_from(rate?).ok()?;
    let config = CrosscheckConfig {
        budget: Budget { between, bytes_per_second: bandwidth? },
        share: Share { percent: u8::try_from(sample?).ok()? },
        every: every?,
        again: again?,
        idle: idle?,
    };
    Some(if enabled? { Crosscheck::On(config) } else { Crosscheck::Off })
}
