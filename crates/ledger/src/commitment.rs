//! Storage commitment transactions under way at members (PS3.4 Annex J): they survive a restart, not a rebuild.

use outrigger_model::{MemberNumber, Seq, TransactionUid, WallTime};

/// A request that has no answer yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commitment {
    /// Transaction UID (0008,1195).
    pub transaction: TransactionUid,
    /// Who was asked.
    pub member: MemberNumber,
    /// For which entries.
    pub entries: Vec<Seq>,
    /// When.
    pub at: WallTime,
}
