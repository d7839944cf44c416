//! Records: what is appended, and what is read back.

use std::fmt;

use bytes::Bytes;
use outrigger_runtime::Body;
use serde::{Deserialize, Serialize};

use crate::damage::Damage;
use crate::ids::{Epoch, Seq};
use crate::ranges::Ranges;

/// What a record is about; the journal interprets only the last two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// An accepted object.
    Object,
    /// A posting that was closed.
    Closing,
    /// Anything else the ledger decided: a finding, a write-off, a refusal.
    Decision,
    /// The list of members changed.
    Member,
    /// Bodies that were let go; written by the journal itself.
    Release,
    /// Numbers that were given to a refused batch and are never used again; written by the journal itself.
    Void,
}

impl RecordKind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Object, Self::Closing, Self::Decision, Self::Member, Self::Release, Self::Void];

    /// The number on disk.
    pub fn code(self) -> u8 {
        match self {
            Self::Object => 1,
            Self::Closing => 2,
            Self::Decision => 3,
            Self::Member => 4,
            Self::Release => 5,
            Self::Void => 6,
        }
    }

    /// The kind with this number on disk, if this version knows it.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Whether it may use the reserve: it finishes what is owed.
    pub fn is_owed(self) -> bool {
        match self {
            Self::Object => false,
            Self::Closing | Self::Decision | Self::Member | Self::Release | Self::Void => true,
        }
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Object => "object",
            Self::Closing => "closing",
            Self::Decision => "decision",
            Self::Member => "member",
            Self::Release => "release",
            Self::Void => "void",
        })
    }
}

/// A record to be appended.
#[derive(Debug)]
pub struct Append {
    /// What it is about.
    pub kind: RecordKind,
    /// Its facts, opaque to the journal; JSON text by convention, so that any tool can read it.
    pub header: Bytes,
    /// The bytes of the object it brings, if it brings one.
    pub body: Option<Body>,
}

/// A record read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub seq: Seq,
    /// The start of the journal in which it was appended.
    pub epoch: Epoch,
    /// Wall-clock time of the append, in microseconds since 1970-01-01 UTC.
    pub at_us: i64,
    /// What it is about.
    pub kind: RecordKind,
    /// Its facts, as appended.
    pub header: Bytes,
    /// The object it brought, if it brought one.
    pub body: Option<BodyFacts>,
}

/// What stays known of an object's bytes, also after they are released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyFacts {
    /// Length in bytes.
    pub length: u64,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// Whether the bytes are still here.
    pub presence: Presence,
}

/// Whether the bytes of an object are still here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// They are, and can be read.
    Kept,
    /// They were let go.
    Released,
}

/// One place in the sequence, as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A record.
    Record(Record),
    /// One or more records that cannot be read any more.
    Damaged(Damage),
}

impl Entry {
    /// Its number, or the first of those that it is about.
    pub fn first(&self) -> Seq {
        match self {
            Self::Record(record) => record.seq,
            Self::Damaged(damage) => damage.entries.map_or(Seq(0), |(first, _)| first),
        }
    }

    /// Its number, or the last of those that it is about.
    pub fn last(&self) -> Seq {
        match self {
            Self::Record(record) => record.seq,
            Self::Damaged(damage) => damage.entries.map_or(Seq(0), |(_, last)| last),
        }
    }
}

/// What a release record says, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Release {
    /// Every body in these stretches is let go.
    pub(crate) released: Ranges,
}

/// What a void record says, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Void {
    /// These numbers were given to refused batches.
    pub(crate) void: Ranges,
}
