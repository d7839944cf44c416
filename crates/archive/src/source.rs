//! A blob's bytes by position, wherever they are.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use outrigger_runtime::disk::{DiskFile, read_exact_at};

/// One kept blob, read by position; may block.
pub(crate) trait Source: Send + Sync + std::fmt::Debug {
    /// Where it is, as people name it.
    fn shown(&self) -> String;
    /// Its size in bytes, its end included.
    fn size(&self) -> io::Result<u64>;
    /// Exactly so many bytes from a position on; `UnexpectedEof` if there are fewer.
    fn read(&self, offset: u64, length: usize) -> io::Result<Bytes>;
}

/// A file.
#[derive(Debug)]
pub(crate) struct FileSource {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
}

impl Source for FileSource {
    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    fn size(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        read_exact_at(&*self.file, offset, length).map(Bytes::from)
    }
}
