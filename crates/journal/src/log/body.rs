//! The bytes of an object, out of a frame or out of a file of its own.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use outrigger_runtime::body::BLOCK_BYTES;
use outrigger_runtime::disk::{Access, Disk, DiskFile, read_exact_at};
use outrigger_runtime::{BlockError, BlockSource};

use crate::log::segment::ReadFrame;

/// A body in a frame, of at most one block.
#[derive(Debug)]
pub(crate) struct FrameBody {
    file: Arc<dyn DiskFile>,
    what: String,
    offset: u64,
    length: u64,
    crc: u32,
}

impl FrameBody {
    pub(crate) fn new(file: Arc<dyn DiskFile>, frame: &ReadFrame) -> Self {
        Self {
            file,
            what: format!("journal entry {}", frame.head.seq),
            offset: frame.offset + frame.head.body_offset(),
            length: frame.head.body_length,
            crc: frame.trailer.body_crc,
        }
    }
}

impl BlockSource for FrameBody {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_block(&self, index: u64) -> Result<Bytes, BlockError> {
        if index > 0 || self.length == 0 {
            return Ok(Bytes::new());
        }
        read_checked(&self.what, &*self.file, self.offset, self.length, index, self.crc)
    }
}

/// A body in a file of its own: the bytes, then the CRC-32C of each block.
#[derive(Debug)]
pub(crate) struct FileBody {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    length: u64,
    crcs: Vec<u32>,
}

impl FileBody {
    /// Opens the body that `frame` names; `None` if it is gone or its block table is damaged.
    pub(crate) fn open(disk: &dyn Disk, path: &Path, frame: &ReadFrame) -> io::Result<Option<Self>> {
        Self::of(disk, path, frame.head.body_length, frame.trailer.body_crc)
    }

    /// Opens a body of `length` bytes whose block table has this checksum; `None` if it is gone or its block table is damaged.
    pub(crate) fn of(disk: &dyn Disk, path: &Path, length: u64, crc: u32) -> io::Result<Option<Self>> {
        let file = match disk.open(path, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(crcs) = read_block_table(&*file, length, crc)? else { return Ok(None) };
        Ok(Some(Self { file, path: path.to_owned(), length, crcs }))
    }

    /// Blocks in it.
    pub(crate) fn blocks(&self) -> u64 {
        self.crcs.len() as u64
    }
}

impl BlockSource for FileBody {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_block(&self, index: u64) -> Result<Bytes, BlockError> {
        let crc = usize::try_from(index).ok().and_then(|index| self.crcs.get(index));
        let (Some(crc), Some(offset)) = (crc, index.checked_mul(BLOCK_BYTES as u64)) else {
            return Ok(Bytes::new());
        };
        let length = self.length.saturating_sub(offset).min(BLOCK_BYTES as u64);
        let what = self.path.display().to_string();
        read_checked(&what, &*self.file, offset, length, index, *crc)
    }
}

/// The block table behind a body of `length` bytes; `None` if it is not the one with checksum `crc`.
pub(crate) fn read_block_table(file: &dyn DiskFile, length: u64, crc: u32) -> io::Result<Option<Vec<u32>>> {
    let blocks = length.div_ceil(BLOCK_BYTES as u64);
    let Ok(table_bytes) = usize::try_from(blocks.saturating_mul(4)) else { return Ok(None) };
    if file.length()?.saturating_sub(length) < table_bytes as u64 {
        return Ok(None);
    }
    let table = read_exact_at(file, length, table_bytes)?;
    if crc32c::crc32c(&table) != crc {
        return Ok(None);
    }
    let mut rest = table.as_slice();
    Ok(Some((0..blocks).map(|_| rest.get_u32_le()).collect()))
}

fn read_checked(
    what: &str,
    file: &dyn DiskFile,
    offset: u64,
    length: u64,
    index: u64,
    written: u32,
) -> Result<Bytes, BlockError> {
    let length = usize::try_from(length).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
    let bytes = read_exact_at(file, offset, length).map_err(|source| BlockError::Read {
        what: what.to_owned(),
        index,
        source,
    })?;
    let found = crc32c::crc32c(&bytes);
    if found != written {
        return Err(BlockError::Damaged { what: what.to_owned(), index, found, written });
    }
    Ok(bytes.into())
}
