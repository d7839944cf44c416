//! What a start does with what the last run left: half-arrived objects go, whole ones without a row are adopted.
//!
//! Nothing without a row was acknowledged. It is adopted all the same: it is whole, its sender wanted it stored, and it would
//! come again.

use std::io;
use std::path::PathBuf;

use outrigger_catalogue::{Catalogue, CatalogueError, CatalogueInstance, Located};
use outrigger_runtime::disk::{Disk, Kind};

use crate::blob::{BlobError, Facts};
use crate::blobs::{Ahead, Blobs, Kept, Span};
use crate::places::{Places, marked};
use crate::s3::S3Error;

/// Objects entered in one transaction.
const BATCH: usize = 256;

/// What a start found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Files of objects that had not arrived or not been placed, removed.
    pub removed: u64,
    /// Whole objects without a row in the catalogue, entered.
    pub adopted: u64,
    /// Second blobs of an object that is catalogued elsewhere, removed.
    pub duplicates: u64,
    /// What lies among the blobs and is none, or a damaged one without a row, by where it is; left there.
    pub unreadable: Vec<String>,
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
    /// A blob that may have no row could not be read.
    #[error("an object that the last run may have left without a row could not be read")]
    Blob(#[source] BlobError),
    /// The object store failed.
    #[error("what the object store keeps could not be looked through")]
    Store(#[source] S3Error),
    /// The catalogue failed.
    #[error("the catalogue could not be brought together with the object files")]
    Catalogue(#[source] CatalogueError),
}

/// Brings blobs and catalogue together.
pub(crate) fn recover(
    disk: &dyn Disk,
    places: &Places,
    blobs: &dyn Blobs,
    catalogue: &mut dyn Catalogue,
) -> Result<Recovered, RecoverError> {
    let mut recovered = Recovered::default();
    let empty = catalogue.counts().map_err(RecoverError::Catalogue)?.instances == 0;
    // An empty catalogue is a lost one: every object is entered anew.
    let span = if empty { Span::All } else { Span::Late };
    blobs.unsettled(span, &mut |part| adopt(blobs, catalogue, part, &mut recovered))?;
    let spool = places.spool();
    let left = disk.list(&spool).map_err(|source| RecoverError::Disk { path: spool, source })?;
    for left in left {
        if left.kind == Kind::File && marked(&left.path).is_none() {
            let path = left.path;
            disk.remove(&path).map_err(|source| RecoverError::Disk { path, source })?;
            recovered.removed += 1;
        }
    }
    Ok(recovered)
}

fn adopt(
    blobs: &dyn Blobs,
    catalogue: &mut dyn Catalogue,
    part: Vec<Kept>,
    recovered: &mut Recovered,
) -> Result<(), RecoverError> {
    let mut rows: Vec<CatalogueInstance> = Vec::new();
    for kept in part {
        match look_at(blobs, catalogue, &kept)? {
            Found::Catalogued => {}
            Found::Orphan(facts) => rows.push(facts.row(kept.place)),
            Found::Second => {
                blobs.remove_second(&kept)?;
                recovered.duplicates += 1;
            }
            Found::Unreadable => recovered.unreadable.push(kept.at),
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
    Orphan(Box<Facts>),
    Second,
    Unreadable,
}

fn look_at(blobs: &dyn Blobs, catalogue: &mut dyn Catalogue, kept: &Kept) -> Result<Found, RecoverError> {
    let Some(sha256) = kept.sha256 else { return Ok(Found::Unreadable) };
    let blob = match blobs.open(kept.place, &sha256, Ahead::End) {
        Ok(blob) => blob,
        Err(error) => return unreadable(error),
    };
    let known = catalogue.lookup(&blob.facts.header.sop_instance).map_err(RecoverError::Catalogue)?;
    let versions = known.iter().flat_map(Located::versions);
    let mut places = versions.filter(|version| version.sha256 == sha256).map(|version| version.place);
    match places.next() {
        Some(place) if place == kept.place => Ok(Found::Catalogued),
        Some(_) => Ok(Found::Second),
        None => match blob.check() {
            Ok(()) => Ok(Found::Orphan(Box::new(blob.facts))),
            Err(error) => unreadable(error),
        },
    }
}

/// A damaged blob is passed over; a keeper that fails stops the start.
fn unreadable(error: BlobError) -> Result<Found, RecoverError> {
    match error {
        error @ BlobError::Read { .. } => Err(RecoverError::Blob(error)),
        BlobError::BadEnd { .. }
        | BlobError::BadFacts { .. }
        | BlobError::Another { .. }
        | BlobError::Otherwise { .. }
        | BlobError::Damaged { .. } => {
            tracing::warn!(error = &error as &dyn std::error::Error, "one of the objects cannot be read");
            Ok(Found::Unreadable)
        }
    }
}
