//! Blobs as files: written and synced in the spool on the senders' threads, renamed into directories by the writer.

use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use outrigger_model::Sha256Digest;
use outrigger_runtime::body::SpooledFile;
use outrigger_runtime::disk::{Access, ArcDisk, DiskFile, Listed};
use outrigger_runtime::{Body, Content, Random};

use crate::blob::{Blob, BlobError, Facts, trailer};
use crate::blobs::{Ahead, Blobs, Fate, Kept, Pending, Placing, Span, Take};
use crate::places::{BUCKET_BLOBS_MAX, Places, blob_digest, bucket_number};
use crate::recovery::RecoverError;
use crate::source::FileSource;
use crate::store::StoreError;

/// Room kept free, in bytes, so that the catalogue and the system go on when the archive is full.
const RESERVE_BYTES: u64 = 64 << 20;
/// Directories looked through at a start: a batch that had not committed lies in the last one filled, or began the one before.
const BUCKETS_LOOKED_THROUGH: usize = 2;

/// Blobs in the directories of an archive.
#[derive(Debug)]
pub(crate) struct Files {
    disk: ArcDisk,
    places: Places,
    random: Random,
    /// The directory being filled; only the writer takes this lock.
    bucket: Mutex<Bucket>,
}

/// The directory being filled.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    number: u64,
    blobs: u32,
    state: BucketState,
}

/// Whether a directory outlives a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BucketState {
    /// Perhaps it is there, perhaps not yet for good.
    Planned,
    /// It is in its parent for good.
    Durable,
}

impl Bucket {
    fn new(number: u64) -> Self {
        Self { number, blobs: 0, state: BucketState::Planned }
    }
}

impl Files {
    /// Takes the directories of an archive; a new one is filled next.
    pub(crate) fn open(disk: ArcDisk, places: Places, random: Random) -> io::Result<Self> {
        let last = buckets(&disk, &places)?.last().copied().unwrap_or(0);
        Ok(Self { disk, places, random, bucket: Mutex::new(Bucket::new(last + 1)) })
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

    fn write_fresh(&self, mut pieces: Vec<Bytes>, end: Vec<u8>) -> Result<Pending, StoreError> {
        let name = self.random.u128().map_err(StoreError::Name)?;
        let path = self.places.spool().join(format!("{name:032x}.object"));
        let wrong = |source| StoreError::Write { path: path.clone(), source };
        let file = self.disk.create(&path).map_err(wrong)?;
        let pending = Pending::new(self.disk.clone(), path.clone(), Fate::Removed);
        pieces.push(end.into());
        write_all(&*file, &pieces, 0).map_err(wrong)?;
        file.sync_data().map_err(|source| StoreError::Sync { path: path.clone(), source })?;
        Ok(pending)
    }

    /// A large object is in a file of the spool already; only its end is missing.
    fn finish_spooled(&self, spooled: SpooledFile, length: u64, end: &[u8]) -> Result<Pending, StoreError> {
        let path = spooled.path().to_owned();
        let file = spooled.file().clone();
        file.write_at(&[IoSlice::new(end)], length)
            .map_err(|source| StoreError::Write { path: path.clone(), source })?;
        file.sync_data().map_err(|source| StoreError::Sync { path: path.clone(), source })?;
        spooled.keep();
        Ok(Pending::new(self.disk.clone(), path, Fate::Removed))
    }

    /// The directory for new objects, which outlives a power cut before anything is put into it.
    fn bucket_for(&self, objects: usize) -> Result<u64, StoreError> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        if bucket.blobs >= BUCKET_BLOBS_MAX {
            *bucket = Bucket::new(bucket.number + 1);
        }
        if bucket.state == BucketState::Planned {
            let path = self.places.bucket(bucket.number);
            self.disk.create_directory(&path).map_err(|source| StoreError::Place { path, source })?;
            // Once more by ourselves: one made in a try that failed later is not synced by the next.
            let path = self.places.blobs();
            self.disk.sync_directory(&path).map_err(|source| StoreError::Sync { path, source })?;
            bucket.state = BucketState::Durable;
        }
        bucket.blobs = bucket.blobs.saturating_add(u32::try_from(objects).unwrap_or(u32::MAX));
        Ok(bucket.number)
    }

