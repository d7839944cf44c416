//! The log as what keeps the journal: its state, its room, its end.

use std::io;
use std::sync::Arc;

use outrigger_runtime::disk::DiskFile;
use outrigger_runtime::reserve::{Given, Reserve};

use crate::commit::Setback;
use crate::error::AppendError;
use crate::head::Head;
use crate::ids::{Epoch, JournalId};
use crate::log::index::SegmentKey;
use crate::log::open_segment::OpenSegment;
use crate::log::shared::Shared;
use crate::room::Room;
use crate::state::Health;

/// The log, owned by whoever writes it.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) shared: Arc<Shared>,
    pub(crate) head: Head,
    pub(crate) epoch: Epoch,
    /// Made by the first append.
    pub(crate) open: Option<OpenSegment>,
    pub(crate) reserve: Reserve,
    /// Segments that could not be carried forward, as long as this process lives.
    pub(crate) stuck: Vec<SegmentKey>,
    /// Held as long as this lives.
    pub(crate) _lock: Arc<dyn DiskFile>,
}

impl Log {
    pub(crate) fn journal(&self) -> JournalId {
        self.shared.home.journal
    }

    pub(crate) fn health(&self) -> Health {
        self.shared.home.health()
    }

    pub(crate) fn set_health(&self, now: Health) {
        self.shared.home.set_health(now);
    }

    /// The clock on the wall, in microseconds since 1970-01-01 UTC.
    pub(crate) fn wall_us(&self) -> i64 {
        self.shared.home.clock.wall_us()
    }

    /// Takes it out of service for the rest of this process.
    pub(crate) fn fail(&self, doing: &str, error: &io::Error) {
        self.shared.home.fail(doing, error);
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

    /// The room there is for objects.
    pub(crate) fn room(&self) -> io::Result<Room> {
        self.shared.home.room(self.shared.index().bytes(), self.kept_back())
    }

    /// Looks whether there is room, and takes back what the reserve gave.
    pub(crate) fn recheck(&mut self) {
        let refilled = self.refill().and_then(|()| self.room());
        match refilled {
            Ok(room) => self.set_health(room.health(self.health())),
            Err(error) => self.fail("looking for room", &error),
        }
    }

    /// Has the reserve give some of its room.
    pub(crate) fn give(&mut self) -> io::Result<Given> {
        self.reserve.give()
    }

    /// Takes back what the reserve gave, unless that is room which is left to others.
    fn refill(&mut self) -> io::Result<()> {
        if self.reserve.missing() == 0 {
            return Ok(());
        }
        let space = self.shared.home.disk.space(&self.shared.home.paths.directory)?;
        if space.free < self.kept_back() { Ok(()) } else { self.reserve.refill() }
    }

    /// Bytes that have to be free on the disk beside what objects take.
    fn kept_back(&self) -> u64 {
        self.reserve.missing().saturating_add(self.shared.home.left_free())
    }

    /// Seals the open segment and writes down that all of it is on the disk.
    pub(crate) fn close(mut self) -> Result<(), AppendError> {
        self.seal_open()?;
        self.head.certain = self.shared.index().last_number();
        self.head.release_mark = self.shared.index().release_mark();
        let written = self.head.write(&*self.shared.home.disk, &self.shared.home.paths.head());
        written.map_err(|error| self.shared.home.refused("writing the head", &error))
    }
}
