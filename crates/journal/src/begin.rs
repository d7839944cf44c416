//! What every start of a copy begins with: its directories and its reserve; then its new head.

use std::io;
use std::path::Path;
use std::sync::Arc;

use outrigger_runtime::disk::{Access, Disk, DiskFile};
use outrigger_runtime::reserve::{Given, Reserve, is_no_room};

use crate::engine::Opening;
use crate::error::OpenError;
use crate::home::Home;
use crate::ids::{Epoch, JournalId, Seq};
use crate::keeping::Keeping;
use crate::options::RESERVE_STEP_BYTES;
use crate::paths::{self, Paths, is_segment};

/// A copy that is known by its head.
pub(crate) struct Begun {
    pub(crate) paths: Paths,
    pub(crate) journal: JournalId,
    pub(crate) reserve: Reserve,
}

/// Makes the directories of a copy and its reserve, where they are missing.
pub(crate) fn begin(opening: &Opening) -> Result<Begun, OpenError> {
    let Opening { disk, options, place, head, .. } = opening;
    let paths = Paths::new(&place.directory);
    let journal = head.journal().ok_or_else(|| OpenError::Head { file: paths.head() })?;
    for directory in [&paths.segments, &paths.objects, &paths.spool] {
        disk.create_directory(directory).map_err(io_error("making", directory))?;
    }
    let reserve = Reserve::open(&**disk, &paths.reserve(), options.reserve_bytes, RESERVE_STEP_BYTES);
    let reserve = reserve.map_err(io_error("making", &paths.reserve()))?;
    Ok(Begun { paths, journal, reserve })
}

impl Begun {
    /// A new start of the copy, its segments read: `epoch` is the greatest in them. Writes the head, and has the reserve whole again.
    pub(crate) fn started(
        self,
        opening: Opening,
        epoch: Epoch,
        (last_number, release_mark): (u32, Seq),
    ) -> Result<(Arc<Home>, Keeping), OpenError> {
        let Self { paths, journal, mut reserve } = self;
        let (mut head, lock) = (opening.head.clone(), opening.lock.clone());
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

/// Locks a place, whichever copies are in it.
pub(crate) fn lock(disk: &dyn Disk, place: &Path) -> Result<Arc<dyn DiskFile>, OpenError> {
    let path = paths::lock(place);
    disk.lock(&path).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked { directory: place.to_owned() },
        _ => io_error("locking", &path)(error),
    })
}

/// Whether a file can be opened.
pub(crate) fn is_there(disk: &dyn Disk, path: &Path) -> bool {
    disk.open(path, Access::Read).is_ok()
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
