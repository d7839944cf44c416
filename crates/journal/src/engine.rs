//! What keeps the records of a copy: its one owner writes, readers beside it read.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use outrigger_runtime::Random;
use outrigger_runtime::disk::{ArcDisk, DiskFile};
use outrigger_runtime::reserve::Given;

use crate::commit::{Batch, Setback, for_good};
use crate::damage::Damage;
use crate::error::OpenError;
use crate::head::{Generation, Head};
use crate::home::Home;
use crate::ids::{Epoch, Seq};
use crate::journal::Cut;
use crate::keeping::Keeping;
use crate::log::Orphan;
use crate::options::{Options, Place};
use crate::paths::SegmentKey;
use crate::ranges::Ranges;
use crate::reader::CopyReader;
use crate::room::Room;
use crate::{log, sqlite};

/// What keeps the records of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// Segments of frames, our own: docs/journal-format.md.
    Log,
    /// Rows of SQLite, with the bytes of objects in files beside them.
    Sqlite,
}

impl EngineKind {
    /// All engines.
    pub const ALL: [Self; 2] = [Self::Log, Self::Sqlite];

    /// Its name in configuration and head.
    pub fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Sqlite => "sqlite",
        }
    }
}

/// What a copy is opened with.
pub(crate) struct Opening {
    pub(crate) disk: ArcDisk,
    pub(crate) random: Random,
    pub(crate) options: Options,
    /// What keeps it, and its own directory.
    pub(crate) place: Place,
    /// Of the place it is in.
    pub(crate) lock: Arc<dyn DiskFile>,
    pub(crate) head: Head,
    /// A damaged line of its head, where the other stands.
    pub(crate) head_damage: Option<Damage>,
    /// The position that the ledger has applied, 0 if unknown.
    pub(crate) applied: Seq,
}

/// A copy as it was found.
pub(crate) struct Found {
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) epoch: Epoch,
    /// The number of its last record.
    pub(crate) tail: Seq,
    pub(crate) cut: Option<Cut>,
    pub(crate) damaged: Vec<Damage>,
    /// Complete files of large objects that no record names.
    pub(crate) orphans: Vec<(PathBuf, Orphan)>,
}

/// Opens a copy by the engine that is configured for it.
pub(crate) fn open(opening: Opening) -> Result<Found, OpenError> {
    match opening.place.engine {
        EngineKind::Log => log::recovery::open(opening),
        EngineKind::Sqlite => sqlite::open(opening),
    }
}

/// Whether the body of an entry is kept.
pub(crate) type IsKept<'a> = dyn Fn(Seq) -> bool + 'a;

/// What keeps the records of a copy, owned by whoever writes it.
pub(crate) trait Engine: fmt::Debug + Send {
    fn home(&self) -> &Arc<Home>;

    /// Reads while this writes.
    fn reader(&self) -> CopyReader;

    /// Bytes it takes on the disk, without the reserve.
    fn bytes(&self) -> u64;

    fn keeping(&self) -> &Keeping;

    fn keeping_mut(&mut self) -> &mut Keeping;

    /// Writes a batch behind what it holds; durable, and shown to readers, when this returns.
    fn write(&mut self, batch: &Batch) -> Result<(), Setback>;

    /// Tells which bodies are kept, while nothing changes.
    fn with_kept(&self, asked: &mut dyn FnMut(&IsKept<'_>));

    /// Lets these bodies go, the record of which is durable.
    fn let_go(&mut self, released: &Ranges) -> Result<(), Setback>;

    /// What to write anew, if anything is worth while.
    fn plan(&self) -> Option<Box<dyn Plan>>;

    /// Puts what was written anew in the place of what it was made from.
    fn put_in_place(&mut self, forwarded: Forwarded) -> Result<(), Setback>;

    /// A second is over; what may wait for a pause is done now.
    fn pause(&mut self) -> Result<(), Setback>;

    /// Seals the open segment and writes down that all of it is on the disk.
    fn close(self: Box<Self>) -> Result<(), Setback>;
}

/// Segments to be written anew, beside commits.
pub(crate) trait Plan: Send {
    /// The segments it is about.
    fn keys(&self) -> Vec<SegmentKey>;

    /// Writes them, complete and synced; changes nothing else.
    fn write(&self) -> Result<Forwarded, Obstacle>;
}

/// What was written anew, complete and synced.
#[derive(Debug)]
pub(crate) enum Forwarded {
    Log(log::carry::Written),
    Sqlite(sqlite::carry::Written),
}

/// Why segments were not carried forward.
#[derive(Debug)]
pub(crate) enum Obstacle {
    /// They are damaged or unreadable, and stay as they are.
    Stuck(Vec<SegmentKey>),
    /// The new file could not be written.
    Setback(Setback),
}

/// What was written anew by another engine; each is given back what it planned itself.
pub(crate) fn of_another() -> Setback {
    let error = io::Error::other("it was written by another engine");
    Setback::Failed { doing: "putting in place what was written anew", error }
}

impl dyn Engine + '_ {
    /// The room there is for objects.
    pub(crate) fn room(&self) -> io::Result<Room> {
        self.home().room(self.bytes(), self.kept_back())
    }

    /// Has the reserve give some of its room.
    pub(crate) fn give(&mut self) -> io::Result<Given> {
        self.keeping_mut().reserve.give()
    }

    /// Writes a batch that others have, out of the reserve where there is no other room.
    pub(crate) fn insist(&mut self, batch: &Batch) -> Result<(), Setback> {
        loop {
            match self.write(batch) {
                Err(Setback::NoRoom) => match self.give().map_err(for_good("giving room back"))? {
                    Given::Some => {}
                    Given::Nothing => return Err(Setback::NoRoom),
                },
                outcome => return outcome,
            }
        }
    }

    /// Leaves these segments as they are, as long as this process lives.
    pub(crate) fn leave(&mut self, stuck: Vec<SegmentKey>) {
        self.keeping_mut().stuck.extend(stuck);
    }

    /// Looks whether there is room, takes back what the reserve gave, and does what waited for a pause.
    pub(crate) fn recheck(&mut self) -> Result<Room, Setback> {
        self.refill().map_err(for_good("taking the reserve back"))?;
        let room = self.room().map_err(for_good("looking for room"))?;
        self.home().set_health(room.health(self.home().health()));
        match self.pause() {
            Ok(()) | Err(Setback::NoRoom) => Ok(room),
            Err(setback) => Err(setback),
        }
    }

    /// Writes down the generation this copy is of, and with which others.
    pub(crate) fn enter(&mut self, generation: &Generation) -> Result<(), Setback> {
        let home = self.home().clone();
        self.keeping_mut().enter(&home, generation)
    }

    /// Writes down the start that is under way, where another copy knew of a later one.
    pub(crate) fn begin_epoch(&mut self, epoch: Epoch) -> Result<(), Setback> {
        let home = self.home().clone();
        self.keeping_mut().begin_epoch(&home, epoch)
    }

    /// Takes back what the reserve gave, unless that is room which is left to others.
    fn refill(&mut self) -> io::Result<()> {
        if self.keeping().reserve.missing() == 0 {
            return Ok(());
        }
        let space = self.home().disk.space(&self.home().paths.directory)?;
        if space.free < self.kept_back() { Ok(()) } else { self.keeping_mut().reserve.refill() }
    }

    /// Bytes that have to be free on the disk beside what objects take.
    fn kept_back(&self) -> u64 {
        self.keeping().reserve.missing().saturating_add(self.home().left_free())
    }
}
