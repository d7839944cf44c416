//! Bringing the bytes of an object to the disk, on a thread that may block: file, end, sync; its place comes later.

use std::io::{self, IoSlice};

use bytes::Bytes;
use outrigger_runtime::body::SpooledFile;
use outrigger_runtime::disk::{ArcDisk, DiskFile};
use outrigger_runtime::{Body, Content, Random};

use crate::blob::{Facts, trailer};
use crate::blobs::{Places, Unplaced};
use crate::store::StoreError;

/// Room kept free, in bytes, so that the catalogue and the system go on when the archive is full.
pub(crate) const RESERVE_BYTES: u64 = 64 << 20;

/// What the writing of object files needs.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    pub(crate) disk: ArcDisk,
    pub(crate) places: Places,
    pub(crate) random: Random,
}

impl Intake {
    /// Writes and syncs the file of an object; it is not under its name yet.
    pub(crate) fn write(&self, facts: &Facts, body: Body) -> Result<Unplaced, StoreError> {
        let end = trailer(facts, &body.block_crcs).map_err(StoreError::Facts)?;
        match body.content {
            Content::Memory(pieces) => {
                self.check_room(facts.length)?;
                self.write_fresh(pieces, end)
            }
            Content::File(file) => {
                self.check_room(0)?;
                self.finish_spooled(file, facts.length, &end)
            }
        }
    }

    fn check_room(&self, needed: u64) -> Result<(), StoreError> {
        let path = self.places.root();
        let space =
            self.disk.space(path).map_err(|source| StoreError::Write { path: path.to_owned(), source })?;
        if space.free >= RESERVE_BYTES.saturating_add(needed) {
            return Ok(());
        }
        Err(StoreError::NoSpace { path: path.to_owned(), free: space.free, reserve: RESERVE_BYTES })
    }

    fn write_fresh(&self, mut pieces: Vec<Bytes>, end: Vec<u8>) -> Result<Unplaced, StoreError> {
        let name = self.random.u128().map_err(StoreError::Name)?;
        let path = self.places.spool().join(format!("{name:032x}.object"));
        let wrong = |source| StoreError::Write { path: path.clone(), source };
        let file = self.disk.create(&path).map_err(wrong)?;
        let unplaced = Unplaced::new(self.disk.clone(), path.clone());
        pieces.push(end.into());
        write_all(&*file, &pieces, 0).map_err(wrong)?;
        file.sync_data().map_err(|source| StoreError::Sync { path: path.clone(), source })?;
        Ok(unplaced)
    }

    /// A large object is in a file of the spool already; only its end is missing.
    fn finish_spooled(&self, spooled: SpooledFile, length: u64, end: &[u8]) -> Result<Unplaced, StoreError> {
        let path = spooled.path().to_owned();
        let file = spooled.file().clone();
        file.write_at(&[IoSlice::new(end)], length)
            .map_err(|source| StoreError::Write { path: path.clone(), source })?;
        file.sync_data().map_err(|source| StoreError::Sync { path: path.clone(), source })?;
        spooled.keep();
        Ok(Unplaced::new(self.disk.clone(), path))
    }
}

fn write_all(file: &dyn DiskFile, pieces: &[Bytes], offset: u64) -> io::Result<()> {
    let parts: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    file.write_at(&parts, offset)
}
