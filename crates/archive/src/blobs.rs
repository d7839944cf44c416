//! Where blobs are: directories of a thousand or so, filled one after another, so that a batch syncs one directory.

use std::path::{Path, PathBuf};

use outrigger_model::Sha256Digest;
use outrigger_runtime::disk::{ArcDisk, Kind, Listed};

/// Blobs in one directory: few enough that a start looks through the last ones in no time, enough that few directories
/// hold millions.
pub(crate) const BUCKET_BLOBS_MAX: u32 = 1024;

/// The directories of an archive.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    root: PathBuf,
}

impl Places {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The root, whose file system is the one that fills.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The lock of the process that owns the archive.
    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Objects that are still arriving.
    pub(crate) fn spool(&self) -> PathBuf {
        self.root.join("spool")
    }

    /// All buckets.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// One bucket.
    pub(crate) fn bucket(&self, bucket: u64) -> PathBuf {
        self.blobs().join(format!("{bucket:08x}"))
    }

    /// A blob: its digest names it, so that other bytes never take its place.
    pub(crate) fn blob(&self, bucket: u64, sha256: &Sha256Digest) -> PathBuf {
        self.bucket(bucket).join(sha256.to_string())
    }
}

/// A bucket's number, if a name in the directory of blobs is one.
pub(crate) fn bucket_number(listed: &Listed) -> Option<u64> {
    let name = listed.path.file_name()?.to_str()?;
    let number = u64::from_str_radix(name, 16).ok()?;
    (listed.kind == Kind::Directory && format!("{number:08x}") == name).then_some(number)
}

/// The digest that names a blob.
pub(crate) fn blob_digest(listed: &Listed) -> Option<Sha256Digest> {
    let name = listed.path.file_name()?.to_str()?;
    (listed.kind == Kind::File).then(|| Sha256Digest::from_hex(name).ok())?
}

/// A file that goes away with its owner unless it is placed.
#[derive(Debug)]
pub(crate) struct Unplaced {
    disk: ArcDisk,
    path: Option<PathBuf>,
}

impl Unplaced {
    pub(crate) fn new(disk: ArcDisk, path: PathBuf) -> Self {
        Self { disk, path: Some(path) }
    }

    /// Renames the file to where it stays.
    pub(crate) fn place(&mut self, to: &Path) -> std::io::Result<()> {
        if let Some(path) = &self.path {
            self.disk.rename(path, to)?;
        }
        self.path = None;
        Ok(())
    }
}

impl Drop for Unplaced {
    fn drop(&mut self) {
        let Some(path) = self.path.take() else { return };
        if let Err(error) = self.disk.remove(&path) {
            tracing::warn!(path = %path.display(), %error, "a refused object's file could not be removed");
        }
    }
}
