//! Books in SQLite, beside the catalogue in one database file.
//!
//! `synchronous=NORMAL` is enough here: everything acknowledged stands in the journal, and the position is written in the same
//! transaction as what follows from it. A power cut that takes the last transactions only makes the applier read again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use outrigger_catalogue::{
    CatalogueInstance, Cursor, Inheritance, Located, OpenError, Page, PutOutcome, SeenStudy,
};
use outrigger_model::{
    Answer, MemberNumber, MemberSet, Query, Selection, Seq, SopInstanceUid, StudyUid, TransactionUid,
    WallTime,
};
use outrigger_runtime::Disk;
use outrigger_runtime::disk::ArcDisk;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use self::room::Room;
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
use crate::store::{
    Come, DueQuery, DueRows, EntryList, First, Interrupt, LedgerReader, LedgerReads, LedgerStore, LedgerTx,
    MemberRow, Owed, Position, Releasable, StoreError,
};

mod cells;
mod integrity;
mod inventory;
mod promises;
mod read;
mod room;
mod rows;
mod schema;
mod work;
mod write;

/// Statements kept prepared: all of ledger and catalogue.
const STATEMENTS_MAX: usize = 192;

/// How long a connection waits for another's lock: only a checkpoint or a commit holds one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Pages of the write-ahead log after which it is copied back, 16 MiB: every copy costs two syncs.
const CHECKPOINT_PAGES: u32 = 4_096;

/// Books in SQLite, beside the catalogue in one database file.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    path: PathBuf,
    room: Option<Room>,
}

/// Why the database of ledger and catalogue could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SqliteOpenError {
    /// SQLite could not open it or read its tables.
    #[error(
        "the ledger's database {path} could not be opened; if it is damaged, `outrigger rebuild` makes it anew"
    )]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
    /// A newer version wrote it.
    #[error(
        "the ledger's database {path} has format {found}, and this version knows only {known}; start the newer version"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The newest one known.
        known: u32,
    },
    /// The catalogue's tables in it cannot be used.
    #[error("the catalogue in the ledger's database could not be opened")]
    Catalogue(#[source] OpenError),
    /// The file that keeps room for it could not be made.
    #[error("{path}, which keeps room for the ledger's database on a full disk, could not be made")]
    Reserve {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// An old database file could not be removed.
    #[error("{path} could not be removed to make the books anew")]
    Remove {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

impl SqliteStore {
    /// Ends of the names of the files that make one database: SQLite finds its companions by its name.
    pub const FILES: [&str; 3] = ["", "-wal", "-shm"];

    /// Opens or makes the database at `path`.
    pub fn open(path: &Path) -> Result<Self, SqliteOpenError> {
        let failed = |source| SqliteOpenError::Sqlite { path: path.to_owned(), source };
        let connection = connect(path, OpenFlags::default()).map_err(failed)?;
        let found = schema::prepare(&connection).map_err(failed)?;
        if found > schema::FORMAT {
            return Err(SqliteOpenError::Newer { path: path.to_owned(), found, known: schema::FORMAT });
        }
        outrigger_catalogue::sqlite::prepare(&connection).map_err(SqliteOpenError::Catalogue)?;
        Ok(Self { connection, path: path.to_owned(), room: None })
    }

    /// Keeps `bytes` of room beside the database, so that it can be written when its disk is full.
    pub fn with_reserve(self, disk: &ArcDisk, bytes: u64) -> Result<Self, SqliteOpenError> {
        let room = Room::open(disk, &self.path, bytes);
        let room = room.map_err(|(path, source)| SqliteOpenError::Reserve { path, source })?;
        Ok(Self { room: Some(room), ..self })
    }

    /// Makes the database at `path` anew, whatever stands there; for a rebuild.
    pub fn anew(path: &Path, disk: &dyn Disk) -> Result<Self, SqliteOpenError> {
        for suffix in Self::FILES {
            let file = beside(path, suffix);
            match disk.remove(&file) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(SqliteOpenError::Remove { path: file, source }),
            }
        }
        Self::open(path)
    }
}

/// As SQLite opens a database by itself, and a missing one stays missing.
const NOT_ANEW: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE
    .union(OpenFlags::SQLITE_OPEN_NO_MUTEX)
    .union(OpenFlags::SQLITE_OPEN_URI);

impl SqliteStore {
    /// Copies the write-ahead log back and writes it from its beginning again, if the disk has room for that.
    fn begin_log_anew(&self) {
        let done =
            self.connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get::<_, i64>(0));
        match done {
            Ok(0) => {}
            Ok(_) => tracing::debug!(
                "the ledger's write-ahead log is being read, and could not be begun anew on a full disk"
            ),
            Err(error) => {
                tracing::debug!(%error, "the ledger's write-ahead log could not be copied back on a full disk");
            }
        }
    }

    fn try_transact(
        &mut self,
        work: &mut dyn FnMut(&mut dyn LedgerTx) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = transaction.map_err(failed("beginning a transaction"))?;
        work(&mut Books(&transaction))?;
        transaction.commit().map_err(failed("committing"))
    }

    /// Another connection to the file, which has to be there: a new one beside the old one's log would be made of both.
    fn connect_again(&self, doing: &'static str) -> Result<Connection, StoreError> {
        if matches!(self.path.try_exists(), Ok(false)) {
            return Err(StoreError::Gone { path: self.path.clone() });
        }
        connect(&self.path, NOT_ANEW).map_err(failed(doing))
    }
}

/// The file whose name is that of another with something added.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Without it statements on partial indexes are planned anew at nearly every binding: SQLite is built with STAT4.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// Names what was being done when SQLite failed.
fn failed(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |source| StoreError::Sqlite { doing, source }
}

impl LedgerReader for SqliteStore {
    fn read(
        &self,
        work: &mut dyn FnMut(&dyn LedgerReads) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        // Only one thread has this connection, so that no other transaction can be open on it.
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Deferred);
        let transaction = transaction.map_err(failed("beginning to read"))?;
        work(&Books(&transaction))?;
        transaction.finish().map_err(failed("ending to read"))
    }

    fn integrity(&self) -> Result<Vec<String>, StoreError> {
        integrity::check(&self.connection)
    }

    fn interrupt(&self) -> Interrupt {
        let handle = self.connection.get_interrupt_handle();
        Box::new(move || handle.interrupt())
    }
}

