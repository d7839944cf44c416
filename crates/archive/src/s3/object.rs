//! One object of the store, read by position.

use std::io;

use bytes::Bytes;
use object_store::path::Path as Key;
use object_store::{GetOptions, GetRange, ObjectStore};
use outrigger_runtime::body::BLOCK_BYTES;

use super::{Bucket, Call, S3Error};
use crate::blobs::Ahead;
use crate::source::Source;

/// The end of nearly every blob lies in its last so many bytes, and is read in one request.
const END_BYTES: u64 = 32 << 10;
/// An answer that is shorter than it says is asked for so often.
const READS_MAX: u32 = 3;

/// An object whose last bytes are read already.
#[derive(Debug)]
pub(super) struct Object {
    bucket: Bucket,
    key: Key,
    size: u64,
    tail_at: u64,
    tail: Bytes,
}

/// What a request gave.
struct Part {
    at: u64,
    size: u64,
    bytes: Bytes,
}

impl Object {
    /// Asks for the last bytes of an object, or for all of it where that is no more than a block.
    pub(super) fn open(bucket: Bucket, key: Key, ahead: Ahead) -> io::Result<Self> {
        let last = match ahead {
            Ahead::End => END_BYTES,
            Ahead::Block => BLOCK_BYTES as u64 + END_BYTES,
        };
        let Part { at, size, bytes } = part(&bucket, &key, &GetRange::Suffix(last))?;
        Ok(Self { bucket, key, size, tail_at: at, tail: bytes })
    }
}

impl Source for Object {
    fn shown(&self) -> String {
        self.bucket.shown(&self.key)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }

    fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let end = offset.saturating_add(length as u64);
        if end > self.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(start) = offset.checked_sub(self.tail_at) {
            let start = usize::try_from(start).map_err(io::Error::other)?;
            return Ok(self.tail.slice(start..start + length));
        }
        if length == 0 {
            return Ok(Bytes::new());
        }
        let part = part(&self.bucket, &self.key, &GetRange::Bounded(offset..end))?;
        if part.bytes.len() == length { Ok(part.bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// Asks for a range; what comes short of what its head says was cut on the way and is asked for again.
fn part(bucket: &Bucket, key: &Key, range: &GetRange) -> io::Result<Part> {
    let mut cut = io::Error::from(io::ErrorKind::UnexpectedEof);
    for _ in 0..READS_MAX {
        let (store, asked, range) = (bucket.store.clone(), key.clone(), range.clone());
        let call = async move {
            let options = GetOptions { range: Some(range), ..GetOptions::default() };
            let got = store.get_opts(&asked, options).await?;
            let (size, range) = (got.meta.size, got.range.clone());
            Ok((size, range, got.bytes().await?))
        };
        let (size, range, bytes) = bucket.ask(Call::Give, key, call).map_err(into_io)?;
        if bytes.len() as u64 == range.end - range.start {
            return Ok(Part { at: range.start, size, bytes });
        }
        let what = format!("{} of {} bytes came", bytes.len(), range.end - range.start);
        tracing::warn!(at = bucket.shown(key), what, "an answer of the object store was cut");
        cut = io::Error::new(io::ErrorKind::UnexpectedEof, what);
    }
    Err(cut)
}

fn into_io(error: S3Error) -> io::Error {
    let kind = if error.is_missing() { io::ErrorKind::NotFound } else { io::ErrorKind::Other };
    io::Error::new(kind, error)
}
