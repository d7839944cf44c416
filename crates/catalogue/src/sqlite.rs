//! The catalogue in SQLite: its tables can stand beside others in one database and share a transaction with them.

use std::path::{Path, PathBuf};

use outrigger_model::{Answer, MemberNumber, Query, Selection, SopInstanceUid, StudyUid, WallTime};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::database::Database;
use crate::feed::Noted;
use crate::sqlite::cells::BrokenSeal;
use crate::sqlite::read::Reader;
use crate::sqlite::write::Writer;
use crate::tables::{Tables, View};
use crate::wanted::Wanted;
use crate::{
    Catalogue, CatalogueError, CatalogueInstance, Counts, Cursor, Inheritance, Located, OpenError, Page,
    PutOutcome, SeenStudy, StudySummary,
};

pub use schema::{SCHEMA, prepare};

mod cells;
mod columns;
mod read;
mod schema;
mod table;
mod write;

/// Statements kept prepared: all of this module, with room for those of a database shared with others.
const STATEMENTS_MAX: usize = 128;

/// Enters instances within a transaction of the caller's; nothing is durable before it commits.
pub fn put_instances(
    transaction: &Transaction<'_>,
    instances: &[CatalogueInstance],
) -> Result<Vec<PutOutcome>, CatalogueError> {
    crate::put::put(&mut Writer(transaction), instances, Noted::Nothing)
}

/// Enters a study that a member shows, within a transaction of the caller's; nothing is durable before it commits.
pub fn inherit_study(
    transaction: &Transaction<'_>,
    member: MemberNumber,
    at: WallTime,
    seen: &SeenStudy,
) -> Result<Inheritance, CatalogueError> {
    crate::inherit::inherit(&mut Writer(transaction), member, at, seen)
}

/// Takes a member out of those that were seen to hold these instances, within a transaction of the caller's; gives of how many.
pub fn depart(
    transaction: &Transaction<'_>,
    member: MemberNumber,
    gone: &[SopInstanceUid],
) -> Result<u64, CatalogueError> {
    crate::inherit::depart(&mut Writer(transaction), member, gone)
}

/// Looks an instance up by its SOP Instance UID.
pub fn lookup(connection: &Connection, instance: &SopInstanceUid) -> Result<Option<Located>, CatalogueError> {
    crate::find::lookup(&Reader(connection), instance)
}

/// Answers a query from `after` on, with at most `limit` answers.
pub fn find(
    connection: &Connection,
    query: &Query,
    after: Cursor,
    limit: usize,
) -> Result<Page<Answer>, CatalogueError> {
    crate::find::find(&Reader(connection), query, after, limit)
}

/// Lists the instances of a selection from `after` on, each once, at most `limit`.
pub fn select(
    connection: &Connection,
    selection: &Selection,
    after: Cursor,
    limit: usize,
) -> Result<Page<Located>, CatalogueError> {
    crate::find::select(&Reader(connection), selection, after, limit)
}

/// What is known of a study as a whole.
pub fn summary(connection: &Connection, study: &StudyUid) -> Result<Option<StudySummary>, CatalogueError> {
    Reader(connection).summary(study)
}

/// How much there is.
pub fn counts(connection: &Connection) -> Result<Counts, CatalogueError> {
    Reader(connection).counts()
}

/// Reads every row and index; says in a sentence each what is damaged.
pub fn check(connection: &Connection) -> Result<Vec<String>, CatalogueError> {
    Reader(connection).check()
}

/// A catalogue with a database of its own; a put is synced before it returns.
#[derive(Debug)]
pub struct SqliteCatalogue {
    connection: Connection,
    path: PathBuf,
}

impl SqliteCatalogue {
    /// Opens or makes the database at `path`, in write-ahead mode with every commit synced.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Sqlite { path: path.to_owned(), source };
        let connection = schema::connect(path, STATEMENTS_MAX).map_err(failed)?;
        prepare(&connection)?;
        Ok(Self { connection, path: path.to_owned() })
    }
}

impl Database for SqliteCatalogue {
    fn change<T>(
        &mut self,
        _doing: &'static str,
        _wanted: impl Fn() -> Wanted,
        work: impl Fn(&mut dyn Tables) -> Result<T, CatalogueError>,
    ) -> Result<T, CatalogueError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = transaction.map_err(failed("beginning a transaction"))?;
        let done = work(&mut Writer(&transaction))?;
        transaction.commit().map_err(failed("committing"))?;
        Ok(done)
    }

    fn look<T>(
        &mut self,
        _doing: &'static str,
        look: impl Fn(&dyn View) -> Result<T, CatalogueError>,
    ) -> Result<T, CatalogueError> {
        look(&Reader(&self.connection))
    }

    fn handle(&self) -> Result<Box<dyn Catalogue>, CatalogueError> {
        let connection =
            schema::connect(&self.path, STATEMENTS_MAX).map_err(failed("opening another connection"))?;
        Ok(Box::new(Self { connection, path: self.path.clone() }))
    }
}

/// Names what was being done when SQLite failed, or the row whose seal is broken.
fn failed(doing: &'static str) -> impl Fn(rusqlite::Error) -> CatalogueError {
    move |source| match BrokenSeal::within(&source) {
        Some(BrokenSeal { table, row }) => {
            CatalogueError::BadRow { table, row: *row, source: Box::new(BrokenSeal { table, row: *row }) }
        }
        None => CatalogueError::Sqlite { doing, source },
    }
}