impl LedgerStore for SqliteStore {
    fn transact(
        &mut self,
        work: &mut dyn FnMut(&mut dyn LedgerTx) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let is_full = |written: &Result<(), StoreError>| matches!(written, Err(error) if error.is_no_room());
        let mut written = self.try_transact(work);
        if is_full(&written) {
            self.begin_log_anew();
            written = self.try_transact(work);
        }
        while is_full(&written) && self.room.as_mut().is_some_and(Room::give) {
            // At once, while there is room for pages that the database has not had so far.
            self.begin_log_anew();
            written = self.try_transact(work);
        }
        if let (Ok(()), Some(room)) = (&written, &mut self.room) {
            room.take_back();
        }
        written
    }

    fn reader(&self) -> Result<Box<dyn LedgerReader>, StoreError> {
        let connection = self.connect_again("opening another connection")?;
        connection.pragma_update(None, "query_only", true).map_err(failed("opening another connection"))?;
        Ok(Box::new(Self { connection, path: self.path.clone(), room: None }))
    }

    fn reconnect(&mut self) -> Result<(), StoreError> {
        self.connection = self.connect_again("opening the database anew")?;
        Ok(())
    }
}

/// A transaction on the books.
struct Books<'c>(&'c Transaction<'c>);

impl LedgerTx for Books<'_> {
    fn put_instances(&mut self, instances: &[CatalogueInstance]) -> Result<Vec<PutOutcome>, StoreError> {
        Ok(outrigger_catalogue::sqlite::put_instances(self.0, instances)?)
    }

    fn inherit(
        &mut self,
        member: MemberNumber,
        at: WallTime,
        seen: &SeenStudy,
    ) -> Result<Inheritance, StoreError> {
        Ok(outrigger_catalogue::sqlite::inherit_study(self.0, member, at, seen)?)
    }

    fn depart(&mut self, member: MemberNumber, gone: &[SopInstanceUid]) -> Result<u64, StoreError> {
        Ok(outrigger_catalogue::sqlite::depart(self.0, member, gone)?)
    }

    fn write(&mut self, changes: &Changes) -> Result<(), StoreError> {
        write::write(self.0, changes)
    }
}

