//! What a scrub looks at next, and whether an object is as it was stored.

use std::io;

use outrigger_catalogue::{Cursor, Fate, Version};
use outrigger_model::{Selection, SopInstanceUid, WallTime};
use outrigger_runtime::BlockSource;
use outrigger_runtime::body::BLOCK_BYTES;
use outrigger_runtime::threads::WorkLost;
use sha2::{Digest, Sha256};

use super::Position;
use crate::archive::Archive;
use crate::blob::BlobError;
use crate::blobs::{Ahead, Blobs};
use crate::findings::Finding;
use crate::reader::{ReadError, Reader};

/// Instances listed at once.
const PAGE: usize = 500;

/// Why a scrub cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScrubError {
    #[error("what there is could not be listed")]
    Catalogue(#[source] ReadError),
    #[error("the objects cannot be reached")]
    Away(#[source] BlobError),
    #[error("an object could not be read")]
    Thread(#[source] WorkLost),
}

/// Objects to look at, and where to go on.
pub(crate) struct Part {
    pub(crate) objects: Vec<(SopInstanceUid, Version)>,
    pub(crate) next: Option<Position>,
}

/// Lists the objects of the next study, or the next that are not shown.
pub(crate) async fn next_part(reader: &Reader, position: Position) -> Result<Part, ScrubError> {
    match position {
        Position::Studies(after) => study(reader, after).await,
        Position::Withheld(after) => withheld(reader, after).await,
    }
    .map_err(ScrubError::Catalogue)
}

async fn study(reader: &Reader, after: Cursor) -> Result<Part, ReadError> {
    let page = reader.ask(move |catalogue| catalogue.list_studies(after, 1)).await?;
    let mut objects = Vec::new();
    let studies: Vec<_> = page.items.into_iter().map(|entry| entry.study).collect();
    let selection = Selection::Studies(studies);
    let mut from = Some(Cursor::default());
    while let Some(after) = from {
        let asked = selection.clone();
        let instances = reader.ask(move |catalogue| catalogue.select(&asked, after, PAGE)).await?;
        for located in &instances.items {
            let versions = located.versions().cloned();
            objects.extend(versions.map(|version| (located.sop_instance.clone(), version)));
        }
        from = instances.next;
    }
    let next = page.next.map_or_else(|| Position::Withheld(String::new()), Position::Studies);
    Ok(Part { objects, next: Some(next) })
}

async fn withheld(reader: &Reader, after: String) -> Result<Part, ReadError> {
    let listed = reader.ask(move |catalogue| {
        let mut objects = Vec::new();
        let listed = catalogue.list_withheld(None, &after, PAGE)?;
        for (_, withheld) in &listed {
            if matches!(withheld.fate, Fate::Going | Fate::Gone) {
                continue;
            }
            if let Some(located) = catalogue.lookup(withheld.sop_instance())? {
                let versions = located.versions().cloned();
                objects.extend(versions.map(|version| (located.sop_instance.clone(), version)));
            }
        }
        Ok((objects, listed.into_iter().map(|(key, _)| key).next_back()))
    });
    let (objects, last) = listed.await?;
    Ok(Part { objects, next: last.map(Position::Withheld) })
}

/// Reads an object again and notes whether it is as it was stored; gives the bytes read.
pub(crate) async fn sound(
    archive: &Archive,
    sop_instance: &SopInstanceUid,
    version: &Version,
) -> Result<u64, ScrubError> {
    let (blobs, wanted) = (archive.blobs.clone(), version.clone());
    let read = archive.threads.blocking("scrub of an object", move || checked(&*blobs, &wanted)).await;
    let what = match read.map_err(ScrubError::Thread)? {
        Ok(()) => {
            archive.findings.heal(&version.sha256);
            return Ok(version.length);
        }
        // What is not there is an answer; a keeper that gives none is no finding of this object.
        Err(error @ BlobError::Read { .. }) if is_away(archive, &error) => {
            return Err(ScrubError::Away(error));
        }
        Err(error) => outrigger_model::with_causes(&error),
    };
    tracing::error!(%sop_instance, what, "an object is not as it was stored");
    archive.findings.note(Finding {
        sop_instance: sop_instance.clone(),
        sha256: version.sha256,
        found_at: WallTime(archive.clock.wall_us()),
        what,
    });
    Ok(version.length)
}

fn is_away(archive: &Archive, error: &BlobError) -> bool {
    let missing = |source: &io::Error| source.kind() == io::ErrorKind::NotFound;
    !matches!(error, BlobError::Read { source, .. } if missing(source)) && archive.blobs.trouble().is_some()
}

/// Reads all of a blob: its end, every block with its CRC-32C, and their SHA-256.
pub(crate) fn checked(blobs: &dyn Blobs, version: &Version) -> Result<(), BlobError> {
    let blob = blobs.open(version.place, &version.sha256, Ahead::End)?;
    let mut digest = Sha256::new();
    for block in 0..blob.length().div_ceil(BLOCK_BYTES as u64) {
        digest.update(blob.checked(block)?);
    }
    if <[u8; 32]>::from(digest.finalize()) == version.sha256.0 {
        return Ok(());
    }
    Err(blob.otherwise())
}
