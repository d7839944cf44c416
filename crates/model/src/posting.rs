//! What a member owes for an entry.

use serde::{Deserialize, Serialize};

/// How surely a member has an object, from weak to strong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConfirmLevel {
    /// It answered the store with a success or warning status.
    Accepted,
    /// An IMAGE-level query shows it.
    Present,
    /// Storage commitment succeeded.
    Committed,
    /// Read back, and it says the same as what was sent, in whatever encoding.
    Verified,
}

/// Where a posting stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PostingState {
    /// Owed, not confirmed to any level yet.
    Pending,
    /// Confirmed up to a level; closed when that is the level the member must reach.
    Confirmed(ConfirmLevel),
    /// A person must look.
    Suspense,
    /// Another entry of the same instance stands for it: a later one, or an earlier one with the same content.
    Superseded,
    /// Outside the member's scope.
    NotWanted,
    /// Given up by a named person, with a reason.
    WrittenOff,
}

/// Why a posting stands in suspense.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum SuspenseReason {
    /// The member refused it for good.
    Refused,
    /// No accepted presentation context fits and no lossless transcoding leads to one.
    NoContext,
    /// It was tried as often as others succeeded and kept failing.
    KeptFailing,
    /// What was read back differs from what was sent.
    Differs,
    /// The member says it is stored, and does not show it.
    Lost,
    /// The bytes in the journal are damaged and no other copy is known.
    Damaged,
    /// Its encoding cannot be delivered to this member.
    Undeliverable,
}
