//! What was found not to be as it was written.

use std::fmt;
use std::path::PathBuf;

use crate::ids::Seq;

/// A place in the journal that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where in it, in bytes from its start.
    pub offset: u64,
    /// What is damaged.
    pub part: DamagedPart,
    /// The first and last entry concerned, where entries are.
    pub entries: Option<(Seq, Seq)>,
    /// Whether what is damaged had been acknowledged.
    pub certainty: Certainty,
}

impl Damage {
    /// Numbers that are missing before `first`, the first of a segment, stood at the end of the one `before` it: its file and length.
    pub(crate) fn placed(self, first: Seq, before: Option<&(PathBuf, u64)>) -> Self {
        let is_before = self.entries.is_some_and(|(_, last)| last < first);
        match before {
            Some((file, length)) if self.part == DamagedPart::Missing && is_before => {
                Self { file: file.clone(), offset: *length, ..self }
            }
            _ => self,
        }
    }
}

/// What is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DamagedPart {
    /// One of the two lines of the head file; the other stands.
    Head,
    /// The first frame of a segment.
    Opening,
    /// A frame: its record cannot be read.
    Frame,
    /// The bytes of an object; its record stands.
    Body,
    /// The end of a sealed segment or of a large object's file: its index, found anew from the frames.
    Seal,
    /// Bytes between frames that ought to be zero, or of a body that is released; nothing is lost.
    Padding,
    /// A sealed segment whose frames are sound and not those that were sealed.
    Hash,
    /// Entries that ought to stand there, as in a file that ends too early.
    Missing,
    /// A whole file that ought to be there.
    Gone,
    /// A segment whose file bears the name of another; nothing is lost.
    Misplaced,
    /// A file that the disk cannot read from here on.
    Unreadable,
    /// The write-ahead log of SQLite in its middle: commits behind it are lost with it.
    WriteAhead,
}

/// Whether what is damaged had been acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// Something acknowledged.
    Acknowledged,
    /// It stood in the last batch before a crash and may never have been.
    Perhaps,
    /// No entry is lost.
    NoEntry,
}

impl fmt::Display for DamagedPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Head => "a line of the head",
            Self::Opening => "the first frame of a segment",
            Self::Frame => "a frame",
            Self::Body => "the bytes of an object",
            Self::Seal => "the index at the end",
            Self::Padding => "bytes without a meaning",
            Self::Hash => "the hash of a segment",
            Self::Missing => "missing entries",
            Self::Gone => "a file that is gone",
            Self::Misplaced => "a segment under another's name",
            Self::Unreadable => "a stretch that cannot be read",
            Self::WriteAhead => "a write-ahead log in its middle",
        })
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match self.part {
            DamagedPart::Gone => write!(f, "{file} is gone")?,
            part => write!(f, "{part} in {file} at byte {}", self.offset)?,
        }
        match self.entries {
            Some((first, last)) if first == last => write!(f, ", entry {first}"),
            Some((first, last)) => write!(f, ", entries {first} to {last}"),
            None => Ok(()),
        }
    }
}
