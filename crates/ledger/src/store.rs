//! What a database must do for the ledger, by operation.

use std::path::PathBuf;

use outrigger_catalogue::{
    CatalogueError, CatalogueInstance, Cursor, Inheritance, Located, Page, PutOutcome, SeenStudy,
};
use outrigger_model::{
    Answer, JournalId, MemberName, MemberNumber, MemberSet, Query, Selection, Seq, SopInstanceUid, StudyUid,
    TransactionUid, WallTime,
};

use crate::account::Account;
use crate::changes::Changes;
use crate::commitment::Commitment;
use crate::entry::{EntryRow, LaneNumber};
use crate::healing::Healing;
use crate::inventory::{Inventory, Seen, Shortfall, Sighting};
use crate::ledger::Passed;
use crate::note::{Note, NoteKind, NotesOf};
use crate::peer::Peer;
use crate::posting::{PostingKey, PostingRow, Stage};
use crate::promise::{Promise, PromiseHead};
use crate::record::MemberState;

pub use crate::store::memory::MemoryStore;
pub use crate::store::sqlite::{SqliteOpenError, SqliteStore, beside};

mod memory;
mod sqlite;

/// The database of ledger and catalogue: one owner writes, in transactions; synchronous, may block.
pub trait LedgerStore: LedgerReader {
    /// Does `work` in one transaction; when it fails nothing of it is kept.
    fn transact(
        &mut self,
        work: &mut dyn FnMut(&mut dyn LedgerTx) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;

    /// Another look at the same books, for a thread that reads while the owner writes.
    fn reader(&self) -> Result<Box<dyn LedgerReader>, StoreError>;

    /// Opens the database anew after it failed, where it has to be.
    fn reconnect(&mut self) -> Result<(), StoreError>;
}

/// A look at the books.
pub trait LedgerReader: Send {
    /// Does `work` on the books as they stand at one moment.
    fn read(
        &self,
        work: &mut dyn FnMut(&dyn LedgerReads) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;

    /// Checks the database as such, whatever is in the rows, and says what is wrong.
    fn integrity(&self) -> Result<Vec<String>, StoreError>;

    /// What ends a long look from another thread: the statement that runs fails.
    fn interrupt(&self) -> Interrupt;
}

/// Ends a long look at the books.
pub type Interrupt = Box<dyn Fn() + Send>;

/// A transaction that writes.
pub trait LedgerTx: LedgerReads {
    /// Enters instances into the catalogue.
    fn put_instances(&mut self, instances: &[CatalogueInstance]) -> Result<Vec<PutOutcome>, StoreError>;

    /// Enters into the catalogue what a member shows of a study.
    fn inherit(
        &mut self,
        member: MemberNumber,
        at: WallTime,
        seen: &SeenStudy,
    ) -> Result<Inheritance, StoreError>;

    /// Takes a member out of those that were seen to hold these instances; gives of how many.
    fn depart(&mut self, member: MemberNumber, gone: &[SopInstanceUid]) -> Result<u64, StoreError>;

    /// Writes what was decided.
    fn write(&mut self, changes: &Changes) -> Result<(), StoreError>;
}

/// The books as they stand.
pub trait LedgerReads {
    /// The journal these books follow and how far; `None` in new ones.
    fn position(&self) -> Result<Option<Position>, StoreError>;

    /// Every member that ever had a number, by number.
    fn members(&self) -> Result<Vec<MemberRow>, StoreError>;

    /// An entry.
    fn entry(&self, seq: Seq) -> Result<Option<EntryRow>, StoreError>;

    /// Entries behind `after`, in order, at most `limit`.
    fn entries(&self, list: EntryList, after: Seq, limit: usize) -> Result<Vec<EntryRow>, StoreError>;

    /// Entries whose bytes may go though there is room for them, at most `limit`: some member was read back.
    fn releasable(&self, rule: &Releasable, limit: usize) -> Result<Vec<Seq>, StoreError>;

    /// Entries whose bytes may go to make room, at most `limit`: some member was read back, and those promised to a modality are
    /// where the `required` members are asked to have them.
    fn releasable_early(
        &self,
        required: MemberSet,
        rule: &Releasable,
        limit: usize,
    ) -> Result<Vec<Seq>, StoreError>;

    /// Entries without an open posting behind `after`, balanced when `come` says, whose bytes are kept and which some member accepted
    /// and was not seen to have; in the order in which they were balanced, at most `limit`.
    fn unshown(&self, after: Passed, come: Come, limit: usize) -> Result<Vec<EntryRow>, StoreError>;

    /// An open posting; `lane` is that of its entry.
    fn posting(&self, key: PostingKey, lane: LaneNumber) -> Result<Option<PostingRow>, StoreError>;

