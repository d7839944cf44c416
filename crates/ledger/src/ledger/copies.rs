//! Copies of members in another encoding: once the journal has let the bytes go, only these are left to deliver.

use outrigger_model::{Seq, WallTime};

use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::note::{Note, NoteKind, NotesOf};
use crate::posting::PostingKey;
use crate::record::{Decision, MemberCopy};

/// Copies looked at of one entry: more than there are members.
const COPIES_MAX: usize = 256;

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

impl Ledger {
    /// Records, before the member counts as one that has it verified, that its copy is of other bytes and the same content.
    ///
    /// Bytes may go on such a copy, and whoever lacks the object is to get it from there.
    pub async fn gave_re_encoded(&self, posting: PostingKey, copy: MemberCopy) -> Result<(), LedgerError> {
        let PostingKey { entry, member } = posting;
        let decision = Decision::GaveReEncoded { entry, member, copy };
        self.decide(None, [decision]).await
    }

    /// The copies in another encoding that members gave back of an entry, the newest first; each says the same as what was accepted.
    pub async fn copies(&self, entry: Seq) -> Result<Vec<MemberCopy>, LedgerError> {
        let notes =
            self.query(move |books| books.notes(NoteKind::Copy, NotesOf::Entry(entry), COPIES_MAX)).await?;
        // One that cannot be read is none to rely on.
        Ok(notes.iter().filter_map(|note| serde_json::from_str(&note.body).ok()).collect())
    }
}
