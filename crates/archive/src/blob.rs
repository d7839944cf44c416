//! The blob of one object, a file or what an object store keeps: its data set from offset 0, and behind it all that is needed to check and to catalogue it.
//!
//! ```text
//! data set            `length` bytes, exactly as transferred
//! block checksums     CRC-32C of every 1 MiB of it, 4 bytes each
//! facts               JSON: identifying attributes, transfer syntax, SHA-256, length, time, issuer
//! end                 length (8) ; length of the facts (4) ; CRC-32C of checksums, facts and these 12 bytes (4) ; `OUTRIGB1`
//! ```
//!
//! Numbers are little endian. A file whose end is not there was never synced and never acknowledged.

use std::io;

use bytes::Bytes;
use outrigger_catalogue::{CatalogueInstance, Version};
use outrigger_model::{InstanceHeader, Sha256Digest, SopInstanceUid, TransferSyntaxUid, WallTime};
use outrigger_runtime::body::BLOCK_BYTES;
use outrigger_runtime::{BlockError, BlockSource};
use serde::{Deserialize, Serialize};

use crate::source::Source;

const MAGIC: [u8; 8] = *b"OUTRIGB1";
const END_BYTES: usize = 24;
/// Longest facts taken from a file: a few hundred identifying attributes of a kilobyte each, far above any real object.
const FACTS_BYTES_MAX: u32 = 1 << 20;

/// What a blob says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) header: InstanceHeader,
    pub(crate) transfer_syntax: TransferSyntaxUid,
    pub(crate) sha256: Sha256Digest,
    pub(crate) length: u64,
    pub(crate) stored_at: WallTime,
    /// Default issuer of patient ID of where it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
}

impl Facts {
    /// The row for a blob at a place.
    pub(crate) fn row(&self, place: u64) -> CatalogueInstance {
        CatalogueInstance {
            header: self.header.clone(),
            issuer: self.issuer.clone(),
            version: Version {
                transfer_syntax: self.transfer_syntax.clone(),
                sha256: self.sha256,
                length: self.length,
                stored_at: self.stored_at,
                place,
            },
        }
    }
}

