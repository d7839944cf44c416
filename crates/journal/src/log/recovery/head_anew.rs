//! Making a lost head anew from the segments: what it says is said by them too, but for what only other copies would know.

use std::io;
use std::path::Path;

use outrigger_runtime::Random;
use outrigger_runtime::disk::{ArcDisk, Disk};

use super::{has_segments, io_error, lock};
use crate::error::{HeadError, OpenError};
use crate::head::{FoundHead, Head};
use crate::ids::{Epoch, JournalId};
use crate::log::frame::{FrameHead, FrameKind};
use crate::log::segment::{head_at, seal_at, whole};
use crate::paths::{Paths, SegmentName, segment_name};

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
    journal: Option<JournalId>,
    epoch: Epoch,
    segments: usize,
}

/// Makes the head of the journal in `directory` anew where it is missing or unreadable and segments are there.
///
/// Every opening and seal that can be read has to name the same journal. The copy gets a new name, and its last segment counts as not
/// certain, so that the next start reads every byte of it.
pub fn restore_head(disk: &ArcDisk, random: &Random, directory: &Path) -> Result<HeadRestored, HeadError> {
    let paths = Paths::new(directory);
    let disk = &**disk;
    if !has_segments(disk, &paths)? {
        return Ok(HeadRestored::NotNeeded { journal: None });
    }
    let _lock = lock(disk, &paths)?;
    let path = paths.head();
    match Head::read(disk, &path).map_err(io_error("reading", &path))? {
        FoundHead::Head { head, .. } => return Ok(HeadRestored::NotNeeded { journal: head.journal() }),
        FoundHead::Newer(_) => return Ok(HeadRestored::NotNeeded { journal: None }),
        FoundHead::Nothing | FoundHead::Unreadable => {}
    }
    let said = listen(disk, &paths)?;
    let journal = said.journal.ok_or_else(|| HeadError::Nameless { directory: paths.segments.clone() })?;
    let copy = random.u64().map_err(OpenError::Random)?;
    let head = Head { epoch: said.epoch, ..Head::new(journal, copy) };
    head.write(disk, &path).map_err(io_error("writing", &path))?;
    Ok(HeadRestored::FromSegments { journal, segments: said.segments })
}

/// Asks every segment for its journal and the start it was written in.
fn listen(disk: &dyn Disk, paths: &Paths) -> Result<Said, HeadError> {
    let mut said = Said::default();
    for listed in disk.list(&paths.segments).map_err(io_error("listing", &paths.segments))? {
        if !matches!(segment_name(&listed.path), SegmentName::Segment(_)) {
            continue;
        }
        let heads = ends(disk, &listed.path).map_err(io_error("reading", &listed.path))?;
        said.segments += usize::from(!heads.is_empty());
        for head in heads {
            match said.journal {
                Some(one) if one != head.journal => {
                    return Err(HeadError::TwoJournals { file: listed.path, one, other: head.journal });
                }
                _ => said.journal = Some(head.journal),
            }
            said.epoch = said.epoch.max(head.epoch);
        }
    }
    Ok(said)
}

/// The heads of the opening and the seal of a segment, as far as they can be read: what stands between them may be bytes of objects.
fn ends(disk: &dyn Disk, path: &Path) -> io::Result<Vec<FrameHead>> {
    let mut window = whole(disk, path)?;
    let opening = head_at(&mut window, 0)?.filter(|head| head.kind == FrameKind::Opening);
    let seal = match seal_at(&mut window)? {
        Some(offset) => head_at(&mut window, offset)?.filter(|head| head.kind == FrameKind::Seal),
        None => None,
    };
    Ok(opening.into_iter().chain(seal).collect())
}
