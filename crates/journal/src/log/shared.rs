//! What the writer and the readers share.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use outrigger_runtime::DiskFile;
use outrigger_runtime::disk::Access;

use crate::damage::{Damage, DamagedPart};
use crate::held::Held;
use crate::home::{Contents, Home};
use crate::ids::Seq;
use crate::log::index::Index;
use crate::log::table::Table;
use crate::paths::SegmentKey;

/// Files held open for reading: enough for every worker of every member, few beside the limit of a process.
const OPEN_FILES_MAX: usize = 64;
/// Tables of segments without bodies held in memory, for readers that walk through old records.
const TABLES_MAX: usize = 4;

/// What the writer and the readers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) home: Arc<Home>,
    index: RwLock<Index>,
    files: Held<Arc<dyn DiskFile>>,
    tables: Mutex<Vec<(SegmentKey, Arc<Table>)>>,
}

impl Shared {
    pub(crate) fn new(home: Arc<Home>, index: Index) -> Self {
        Self {
            home,
            index: RwLock::new(index),
            files: Held::new(OPEN_FILES_MAX),
            tables: Mutex::new(Vec::new()),
        }
    }

    // Nothing panics while it holds one of these locks, so a poisoned one is as good as any.
    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn contents(&self) -> Contents {
        let index = self.index();
        Contents { entries: index.entries(), bodies: index.bodies(), bytes: index.bytes() }
    }

    /// The file of a segment; `None` if that version of it is gone.
    pub(crate) fn file(&self, key: SegmentKey) -> io::Result<Option<Arc<dyn DiskFile>>> {
        self.files.get_or_open(key, || self.file_anew(key))
    }

    /// The file that the name of a segment leads to now, whatever is held open; `None` if that version of it is gone.
    pub(crate) fn file_anew(&self, key: SegmentKey) -> io::Result<Option<Arc<dyn DiskFile>>> {
        // Held while the name is looked up, so that it is the file that the index means: a segment carried forward takes the name of
        // another.
        let index = self.index();
        if !index.segments.iter().any(|segment| segment.key() == key) {
            return Ok(None);
        }
        self.home.disk.open(&self.home.paths.segment(key.number), Access::Read).map(Some)
    }

    /// Lets go of what is held of segments that are no more.
    pub(crate) fn forget(&self, gone: &[SegmentKey]) {
        self.files.forget(gone);
        self.tables.lock().unwrap_or_else(PoisonError::into_inner).retain(|(key, _)| !gone.contains(key));
    }

    pub(crate) fn known_table(&self, key: SegmentKey) -> Option<Arc<Table>> {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.iter().find(|(held, _)| *held == key).map(|(_, table)| table.clone())
    }

    pub(crate) fn know_table(&self, key: SegmentKey, table: Arc<Table>) {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if tables.len() >= TABLES_MAX {
            tables.remove(0);
        }
        tables.push((key, table));
    }

    /// Damage to one entry.
    pub(crate) fn damage(&self, part: DamagedPart, near: SegmentKey, offset: u64, seq: (Seq, Seq)) -> Damage {
        Damage {
            file: self.home.paths.segment(near.number),
            offset,
            part,
            entries: Some(seq),
            certainty: self.index().certainty(seq.0),
        }
    }
}
