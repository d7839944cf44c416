//! Asking a member whether it really has what it accepted: by a query, by storage commitment, by reading back.

pub mod commit;
pub mod present;
pub mod verify;
pub mod worker;

use std::time::Duration;

use outrigger_model::{ConfirmLevel, WallTime};

/// What was confirmed this long before a connection was lost is confirmed again: an archive that died may have forgotten
/// the last seconds, up to its checkpoint; ten minutes hold the slow ones.
const DOUBT: Duration = Duration::from_secs(600);

/// From when on a member's confirmations are in doubt, if calls to it began to fail at `failing_since`.
pub(crate) fn doubt_since(failing_since: WallTime) -> WallTime {
    WallTime(failing_since.0.saturating_sub(i64::try_from(DOUBT.as_micros()).unwrap_or(i64::MAX)))
}

/// The step by which a posting goes on from `reached` to the level its member must reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// An IMAGE-level query.
    Query,
    /// Storage commitment.
    Commit,
    /// Reading back.
    ReadBack,
}

/// The one step that leads to `wanted`; a stronger level includes the weaker ones, so there is no ladder to climb.
pub fn step(wanted: ConfirmLevel) -> Option<Step> {
    match wanted {
        ConfirmLevel::Accepted => None,
        ConfirmLevel::Present => Some(Step::Query),
        ConfirmLevel::Committed => Some(Step::Commit),
        ConfirmLevel::Verified => Some(Step::ReadBack),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_has_its_step() {
        assert_eq!(step(ConfirmLevel::Accepted), None);
        assert_eq!(step(ConfirmLevel::Present), Some(Step::Query));
        assert_eq!(step(ConfirmLevel::Committed), Some(Step::Commit));
        assert_eq!(step(ConfirmLevel::Verified), Some(Step::ReadBack));
    }

    #[test]
    fn doubt_reaches_ten_minutes_back() {
        assert_eq!(doubt_since(WallTime(700_000_000)), WallTime(100_000_000));
    }
}
