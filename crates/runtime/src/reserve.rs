//! Room kept on the disk so that what is owed can be finished when all else is full.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::disk::{Access, Disk, DiskFile};

/// A file whose only use is the room it takes.
#[derive(Debug)]
pub struct Reserve {
    file: Arc<dyn DiskFile>,
    kept: u64,
    wanted: u64,
    step: u64,
}

/// Whether the reserve had something to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// There is more room now.
    Some,
    /// It was used up, or there never was one.
    Nothing,
}

impl Reserve {
    /// Finds what is kept of `wanted` bytes in the file at `path`, of which `step` are given at once; [`Reserve::refill`] takes
    /// the rest.
    pub fn open(disk: &dyn Disk, path: &Path, wanted: u64, step: u64) -> io::Result<Self> {
        let file = match disk.open(path, Access::ReadWrite) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(path)?,
            other => other?,
        };
        let mut kept = file.length()?;
        if kept > wanted {
            file.set_length(wanted)?;
            kept = wanted;
        }
        Ok(Self { file, kept, wanted, step })
    }

    /// Bytes that are wanted and not kept; the disk has to have them free beside what an object needs.
    pub fn missing(&self) -> u64 {
        self.wanted.saturating_sub(self.kept)
    }

    /// Gives room back to the disk.
    pub fn give(&mut self) -> io::Result<Given> {
        if self.kept == 0 {
            return Ok(Given::Nothing);
        }
        let kept = self.kept.saturating_sub(self.step);
        self.file.set_length(kept)?;
        self.kept = kept;
        Ok(Given::Some)
    }

    /// Takes the room back that was given.
    pub fn refill(&mut self) -> io::Result<()> {
        if self.missing() == 0 {
            return Ok(());
        }
        match self.file.allocate(self.wanted) {
            Ok(()) => self.kept = self.wanted,
            Err(error) if error.kind() == io::ErrorKind::Unsupported || is_no_room(&error) => {
                // What a failed call leaves behind is not told; the length is.
                self.file.set_length(self.kept)?;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Whether there was no room: on the disk, in the quota, or under the file size limit.
pub fn is_no_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
