//! Room kept on the disk so that what is owed can be finished when all else is full.

use std::io;
use std::sync::Arc;

use outrigger_runtime::disk::{Access, Disk, DiskFile};

use crate::large::is_no_room;
use crate::paths::Paths;

/// Given back to the disk at once: room for a good many closings, few of these in a reserve of usual size.
const STEP_BYTES: u64 = 16 << 20;

/// A file whose only use is the room it takes.
#[derive(Debug)]
pub(crate) struct Reserve {
    file: Arc<dyn DiskFile>,
    kept: u64,
    wanted: u64,
}

/// Whether the reserve had something to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    /// There is more room now.
    Some,
    /// It was used up, or there never was one.
    Nothing,
}

impl Reserve {
    /// Finds what is kept of `wanted` bytes; [`Reserve::refill`] takes the rest.
    pub(crate) fn open(disk: &dyn Disk, paths: &Paths, wanted: u64) -> io::Result<Self> {
        let path = paths.reserve();
        let file = match disk.open(&path, Access::ReadWrite) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(&path)?,
            other => other?,
        };
        let mut kept = file.length()?;
        if kept > wanted {
            file.set_length(wanted)?;
            kept = wanted;
        }
        Ok(Self { file, kept, wanted })
    }

    /// Bytes that are wanted and not kept; the disk has to have them free beside what an object needs.
    pub(crate) fn missing(&self) -> u64 {
        self.wanted.saturating_sub(self.kept)
    }

    /// Gives room back to the disk.
    pub(crate) fn give(&mut self) -> io::Result<Given> {
        if self.kept == 0 {
            return Ok(Given::Nothing);
        }
        let kept = self.kept.saturating_sub(STEP_BYTES);
        self.file.set_length(kept)?;
        self.kept = kept;
        Ok(Given::Some)
    }

    /// Takes the room back that was given.
    pub(crate) fn refill(&mut self) -> io::Result<()> {
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
