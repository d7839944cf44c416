//! What the writer and the readers share.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use outrigger_runtime::disk::{Access, ArcDisk};
use outrigger_runtime::{Clock, DiskFile, Random};

use crate::damage::{Damage, DamagedPart};
use crate::ids::{JournalId, Seq};
use crate::log::index::{Index, SegmentKey};
use crate::log::paths::Paths;
use crate::log::table::Table;
use crate::options::Options;
use crate::state::{Health, JournalState};

/// Files held open for reading: enough for every worker of every member, few beside the limit of a process.
const OPEN_FILES_MAX: usize = 64;
/// Tables of segments without bodies held in memory, for readers that walk through old records.
const TABLES_MAX: usize = 4;

/// What the writer and the readers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) disk: ArcDisk,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) options: Options,
    pub(crate) paths: Paths,
    pub(crate) journal: JournalId,
    pub(crate) generation: u64,
    index: RwLock<Index>,
    health: Mutex<Health>,
    /// Free on the disk for objects when it was last looked at.
    free: AtomicU64,
    /// What objects leave free on the disk for others.
    left_free: AtomicU64,
    files: Mutex<Vec<(SegmentKey, Arc<dyn DiskFile>)>>,
    tables: Mutex<Vec<(SegmentKey, Arc<Table>)>>,
}

/// What a journal is made of when it has been opened.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) disk: ArcDisk,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) options: Options,
    pub(crate) paths: Paths,
    pub(crate) journal: JournalId,
    pub(crate) generation: u64,
    pub(crate) index: Index,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { disk, clock, random, options, paths, journal, generation, index } = parts;
        Self {
            disk,
            clock,
            random,
            options,
            paths,
            journal,
            generation,
            index: RwLock::new(index),
            health: Mutex::new(Health::Healthy),
            left_free: AtomicU64::new(0),
            free: AtomicU64::new(u64::MAX),
            files: Mutex::new(Vec::new()),
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

    pub(crate) fn health(&self) -> Health {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how the journal is doing; a failed one stays failed.
    pub(crate) fn set_health(&self, now: Health) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        match (*health, now) {
            (Health::Failed, _) => return,
            (Health::Healthy, Health::Full) => {
                tracing::warn!(journal = %self.paths.directory.display(), "the journal is full; objects are refused");
            }
            (Health::Full, Health::Healthy) => {
                tracing::info!(journal = %self.paths.directory.display(), "the journal has room again");
            }
            (_, Health::Healthy | Health::Full | Health::Failed) => {}
        }
        *health = now;
    }

    /// What objects leave free on the disk for others, in bytes.
    pub(crate) fn left_free(&self) -> u64 {
        self.left_free.load(Ordering::Relaxed)
    }

    /// Leaves so many bytes free from now on.
    pub(crate) fn leave_free(&self, bytes: u64) {
        self.left_free.store(bytes, Ordering::Relaxed);
    }

    /// Notes what the disk has free for objects.
    pub(crate) fn note_free(&self, bytes: u64) {
        self.free.store(bytes, Ordering::Relaxed);
    }

    /// Takes the journal out of service for the rest of this process.
    pub(crate) fn fail(&self, doing: &str, error: &io::Error) {
        tracing::error!(
            journal = %self.paths.directory.display(), doing, %error,
            "the journal's disk failed; it takes nothing more until it is restarted"
        );
        self.set_health(Health::Failed);
    }

    pub(crate) fn state(&self) -> JournalState {
        let index = self.index();
        let on_disk = index.bytes().saturating_add(self.free.load(Ordering::Relaxed));
        JournalState {
            directory: self.paths.directory.clone(),
            health: self.health(),
            entries: index.entries(),
            bodies: index.bodies(),
            bytes: index.bytes(),
            capacity: self.options.max_size_bytes.saturating_sub(self.options.reserve_bytes).min(on_disk),
            generation: self.generation,
        }
    }

    /// The file of a segment; `None` if that version of it is gone.
    pub(crate) fn file(&self, key: SegmentKey) -> io::Result<Option<Arc<dyn DiskFile>>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = files.iter().position(|(held, _)| *held == key) {
            let found = files.remove(at);
            let file = found.1.clone();
            files.push(found);
            return Ok(Some(file));
        }
        // Held while the name is looked up, so that it is the file that the index means.
        let index = self.index();
        if !index.segments.iter().any(|segment| segment.key() == key) {
            return Ok(None);
        }
        let file = self.disk.open(&self.paths.segment(key.number), Access::Read)?;
        drop(index);
        if files.len() >= OPEN_FILES_MAX {
            files.remove(0);
        }
        files.push((key, file.clone()));
        Ok(Some(file))
    }

    /// The file that the name of a segment leads to now, whatever is held open; `None` if that version of it is gone.
    pub(crate) fn file_anew(&self, key: SegmentKey) -> io::Result<Option<Arc<dyn DiskFile>>> {
        // Held while the name is looked up, as a segment carried forward takes the name of another.
        let index = self.index();
        if !index.segments.iter().any(|segment| segment.key() == key) {
            return Ok(None);
        }
        self.disk.open(&self.paths.segment(key.number), Access::Read).map(Some)
    }

    /// Lets go of what is held of segments that are no more.
    pub(crate) fn forget(&self, gone: &[SegmentKey]) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).retain(|(key, _)| !gone.contains(key));
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
            file: self.paths.segment(near.number),
            offset,
            part,
            entries: Some(seq),
            certainty: self.index().certainty(seq.0),
        }
    }
}
