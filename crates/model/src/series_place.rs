//! Where an instance is said to belong.

use serde::{Deserialize, Serialize};

use crate::uid::{SeriesUid, StudyUid};

/// A series of a study, as a request names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeriesPlace {
    /// Study Instance UID (0020,000D).
    pub study: StudyUid,
    /// Series Instance UID (0020,000E).
    pub series: SeriesUid,
}
