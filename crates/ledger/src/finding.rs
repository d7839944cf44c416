//! Facts the system noticed: differences, damage, odd content.

use outrigger_model::{MemberNumber, Seq, WallTime};
use serde::{Deserialize, Serialize};

use crate::note::{Note, NoteKind};

pub use crate::ledger::crosscheck::{Copy, Difference, OpenDifference, Seen, Settled, Shelved, Witness};

/// A fact the system noticed, open until a posting, a rule or a person closes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind.
    pub kind: FindingKind,
    /// The entry concerned.
    pub entry: Option<Seq>,
    /// The member concerned.
    pub member: Option<MemberNumber>,
    /// In words.
    pub text: String,
    /// When it was noticed.
    pub at: WallTime,
}

/// What kind of fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// Other bytes came under a SOP Instance UID that was here already.
    OtherBytes,
    /// A record of the journal cannot be read.
    Unreadable,
    /// The bytes of an object in the journal are damaged.
    DamagedBytes,
    /// A file of the journal is not as it was written, or is gone; no entry is lost by that.
    DamagedFile,
    /// What a member gives of an object is not what was accepted, or not what another member gives.
    Altered,
    /// A member said it had an object and does not show it.
    Forgotten,
    /// Members answer the same question about attributes differently.
    Disagree,
    /// A route failed where another worked.
    RouteFailed,
    /// A member cannot reach the level it is asked for.
    CannotConfirm,
    /// The books differ from themselves.
    Books,
}

/// What a finding's note holds.
#[derive(Serialize, Deserialize)]
struct Body {
    kind: FindingKind,
    text: String,
}

impl Finding {
    pub(crate) fn of_entry(kind: FindingKind, entry: Seq, text: String, at: WallTime) -> Self {
        Self { kind, entry: Some(entry), member: None, text, at }
    }

    pub(crate) fn note(&self) -> Note {
        let body = Body { kind: self.kind, text: self.text.clone() };
        Note {
            id: 0,
            kind: NoteKind::Finding,
            entry: self.entry,
            member: self.member,
            at: self.at,
            body: serde_json::to_string(&body).unwrap_or_else(|error| error.to_string()),
        }
    }

    /// Reads a note; one that is not readable is a finding about itself.
    pub(crate) fn of_note(note: &Note) -> Self {
        let body = serde_json::from_str(&note.body).unwrap_or_else(|error: serde_json::Error| Body {
            kind: FindingKind::Books,
            text: format!("a finding cannot be read: {error}"),
        });
        Self { kind: body.kind, entry: note.entry, member: note.member, text: body.text, at: note.at }
    }
}
