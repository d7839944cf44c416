//! Letting object bytes go: when every required member has them, one is verified, and the retention time has passed.

use std::time::Duration;

use outrigger_journal::JournalHandle;
use outrigger_ledger::{Ledger, ReleaseMode};
use outrigger_runtime::Shutdown;

use crate::send::chain;

/// Entries released at once: one journal record names them all.
const BATCH: usize = 1024;

/// How often it is looked for what may go; retention is hours.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The journal's fill above which verified bytes go early, in percent: a quarter is left for what is owed nowhere else.
///
/// It lies below the 80 % at which a person is to look: where bytes only ever go early, a journal stays at this mark, and
/// there is nothing to look at.
const HIGH_WATER_PERCENT: u64 = 75;

/// The fill at which no more goes early, in percent: somewhat below, so that what comes until the next look has room.
const LOW_WATER_PERCENT: u64 = 70;

/// The loop that releases.
pub struct Releaser {
    /// The ledger.
    pub ledger: Ledger,
    /// The journal.
    pub journal: JournalHandle,
    /// How long bytes stay after an entry is balanced.
    pub retention: Duration,
    /// When to stop.
    pub shutdown: Shutdown,
}

/// How much may go, by the journal's fill.
pub fn mode(bytes: u64, capacity: u64) -> ReleaseMode {
    let mark = |percent| capacity / 100 * percent;
    if bytes <= mark(HIGH_WATER_PERCENT) {
        return ReleaseMode::Normal;
    }
    ReleaseMode::Early { room: bytes - mark(LOW_WATER_PERCENT) }
}

impl Releaser {
    /// Works until the node stops.
    pub async fn run(mut self) {
        while !self.shutdown.is_stopping() {
            if self.round().await == BATCH {
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.shutdown.stopping() => {}
            }
        }
    }

    /// Releases what may go; gives how many entries that were.
    pub async fn round(&self) -> usize {
        let state = self.journal.state();
        let mode = mode(state.bytes, state.capacity);
        let entries = match self.ledger.release_candidates(BATCH, self.retention, mode).await {
            Ok(entries) => entries,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "what may be released is not known now");
                return 0;
            }
        };
        if entries.is_empty() {
            return 0;
        }
        let numbers = entries.iter().map(|entry| outrigger_journal::Seq(entry.0)).collect();
        if let Err(error) = self.journal.release(numbers).await {
            tracing::warn!(error = %chain(&error), "bytes could not be released; they stay");
            return 0;
        }
        if let Err(error) = self.ledger.released(&entries).await {
            tracing::warn!(error = %chain(&error), "released bytes could not be noted; they are offered again");
            return 0;
        }
        tracing::info!(count = entries.len(), "bytes released");
        entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_early_above_three_quarters() {
        assert_eq!(mode(75, 100), ReleaseMode::Normal);
        assert_eq!(mode(76, 100), ReleaseMode::Early { room: 6 }, "and no more than it takes");
        assert_eq!(mode(u64::MAX, 100), ReleaseMode::Early { room: u64::MAX - 70 });
    }
}
