//! Where a copy of the journal is kept, and how it is doing.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use outrigger_runtime::Random;
use outrigger_runtime::disk::ArcDisk;

use crate::engine::Opening;
use crate::ids::JournalId;
use crate::options::{Options, Place, ROOM_MARGIN_BYTES};
use crate::paths::Paths;
use crate::room::Room;
use crate::state::Health;

/// Where a copy of the journal is kept, and how it is doing.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) disk: ArcDisk,
    pub(crate) random: Random,
    pub(crate) options: Options,
    pub(crate) paths: Paths,
    pub(crate) journal: JournalId,
    /// What keeps it, and its own directory.
    pub(crate) place: Place,
    generation: AtomicU64,
    is_harmed: AtomicBool,
    health: Mutex<Health>,
    /// Free on the disk for objects when it was last looked at.
    free: AtomicU64,
    /// What objects leave free on the disk for others.
    left_free: AtomicU64,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Contents {
    pub(crate) entries: u64,
    pub(crate) bodies: u64,
    pub(crate) bytes: u64,
}

impl Home {
    pub(crate) fn new(opening: Opening, paths: Paths, journal: JournalId, generation: u64) -> Self {
        let Opening { disk, random, options, place, .. } = opening;
        Self {
            disk,
            random,
            options,
            place,
            paths,
            journal,
            generation: AtomicU64::new(generation),
            is_harmed: AtomicBool::new(false),
            health: Mutex::new(Health::Healthy),
            free: AtomicU64::new(u64::MAX),
            left_free: AtomicU64::new(0),
        }
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

    /// Takes this copy out of service for the rest of this process.
    pub(crate) fn fail(&self, doing: &str, error: &io::Error) {
        tracing::error!(
            copy = %self.paths.directory.display(), engine = self.place.engine.name(), doing, %error,
            "the disk of a copy of the journal failed; this copy takes nothing more"
        );
        self.set_health(Health::Failed);
    }

    /// Bytes it may take for objects: up to its greatest size, or to what its disk holds if that is less.
    pub(crate) fn capacity(&self, contents: Contents) -> u64 {
        let on_disk = contents.bytes.saturating_add(self.free.load(Ordering::Relaxed));
        self.options.max_size_bytes.saturating_sub(self.options.reserve_bytes).min(on_disk)
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    pub(crate) fn set_generation(&self, number: u64) {
        self.generation.store(number, Ordering::Relaxed);
    }

    /// Notes that something in it was not as it was written, and that others may have it.
    pub(crate) fn note_harm(&self) {
        self.is_harmed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_harmed(&self) -> bool {
        self.is_harmed.load(Ordering::Relaxed)
    }
}
