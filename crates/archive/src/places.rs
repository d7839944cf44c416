//! Where an archive's files are; blobs in directories of a thousand or so, filled one after another, so that a batch syncs one directory.

use std::path::{Path, PathBuf};

use outrigger_model::Sha256Digest;
use outrigger_runtime::disk::{Kind, Listed};

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

    /// The mark of an object that is put into an object store.
    pub(crate) fn mark(&self, sha256: &Sha256Digest) -> PathBuf {
        self.spool().join(format!("{sha256}.{MARK}"))
    }

    /// Says that an archive is being moved here and is not all here yet.
    pub(crate) fn unfinished(&self) -> PathBuf {
        self.root.join("unfinished-migration")
    }

    /// How far the scrub is.
    pub(crate) fn scrub(&self) -> PathBuf {
        self.root.join("scrub.json")
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

/// The ending of a mark in the spool: an object of that digest was to be put into an object store.
const MARK: &str = "put";

/// The digest that a file of the spool marks, if it is a mark.
pub(crate) fn marked(path: &Path) -> Option<Sha256Digest> {
    let (digest, ending) = path.file_name()?.to_str()?.split_once('.')?;
    if ending == MARK { Sha256Digest::from_hex(digest).ok() } else { None }
}