    /// Postings that could be sent now.
    fn due(&self, query: &DueQuery) -> Result<DueRows, StoreError>;

    /// Postings in `stage` whose time has come, in this order, at most `limit`.
    fn waiting(
        &self,
        member: MemberNumber,
        stage: Stage,
        come: Come,
        first: First,
        limit: usize,
    ) -> Result<Vec<Owed>, StoreError>;

    /// Postings in suspense behind `after`, by entry, at most `limit`.
    fn suspended(&self, member: MemberNumber, after: Seq, limit: usize) -> Result<Vec<Owed>, StoreError>;

    /// Entries of open postings at `member`, in whatever order, at most `limit`.
    fn open_postings(&self, member: MemberNumber, limit: usize) -> Result<Vec<Seq>, StoreError>;

    /// Entries whose posting at `member` was closed since then and when, as far as that is remembered.
    fn closed_since(
        &self,
        member: MemberNumber,
        since: WallTime,
        limit: usize,
    ) -> Result<Vec<(Seq, WallTime)>, StoreError>;

    /// What was sent again to `member` of a study after it had lost it, by entry.
    fn healings(&self, member: MemberNumber, lane: LaneNumber) -> Result<Vec<Healing>, StoreError>;

    /// When the oldest entry was accepted that `member` owes.
    fn oldest_owed(&self, member: MemberNumber) -> Result<Option<WallTime>, StoreError>;

    /// How many postings `member` has stored whose time to be asked for has not come, and when the first of them does.
    fn settling(&self, member: MemberNumber, come: Come) -> Result<(u64, Option<WallTime>), StoreError>;

    /// Notes of a kind, newest first, at most `limit`.
    fn notes(&self, kind: NoteKind, of: NotesOf, limit: usize) -> Result<Vec<Note>, StoreError>;

    /// Storage commitment transactions that have no answer yet, oldest first.
    fn commitments(&self) -> Result<Vec<Commitment>, StoreError>;

    /// Requests for storage commitment whose result is not reported yet, oldest first.
    fn promise_heads(&self) -> Result<Vec<PromiseHead>, StoreError>;

    /// One of them, whole.
    fn promise(&self, transaction: &TransactionUid) -> Result<Option<Promise>, StoreError>;

    /// How far the inventories of members are.
    fn inventories(&self) -> Result<Vec<Inventory>, StoreError>;

    /// How a member showed a study when it was last seen there.
    fn sighting(&self, study: &StudyUid, member: MemberNumber) -> Result<Option<Sighting>, StoreError>;

    /// Studies of which a member showed instances, seen there last at such a time, in order of their UIDs, at most `limit`.
    fn sightings(&self, member: MemberNumber, seen: Seen, limit: usize) -> Result<Vec<Sighting>, StoreError>;

    /// What members say they have of a study and do not list.
    fn shortfalls(&self, study: &StudyUid) -> Result<Vec<Shortfall>, StoreError>;

    /// Those who sent objects.
    fn peers(&self) -> Result<Vec<Peer>, StoreError>;

    /// Looks an instance up in the catalogue.
    fn lookup(&self, instance: &SopInstanceUid) -> Result<Option<Located>, StoreError>;

    /// Answers a query from the catalogue, page by page.
    fn find(&self, query: &Query, after: Cursor, limit: usize) -> Result<Page<Answer>, StoreError>;

    /// Lists the instances of a selection, page by page.
    fn select(&self, selection: &Selection, after: Cursor, limit: usize)
    -> Result<Page<Located>, StoreError>;
}

/// Which of the postings that wait come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// Those that wait longest.
    Longest,
    /// Those whose time came last; of what a clock that was ahead put off none.
    Latest,
}

/// Which entries are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryList {
    /// All.
    All,
    /// Bytes kept, confirmed by somebody, read back from nobody.
    Unverified,
    /// The same, the last first.
    LatestUnverified,
    /// Bytes kept, read back from somebody.
    Verified,
    /// Bytes kept, the same as those of an earlier entry.
    Repeats,
}

/// What must hold before bytes may go though there is room for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Releasable {
    /// No posting is open, and the last was closed by then,
    pub balanced_by: WallTime,
    /// and not before then.
    pub balanced_from: WallTime,
    /// Members that, where they want it, must have shown it to a query.
    pub present: MemberSet,
    /// Members that must have committed to it, or, where they cannot, have shown it to a query after settling.
    pub committed: MemberSet,
    /// Members it must have been read back from.
    pub verified: MemberSet,
}

/// How far the books follow which journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The journal.
    pub journal: JournalId,
    /// The last record applied.
    pub applied: Seq,
    /// Entries accepted.
    pub entries: u64,
}

