//! Instances that somebody saw to be wrong at a member: they are looked at before their turn in a round.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use outrigger_model::{SopInstanceUid, StudyUid};

/// Where instances come from that a retrieval found to be wrong at a member.
#[derive(Clone)]
pub struct Suspects(Arc<dyn Fn() -> Vec<(StudyUid, SopInstanceUid)> + Send + Sync>);

impl Suspects {
    /// Suspects as this gives them, each once.
    pub fn new(take: impl Fn() -> Vec<(StudyUid, SopInstanceUid)> + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    pub(crate) fn take(&self) -> BTreeSet<(StudyUid, SopInstanceUid)> {
        (self.0)().into_iter().collect()
    }
}

impl fmt::Debug for Suspects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suspects").finish_non_exhaustive()
    }
}