impl LedgerReads for Books<'_> {
    fn position(&self) -> Result<Option<Position>, StoreError> {
        read::position(self.0)
    }

    fn members(&self) -> Result<Vec<MemberRow>, StoreError> {
        read::members(self.0)
    }

    fn entry(&self, seq: Seq) -> Result<Option<EntryRow>, StoreError> {
        read::entry(self.0, seq)
    }

    fn entries(&self, list: EntryList, after: Seq, limit: usize) -> Result<Vec<EntryRow>, StoreError> {
        read::entries(self.0, list, after, limit)
    }

    fn releasable(&self, rule: &Releasable, limit: usize) -> Result<Vec<Seq>, StoreError> {
        read::releasable(self.0, rule, limit)
    }

    fn releasable_early(
        &self,
        required: MemberSet,
        rule: &Releasable,
        limit: usize,
    ) -> Result<Vec<Seq>, StoreError> {
        promises::releasable_early(self.0, required, rule, limit)
    }

    fn unshown(&self, after: Passed, come: Come, limit: usize) -> Result<Vec<EntryRow>, StoreError> {
        read::unshown(self.0, after, come, limit)
    }

    fn posting(&self, key: PostingKey, lane: LaneNumber) -> Result<Option<PostingRow>, StoreError> {
        work::posting(self.0, key, lane)
    }

    fn due(&self, query: &DueQuery) -> Result<DueRows, StoreError> {
        work::due(self.0, query)
    }

    fn waiting(
        &self,
        member: MemberNumber,
        stage: Stage,
        come: Come,
        first: First,
        limit: usize,
    ) -> Result<Vec<Owed>, StoreError> {
        work::waiting(self.0, member, stage, come, first, limit)
    }

    fn suspended(&self, member: MemberNumber, after: Seq, limit: usize) -> Result<Vec<Owed>, StoreError> {
        work::suspended(self.0, member, after, limit)
    }

    fn open_postings(&self, member: MemberNumber, limit: usize) -> Result<Vec<Seq>, StoreError> {
        work::open_postings(self.0, member, limit)
    }

    fn closed_since(
        &self,
        member: MemberNumber,
        since: WallTime,
        limit: usize,
    ) -> Result<Vec<(Seq, WallTime)>, StoreError> {
        work::closed_since(self.0, member, since, limit)
    }

    fn healings(&self, member: MemberNumber, lane: LaneNumber) -> Result<Vec<Healing>, StoreError> {
        work::healings(self.0, member, lane)
    }

    fn oldest_owed(&self, member: MemberNumber) -> Result<Option<WallTime>, StoreError> {
        work::oldest_owed(self.0, member)
    }

    fn settling(&self, member: MemberNumber, come: Come) -> Result<(u64, Option<WallTime>), StoreError> {
        work::settling(self.0, member, come)
    }

    fn notes(&self, kind: NoteKind, of: NotesOf, limit: usize) -> Result<Vec<Note>, StoreError> {
        read::notes(self.0, kind, of, limit)
    }

    fn commitments(&self) -> Result<Vec<Commitment>, StoreError> {
        read::commitments(self.0)
    }

    fn promise_heads(&self) -> Result<Vec<PromiseHead>, StoreError> {
        promises::heads(self.0)
    }

    fn promise(&self, transaction: &TransactionUid) -> Result<Option<Promise>, StoreError> {
        promises::promise(self.0, transaction)
    }

    fn inventories(&self) -> Result<Vec<Inventory>, StoreError> {
        inventory::inventories(self.0)
    }

    fn sighting(&self, study: &StudyUid, member: MemberNumber) -> Result<Option<Sighting>, StoreError> {
        inventory::sighting(self.0, study, member)
    }

    fn sightings(&self, member: MemberNumber, seen: Seen, limit: usize) -> Result<Vec<Sighting>, StoreError> {
        inventory::sightings(self.0, member, seen, limit)
    }

    fn shortfalls(&self, study: &StudyUid) -> Result<Vec<Shortfall>, StoreError> {
        inventory::shortfalls(self.0, study)
    }

    fn peers(&self) -> Result<Vec<Peer>, StoreError> {
        read::peers(self.0)
    }

    fn lookup(&self, instance: &SopInstanceUid) -> Result<Option<Located>, StoreError> {
        Ok(outrigger_catalogue::sqlite::lookup(self.0, instance)?)
    }

    fn find(&self, query: &Query, after: Cursor, limit: usize) -> Result<Page<Answer>, StoreError> {
        Ok(outrigger_catalogue::sqlite::find(self.0, query, after, limit)?)
    }

    fn select(
        &self,
        selection: &Selection,
        after: Cursor,
        limit: usize,
    ) -> Result<Page<Located>, StoreError> {
        Ok(outrigger_catalogue::sqlite::select(self.0, selection, after, limit)?)
    }
}
