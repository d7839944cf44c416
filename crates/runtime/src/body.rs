//! The bytes of an object between arrival and the disk, and from the disk to a member.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::disk::{ArcDisk, DiskFile};

/// Bytes under one CRC-32C, so that a large object is checked while it streams out.
pub const BLOCK_BYTES: usize = 1 << 20;

/// The bytes of an object, all arrived and digested.
#[derive(Debug)]
pub struct Body {
    /// Length in bytes.
    pub length: u64,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// CRC-32C of each block of [`BLOCK_BYTES`]; the last may be shorter. Of bytes in memory that are only passed on there is none.
    pub block_crcs: Vec<u32>,
    /// Where they are.
    pub content: Content,
}

/// Where the bytes of a body are.
#[derive(Debug)]
pub enum Content {
    /// In memory, in the pieces they arrived in.
    Memory(Vec<Bytes>),
    /// In a file of the spool, not synced yet.
    File(SpooledFile),
}

/// A file of the spool that goes away with its owner unless it is kept.
#[derive(Debug)]
pub struct SpooledFile {
    pub(crate) disk: ArcDisk,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Discard,
    Keep,
}

impl SpooledFile {
    /// The open file, positioned by offset; the body begins at 0.
    pub fn file(&self) -> &Arc<dyn DiskFile> {
        &self.file
    }

    /// Its path now.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Leaves the file where it is; whoever calls this has taken it over.
    pub fn keep(mut self) {
        self.fate = Fate::Keep;
    }
}

impl Drop for SpooledFile {
    fn drop(&mut self) {
        if self.fate == Fate::Keep {
            return;
        }
        if let Err(error) = self.disk.remove(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a spooled file could not be removed");
        }
    }
}

/// The CRC-32C of blocks that come in pieces.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    crc: u32,
    filled: usize,
    crcs: Vec<u32>,
}

impl Blocks {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = BLOCK_BYTES - self.filled;
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.crc = crc32c::crc32c_append(self.crc, now);
            self.filled += now.len();
            if self.filled == BLOCK_BYTES {
                self.crcs.push(std::mem::take(&mut self.crc));
                self.filled = 0;
            }
            rest = later;
        }
    }

    pub(crate) fn finish(mut self) -> Vec<u32> {
        if self.filled > 0 {
            self.crcs.push(self.crc);
        }
        self.crcs
    }
}

/// Why a block of a stored object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// The disk failed.
    #[error("block {index} of {what} could not be read")]
    Read {
        /// The object or file.
        what: String,
        /// The block, from 0.
        index: u64,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The bytes are not those that were written.
    #[error("block {index} of {what} is damaged: its CRC-32C is {found:08x}, written was {written:08x}")]
    Damaged {
        /// The object or file.
        what: String,
        /// The block, from 0.
        index: u64,
        /// The checksum of what was read.
        found: u32,
        /// The checksum of what was written.
        written: u32,
    },
}

/// The bytes of a stored object, read block by block and checked; synchronous, may block.
pub trait BlockSource: Send + Sync + std::fmt::Debug {
    /// Length in bytes.
    fn length(&self) -> u64;
    /// Block `index`, from 0, of [`BLOCK_BYTES`] or the rest; empty beyond the end.
    fn read_block(&self, index: u64) -> Result<Bytes, BlockError>;
    /// The whole of an object that is no more than a block, which is worth reading as soon as it is opened; may block.
    fn only_block(&self) -> Option<Result<Bytes, BlockError>> {
        (self.length() <= BLOCK_BYTES as u64).then(|| self.read_block(0))
    }
    /// Bytes from a position on, some or all, that are in memory as they came; `None` where they have to be read. Never blocks.
    fn at_hand(&self, _position: u64) -> Option<Bytes> {
        None
    }
}

