//! Asking a member whether it really has what it accepted: by a query, by storage commitment, by reading back.
//!
//! `worker` is a member's loop, `steps` goes from the step that leads to the level wanted to those a member is left that
//! cannot do it, `present`, `commit` and `verify` are the steps, `silence` tells how long a commitment report is waited for,
//! `line` is the connection they share, `background` asks when there is nothing else to do.

pub mod ability;
pub(crate) mod background;
pub mod commit;
pub(crate) mod line;
pub mod present;
pub mod silence;
pub(crate) mod steps;
pub mod verify;
pub mod worker;

use std::time::Duration;

use outrigger_model::{ConfirmLevel, WallTime};

/// What was confirmed this long before a connection was lost is confirmed again: an archive that died may have forgotten
/// the last seconds, up to its checkpoint; ten minutes hold the slow ones.
pub(crate) const DOUBT: Duration = Duration::from_secs(600);

/// From when on a member's confirmations are in doubt, if calls to it began to fail at `failing_since`.
pub(crate) fn doubt_since(failing_since: WallTime) -> WallTime {
    WallTime(failing_since.0.saturating_sub(i64::try_from(DOUBT.as_micros()).unwrap_or(i64::MAX)))
}

/// A step by which a posting goes on from accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// An IMAGE-level query.
    Query,
    /// Storage commitment.
    Commit,
    /// Reading back.
    ReadBack,
}

impl Step {
    /// The level it leads to.
    pub fn level(self) -> ConfirmLevel {
        match self {
            Self::Query => ConfirmLevel::Present,
            Self::Commit => ConfirmLevel::Committed,
            Self::ReadBack => ConfirmLevel::Verified,
        }
    }
}

/// The one step that leads to `wanted`, and behind it those that a member is asked by which cannot do it, the surest first;
/// a stronger level includes the weaker ones, so there is no ladder to climb. Where none is left its word has to do.
pub fn steps(wanted: ConfirmLevel) -> &'static [Step] {
    match wanted {
        ConfirmLevel::Accepted => &[],
        ConfirmLevel::Present => &[Step::Query],
        ConfirmLevel::Committed => &[Step::Commit, Step::Query],
        ConfirmLevel::Verified => &[Step::ReadBack, Step::Commit, Step::Query],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_has_its_step_and_falls_to_the_next() {
        use ConfirmLevel::{Accepted, Committed, Present, Verified};
        let levels = |wanted| steps(wanted).iter().map(|step| step.level()).collect::<Vec<_>>();
        assert_eq!(levels(Accepted), []);
        assert_eq!(levels(Present), [Present]);
        assert_eq!(levels(Committed), [Committed, Present]);
        assert_eq!(levels(Verified), [Verified, Committed, Present]);
    }

    #[test]
    fn doubt_reaches_ten_minutes_back() {
        assert_eq!(doubt_since(WallTime(700_000_000)), WallTime(100_000_000));
    }
}
