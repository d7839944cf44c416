//! How calls to the object store go, for the status.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use outrigger_model::{WallTime, with_causes};
use outrigger_runtime::Clock;

use super::{Call, S3Error};
use crate::blobs::Trouble;

/// Notes the failures in a row of each kind of call; clones note in the same place. A leaf lock.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    clock: Clock,
    trouble: Arc<Mutex<BTreeMap<Call, Trouble>>>,
}

impl Standing {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, trouble: Arc::default() }
    }

    /// Notes how a call ended; an object that is not there is an answer like any other.
    pub(super) fn note(&self, call: Call, error: Option<&S3Error>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match error.filter(|error| !error.is_missing()) {
            None => {
                if let Some(over) = trouble.remove(&call) {
                    tracing::info!(%call, since = over.since.0, "the object store does again");
                }
            }
            Some(error) => {
                let why = with_causes(error);
                let since = trouble.get(&call).map_or(WallTime(self.clock.wall_us()), |first| first.since);
                if trouble.insert(call, Trouble { since, why: why.clone() }).is_none() {
                    tracing::error!(why, "the object store fails");
                }
            }
        }
    }

    /// The calls that fail.
    pub(super) fn failing(&self) -> Vec<Call> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// What failed last of the calls that fail, that of taking objects first.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).values().next().cloned()
    }
}
