//! Opening a copy in SQLite: after a clean end, after a crash, after damage, or for the first time.

use std::sync::Arc;

use crate::begin::begin;
use crate::damage::{Certainty, Damage, DamagedPart};
use crate::engine::{Found, Opening};
use crate::error::OpenError;
use crate::log::objects;
use crate::sqlite::copy::{Activity, Sqlite};
use crate::sqlite::load::{Loaded, Start};
use crate::sqlite::shared::Shared;

pub(crate) fn open(opening: Opening) -> Result<Found, OpenError> {
    let begun = begin(&opening)?;
    let (disk, paths, journal) = (opening.disk.clone(), begun.paths.clone(), begun.journal);
    let mut loaded = Loaded::load(Start { disk: &*disk, paths: &paths, journal, applied: opening.applied })?;
    loaded.damaged.extend(opening.head_damage.clone());
    let names = std::mem::take(&mut loaded.names);
    let files = objects::compare(&*disk, &paths, journal, (&names, &|seq| loaded.index.is_kept(seq)))?;
    loaded.index.file_bytes = files.bytes;
    loaded.damaged.extend(files.missing.into_iter().map(|(name, seq)| Damage {
        file: paths.object(name),
        offset: 0,
        part: DamagedPart::Gone,
        entries: Some((seq, seq)),
        certainty: Certainty::Acknowledged,
    }));
    let Loaded { index, damaged, cut, epoch, .. } = loaded;
    let (home, keeping) = begun.started(opening, epoch, (index.last_number(), index.release_mark()))?;
    let (epoch, tail) = (keeping.epoch(), index.tail);
    let shared = Arc::new(Shared::new(home, index));
    let engine = Sqlite { shared, keeping, open: None, activity: Activity::Idle };
    Ok(Found { engine: Box::new(engine), epoch, tail, cut, damaged, orphans: files.orphans })
}
