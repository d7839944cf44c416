//! What a scrub found of objects that are not as they were stored; shared by the scrub, stores that heal, and who asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use outrigger_model::{Sha256Digest, SopInstanceUid, WallTime};
use serde::{Deserialize, Serialize};

/// Findings kept at most: a person who has so many bad objects replaces the disk.
const KEPT_MAX: usize = 10_000;

/// An object that is not as it was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its SOP Instance UID.
    pub sop_instance: SopInstanceUid,
    /// SHA-256 of the bytes that were stored.
    pub sha256: Sha256Digest,
    /// When it was found.
    pub found_at: WallTime,
    /// What is wrong, in words.
    pub what: String,
}

/// The findings that stand; clones share them. A leaf lock.
#[derive(Debug, Clone, Default)]
pub(crate) struct Findings(Arc<Mutex<BTreeMap<Sha256Digest, Finding>>>);

impl Findings {
    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<Sha256Digest, Finding>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over what an earlier run found.
    pub(crate) fn restore(&self, earlier: Vec<Finding>) {
        self.with(|standing| standing.extend(earlier.into_iter().map(|finding| (finding.sha256, finding))));
    }

    /// Notes one; the first word on an object stands.
    pub(crate) fn note(&self, finding: Finding) {
        self.with(|standing| {
            if standing.len() < KEPT_MAX {
                standing.entry(finding.sha256).or_insert(finding);
            }
        });
    }

    /// The bytes are there and sound.
    pub(crate) fn heal(&self, sha256: &Sha256Digest) {
        if let Some(healed) = self.with(|standing| standing.remove(sha256)) {
            tracing::info!(sop_instance = %healed.sop_instance, "an object is as it was stored again");
        }
    }

    /// All that stand.
    pub(crate) fn all(&self) -> Vec<Finding> {
        self.with(|standing| standing.values().cloned().collect())
    }
}
