//! Where the bytes of objects are kept: what a directory and an object store do alike.
//!
//! A blob is named by a place and the SHA-256 of its data set; what a place is, each keeper decides. It is on stable storage
//! before its row is in the catalogue, and bytes that come again take the place of the old, whose keeper may have damaged them.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use outrigger_model::{Sha256Digest, WallTime};
use outrigger_runtime::Body;
use outrigger_runtime::disk::ArcDisk;

use crate::blob::{Blob, BlobError, Facts};
use crate::recovery::RecoverError;
use crate::store::StoreError;

/// Keeps blobs; synchronous, called from threads that may block.
pub(crate) trait Blobs: Send + Sync + Debug {
    /// Brings an object to stable storage; it may not be in its place yet.
    fn write(&self, facts: &Facts, body: Body) -> Result<Pending, StoreError>;

    /// Brings what was written to its place for good, before rows name it; gives the place of each. Only the writer calls this.
    fn place(&self, batch: &mut [Placing<'_>]) -> Result<Vec<u64>, StoreError>;

    /// Opens a blob and checks its end; the data set is checked block by block as it is read.
    fn open(&self, place: u64, sha256: &Sha256Digest, ahead: Ahead) -> Result<Blob, BlobError>;

    /// Names, part by part, the blobs that may have no row.
    fn unsettled(&self, span: Span, take: Take<'_>) -> Result<(), RecoverError>;

    /// Removes a second blob of an object that is catalogued at another place.
    fn remove_second(&self, kept: &Kept) -> Result<(), RecoverError>;

    /// Why it did not answer when it was last called.
    fn trouble(&self) -> Option<Trouble> {
        None
    }

    /// Calls it once, for the sake of [`Blobs::trouble`].
    fn look(&self) {}
}

/// What keeps a keeper of blobs from answering; it goes on by itself when that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Since then.
    pub since: WallTime,
    /// What happened last, in words.
    pub why: String,
}

/// Takes a part of the blobs that may have no row.
pub(crate) type Take<'t> = &'t mut dyn FnMut(Vec<Kept>) -> Result<(), RecoverError>;

/// Which blobs may have no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span {
    /// Those that the last run may have left so.
    Late,
    /// All: the catalogue is empty.
    All,
}

/// How much of a blob is read as it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// Its end, to be checked.
    End,
    /// All of one that is no more than a block, as it is sent at once.
    Block,
}

/// A blob, or something that lies among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Where it is, as people name it.
    pub(crate) at: String,
    /// Its place.
    pub(crate) place: u64,
    /// The digest that names it; absent if its name is none.
    pub(crate) sha256: Option<Sha256Digest>,
}

/// A written object whose row is to be entered.
#[derive(Debug)]
pub(crate) struct Placing<'i> {
    /// Its digest.
    pub(crate) sha256: Sha256Digest,
    /// What was written.
    pub(crate) pending: &'i mut Pending,
    /// Where these very bytes are kept already.
    pub(crate) known: Option<u64>,
}

/// A file of the spool that stands for an object without a row: the object itself, or a mark that it was put elsewhere.
#[derive(Debug)]
pub(crate) struct Pending {
    disk: ArcDisk,
    path: Option<PathBuf>,
    fate: Fate,
}

/// What becomes of a file of the spool whose object does not come to have a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes: the object was refused.
    Removed,
    /// It stays for the next start to look at: the object may be kept elsewhere.
    Left,
}

impl Pending {
    pub(crate) fn new(disk: ArcDisk, path: PathBuf, fate: Fate) -> Self {
        Self { disk, path: Some(path), fate }
    }

    /// Renames the file to where it stays.
    pub(crate) fn place(&mut self, to: &Path) -> std::io::Result<()> {
        if let Some(path) = &self.path {
            self.disk.rename(path, to)?;
        }
        self.path = None;
        Ok(())
    }

    /// The object has its row: what is left of it in the spool goes.
    pub(crate) fn settle(&mut self) {
        self.fate = Fate::Removed;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(path) = self.path.take().filter(|_| self.fate == Fate::Removed) else { return };
        match self.disk.remove(&path) {
            Ok(()) => {}
            // The same object, stored twice at once, has one mark.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a file of the spool could not be removed");
            }
        }
    }
}
