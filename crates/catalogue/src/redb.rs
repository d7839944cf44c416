//! The catalogue in redb: rows as JSON by number, and an index table for every way in.

use std::path::Path;
use std::sync::Arc;

use ::redb::{Builder, Database, ReadableDatabase};
use outrigger_model::{Answer, Query, Selection, SopInstanceUid, StudyUid};

use crate::redb::read::ReadTables;
use crate::redb::write::WriteTables;
use crate::tables::View;
use crate::{
    Catalogue, CatalogueError, CatalogueInstance, Counts, Cursor, Located, OpenError, Page, PutOutcome,
    StudySummary,
};

mod layout;
mod read;
mod write;

/// Memory for pages of the file, in bytes; redb's own default of 1 GiB is more than a whole node may use.
const CACHE_BYTES: usize = 32 << 20;

/// A catalogue in a redb file; handles share it.
#[derive(Debug, Clone)]
pub(crate) struct RedbCatalogue {
    database: Arc<Database>,
}

impl RedbCatalogue {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let failed =
            |error: ::redb::Error| OpenError::Redb { path: path.to_owned(), source: Box::new(error) };
        // Every page is checked now: in a file that was altered, redb would panic later.
        let database =
            Builder::new().set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true).create(path);
        let database = database.map_err(|error| failed(error.into()))?;
        let found = layout::prepare(&database).map_err(failed)?;
        if found > layout::FORMAT {
            return Err(OpenError::Newer { path: path.to_owned(), found, known: layout::FORMAT });
        }
        Ok(Self { database: Arc::new(database) })
    }

    fn view(&self) -> Result<ReadTables, CatalogueError> {
        let doing = "beginning to read";
        let transaction = self.database.begin_read().map_err(failed(doing))?;
        ReadTables::open(&transaction).map_err(failed(doing))
    }
}

impl Catalogue for RedbCatalogue {
    fn put(&mut self, instances: &[CatalogueInstance]) -> Result<Vec<PutOutcome>, CatalogueError> {
        let doing = "beginning a transaction";
        let mut transaction = self.database.begin_write().map_err(failed(doing))?;
        // Two phases: a torn commit is told from a whole one without trusting a checksum alone.
        transaction.set_two_phase_commit(true);
        let mut tables = WriteTables::open(&transaction).map_err(failed(doing))?;
        let outcomes = crate::put::put(&mut tables, instances)?;
        drop(tables);
        transaction.commit().map_err(failed("committing instances"))?;
        Ok(outcomes)
    }

    fn lookup(&mut self, instance: &SopInstanceUid) -> Result<Option<Located>, CatalogueError> {
        crate::find::lookup(&self.view()?, instance)
    }

    fn find(&mut self, query: &Query, after: Cursor, limit: usize) -> Result<Page<Answer>, CatalogueError> {
        crate::find::find(&self.view()?, query, after, limit)
    }

    fn select(
        &mut self,
        selection: &Selection,
        after: Cursor,
        limit: usize,
    ) -> Result<Page<Located>, CatalogueError> {
        crate::find::select(&self.view()?, selection, after, limit)
    }

    fn summary(&mut self, study: &StudyUid) -> Result<Option<StudySummary>, CatalogueError> {
        self.view()?.summary(study)
    }

    fn counts(&mut self) -> Result<Counts, CatalogueError> {
        self.view()?.counts()
    }

    fn check(&mut self) -> Result<Vec<String>, CatalogueError> {
        self.view()?.check()
    }

    fn another(&self) -> Result<Box<dyn Catalogue>, CatalogueError> {
        Ok(Box::new(self.clone()))
    }
}

/// Names what was being done when redb failed.
fn failed<E: Into<::redb::Error>>(doing: &'static str) -> impl FnOnce(E) -> CatalogueError {
    move |error| CatalogueError::Redb { doing, source: Box::new(error.into()) }
}
