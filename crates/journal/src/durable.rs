//! The receipt.

use crate::ids::{Epoch, JournalId, Seq};

/// The receipt for a record on stable storage; only a commit makes one.
#[derive(Debug, PartialEq, Eq)]
pub struct Durable {
    journal: JournalId,
    epoch: Epoch,
    seq: Seq,
    sha256: Option<[u8; 32]>,
}

impl Durable {
    /// The journal it stands in.
    pub fn journal(&self) -> JournalId {
        self.journal
    }

    /// The start of the journal it was appended in.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Its number.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// SHA-256 of its object, where it brought one.
    pub fn sha256(&self) -> Option<[u8; 32]> {
        self.sha256
    }
}
