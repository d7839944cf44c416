//! Files: real ones here; the simulator has a disk that forgets, tears, reorders and flips.

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use crate::disk::holder::{LockError, lock_as};
pub use crate::disk::real::RealDisk;

mod holder;
mod real;
pub mod simulated;

/// A shared disk.
pub type ArcDisk = Arc<dyn Disk>;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// For reading.
    Read,
    /// For reading and writing.
    ReadWrite,
}

/// What a name in a directory stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A plain file.
    File,
    /// A directory.
    Directory,
}

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The whole path.
    pub path: PathBuf,
    /// File or directory.
    pub kind: Kind,
    /// Length in bytes of a file.
    pub length: u64,
}

/// Room on the file system that holds a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes free to this process.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

/// A file system, synchronous; call it from a thread that may block.
pub trait Disk: Send + Sync + Debug + 'static {
    /// Makes a new file for reading and writing; an existing one is an error.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens an existing file.
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>>;
    /// Renames a file, replacing what stands at `to`; durable after [`Disk::sync_directory`] of both parents.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes a directory and its missing ancestors, each synced into its parent.
    fn create_directory(&self, path: &Path) -> io::Result<()>;
    /// Makes what was created, renamed or removed in a directory durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
    /// Lists a directory, by name.
    fn list(&self, path: &Path) -> io::Result<Vec<Listed>>;
    /// Room on the file system that holds `path`.
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// Takes the exclusive lock file at `path`, made if missing; `WouldBlock` if another process holds it; held until dropped.
    fn lock(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
}

/// An open file; all positions are absolute, so that it can be shared.
pub trait DiskFile: Send + Sync + Debug {
    /// Reads at `offset` into `buffer`; gives fewer bytes only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Reads up to `length` bytes at `offset`; gives fewer only at the end of the file.
    fn read_new(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; length];
        let read = self.read_at(&mut buffer, offset)?;
        buffer.truncate(read);
        Ok(buffer)
    }
    /// Writes all of `parts`, one after another, at `offset`.
    fn write_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<()>;
    /// Makes what was written durable, data and the length that goes with it (fdatasync).
    fn sync_data(&self) -> io::Result<()>;
    /// Length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Cuts or extends the file with zeros.
    fn set_length(&self, length: u64) -> io::Result<()>;
    /// Reserves room for bytes up to `length` and extends the file to it, so that later syncs carry no new size.
    fn allocate(&self, length: u64) -> io::Result<()>;
}

/// Reads exactly `length` bytes at `offset`; `UnexpectedEof` if the file ends before.
pub fn read_exact_at(file: &dyn DiskFile, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let read = file.read_new(offset, length)?;
    if read.len() < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(read) }
}

/// Reads a whole small file, of at most `limit` bytes.
pub fn read_small(disk: &dyn Disk, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = disk.open(path, Access::Read)?;
    let length = file.length()?;
    if length > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("{length} bytes, more than {limit}"),
        ));
    }
    read_exact_at(&*file, 0, usize::try_from(length).map_err(io::Error::other)?)
}

/// Removes a file; one that is not there is no error.
pub fn remove_if_there(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Replaces a small file so that after a crash either the old or the new content stands.
pub fn replace(disk: &dyn Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = directory.join(name);
    remove_if_there(disk, &fresh)?;
    let file = disk.create(&fresh)?;
    file.write_at(&[IoSlice::new(content)], 0)?;
    file.sync_data()?;
    disk.rename(&fresh, path)?;
    disk.sync_directory(directory)
}
