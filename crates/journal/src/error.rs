//! Why something could not be done, one enum an operation.

use std::io;
use std::path::PathBuf;

use outrigger_runtime::random::RandomError;

use crate::ids::Seq;
use crate::options::OptionsError;

/// Why a journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds it.
    #[error("the journal {directory} is in use by another process; stop that one first")]
    Locked {
        /// The directory.
        directory: PathBuf,
    },
    /// A file was written by a newer version.
    #[error(
        "{file} was written in format {found}, and this version knows only up to {known}; start the newer version"
    )]
    NewerFormat {
        /// The file.
        file: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this version knows.
        known: u32,
    },
    /// A record of a kind that only a newer version writes.
    #[error(
        "{file} holds a record of kind {found} at byte {offset}, which this version does not know; start the newer version"
    )]
    NewerKind {
        /// The file.
        file: PathBuf,
        /// Where it stands.
        offset: u64,
        /// Its kind.
        found: u8,
    },
    /// Both lines of the head are damaged.
    #[error(
        "the head file {file} is unreadable, both lines of it; `outrigger rebuild` makes it anew from the segments"
    )]
    Head {
        /// The file.
        file: PathBuf,
    },
    /// There is no head, and segments are there.
    #[error(
        "the head file {file} is missing though segments are there; `outrigger rebuild` makes it anew from them"
    )]
    HeadMissing {
        /// The file.
        file: PathBuf,
    },
    /// The copy is kept by another engine than the configuration says.
    #[error(
        "the copy of the journal in {directory} is kept by engine `{found}`, and the configuration says `{configured}`; set `engine` back, or give the new copy a directory of its own"
    )]
    OtherEngine {
        /// The directory.
        directory: PathBuf,
        /// The engine that its head names.
        found: String,
        /// The one that is configured.
        configured: &'static str,
    },
    /// A copy of the newest generation is not there.
    #[error(
        "a copy of the journal is not in the places that are configured: {copies}, of generation {generation}; entries may have been acknowledged that only it has. Is its disk mounted? If it is lost for good, start once with `--accept-loss NAME`, which goes on with the others and makes it anew"
    )]
    CopyMissing {
        /// Each copy, by engine and name.
        copies: String,
        /// The newest generation.
        generation: u64,
    },
    /// Two copies went on without each other.
    #[error(
        "the copies of the journal in {one} and {other} went on without each other: both say that they are of generation {generation}, with different copies; take the one that is to be given up out of the configuration, and give the place another directory"
    )]
    Diverged {
        /// The directory of one.
        one: PathBuf,
        /// The directory of the other.
        other: PathBuf,
        /// The generation.
        generation: u64,
    },
    /// The same copy stands in two places.
    #[error(
        "{one} and {other} are the same copy of the journal: one was cloned from the other; move the clone away"
    )]
    Cloned {
        /// The directory of one.
        one: PathBuf,
        /// The directory of the other.
        other: PathBuf,
    },
    /// Two copies hold different records under one number.
    #[error(
        "the copies of the journal in {one} and {other} hold different records under number {seq}; move the one away that is not of this journal's life, and start once with `--accept-loss NAME`"
    )]
    Contradiction {
        /// The directory of one.
        one: PathBuf,
        /// The directory of the other.
        other: PathBuf,
        /// The number.
        seq: Seq,
    },
    /// Copies could not be brought to the same end.
    #[error("the copies of the journal could not be brought to the same end: {doing} failed in {directory}")]
    Level {
        /// What was being done.
        doing: &'static str,
        /// The directory of the copy that failed.
        directory: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// There is no journal, and the ledger has applied entries of one.
    #[error(
        "there is no journal in {directory}, and the ledger has applied it up to entry {applied}; is its disk mounted?"
    )]
    Missing {
        /// The directory.
        directory: PathBuf,
        /// The position of the ledger.
        applied: Seq,
    },
    /// A segment belongs to another journal.
    #[error("{file} belongs to journal {found}, not to {ours}; take it out of this directory")]
    Foreign {
        /// The file.
        file: PathBuf,
        /// The journal it names.
        found: crate::JournalId,
        /// The journal the head names.
        ours: crate::JournalId,
    },
    /// The options contradict each other.
    #[error("the journal's limits do not fit together")]
    Options(#[source] OptionsError),
    /// The disk failed.
    #[error("the journal could not be opened: {doing} {path} failed")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A complete large object that no frame named could not be given one.
    #[error("the journal could not be opened: a complete large object in {path} could not be adopted")]
    Adopt {
        /// Its file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: AppendError,
    },
    /// No random name for a new journal.
    #[error("the new journal could not be named")]
    Random(#[source] RandomError),
}

/// Why a lost head could not be made anew.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// What opening a journal may say too.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// No opening and no seal of any segment can be read.
    #[error(
        "the head is lost, and no segment in {directory} says which journal it belongs to: opening and seal of each are damaged; restore them from a backup"
    )]
    Nameless {
        /// The directory of the segments.
        directory: PathBuf,
    },
    /// Segments of several journals.
    #[error(
        "the head is lost, and {file} belongs to journal {other} while others belong to {one}; take out of this directory what is not of this journal"
    )]
    TwoJournals {
        /// The first segment that disagrees.
        file: PathBuf,
        /// What those before it say.
        one: crate::JournalId,
        /// What it says.
        other: crate::JournalId,
    },
}

/// Why a record was not appended; nothing of it was acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// No room; it was rolled back, and service resumes by itself when there is room again.
    #[error("the journal is full; release stored objects or give it more room")]
    Full,
    /// It waited too long for its turn.
    #[error("the journal's queue did not move for {seconds} s")]
    QueueTimeout {
        /// How long it waited.
        seconds: u64,
    },
    /// The disk failed under this journal; it takes nothing more until it is started again.
    #[error("the journal's disk failed; it takes nothing more until it is restarted")]
    Failed,
    /// The journal is closed.
    #[error("the journal is closed")]
    Closed,
    /// A commit is taking too long; this record may still become durable.
    #[error("a commit of the journal has been running for over {seconds} s")]
    Stalled {
        /// The limit.
        seconds: u64,
    },
    /// The header is too long.
    #[error("the record's header of {length} bytes is longer than {limit}")]
    HeaderTooLong {
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes of this entry were let go.
    #[error("the bytes of entry {0} are released")]
    Released(Seq),
    /// This entry is not as it was written.
    #[error("entry {seq} is damaged: {damage}")]
    Damaged {
        /// The entry.
        seq: Seq,
        /// What is damaged.
        damage: crate::Damage,
    },
    /// No such entry, or one without an object.
    #[error("there is no object under entry {0}")]
    Unknown(Seq),
    /// The disk failed.
    #[error("{path} could not be read")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Why bodies could not be let go.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The fact could not be written down.
    #[error("the release could not be recorded")]
    Append(#[from] AppendError),
    /// One of them was never appended.
    #[error("entry {0} does not exist")]
    Unknown(Seq),
}