/// Why a file is no blob, or not a whole one.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The disk failed.
    #[error("the object {at} could not be read")]
    Read {
        /// Where it is.
        at: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Its end is missing or damaged.
    #[error("the object {at} has no sound end: {what}")]
    BadEnd {
        /// Where it is.
        at: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Its facts cannot be read.
    #[error("the facts in the object {at} cannot be read")]
    BadFacts {
        /// Where it is.
        at: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// It is whole, and of another object than its name says.
    #[error("the object {at} is that of another object, {found}; put the right one in its place")]
    Another {
        /// Where it is.
        at: String,
        /// The object it holds.
        found: SopInstanceUid,
    },
    /// Every block of its data set fits its checksum, and they are not what was stored.
    #[error("the object {at} has another SHA-256 than it was stored with")]
    Otherwise {
        /// Where it is.
        at: String,
    },
    /// Its data set is damaged.
    #[error("the object {at} is damaged")]
    Damaged {
        /// Where it is.
        at: String,
        /// The block.
        #[source]
        source: BlockError,
    },
}

/// What stands behind the data set.
pub(crate) fn trailer(facts: &Facts, block_crcs: &[u32]) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes: Vec<u8> = block_crcs.iter().flat_map(|crc| crc.to_le_bytes()).collect();
    let checksums = bytes.len();
    serde_json::to_writer(&mut bytes, facts)?;
    // The facts are bounded by what the scanner keeps; one that were not would be refused when read.
    let facts_bytes = u32::try_from(bytes.len() - checksums).unwrap_or(u32::MAX);
    bytes.extend(facts.length.to_le_bytes());
    bytes.extend(facts_bytes.to_le_bytes());
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    bytes.extend(MAGIC);
    Ok(bytes)
}

/// A blob open for reading, its end checked.
#[derive(Debug)]
pub(crate) struct Blob {
    pub(crate) facts: Facts,
    source: Box<dyn Source>,
    block_crcs: Vec<u32>,
    /// All of it, where it was read ahead.
    whole: Option<Bytes>,
}

impl Blob {
    /// Checks the end of the blob that is named by `sha256`; the data set is checked block by block as it is read.
    pub(crate) fn open(source: Box<dyn Source>, sha256: &Sha256Digest) -> Result<Self, BlobError> {
        let read = |error| BlobError::Read { at: source.shown(), source: error };
        let bad = |what| BlobError::BadEnd { at: source.shown(), what };
        let size = source.size().map_err(read)?;
        let end_at = size.checked_sub(END_BYTES as u64).ok_or_else(|| bad("it is too short"))?;
        let end = source.read(end_at, END_BYTES).map_err(read)?;
        let end = End::parse(&end).ok_or_else(|| bad("the mark is missing"))?;
        if end.facts_bytes > FACTS_BYTES_MAX {
            return Err(bad("the facts are too long"));
        }
        let checksums_bytes = end.length.div_ceil(BLOCK_BYTES as u64).saturating_mul(4);
        let expected = end.length.saturating_add(checksums_bytes).saturating_add(u64::from(end.facts_bytes));
        if expected != end_at {
            return Err(bad("the lengths do not add up"));
        }
        let between = usize::try_from(end_at - end.length).map_err(|_| bad("it is too long"))?;
        let between = source.read(end.length, between).map_err(read)?;
        if end.crc_with(&between) != end.crc {
            return Err(bad("the checksum does not fit"));
        }
        let checksums = usize::try_from(checksums_bytes).map_err(|_| bad("it is too long"))?;
        let (checksums, facts) = between.split_at_checked(checksums).ok_or_else(|| bad("it is too short"))?;
        let facts: Facts = serde_json::from_slice(facts)
            .map_err(|error| BlobError::BadFacts { at: source.shown(), source: error })?;
        if facts.length != end.length {
            return Err(bad("the facts name another length"));
        }
        if facts.sha256 != *sha256 {
            return Err(BlobError::Another { at: source.shown(), found: facts.header.sop_instance });
        }
        let block_crcs = checksums.as_chunks::<4>().0.iter().map(|crc| u32::from_le_bytes(*crc)).collect();
        Ok(Self { facts, source, block_crcs, whole: None })
    }

    /// What is no more than a block is read now, as it is sent at once; what cannot be read says so to whoever reads it.
    pub(crate) fn read_ahead(self) -> Self {
        let whole = self.only_block().and_then(Result::ok);
        Self { whole, ..self }
    }

    /// Reads the whole data set and checks it.
    pub(crate) fn check(&self) -> Result<(), BlobError> {
        (0..self.block_crcs.len() as u64).try_for_each(|index| self.checked(index).map(drop))
    }

    /// That its SHA-256 is another.
    pub(crate) fn otherwise(&self) -> BlobError {
        BlobError::Otherwise { at: self.source.shown() }
    }

    /// Reads a block and checks it.
    pub(crate) fn checked(&self, index: u64) -> Result<Bytes, BlobError> {
        self.read_block(index).map_err(|error| match error {
            BlockError::Read { source, .. } => BlobError::Read { at: self.source.shown(), source },
            source @ BlockError::Damaged { .. } => BlobError::Damaged { at: self.source.shown(), source },
        })
    }
}

impl BlockSource for Blob {
    fn length(&self) -> u64 {
        self.facts.length
    }

    fn read_block(&self, index: u64) -> Result<Bytes, BlockError> {
        let what = || self.source.shown();
        let written = usize::try_from(index).ok().and_then(|index| self.block_crcs.get(index).copied());
        let Some(written) = written else { return Ok(Bytes::new()) };
        let start = index * BLOCK_BYTES as u64;
        let length = (self.facts.length - start).min(BLOCK_BYTES as u64);
        // At most BLOCK_BYTES, so it fits.
        let length = usize::try_from(length).unwrap_or(BLOCK_BYTES);
        let bytes = self.source.read(start, length);
        let bytes = bytes.map_err(|source| BlockError::Read { what: what(), index, source })?;
        let found = crc32c::crc32c(&bytes);
        if found != written {
            return Err(BlockError::Damaged { what: what(), index, found, written });
        }
        Ok(bytes)
    }

    fn at_hand(&self, position: u64) -> Option<Bytes> {
        self.whole.as_ref()?.at_hand(position)
    }
}

/// The last bytes of a blob.
struct End {
    length: u64,
    facts_bytes: u32,
    crc: u32,
}

impl End {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<8>()?;
        let (facts_bytes, rest) = rest.split_first_chunk::<4>()?;
        let (crc, magic) = rest.split_first_chunk::<4>()?;
        (magic == MAGIC).then(|| Self {
            length: u64::from_le_bytes(*length),
            facts_bytes: u32::from_le_bytes(*facts_bytes),
            crc: u32::from_le_bytes(*crc),
        })
    }

    fn crc_with(&self, between: &[u8]) -> u32 {
        let crc = crc32c::crc32c_append(crc32c::crc32c(between), &self.length.to_le_bytes());
        crc32c::crc32c_append(crc, &self.facts_bytes.to_le_bytes())
    }
}
