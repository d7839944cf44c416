//! `[inventory]`: how it is learnt what members held before anything came through here.

use std::time::Duration;

use super::keys;
use super::section::Section;

/// Most queries a second that may be asked for: archives answer hundreds at best, and have others to answer.
const RATE_MAX: u64 = 1_000;

/// `[inventory]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InventoryConfig {
    /// Whether inventories are taken.
    pub(crate) taken: Taken,
    /// Time between two queries to one member.
    pub(crate) between: Duration,
    /// From the beginning of one to that of the next.
    pub(crate) every: Duration,
}

/// Whether inventories are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Of every member.
    Yes,
    /// Of none.
    No,
}

/// Reads `[inventory]`.
pub(crate) fn read_inventory(section: Section<'_>) -> Option<InventoryConfig> {
    let taken = section.truth(&keys::INVENTORY_ENABLED);
    let rate = section.number(&keys::INVENTORY_RATE, 1..RATE_MAX + 1);
    let every = section.timer(&keys::INVENTORY_EVERY);
    section.end();
    Some(InventoryConfig {
        taken: if taken? { Taken::Yes } else { Taken::No },
        between: Duration::from_secs(1) / u32::try_from(rate?).ok()?,
        every: every?,
    })
}
