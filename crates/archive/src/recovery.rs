//! What a start does with what the last run left: half-arrived objects go, whole ones without a row are adopted.
//!
//! Nothing without a row was acknowledged. It is adopted all the same: it is whole, its sender wanted it stored, and it would
//! come again.

use std::io;
use std::path::PathBuf;

use outrigger_catalogue::{Catalogue, CatalogueError, CatalogueInstance, Located};
use outrigger_runtime::disk::{Disk, Kind, Listed};

use crate::blob::{Blob, BlobError, Facts};
use crate::blobs::{Places, blob_digest, bucket_number};
use crate::writer::Bucket;

/// Directories looked through at a start: a batch that had not committed lies in the last one filled, or began the one before.
const BUCKETS_LOOKED_THROUGH: usize = 2;
/// Objects entered in one transaction.
const BATCH: usize = 256;

/// What a start found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Files of objects that had not arrived or not been placed, removed.
    pub removed: u64,
    /// Whole objects without a row in the catalogue, entered.
    pub adopted: u64,
    /// Second files of an object that is catalogued elsewhere, removed.
    pub duplicates: u64,
    /// Files among the blobs that are none, or damaged ones without a row; left where they are.
    pub unreadable: Vec<PathBuf>,
}

/// Why a start could not bring files and catalogue together.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The disk failed.
    #[error("{path} could not be looked through")]
    Disk {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The catalogue failed.
    #[error("the catalogue could not be brought together with the object files")]
    Catalogue(#[source] CatalogueError),
}

/// Brings files and catalogue together; gives what was found and the directory to be filled next.
pub(crate) fn recover(
    disk: &dyn Disk,
    places: &Places,
    catalogue: &mut dyn Catalogue,
) -> Result<(Recovered, Bucket), RecoverError> {
    let mut recovered = Recovered::default();
    for left in list(disk, places.spool())? {
        if left.kind == Kind::File {
            remove(disk, left.path)?;
            recovered.removed += 1;
        }
    }
    let mut buckets: Vec<u64> = list(disk, places.blobs())?.iter().filter_map(bucket_number).collect();
    buckets.sort_unstable();
    let next = Bucket::new(buckets.last().map_or(1, |last| last + 1));
    let empty = catalogue.counts().map_err(RecoverError::Catalogue)?.instances == 0;
    // An empty catalogue is a lost one: every object is entered anew.
    let looked_through = if empty { buckets.len() } else { BUCKETS_LOOKED_THROUGH };
    sync(disk, places.blobs())?;
    for bucket in buckets.into_iter().rev().take(looked_through).rev() {
        adopt(disk, places, catalogue, bucket, &mut recovered)?;
    }
    Ok((recovered, next))
}

fn adopt(
    disk: &dyn Disk,
    places: &Places,
    catalogue: &mut dyn Catalogue,
    bucket: u64,
    recovered: &mut Recovered,
) -> Result<(), RecoverError> {
    // The run that renamed the files may have died before it synced the directory.
    sync(disk, places.bucket(bucket))?;
    let mut rows: Vec<CatalogueInstance> = Vec::new();
    for listed in list(disk, places.bucket(bucket))? {
        match look_at(disk, catalogue, bucket, &listed)? {
            Found::Catalogued => {}
            Found::Orphan(facts) => rows.push(facts.row(bucket)),
            Found::Duplicate => {
                remove(disk, listed.path)?;
                recovered.duplicates += 1;
            }
            Found::Unreadable => recovered.unreadable.push(listed.path),
        }
        if rows.len() >= BATCH {
            recovered.adopted += enter(catalogue, &mut rows)?;
        }
    }
    recovered.adopted += enter(catalogue, &mut rows)?;
    Ok(())
}

fn enter(catalogue: &mut dyn Catalogue, rows: &mut Vec<CatalogueInstance>) -> Result<u64, RecoverError> {
    // In the order they were stored, so that the first of two versions stays the current one.
    rows.sort_by_key(|row| row.version.stored_at);
    let entered =
        if rows.is_empty() { Vec::new() } else { catalogue.put(rows).map_err(RecoverError::Catalogue)? };
    rows.clear();
    Ok(entered.len() as u64)
}

enum Found {
    Catalogued,
    Orphan(Facts),
    Duplicate,
    Unreadable,
}

fn look_at(
    disk: &dyn Disk,
    catalogue: &mut dyn Catalogue,
    bucket: u64,
    listed: &Listed,
) -> Result<Found, RecoverError> {
    let Some(sha256) = blob_digest(listed) else { return Ok(Found::Unreadable) };
    let blob = match Blob::open(disk, &listed.path, &sha256) {
        Ok(blob) => blob,
        Err(error) => return unreadable(error),
    };
    let known = catalogue.lookup(&blob.facts.header.sop_instance).map_err(RecoverError::Catalogue)?;
    let versions = known.iter().flat_map(Located::versions);
    let mut places = versions.filter(|version| version.sha256 == sha256).map(|version| version.place);
    match places.next() {
        Some(place) if place == bucket => Ok(Found::Catalogued),
        Some(_) => Ok(Found::Duplicate),
        None => match blob.check() {
            Ok(()) => Ok(Found::Orphan(blob.facts)),
            Err(error) => unreadable(error),
        },
    }
}

/// A damaged file is passed over; a disk that fails stops the start.
fn unreadable(error: BlobError) -> Result<Found, RecoverError> {
    match error {
        BlobError::Read { path, source } => Err(RecoverError::Disk { path, source }),
        BlobError::BadEnd { .. }
        | BlobError::BadFacts { .. }
        | BlobError::Another { .. }
        | BlobError::Damaged { .. } => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a file among the objects cannot be read"
            );
            Ok(Found::Unreadable)
        }
    }
}

fn list(disk: &dyn Disk, path: PathBuf) -> Result<Vec<Listed>, RecoverError> {
    disk.list(&path).map_err(|source| RecoverError::Disk { path, source })
}

fn sync(disk: &dyn Disk, path: PathBuf) -> Result<(), RecoverError> {
    disk.sync_directory(&path).map_err(|source| RecoverError::Disk { path, source })
}

fn remove(disk: &dyn Disk, path: PathBuf) -> Result<(), RecoverError> {
    disk.remove(&path).map_err(|source| RecoverError::Disk { path, source })
}