    fn sync(&self, path: PathBuf) -> Result<(), RecoverError> {
        self.disk.sync_directory(&path).map_err(|source| RecoverError::Disk { path, source })
    }

    fn listed(&self, bucket: u64) -> Result<Vec<Kept>, RecoverError> {
        let path = self.places.bucket(bucket);
        let listed = self.disk.list(&path).map_err(|source| RecoverError::Disk { path, source })?;
        let kept = |listed: &Listed| Kept {
            at: listed.path.display().to_string(),
            place: bucket,
            sha256: blob_digest(listed),
        };
        Ok(listed.iter().map(kept).collect())
    }
}

impl Blobs for Files {
    fn write(&self, facts: &Facts, body: Body) -> Result<Pending, StoreError> {
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

    /// Files under their names, then their directories synced.
    fn place(&self, batch: &mut [Placing<'_>]) -> Result<Vec<u64>, StoreError> {
        let current = self.bucket_for(batch.len())?;
        let mut places = Vec::with_capacity(batch.len());
        for placing in batch {
            let bucket = placing.known.unwrap_or(current);
            places.push(bucket);
            let path = self.places.blob(bucket, &placing.sha256);
            placing.pending.place(&path).map_err(|source| StoreError::Place { path, source })?;
        }
        for bucket in places.iter().collect::<BTreeSet<_>>() {
            let path = self.places.bucket(*bucket);
            self.disk.sync_directory(&path).map_err(|source| StoreError::Sync { path, source })?;
        }
        Ok(places)
    }

    fn open(&self, place: u64, sha256: &Sha256Digest, ahead: Ahead) -> Result<Blob, BlobError> {
        let path = self.places.blob(place, sha256);
        let file = self.disk.open(&path, Access::Read);
        let file = file.map_err(|source| BlobError::Read { at: path.display().to_string(), source })?;
        let blob = Blob::open(Box::new(FileSource { path, file }), sha256)?;
        Ok(match ahead {
            Ahead::End => blob,
            Ahead::Block => blob.read_ahead(),
        })
    }

    fn unsettled(&self, span: Span, take: Take<'_>) -> Result<(), RecoverError> {
        let path = self.places.blobs();
        let buckets = buckets(&self.disk, &self.places);
        let buckets = buckets.map_err(|source| RecoverError::Disk { path: path.clone(), source })?;
        self.sync(path)?;
        let looked_through = match span {
            Span::All => buckets.len(),
            Span::Late => BUCKETS_LOOKED_THROUGH,
        };
        for bucket in buckets.into_iter().rev().take(looked_through).rev() {
            // The run that renamed the files may have died before it synced the directory.
            self.sync(self.places.bucket(bucket))?;
            take(self.listed(bucket)?)?;
        }
        Ok(())
    }

    fn remove_second(&self, kept: &Kept) -> Result<(), RecoverError> {
        let Some(sha256) = &kept.sha256 else { return Ok(()) };
        let path = self.places.blob(kept.place, sha256);
        self.disk.remove(&path).map_err(|source| RecoverError::Disk { path, source })
    }
}

/// The buckets there are, ascending.
fn buckets(disk: &ArcDisk, places: &Places) -> io::Result<Vec<u64>> {
    let mut buckets: Vec<u64> = disk.list(&places.blobs())?.iter().filter_map(bucket_number).collect();
    buckets.sort_unstable();
    Ok(buckets)
}

fn write_all(file: &dyn DiskFile, pieces: &[Bytes], offset: u64) -> io::Result<()> {
    let parts: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    file.write_at(&parts, offset)
}
