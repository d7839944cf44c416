//! Room kept for the database: what a person decides takes effect on a full disk too.

use std::io;
use std::path::{Path, PathBuf};

use outrigger_runtime::disk::ArcDisk;
use outrigger_runtime::reserve::{Given, Reserve};

/// Parts in which the reserve is given: the last decisions have room when the first have taken theirs.
const STEPS: u64 = 4;

/// The reserve of a database, in a file beside it.
#[derive(Debug)]
pub(super) struct Room {
    reserve: Reserve,
    disk: ArcDisk,
    path: PathBuf,
}

impl Room {
    /// Finds or makes the reserve of the database at `database`; a failure names its file.
    pub(super) fn open(disk: &ArcDisk, database: &Path, bytes: u64) -> Result<Self, (PathBuf, io::Error)> {
        let path = super::beside(database, "-reserve");
        let failed = |error| (path.clone(), error);
        let mut reserve = Reserve::open(&**disk, &path, bytes, bytes.div_ceil(STEPS)).map_err(failed)?;
        reserve.refill().map_err(failed)?;
        Ok(Self { reserve, disk: disk.clone(), path })
    }

    /// Gives a part of the room to the disk; whether there was any.
    pub(super) fn give(&mut self) -> bool {
        match self.reserve.give() {
            Ok(given) => given == Given::Some,
            Err(error) => {
                let path = self.path.display();
                tracing::warn!(%path, %error, "the room kept for the ledger's database could not be given to it");
                false
            }
        }
    }

    /// Takes back what was given once the disk has as much again beside it.
    pub(super) fn take_back(&mut self) {
        let missing = self.reserve.missing();
        if missing == 0 {
            return;
        }
        let taken = self.disk.space(&self.path).and_then(|space| {
            if space.free >= missing.saturating_mul(2) { self.reserve.refill() } else { Ok(()) }
        });
        if let Err(error) = taken {
            let path = self.path.display();
            tracing::warn!(%path, %error, "room for the ledger's database could not be kept");
        }
    }
}