/// A member that has a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRow {
    /// Its number, permanent.
    pub number: MemberNumber,
    /// The name that owns it.
    pub name: MemberName,
    /// Whether it is delivered to.
    pub state: MemberState,
    /// How its entries stand.
    pub account: Account,
}

/// An open posting with its entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// The entry.
    pub entry: EntryRow,
    /// The posting.
    pub posting: PostingRow,
}

/// Which postings are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueQuery {
    /// At which member.
    pub member: MemberNumber,
    /// Of which studies.
    pub lanes: Lanes,
    /// Retries whose time has come.
    pub come: Come,
    /// At most so many of each kind.
    pub limit: usize,
}

/// Which studies are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lanes {
    /// Expedited ones, then those that grew lately, the newest first.
    Fresh(Lately),
    /// The others, the oldest first; those of a clock that was ahead last.
    Backlog(Lately),
}

/// What counts as lately, in wall-clock time, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lately {
    /// Since then.
    pub since: WallTime,
    /// Until then: what is dated later was dated by a clock that was set back since, and must not stand before all that comes.
    pub until: WallTime,
}

impl Lately {
    /// Since then, for ever.
    pub const fn since(since: WallTime) -> Self {
        Self { since, until: WallTime(i64::MAX) }
    }

    /// Whether a time falls into it.
    pub fn includes(&self, at: WallTime) -> bool {
        self.since <= at && at <= self.until
    }
}

/// Whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Come {
    /// Those that waited until then or earlier.
    pub by: WallTime,
    /// Those that would wait for longer than this: no rule sets so long a wait, so a clock that was ahead did.
    pub beyond: WallTime,
}

impl Come {
    /// Those that waited until then or earlier, and no others.
    pub const fn by(by: WallTime) -> Self {
        Self { by, beyond: WallTime(i64::MAX) }
    }

    /// Whether the time of a posting has come.
    pub fn includes(&self, not_before: WallTime) -> bool {
        not_before <= self.by || not_before > self.beyond
    }
}

/// Postings that could be sent now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DueRows {
    /// Never sent: study by study, within each by entry.
    pub untried: Vec<Owed>,
    /// Sent before and due again, longest waiting first.
    pub retries: Vec<Owed>,
}

/// Why the database could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite failed.
    #[error("the ledger's database failed while {doing}")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
    /// The catalogue's part of it failed.
    #[error("the catalogue in the ledger's database failed")]
    Catalogue(#[from] CatalogueError),
    /// A row is not as it was written.
    #[error("row {row} of table `{table}` of the ledger is not as it was written; run `outrigger rebuild`")]
    BadRow {
        /// The table.
        table: &'static str,
        /// Which row.
        row: String,
    },
    /// Its file was removed.
    #[error("the ledger's database {path} is gone; stop the node and run `outrigger rebuild`")]
    Gone {
        /// The file.
        path: PathBuf,
    },
    /// The database is made to fail, by the simulator.
    #[error("the ledger's database is away")]
    Away,
}

impl dyn LedgerStore + '_ {
    /// The journal the books follow and how far; `None` in new ones.
    pub fn position(&self) -> Result<Option<Position>, StoreError> {
        read(self, |books| books.position())
    }
}

impl StoreError {
    /// Whether only a rebuild helps.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Sqlite { source, .. } | Self::Catalogue(CatalogueError::Sqlite { source, .. }) => {
                is_damage(source)
            }
            Self::Catalogue(error) => {
                matches!(error, CatalogueError::BadRow { .. } | CatalogueError::MissingRow { .. })
            }
            Self::BadRow { .. } | Self::Gone { .. } => true,
            Self::Away => false,
        }
    }

    /// Whether the database found no room on its disk.
    pub fn is_no_room(&self) -> bool {
        let (Self::Sqlite { source, .. } | Self::Catalogue(CatalogueError::Sqlite { source, .. })) = self
        else {
            return false;
        };
        // Beside the disk itself, the index of the write-ahead log may find no room to grow.
        source.sqlite_error().is_some_and(|error| {
            error.code == rusqlite::ErrorCode::DiskFull
                || error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
        })
    }
}

/// Whether SQLite says that its file is not as it was written.
fn is_damage(error: &rusqlite::Error) -> bool {
    // What we ask is always the same, so that a name it does not know was changed in the database.
    matches!(error, rusqlite::Error::SqlInputError { .. })
        || matches!(
            error.sqlite_error_code(),
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)
        )
}

/// Reads the books at one moment.
pub fn read<T>(
    reader: &dyn LedgerReader,
    work: impl FnOnce(&dyn LedgerReads) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let (mut work, mut answer) = (Some(work), None);
    reader.read(&mut |books| {
        if let Some(work) = work.take() {
            answer = Some(work(books)?);
        }
        Ok(())
    })?;
    answer.ok_or(StoreError::Away)
}
