//! What a member has of an object, where that is not what it was sent byte by byte.

use outrigger_model::{Sha256Digest, TransferSyntaxUid, WallTime};
use serde::{Deserialize, Serialize};

use crate::note::{Note, NoteKind};
use crate::posting::PostingKey;

/// The bytes a member gave back of an entry, when they said the same as the journal's and were others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberCopy {
    /// The encoding they were in.
    pub transfer_syntax: TransferSyntaxUid,
    /// Their digest.
    pub sha256: Sha256Digest,
}

impl MemberCopy {
    pub(crate) fn note(&self, posting: PostingKey, at: WallTime) -> Note {
        Note {
            id: 0,
            kind: NoteKind::Copy,
            entry: Some(posting.entry),
            member: Some(posting.member),
            at,
            body: serde_json::to_string(self).unwrap_or_else(|error| error.to_string()),
        }
    }
}
