//! Opening a journal: after a clean end, after a crash, after damage, or for the first time.

use std::sync::Arc;

use crate::begin::begin;
use crate::engine::{Found, Opening};
use crate::error::OpenError;
use crate::log::copy::Log;
use crate::log::objects;
use crate::log::recovery::load::{Loaded, Place};
use crate::log::shared::Shared;

mod head_anew;
mod judge;
mod load;

pub use head_anew::{HeadRestored, restore_head};
pub(crate) use judge::{Position, judge};

pub(crate) fn open(opening: Opening) -> Result<Found, OpenError> {
    let mut begun = begin(&opening)?;
    let (disk, paths, journal) = (opening.disk.clone(), begun.paths.clone(), begun.journal);
    let (applied, certain) = (opening.applied, opening.head.certain);
    let place = Place { disk: &*disk, paths: &paths, journal, applied, certain };
    let mut loaded = Loaded::load(place, &mut begun.reserve)?;
    loaded.damaged.extend(opening.head_damage.clone());
    let names = std::mem::take(&mut loaded.names).into_iter().collect();
    let files = objects::compare(&*disk, &paths, journal, (&names, &|seq| loaded.index.is_kept(seq)))?;
    let orphans = loaded.compared(place, files);
    let Loaded { index, damaged, cut, epoch, .. } = loaded;
    let (home, keeping) = begun.started(opening, epoch, (index.last_number(), index.release_mark()))?;
    let (epoch, tail) = (keeping.epoch(), index.tail);
    let log = Log { shared: Arc::new(Shared::new(home, index)), keeping, open: None };
    Ok(Found { engine: Box::new(log), epoch, tail, cut, damaged, orphans })
}
