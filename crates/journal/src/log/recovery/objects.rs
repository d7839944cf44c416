//! Bodies in files of their own, at a start: gone, left over, or complete and never named.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::damage::{Certainty, Damage, DamagedPart};
use crate::error::OpenError;
use crate::ids::Seq;
use crate::log::large::{Orphan, read_object};
use crate::log::recovery::io_error;
use crate::log::recovery::load::{Loaded, Place};
use crate::paths::object_name;
use crate::ranges::Ranges;

/// Compares the files of bodies with the frames that name them, and gives the complete ones that none names.
pub(crate) fn compare(place: Place<'_>, loaded: &mut Loaded) -> Result<Vec<(PathBuf, Orphan)>, OpenError> {
    empty_spool(place)?;
    let names: BTreeMap<u128, Seq> = std::mem::take(&mut loaded.names).into_iter().collect();
    let mut missing = names.clone();
    let mut orphans = Vec::new();
    let directory = &place.paths.objects;
    for listed in place.disk.list(directory).map_err(io_error("listing", directory))? {
        let path = listed.path;
        let Some(name) = object_name(&path) else {
            tracing::warn!(file = %path.display(), "not a file of the journal; it is left alone");
            continue;
        };
        missing.remove(&name);
        match names.get(&name) {
            Some(seq) if loaded.index.is_kept(*seq) => {
                loaded.index.file_bytes = loaded.index.file_bytes.saturating_add(listed.length);
            }
            // Released; the crash came before it was removed.
            Some(_) => place.disk.remove(&path).map_err(io_error("removing", &path))?,
            None => orphans.extend(unnamed(place, path)?),
        }
    }
    missing.retain(|_, seq| loaded.index.is_kept(*seq));
    for (name, seq) in missing {
        let perhaps = seq > place.applied && loaded.last_batch.is_some_and(|batch| seq >= batch)
            || loaded.index.doubtful.contains(seq);
        if perhaps {
            loaded.index.doubtful.add(&Ranges::new(vec![(seq, seq)]));
        }
        loaded.damaged.push(Damage {
            file: place.paths.object(name),
            offset: 0,
            part: DamagedPart::Gone,
            entries: Some((seq, seq)),
            certainty: if perhaps { Certainty::Perhaps } else { Certainty::Acknowledged },
        });
    }
    Ok(orphans)
}

/// A file that no frame names: kept if it is complete, else removed.
fn unnamed(place: Place<'_>, path: PathBuf) -> Result<Option<(PathBuf, Orphan)>, OpenError> {
    let found = read_object(place.disk, &path, place.journal).map_err(io_error("reading", &path))?;
    if let Some(orphan) = found {
        return Ok(Some((path, orphan)));
    }
    tracing::warn!(file = %path.display(), "a large object that was never acknowledged is removed");
    place.disk.remove(&path).map_err(io_error("removing", &path))?;
    Ok(None)
}

/// Whatever was arriving at the end of the last run was never acknowledged.
fn empty_spool(place: Place<'_>) -> Result<(), OpenError> {
    let directory = &place.paths.spool;
    for listed in place.disk.list(directory).map_err(io_error("listing", directory))? {
        place.disk.remove(&listed.path).map_err(io_error("removing", &listed.path))?;
    }
    Ok(())
}
