//! The catalogue in redb: rows as JSON by number, and an index table for every way in.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use ::redb::{Builder, Database, ReadableDatabase};
use outrigger_runtime::RealDisk;
use outrigger_runtime::disk::{Access, Disk, read_exact_at};

use crate::database;
use crate::redb::read::ReadTables;
use crate::redb::write::WriteTables;
use crate::tables::{Tables, View};
use crate::wanted::Wanted;
use crate::{Catalogue, CatalogueError, OpenError};

mod layout;
mod read;
mod write;

/// Memory for pages of the file, in bytes; redb's own default of 1 GiB is more than a whole node may use.
const CACHE_BYTES: usize = 32 << 20;

/// The length of the name of the format that a file begins with.
const MAGIC_BYTES: usize = 9;

/// A catalogue in a redb file; handles share it.
#[derive(Debug, Clone)]
pub(crate) struct RedbCatalogue {
    path: PathBuf,
    /// None after a failed write: redb does nothing more with a file that failed until it is opened anew.
    ///
    /// Reading the lock for a time is using the database; it is written to close and to open it.
    database: Arc<RwLock<Option<Database>>>,
}

impl RedbCatalogue {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let failed =
            |error: ::redb::Error| OpenError::Redb { path: path.to_owned(), source: Box::new(error) };
        clear_unfinished(&RealDisk, path).map_err(|error| failed(::redb::Error::Io(error)))?;
        let database = open_database(path).map_err(failed)?;
        let found = layout::prepare(&database).map_err(failed)?;
        if found > layout::FORMAT {
            return Err(OpenError::Newer { path: path.to_owned(), found, known: layout::FORMAT });
        }
        Ok(Self { path: path.to_owned(), database: Arc::new(RwLock::new(Some(database))) })
    }

    /// Works with the database, opened anew if a write failed before.
    fn using<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, CatalogueError>,
    ) -> Result<T, CatalogueError> {
        if let Some(database) = &*self.database.read().unwrap_or_else(PoisonError::into_inner) {
            return work(database);
        }
        let mut place = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if place.is_none() {
            *place = Some(open_database(&self.path).map_err(failed("opening the file again"))?);
        }
        match &*place {
            Some(database) => work(database),
            None => Err(failed("opening the file again")(::redb::Error::PreviousIo)),
        }
    }
}

/// Every page is checked now: in a file that was altered, redb would panic later.
fn open_database(path: &Path) -> Result<Database, ::redb::Error> {
    let mut builder = Builder::new();
    Ok(builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true).create(path)?)
}

/// Removes a file whose making was broken off: redb writes the name of the format last, and takes no file without one.
fn clear_unfinished(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let file = match disk.open(path, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    if file.length()? < MAGIC_BYTES as u64 || read_exact_at(&*file, 0, MAGIC_BYTES)? != [0; MAGIC_BYTES] {
        return Ok(());
    }
    disk.remove(path)
}

/// Works in one transaction, durable when this returns.
fn write<T>(
    database: &Database,
    work: impl FnOnce(&mut WriteTables<'_>) -> Result<T, CatalogueError>,
) -> Result<T, CatalogueError> {
    let doing = "beginning a transaction";
    let mut transaction = database.begin_write().map_err(failed(doing))?;
    // Two phases: a torn commit is told from a whole one without trusting a checksum alone.
    transaction.set_two_phase_commit(true);
    let mut tables = WriteTables::open(&transaction).map_err(failed(doing))?;
    let done = work(&mut tables)?;
    drop(tables);
    transaction.commit().map_err(failed("committing"))?;
    Ok(done)
}

impl database::Database for RedbCatalogue {
    fn change<T>(
        &mut self,
        _doing: &'static str,
        _wanted: impl Fn() -> Wanted,
        work: impl Fn(&mut dyn Tables) -> Result<T, CatalogueError>,
    ) -> Result<T, CatalogueError> {
        let done = self.using(|database| write(database, |tables| work(tables)));
        if let Err(CatalogueError::Redb { .. }) = done {
            *self.database.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        done
    }

    fn look<T>(
        &mut self,
        _doing: &'static str,
        look: impl Fn(&dyn View) -> Result<T, CatalogueError>,
    ) -> Result<T, CatalogueError> {
        self.using(|database| {
            let doing = "beginning to read";
            let transaction = database.begin_read().map_err(failed(doing))?;
            look(&ReadTables::open(&transaction).map_err(failed(doing))?)
        })
    }

    fn handle(&self) -> Result<Box<dyn Catalogue>, CatalogueError> {
        Ok(Box::new(self.clone()))
    }
}

/// Names what was being done when redb failed.
fn failed<E: Into<::redb::Error>>(doing: &'static str) -> impl FnOnce(E) -> CatalogueError {
    move |error| CatalogueError::Redb { doing, source: Box::new(error.into()) }
}
