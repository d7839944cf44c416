//! Opening a copy in SQLite: after a clean end, after a crash, after damage, or for the first time.

use std::sync::Arc;

use crate::begin::{Begun, begin, write_head};
use crate::damage::{Certainty, Damage, DamagedPart};
use crate::engine::{EngineKind, Found, Opening};
use crate::error::OpenError;
use crate::home::{Home, Parts};
use crate::ids::Epoch;
use crate::log::objects;
use crate::sqlite::copy::{Activity, Sqlite};
use crate::sqlite::load::{Loaded, Start};
use crate::sqlite::shared::Shared;

pub(crate) fn open(opening: Opening) -> Result<Found, OpenError> {
    let Opening { disk, clock, random, options, applied } = opening;
    let Begun { paths, lock, mut head, journal, head_damage, mut reserve } =
        begin(&*disk, &random, &options, EngineKind::Sqlite, applied)?;
    let mut loaded = Loaded::load(Start { disk: &*disk, paths: &paths, journal, applied })?;
    loaded.damaged.extend(head_damage);
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
    head.epoch = Epoch(head.epoch.max(loaded.epoch).0.saturating_add(1));
    head.certain = loaded.index.last_number();
    head.release_mark = loaded.index.release_mark();
    write_head(&*disk, &paths, &head, &mut reserve)?;
    let Loaded { index, damaged, cut, .. } = loaded;
    let (epoch, generation, tail) = (head.epoch, head.generation, index.tail);
    let parts = Parts { disk, clock, random, options, paths, journal, generation };
    let shared = Arc::new(Shared::new(Arc::new(Home::new(parts)), index));
    let engine = Sqlite {
        shared,
        head,
        open: None,
        reserve,
        stuck: Vec::new(),
        activity: Activity::Idle,
        _lock: lock,
    };
    Ok(Found { engine: Box::new(engine), epoch, tail, cut, damaged, orphans: files.orphans })
}
