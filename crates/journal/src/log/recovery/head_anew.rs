//! Making a lost head anew from the segments: what it says is said by them too, but for what only other copies would know.

use std::io;
use std::path::Path;

use outrigger_runtime::Random;
use outrigger_runtime::disk::{ArcDisk, Disk};

use crate::begin::{has_segments, io_error, lock};
use crate::engine::EngineKind;
use crate::error::{HeadError, OpenError};
use crate::head::{FoundHead, Head};
use crate::ids::{Epoch, JournalId};
use crate::log::frame::FrameKind;
use crate::log::segment::{head_at, seal_at, whole};
use crate::options::Place;
use crate::paths::{Paths, SegmentName, is_segment, segment_name};
use crate::sqlite::names_of;
use crate::start::copies_in;

/// Whether a head had to be made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadRestored {
    /// There is one that can be read, or there is no journal yet.
    NotNeeded {
        /// The journal it names.
        journal: Option<JournalId>,
    },
    /// It was missing or unreadable, and now stands as its segments say.
    FromSegments {
        /// The journal they name.
        journal: JournalId,
        /// How many of them name it.
        segments: usize,
    },
}

/// What the segments say of themselves.
#[derive(Debug, Default)]
struct Said {
    engine: Option<EngineKind>,
    journal: Option<JournalId>,
    epoch: Epoch,
    segments: usize,
}

/// Makes the head of a copy anew where heads are missing or unreadable in all of its places, and segments are there.
///
/// Every opening and seal that can be read has to name the same journal. The copy gets a new name, and its last segment counts as not
/// certain, so that the next start reads every byte of it. With several places it is the first that has segments: of the others nobody
/// can know whether they went on without it.
pub fn restore_head(disk: &ArcDisk, random: &Random, places: &[Place]) -> Result<HeadRestored, HeadError> {
    let mut lost = None;
    for place in places {
        for directory in copies_in(&**disk, &place.directory)? {
            let paths = Paths::new(&directory);
            if !has_segments(&**disk, &paths)? {
                continue;
            }
            let path = paths.head();
            match Head::read(&**disk, &path).map_err(io_error("reading", &path))? {
                FoundHead::Head { head, .. } => {
                    return Ok(HeadRestored::NotNeeded { journal: head.journal() });
                }
                FoundHead::Newer(_) => return Ok(HeadRestored::NotNeeded { journal: None }),
                FoundHead::Nothing | FoundHead::Unreadable => {
                    lost.get_or_insert((place, paths));
                }
            }
        }
    }
    let Some((place, paths)) = lost else { return Ok(HeadRestored::NotNeeded { journal: None }) };
    let _lock = lock(&**disk, &place.directory)?;
    restored(&**disk, random, &paths)
}

fn restored(disk: &dyn Disk, random: &Random, paths: &Paths) -> Result<HeadRestored, HeadError> {
    let path = paths.head();
    let said = listen(disk, paths)?;
    let journal = said.journal.ok_or_else(|| HeadError::Nameless { directory: paths.segments.clone() })?;
    let copy = random.u64().map_err(OpenError::Random)?;
    let engine = said.engine.unwrap_or(EngineKind::Log);
    let head = Head { epoch: said.epoch, ..Head::new(journal, copy, engine) };
    head.write(disk, &path).map_err(io_error("writing", &path))?;
    Ok(HeadRestored::FromSegments { journal, segments: said.segments })
}

/// Asks every segment for its journal and the start it was written in.
fn listen(disk: &dyn Disk, paths: &Paths) -> Result<Said, HeadError> {
    let mut said = Said::default();
    for listed in disk.list(&paths.segments).map_err(io_error("listing", &paths.segments))? {
        if !is_segment(&listed.path) {
            continue;
        }
        let (engine, named) = match segment_name(&listed.path) {
            SegmentName::Segment(_) => (EngineKind::Log, ends(disk, &listed.path)),
            SegmentName::Unfinished | SegmentName::Other => (EngineKind::Sqlite, names_of(&listed.path)),
        };
        let named = named.map_err(io_error("reading", &listed.path))?;
        said.engine = Some(engine);
        said.segments += usize::from(!named.is_empty());
        for (journal, epoch) in named {
            match said.journal {
                Some(one) if one != journal => {
                    return Err(HeadError::TwoJournals { file: listed.path, one, other: journal });
                }
                _ => said.journal = Some(journal),
            }
            said.epoch = said.epoch.max(epoch);
        }
    }
    Ok(said)
}

/// What the opening and the seal of a segment name, as far as they can be read: what stands between them may be bytes of objects.
fn ends(disk: &dyn Disk, path: &Path) -> io::Result<Vec<(JournalId, Epoch)>> {
    let mut window = whole(disk, path)?;
    let opening = head_at(&mut window, 0)?.filter(|head| head.kind == FrameKind::Opening);
    let seal = match seal_at(&mut window)? {
        Some(offset) => head_at(&mut window, offset)?.filter(|head| head.kind == FrameKind::Seal),
        None => None,
    };
    Ok(opening.into_iter().chain(seal).map(|head| (head.journal, head.epoch)).collect())
}
