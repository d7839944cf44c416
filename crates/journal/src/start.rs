//! The heads that are found at a start, and which copies it stands on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use outrigger_runtime::disk::{Disk, DiskFile, Kind};

use crate::begin::{has_segments, io_error, lock};
use crate::damage::{Certainty, Damage, DamagedPart};
use crate::error::OpenError;
use crate::head::{FORMAT, FoundHead, Head};
use crate::options::{Options, Place};
use crate::paths::{Paths, is_later_copy};

mod decide;

pub use decide::Loss;
pub(crate) use decide::{Decision, Standing, decide};

/// A copy that was found by its head.
#[derive(Debug, Clone)]
pub(crate) struct FoundCopy {
    /// Which of the configured places it is in.
    pub(crate) at: usize,
    pub(crate) directory: PathBuf,
    pub(crate) head: Head,
    /// A damaged line of its head, where the other stands.
    pub(crate) damage: Option<Damage>,
}

/// What was found where copies are configured.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) copies: Vec<FoundCopy>,
    /// Heads that cannot be read, and those that are missing though segments are there.
    pub(crate) headless: Vec<OpenError>,
}

/// The lock of each place, held as long as the journal is open; none where its disk cannot be used.
pub(crate) type Locks = Vec<Option<Arc<dyn DiskFile>>>;

/// Locks every place. One of several whose disk fails is left out: whether the start can do without is for the heads of the others to say.
pub(crate) fn lock_all(disk: &dyn Disk, options: &Options) -> Result<Locks, OpenError> {
    let has_others = options.copies.len() > 1;
    let locked = options.copies.iter().map(|place| match lock_place(disk, &place.directory) {
        Ok(lock) => Ok(Some(lock)),
        Err(error @ OpenError::Io { .. }) if has_others => {
            tracing::error!(error = &error as &dyn std::error::Error, place = %place.directory.display(), "a place of the journal cannot be used");
            Ok(None)
        }
        Err(error) => Err(error),
    });
    locked.collect()
}

/// Makes a place, if it is missing, and locks it.
pub(crate) fn lock_place(disk: &dyn Disk, place: &Path) -> Result<Arc<dyn DiskFile>, OpenError> {
    disk.create_directory(place).map_err(io_error("making", place))?;
    lock(disk, place)
}

/// Reads all heads there are in the places that are locked.
pub(crate) fn look(disk: &dyn Disk, places: &[Place], locks: &Locks) -> Result<Found, OpenError> {
    let mut found = Found::default();
    for (at, (place, _)) in places.iter().zip(locks).enumerate().filter(|(_, (_, lock))| lock.is_some()) {
        for directory in copies_in(disk, &place.directory)? {
            found.add(disk, at, directory)?;
        }
    }
    Ok(found)
}

/// Where copies may be in a place: in it, and in directories of it.
pub(crate) fn copies_in(disk: &dyn Disk, place: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let listed = match disk.list(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(io_error("listing", place))?,
    };
    let later = listed.into_iter().filter(|name| name.kind == Kind::Directory && is_later_copy(&name.path));
    Ok(std::iter::once(place.to_owned()).chain(later.map(|name| name.path)).collect())
}

impl Found {
    fn add(&mut self, disk: &dyn Disk, at: usize, directory: PathBuf) -> Result<(), OpenError> {
        let paths = Paths::new(&directory);
        let file = paths.head();
        let read = match Head::read(disk, &file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => FoundHead::Nothing,
            other => other.map_err(io_error("reading", &file))?,
        };
        match read {
            FoundHead::Head { head, damaged_at } => {
                let damage = damaged_at.map(|offset| Damage {
                    file,
                    offset,
                    part: DamagedPart::Head,
                    entries: None,
                    certainty: Certainty::NoEntry,
                });
                self.copies.push(FoundCopy { at, directory, head, damage });
            }
            FoundHead::Newer(found) => return Err(OpenError::NewerFormat { file, found, known: FORMAT }),
            FoundHead::Unreadable => self.headless.push(OpenError::Head { file }),
            FoundHead::Nothing if has_segments(disk, &paths)? => {
                self.headless.push(OpenError::HeadMissing { file });
            }
            FoundHead::Nothing => {}
        }
        Ok(())
    }
}
