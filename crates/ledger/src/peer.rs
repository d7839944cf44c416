//! Those who send objects.

use outrigger_model::{AeTitle, WallTime};
use serde::{Deserialize, Serialize};

/// A sender, and what came from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its calling AE title.
    pub ae_title: AeTitle,
    /// When the last object came.
    pub last_seen: WallTime,
    /// Objects accepted from it.
    pub objects: u64,
}
