//! Copying objects and entering them.

use outrigger_catalogue::{Located, Version};
use outrigger_model::SopInstanceUid;
use outrigger_runtime::BlockSource;
use outrigger_runtime::body::BLOCK_BYTES;

use super::{CatalogueOrStore, MigrateError, Moved, Sides, catalogue, not_taken};
use crate::blob::{BlobError, Facts};
use crate::blobs::{Ahead, Kept, Pending, Placing};

/// Objects entered in one transaction.
const BATCH: usize = 64;

/// Copies the instances that a part of the listing names, each with all its versions in their order.
pub(super) async fn part(sides: &Sides, part: Vec<Kept>, moved: &mut Moved) -> Result<(), MigrateError> {
    let mut batch = Vec::new();
    for kept in part {
        let Some(located) = instance(sides, &kept).await? else { continue };
        let uid = located.sop_instance.clone();
        let known = sides.new_catalogue.ask(move |new| new.lookup(&uid)).await.map_err(catalogue)?;
        let has = |version: &Version| {
            known.iter().flat_map(Located::versions).any(|known| known.sha256 == version.sha256)
        };
        for version in located.versions() {
            let waits = batch.iter().any(|(facts, _): &(Facts, Pending)| facts.sha256 == version.sha256);
            if has(version) || waits {
                moved.there += u64::from(kept.sha256 == Some(version.sha256) && !waits);
                continue;
            }
            batch.push(copied(sides, &located.sop_instance, version).await?);
            moved.copied += 1;
        }
        if batch.len() >= BATCH {
            entered(sides, std::mem::take(&mut batch)).await?;
        }
    }
    entered(sides, batch).await
}

/// The instance of a listed object, if it has a row; what lies there without one is none of the archive's.
pub(super) async fn instance(sides: &Sides, kept: &Kept) -> Result<Option<Located>, MigrateError> {
    let Some(sha256) = kept.sha256 else { return Ok(None) };
    let (old, place) = (sides.old.clone(), kept.place);
    let opened = sides.threads.blocking("object", move || old.open(place, &sha256, Ahead::End)).await;
    let blob = match opened.map_err(MigrateError::Lost)? {
        Ok(blob) => blob,
        // What cannot be read is missed when the catalogues are compared, unless it has no row.
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "an object cannot be read");
            return Ok(None);
        }
    };
    let uid = blob.facts.header.sop_instance;
    sides.old_reader.ask(move |old| old.lookup(&uid)).await.map_err(catalogue)
}

/// Copies one version, held against its digest on the way.
async fn copied(
    sides: &Sides,
    sop_instance: &SopInstanceUid,
    version: &Version,
) -> Result<(Facts, Pending), MigrateError> {
    let unread = |source: BlobError| MigrateError::Object {
        sop_instance: sop_instance.clone(),
        source: Box::new(source),
    };
    let (old, place, sha256) = (sides.old.clone(), version.place, version.sha256);
    let opened = sides.threads.blocking("object", move || old.open(place, &sha256, Ahead::Block)).await;
    let blob = std::sync::Arc::new(opened.map_err(MigrateError::Lost)?.map_err(unread)?);
    let mut writer = sides.spool.begin();
    for index in 0..blob.length().div_ceil(BLOCK_BYTES as u64) {
        let reading = blob.clone();
        let block = sides.threads.blocking("block", move || reading.checked(index)).await;
        let block = block.map_err(MigrateError::Lost)?.map_err(unread)?;
        writer.push(block).await.map_err(MigrateError::Spool)?;
    }
    let body = writer.finish().await.map_err(MigrateError::Spool)?;
    if body.sha256 != sha256.0 {
        return Err(MigrateError::Otherwise { sop_instance: sop_instance.clone(), sha256 });
    }
    // As the catalogue has it: a file that another object's copy replaced says the same of itself.
    let facts = blob.facts.clone();
    let new = sides.new.clone();
    let written = sides.threads.blocking("copy", move || (new.write(&facts, body), facts)).await;
    let (pending, facts) = written.map_err(MigrateError::Lost)?;
    let pending = pending.map_err(|error| MigrateError::Store(Box::new(error)))?;
    Ok((facts, pending))
}

/// Brings copies to their places and enters them, in their order.
async fn entered(sides: &Sides, mut batch: Vec<(Facts, Pending)>) -> Result<(), MigrateError> {
    if batch.is_empty() {
        return Ok(());
    }
    let blobs = sides.new.clone();
    let entered = sides.new_catalogue.ask(move |new| {
        let mut placings: Vec<Placing<'_>> = batch
            .iter_mut()
            .map(|(facts, pending)| Placing { sha256: facts.sha256, pending, known: None })
            .collect();
        let places = match blobs.place(&mut placings) {
            Ok(places) => places,
            Err(error) => return Ok(Err(not_taken(error))),
        };
        drop(placings);
        let rows: Vec<_> = batch.iter().zip(places).map(|((facts, _), place)| facts.row(place)).collect();
        if let Err(error) = new.put(&rows) {
            return Ok(Err(CatalogueOrStore::Catalogue(error)));
        }
        for (_, pending) in &mut batch {
            pending.settle();
        }
        Ok(Ok(()))
    });
    entered.await.map_err(catalogue)?.map_err(MigrateError::from)
}
