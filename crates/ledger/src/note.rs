//! Things noted beside the books: attempts, findings, refusals, write-offs, copies. They are bounded, oldest dropped first, and only
//! write-offs and copies come back by a rebuild, from the decisions in the journal.

use outrigger_model::{MemberNumber, Seq, WallTime};

use crate::posting::PostingKey;

/// Something noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its number; 0 until the database gives it one.
    pub id: u64,
    /// What kind.
    pub kind: NoteKind,
    /// The entry concerned.
    pub entry: Option<Seq>,
    /// The member concerned.
    pub member: Option<MemberNumber>,
    /// When.
    pub at: WallTime,
    /// What, as JSON.
    pub body: String,
}

/// What kind of note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoteKind {
    /// An attempt at a posting.
    Attempt,
    /// A fact the system noticed, still open.
    Finding,
    /// An object that was refused.
    Refusal,
    /// A posting that a person gave up.
    WriteOff,
    /// A member's copy in another encoding.
    Copy,
}

/// Which notes are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotesOf {
    /// All.
    Anything,
    /// Those of an entry.
    Entry(Seq),
    /// Those of a posting.
    Posting(PostingKey),
    /// Those of no entry.
    NoEntry,
}

impl NoteKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Attempt, Self::Finding, Self::Refusal, Self::WriteOff, Self::Copy];

    /// Its word, which names its table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Attempt => "attempt",
            Self::Finding => "finding",
            Self::Refusal => "refusal",
            Self::WriteOff => "write_off",
            Self::Copy => "copy",
        }
    }

    /// How many are kept, the newest.
    pub fn kept(self) -> u64 {
        match self {
            // Days of attempts at a busy site, some tens of megabytes at most.
            Self::Attempt => 200_000,
            // More than people can work on; a finding that matters comes again.
            Self::Finding => 20_000,
            // As many as a quarantine of small objects holds.
            Self::Refusal => 10_000,
            // One for each object that was given up: more than people give up, short of a whole archive. Copies: where a
            // member encodes all it takes anew, what weeks bring while another is away. Some 200 MB at most.
            Self::WriteOff | Self::Copy => 1_000_000,
        }
    }
}

impl NotesOf {
    /// Whether `note` is among them.
    pub(crate) fn includes(self, note: &Note) -> bool {
        match self {
            Self::Anything => true,
            Self::Entry(entry) => note.entry == Some(entry),
            Self::NoEntry => note.entry.is_none(),
            Self::Posting(key) => note.entry == Some(key.entry) && note.member == Some(key.member),
        }
    }
}
