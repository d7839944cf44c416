//! Opening a journal: after a clean end, after a crash, after damage, or for the first time.

use std::sync::Arc;

use crate::begin::{Begun, begin, write_head};
use crate::engine::{EngineKind, Found, Opening};
use crate::error::OpenError;
use crate::home::{Home, Parts};
use crate::ids::Epoch;
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
    let Opening { disk, clock, random, options, applied } = opening;
    let Begun { paths, lock, mut head, journal, head_damage, mut reserve } =
        begin(&*disk, &random, &options, EngineKind::Log, applied)?;
    let place = Place { disk: &*disk, paths: &paths, journal, applied, certain: head.certain };
    let mut loaded = Loaded::load(place, &mut reserve)?;
    loaded.damaged.extend(head_damage);
    let names = std::mem::take(&mut loaded.names).into_iter().collect();
    let files = objects::compare(&*disk, &paths, journal, (&names, &|seq| loaded.index.is_kept(seq)))?;
    let orphans = loaded.compared(place, files);
    head.epoch = Epoch(head.epoch.max(loaded.epoch).0.saturating_add(1));
    head.certain = loaded.index.last_number();
    head.release_mark = loaded.index.release_mark();
    write_head(&*disk, &paths, &head, &mut reserve)?;
    let Loaded { index, damaged, cut, .. } = loaded;
    let (epoch, generation) = (head.epoch, head.generation);
    let tail = index.tail;
    let parts = Parts { disk, clock, random, options, paths, journal, generation };
    let shared = Arc::new(Shared::new(Arc::new(Home::new(parts)), index));
    let log = Log { shared, head, epoch, open: None, reserve, stuck: Vec::new(), _lock: lock };
    Ok(Found { engine: Box::new(log), epoch, tail, cut, damaged, orphans })
}
