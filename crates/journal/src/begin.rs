//! What every start of a copy begins with: its lock, its head, its directories and its reserve.

use std::io;
use std::path::Path;
use std::sync::Arc;

use outrigger_runtime::Random;
use outrigger_runtime::disk::{Disk, DiskFile};
use outrigger_runtime::reserve::{Given, Reserve, is_no_room};

use crate::damage::{Certainty, Damage, DamagedPart};
use crate::engine::{EngineKind, Opening};
use crate::error::OpenError;
use crate::head::{FORMAT, FoundHead, Head};
use crate::home::Home;
use crate::ids::{Epoch, JournalId, Seq};
use crate::keeping::Keeping;
use crate::options::RESERVE_STEP_BYTES;
use crate::paths::{Paths, is_segment};

/// A copy that is locked and known by its head.
pub(crate) struct Begun {
    pub(crate) paths: Paths,
    pub(crate) lock: Arc<dyn DiskFile>,
    pub(crate) head: Head,
    pub(crate) journal: JournalId,
    /// A damaged line of the head, where the other stands.
    pub(crate) head_damage: Option<Damage>,
    pub(crate) reserve: Reserve,
}

/// Locks the copy in its directory and reads its head; makes a new one where nothing is and nothing was applied.
pub(crate) fn begin(opening: &Opening, engine: EngineKind) -> Result<Begun, OpenError> {
    let Opening { disk, random, options, applied, .. } = opening;
    options.check().map_err(OpenError::Options)?;
    let paths = Paths::new(&options.directory);
    disk.create_directory(&paths.directory).map_err(io_error("making", &paths.directory))?;
    let lock = lock(&**disk, &paths)?;
    let (head, journal, head_damage) = read_head(&**disk, &paths, random, engine, *applied)?;
    for directory in [&paths.segments, &paths.objects, &paths.spool] {
        disk.create_directory(directory).map_err(io_error("making", directory))?;
    }
    let reserve = Reserve::open(&**disk, &paths.reserve(), options.reserve_bytes, RESERVE_STEP_BYTES);
    let reserve = reserve.map_err(io_error("making", &paths.reserve()))?;
    Ok(Begun { paths, lock, head, journal, head_damage, reserve })
}

impl Begun {
    /// A new start of the copy, its segments read: `epoch` is the greatest in them. Writes the head, and has the reserve whole again.
    pub(crate) fn started(
        self,
        opening: Opening,
        epoch: Epoch,
        (last_number, release_mark): (u32, Seq),
    ) -> Result<(Arc<Home>, Keeping), OpenError> {
        let Self { paths, lock, mut head, journal, mut reserve, .. } = self;
        head.epoch = Epoch(head.epoch.max(epoch).0.saturating_add(1));
        (head.certain, head.release_mark) = (last_number, release_mark);
        let written = with_room(&mut reserve, || head.write(&*opening.disk, &paths.head()));
        written.map_err(io_error("writing", &paths.head()))?;
        reserve.refill().map_err(io_error("making", &paths.reserve()))?;
        let home = Home::new(opening, paths, journal, head.generation);
        Ok((Arc::new(home), Keeping::new(head, reserve, lock)))
    }
}

/// An [`OpenError::Io`] for something done to `path`.
pub(crate) fn io_error<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> OpenError + 'a {
    move |source| OpenError::Io { doing, path: path.to_owned(), source }
}

pub(crate) fn lock(disk: &dyn Disk, paths: &Paths) -> Result<Arc<dyn DiskFile>, OpenError> {
    disk.lock(&paths.lock()).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked { directory: paths.directory.clone() },
        _ => io_error("locking", &paths.lock())(error),
    })
}

fn read_head(
    disk: &dyn Disk,
    paths: &Paths,
    random: &Random,
    engine: EngineKind,
    applied: Seq,
) -> Result<(Head, JournalId, Option<Damage>), OpenError> {
    let path = paths.head();
    match Head::read(disk, &path).map_err(io_error("reading", &path))? {
        FoundHead::Head { head, damaged_at } => {
            let journal = head.journal().ok_or(OpenError::Head { file: path.clone() })?;
            let kept_by = head.engine();
            if kept_by != engine.name() {
                let (found, directory) = (kept_by.to_owned(), paths.directory.clone());
                return Err(OpenError::OtherEngine { directory, found, configured: engine.name() });
            }
            let damage = damaged_at.map(|offset| Damage {
                file: path,
                offset,
                part: DamagedPart::Head,
                entries: None,
                certainty: Certainty::NoEntry,
            });
            Ok((head, journal, damage))
        }
        FoundHead::Newer(found) => Err(OpenError::NewerFormat { file: path, found, known: FORMAT }),
        FoundHead::Unreadable => Err(OpenError::Head { file: path }),
        FoundHead::Nothing if has_segments(disk, paths)? => Err(OpenError::HeadMissing { file: path }),
        FoundHead::Nothing if applied > Seq(0) => {
            Err(OpenError::Missing { directory: paths.directory.clone(), applied })
        }
        FoundHead::Nothing => {
            let journal = JournalId(random.u128().map_err(OpenError::Random)?);
            let copy = random.u64().map_err(OpenError::Random)?;
            let head = Head::new(journal, copy, engine);
            head.write(disk, &path).map_err(io_error("writing", &path))?;
            Ok((head, journal, None))
        }
    }
}

/// Whether there are segments; none where the directory is not there.
pub(crate) fn has_segments(disk: &dyn Disk, paths: &Paths) -> Result<bool, OpenError> {
    match disk.list(&paths.segments) {
        Ok(listed) => Ok(listed.iter().any(|listed| is_segment(&listed.path))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error("listing", &paths.segments)(error)),
    }
}

/// Does something that needs room, and gives the reserve for it if there is none.
pub(crate) fn with_room<T>(reserve: &mut Reserve, mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match work() {
            Err(error) if is_no_room(&error) => {
                if reserve.give()? == Given::Nothing {
                    return Err(error);
                }
            }
            other => return other,
        }
    }
}