/// An object in memory, such as one just transcoded.
impl BlockSource for Bytes {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read_block(&self, index: u64) -> Result<Bytes, BlockError> {
        let start = usize::try_from(index).ok().and_then(|index| index.checked_mul(BLOCK_BYTES));
        let start = start.unwrap_or(usize::MAX).min(self.len());
        let end = start.saturating_add(BLOCK_BYTES).min(self.len());
        Ok(self.slice(start..end))
    }

    fn at_hand(&self, position: u64) -> Option<Bytes> {
        Some(self.slice(usize::try_from(position).unwrap_or(usize::MAX).min(self.len())..))
    }
}

impl Body {
    /// CRC-32C of each block, made now where there was none.
    pub fn crcs_of_blocks(&self) -> Cow<'_, [u32]> {
        match &self.content {
            Content::Memory(pieces) if self.block_crcs.is_empty() => {
                let mut blocks = Blocks::default();
                for piece in pieces {
                    blocks.add(piece);
                }
                Cow::Owned(blocks.finish())
            }
            Content::Memory(_) | Content::File(_) => Cow::Borrowed(&self.block_crcs),
        }
    }

    /// At least the first so many bytes, up to [`BLOCK_BYTES`] or its end; synchronous, may block.
    pub fn beginning(&self, length: usize) -> Result<Bytes, BlockError> {
        match &self.content {
            Content::Memory(pieces) => Ok(assembled(pieces, 0, length.min(BLOCK_BYTES))),
            Content::File(_) => self.read_block(0),
        }
    }
}

/// An object that has just arrived; what lies in a file is checked as it is read.
impl BlockSource for Body {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_block(&self, index: u64) -> Result<Bytes, BlockError> {
        let offset = index.saturating_mul(BLOCK_BYTES as u64).min(self.length);
        let length = usize::try_from(self.length - offset).unwrap_or(usize::MAX).min(BLOCK_BYTES);
        match &self.content {
            Content::Memory(pieces) => Ok(assembled(pieces, offset, length)),
            Content::File(file) => file.checked_block(index, offset, length, &self.block_crcs),
        }
    }

    fn at_hand(&self, position: u64) -> Option<Bytes> {
        match &self.content {
            Content::Memory(pieces) => Some(piece(pieces, position)),
            Content::File(_) => None,
        }
    }
}

/// The piece from a position on; empty behind the last.
fn piece(pieces: &[Bytes], position: u64) -> Bytes {
    let mut skip = usize::try_from(position).unwrap_or(usize::MAX);
    for piece in pieces {
        if skip < piece.len() {
            return piece.slice(skip..);
        }
        skip -= piece.len();
    }
    Bytes::new()
}

/// The bytes from `offset` on of all pieces in a row; without a copy where they lie in one piece.
fn assembled(pieces: &[Bytes], offset: u64, length: usize) -> Bytes {
    let mut skip = usize::try_from(offset).unwrap_or(usize::MAX);
    let mut block = BytesMut::new();
    for piece in pieces {
        if skip >= piece.len() {
            skip -= piece.len();
            continue;
        }
        let part = piece.slice(skip..piece.len().min(skip.saturating_add(length - block.len())));
        skip = 0;
        if part.len() == length {
            return part;
        }
        // At once what it comes to: growing would copy it again and again.
        block.reserve(length - block.len());
        block.extend_from_slice(&part);
        if block.len() == length {
            break;
        }
    }
    block.freeze()
}

impl SpooledFile {
    fn checked_block(
        &self,
        index: u64,
        offset: u64,
        length: usize,
        crcs: &[u32],
    ) -> Result<Bytes, BlockError> {
        let what = || self.path.display().to_string();
        let bytes = crate::disk::read_exact_at(&*self.file, offset, length)
            .map_err(|source| BlockError::Read { what: what(), index, source })?;
        let written = usize::try_from(index).ok().and_then(|index| crcs.get(index)).copied();
        let found = crc32c::crc32c(&bytes);
        match written {
            Some(written) if written != found => {
                Err(BlockError::Damaged { what: what(), index, found, written })
            }
            _ => Ok(bytes.into()),
        }
    }
}
