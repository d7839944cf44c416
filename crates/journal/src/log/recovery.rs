//! Opening a journal: after a clean end, after a crash, after damage, or for the first time.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use outrigger_runtime::disk::{ArcDisk, Disk, DiskFile};
use outrigger_runtime::reserve::Reserve;
use outrigger_runtime::{Clock, Random};

use crate::damage::{Certainty, Damage, DamagedPart};
use crate::error::OpenError;
use crate::head::{FORMAT, FoundHead, Head};
use crate::home::{Home, Parts};
use crate::ids::{Epoch, JournalId, Seq};
use crate::journal::Cut;
use crate::log::copy::Log;
use crate::log::frame::FrameKind;
use crate::log::large::{ObjectFile, Orphan, Prepared, PreparedBody};
use crate::log::recovery::load::{Loaded, Place};
use crate::log::recovery::renew::with_room;
use crate::log::shared::Shared;
use crate::options::{Options, RESERVE_STEP_BYTES};
use crate::paths::{Paths, SegmentName, segment_name};

mod head_anew;
mod judge;
mod load;
mod objects;
mod renew;

pub use head_anew::{HeadRestored, restore_head};
pub(crate) use judge::{Position, judge};

/// A log as it was found.
pub(crate) struct Found {
    pub(crate) log: Log,
    /// The number of its last record.
    pub(crate) tail: Seq,
    pub(crate) cut: Option<Cut>,
    pub(crate) damaged: Vec<Damage>,
    /// Complete files of large objects that no frame names.
    pub(crate) orphans: Vec<(PathBuf, Orphan)>,
}

pub(crate) fn open(
    disk: ArcDisk,
    clock: Clock,
    random: Random,
    options: Options,
    applied: Seq,
) -> Result<Found, OpenError> {
    options.check().map_err(OpenError::Options)?;
    let paths = Paths::new(&options.directory);
    disk.create_directory(&paths.directory).map_err(io_error("making", &paths.directory))?;
    let lock = lock(&*disk, &paths)?;
    let (mut head, journal, head_damage) = read_head(&*disk, &paths, &random, applied)?;
    for directory in [&paths.segments, &paths.objects, &paths.spool] {
        disk.create_directory(directory).map_err(io_error("making", directory))?;
    }
    let reserve = Reserve::open(&*disk, &paths.reserve(), options.reserve_bytes, RESERVE_STEP_BYTES);
    let mut reserve = reserve.map_err(io_error("making", &paths.reserve()))?;
    let place = Place { disk: &*disk, paths: &paths, journal, applied, certain: head.certain };
    let mut loaded = Loaded::load(place, &mut reserve)?;
    loaded.damaged.extend(head_damage);
    let orphans = objects::compare(place, &mut loaded)?;
    head.epoch = Epoch(head.epoch.max(loaded.epoch).0.saturating_add(1));
    head.certain = loaded.index.last_number();
    head.release_mark = loaded.index.release_mark();
    let written = with_room(&mut reserve, || head.write(&*disk, &paths.head()));
    written.map_err(io_error("writing", &paths.head()))?;
    reserve.refill().map_err(io_error("making", &paths.reserve()))?;
    let Loaded { index, damaged, cut, .. } = loaded;
    let (epoch, generation) = (head.epoch, head.generation);
    let tail = index.tail;
    let parts = Parts { disk, clock, random, options, paths, journal, generation };
    let shared = Arc::new(Shared::new(Arc::new(Home::new(parts)), index));
    let log = Log { shared, head, epoch, open: None, reserve, stuck: Vec::new(), _lock: lock };
    Ok(Found { log, tail, cut, damaged, orphans })
}

/// An [`OpenError::Io`] for something done to `path`.
fn io_error<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> OpenError + 'a {
    move |source| OpenError::Io { doing, path: path.to_owned(), source }
}

fn lock(disk: &dyn Disk, paths: &Paths) -> Result<Arc<dyn DiskFile>, OpenError> {
    disk.lock(&paths.lock()).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked { directory: paths.directory.clone() },
        _ => io_error("locking", &paths.lock())(error),
    })
}

fn read_head(
    disk: &dyn Disk,
    paths: &Paths,
    random: &Random,
    applied: Seq,
) -> Result<(Head, JournalId, Option<Damage>), OpenError> {
    let path = paths.head();
    match Head::read(disk, &path).map_err(io_error("reading", &path))? {
        FoundHead::Head { head, damaged_at } => {
            let journal = head.journal().ok_or(OpenError::Head { file: path.clone() })?;
            let damage = damaged_at.map(|offset| Damage {
                file: path,
                offset,
                part: DamagedPart::Head,
                entries: None,
                certainty: Certainty::NoEntry,
            });
            Ok((head, journal, damage))
        }
        FoundHead::Newer(found) => Err(OpenError::NewerFormat { file: path, found, known: FORMAT }),
        FoundHead::Unreadable => Err(OpenError::Head { file: path }),
        FoundHead::Nothing if has_segments(disk, paths)? => Err(OpenError::HeadMissing { file: path }),
        FoundHead::Nothing if applied > Seq(0) => {
            Err(OpenError::Missing { directory: paths.directory.clone(), applied })
        }
        FoundHead::Nothing => {
            let journal = JournalId(random.u128().map_err(OpenError::Random)?);
            let copy = random.u64().map_err(OpenError::Random)?;
            let head = Head::new(journal, copy);
            head.write(disk, &path).map_err(io_error("writing", &path))?;
            Ok((head, journal, None))
        }
    }
}

/// Whether there are segments; none where the directory is not there.
fn has_segments(disk: &dyn Disk, paths: &Paths) -> Result<bool, OpenError> {
    match disk.list(&paths.segments) {
        Ok(listed) => {
            Ok(listed.iter().any(|listed| matches!(segment_name(&listed.path), SegmentName::Segment(_))))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error("listing", &paths.segments)(error)),
    }
}

impl Log {
    /// A complete file that no frame names, ready for one: it was durable, and may have been promised elsewhere.
    pub(crate) fn take_up(&self, path: &Path, orphan: &Orphan) -> io::Result<Option<Prepared>> {
        let FrameKind::Record(kind) = orphan.frame.head.kind else { return Ok(None) };
        self.renew_object(path)?;
        let body = PreparedBody::File(ObjectFile::found(self.shared.home.disk.clone(), path, &orphan.frame));
        Ok(Some(Prepared { kind, header: orphan.frame.header.clone(), body }))
    }

    fn renew_object(&self, path: &Path) -> io::Result<()> {
        let Home { disk, paths, .. } = &*self.shared.home;
        let fresh = paths.spool.join(path.file_name().unwrap_or_default());
        let file = renew::copy(&**disk, path, &fresh, u64::MAX)?;
        file.sync_data()?;
        disk.rename(&fresh, path)?;
        disk.sync_directory(&paths.objects)
    }
}
