//! Where a copy of the journal is kept, and how it is doing.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use outrigger_runtime::disk::ArcDisk;
use outrigger_runtime::{Clock, Random};

use crate::commit::Setback;
use crate::engine::Opening;
use crate::error::AppendError;
use crate::ids::JournalId;
use crate::options::{Options, ROOM_MARGIN_BYTES};
use crate::paths::Paths;
use crate::room::Room;
use crate::state::{Health, JournalState};

/// Where a copy of the journal is kept, and how it is doing.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) disk: ArcDisk,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) options: Options,
    pub(crate) paths: Paths,
    pub(crate) journal: JournalId,
    pub(crate) generation: u64,
    health: Mutex<Health>,
    /// Free on the disk for objects when it was last looked at.
    free: AtomicU64,
    /// What objects leave free on the disk for others.
    left_free: AtomicU64,
}

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contents {
    pub(crate) entries: u64,
    pub(crate) bodies: u64,
    pub(crate) bytes: u64,
}

impl Home {
    pub(crate) fn new(opening: Opening, paths: Paths, journal: JournalId, generation: u64) -> Self {
        let Opening { disk, clock, random, options, .. } = opening;
        let health = Mutex::new(Health::Healthy);
        let (free, left_free) = (AtomicU64::new(u64::MAX), AtomicU64::new(0));
        Self { disk, clock, random, options, paths, journal, generation, health, free, left_free }
    }

    /// The room there is for objects beside so many bytes of this copy, and so many that are kept back.
    pub(crate) fn room(&self, bytes: u64, kept_back: u64) -> io::Result<Room> {
        let may = self.options.max_size_bytes.saturating_sub(self.options.reserve_bytes);
        let left = may.saturating_sub(bytes);
        let space = self.disk.space(&self.paths.directory)?;
        let free = space.free.saturating_sub(kept_back);
        self.note_free(free);
        let [left, free] = [left, free].map(|bytes| bytes.saturating_sub(ROOM_MARGIN_BYTES));
        Ok(Room { left, free, whole: may.min(space.total) })
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

    pub(crate) fn state(&self, contents: Contents) -> JournalState {
        let Contents { entries, bodies, bytes } = contents;
        let on_disk = bytes.saturating_add(self.free.load(Ordering::Relaxed));
        JournalState {
            engine: self.options.engine,
            directory: self.paths.directory.clone(),
            health: self.health(),
            entries,
            bodies,
            bytes,
            capacity: self.options.max_size_bytes.saturating_sub(self.options.reserve_bytes).min(on_disk),
            generation: self.generation,
        }
    }

    /// What a setback outside a commit means.
    pub(crate) fn set_back(&self, setback: Setback) -> AppendError {
        match setback {
            Setback::NoRoom => AppendError::Full,
            Setback::Failed { doing, error } => {
                self.fail(doing, &error);
                AppendError::Failed
            }
        }
    }
}
