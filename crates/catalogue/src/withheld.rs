//! Instances that are kept, or were, and are not shown: hidden or deleted, by whom and why.

use outrigger_model::{SopInstanceUid, WallTime};
use serde::{Deserialize, Serialize};

use crate::instance::ParentNumbers;
use crate::{DecisionMark, Named, Rejection};

/// Why an instance is not shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// Who decided it, when and why.
    pub mark: DecisionMark,
    /// The code of the rejection, where it is one.
    pub rejection: Option<Rejection>,
    /// What has become of it.
    pub fate: Fate,
    /// The instance as it was.
    pub named: Named,
    /// The rows it stood in, to be put back there.
    pub(crate) parents: Option<ParentNumbers>,
}

/// What has become of an instance that is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Its bytes stay.
    Hidden,
    /// Its bytes go at that time.
    Deleted {
        /// When.
        due: WallTime,
    },
    /// Its bytes are being removed.
    Going,
    /// Its bytes are gone.
    Gone,
}

/// What becomes of an instance that is sent while it is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readmission {
    /// It is taken, and shown again: whoever deleted it did not say that it must not come back (standards: IHE RAD-66, 113039).
    Restores,
    /// It is taken, and stays hidden.
    StaysHidden,
    /// It is refused: it was rejected for safety.
    Refused,
}

impl Withheld {
    /// What becomes of the instance if it is sent again (IHE RAD TF-3 4.66.4.1.3).
    pub fn readmission(&self) -> Readmission {
        match (self.rejection, self.fate) {
            (Some(Rejection::Safety | Rejection::WorklistEntry), _) => Readmission::Refused,
            (Some(Rejection::RetentionExpired), _) => Readmission::Restores,
            (None | Some(Rejection::Quality), Fate::Hidden) => Readmission::StaysHidden,
            (None | Some(Rejection::Quality), Fate::Deleted { .. } | Fate::Going | Fate::Gone) => {
                Readmission::Restores
            }
        }
    }

    /// Whether its bytes are there for sure, so that it can be shown again.
    pub fn is_restorable(&self, now: WallTime) -> bool {
        match self.fate {
            Fate::Hidden => true,
            Fate::Deleted { due } => now < due,
            Fate::Going | Fate::Gone => false,
        }
    }

    /// When its bytes go, if that is to be done.
    pub(crate) fn due(&self) -> Option<WallTime> {
        match self.fate {
            Fate::Deleted { due } => Some(due),
            Fate::Going => Some(WallTime(0)),
            Fate::Hidden | Fate::Gone => None,
        }
    }

    /// Its instance.
    pub fn sop_instance(&self) -> &SopInstanceUid {
        &self.named.sop_instance
    }
}
