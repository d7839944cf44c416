//! A posting that a person gave up: who, when, why, and what it stood in suspense for.

use outrigger_model::WallTime;
use serde::{Deserialize, Serialize};

use crate::note::{Note, NoteKind};
use crate::posting::{PostingKey, PostingRow, reason_code};
use crate::record::Decider;

/// A posting that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOff {
    /// When.
    pub at: WallTime,
    /// Who, and why.
    pub by: Option<Decider>,
    /// The word for what it stood in suspense for, and that in words.
    pub stood_for: Option<(String, String)>,
}

/// What its note holds.
#[derive(Serialize, Deserialize)]
struct Body {
    by: Option<Decider>,
    stood_for: Option<(String, String)>,
}

impl WriteOff {
    pub(crate) fn of(posting: &PostingRow, by: Option<&Decider>, at: WallTime) -> Self {
        let words = |suspended: &crate::posting::Suspended| {
            (reason_code(&suspended.reason).to_owned(), suspended.to_string())
        };
        Self { at, by: by.cloned(), stood_for: posting.suspense.as_ref().map(words) }
    }

    pub(crate) fn note(self, key: PostingKey) -> Note {
        let body = Body { by: self.by, stood_for: self.stood_for };
        Note {
            id: 0,
            kind: NoteKind::WriteOff,
            entry: Some(key.entry),
            member: Some(key.member),
            at: self.at,
            body: serde_json::to_string(&body).unwrap_or_else(|error| error.to_string()),
        }
    }

    /// Reads a note; of one that is not readable only the time is left.
    pub(crate) fn of_note(note: &Note) -> Self {
        let body = serde_json::from_str(&note.body).unwrap_or(Body { by: None, stood_for: None });
        Self { at: note.at, by: body.by, stood_for: body.stood_for }
    }
}
