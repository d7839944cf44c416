//! Bodies in files of their own, at a start: gone, left over, or complete and never named.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use outrigger_runtime::Disk;

use crate::begin::io_error;
use crate::error::OpenError;
use crate::home::Home;
use crate::ids::{JournalId, Seq};
use crate::log::frame::FrameKind;
use crate::log::large::{ObjectFile, Orphan, Prepared, PreparedBody, read_object};
use crate::paths::{Paths, object_name};
use crate::renew::copy;

/// What the files of bodies are, beside the records that name them.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// Bytes of those that are kept.
    pub(crate) bytes: u64,
    /// Those that a record names and that ought to be there.
    pub(crate) missing: BTreeMap<u128, Seq>,
    /// Complete ones that none names.
    pub(crate) orphans: Vec<(PathBuf, Orphan)>,
}

/// Compares the files of bodies with the records that name them; what was let go, or never whole, is removed.
pub(crate) fn compare(
    disk: &dyn Disk,
    paths: &Paths,
    journal: JournalId,
    (names, is_kept): (&BTreeMap<u128, Seq>, &dyn Fn(Seq) -> bool),
) -> Result<Files, OpenError> {
    empty_spool(disk, paths)?;
    let mut files = Files { missing: names.clone(), ..Files::default() };
    for listed in disk.list(&paths.objects).map_err(io_error("listing", &paths.objects))? {
        let path = listed.path;
        let Some(name) = object_name(&path) else {
            tracing::warn!(file = %path.display(), "not a file of the journal; it is left alone");
            continue;
        };
        files.missing.remove(&name);
        match names.get(&name) {
            Some(seq) if is_kept(*seq) => files.bytes = files.bytes.saturating_add(listed.length),
            // Released; the crash came before it was removed.
            Some(_) => disk.remove(&path).map_err(io_error("removing", &path))?,
            None => files.orphans.extend(unnamed(disk, journal, path)?),
        }
    }
    files.missing.retain(|_, seq| is_kept(*seq));
    Ok(files)
}

/// A file that no record names: kept if it is complete, else removed.
fn unnamed(
    disk: &dyn Disk,
    journal: JournalId,
    path: PathBuf,
) -> Result<Option<(PathBuf, Orphan)>, OpenError> {
    let found = read_object(disk, &path, journal).map_err(io_error("reading", &path))?;
    if let Some(orphan) = found {
        return Ok(Some((path, orphan)));
    }
    tracing::warn!(file = %path.display(), "a large object that was never acknowledged is removed");
    disk.remove(&path).map_err(io_error("removing", &path))?;
    Ok(None)
}

/// Whatever was arriving at the end of the last run was never acknowledged.
fn empty_spool(disk: &dyn Disk, paths: &Paths) -> Result<(), OpenError> {
    for listed in disk.list(&paths.spool).map_err(io_error("listing", &paths.spool))? {
        disk.remove(&listed.path).map_err(io_error("removing", &listed.path))?;
    }
    Ok(())
}

impl Home {
    /// A complete file that no frame names, ready for one: it was durable, and may have been promised elsewhere.
    pub(crate) fn adoptable(self: &Arc<Self>, path: &Path, orphan: &Orphan) -> io::Result<Option<Prepared>> {
        let FrameKind::Record(kind) = orphan.frame.head.kind else { return Ok(None) };
        self.renew_object(path)?;
        let body = PreparedBody::File(ObjectFile::found(self.clone(), &orphan.frame));
        Ok(Some(Prepared { kind, header: orphan.frame.header.clone(), body }))
    }

    /// Writes a complete file anew: what the page cache shows of it may not be on the disk.
    pub(crate) fn renew_object(&self, path: &Path) -> io::Result<()> {
        let Self { disk, paths, .. } = self;
        let fresh = paths.spool.join(path.file_name().unwrap_or_default());
        let file = copy(&**disk, path, &fresh, u64::MAX)?;
        file.sync_data()?;
        disk.rename(&fresh, path)?;
        disk.sync_directory(&paths.objects)
    }
}
