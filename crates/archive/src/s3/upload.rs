//! Putting an object: in one request where it is small, in parts from the spool where it is large; acknowledged only if what the
//! store says of it is right, or what it gives back.
//!
//! Each request carries the SHA-256 of what it brings (`x-amz-checksum-sha256`), which a server that knows it checks. The ETag
//! says what came: the MD5 of an object put at once, the MD5 of the MD5s of its parts else. Where it says anything else (a store
//! that encrypts says what it likes), the object is read back.

use bytes::Bytes;
use md5::{Digest as _, Md5};
use object_store::path::Path as Key;
use object_store::{MultipartUpload, PutPayload, PutResult};
use outrigger_runtime::{BlockError, BlockSource, Body, Content};
use sha2::Sha256;

use super::waiting::waited;
use super::{Bucket, Call, PLACE, S3, S3Error};
use crate::blob::{BlobError, Facts, trailer};
use crate::blobs::{Ahead, Blobs};
use crate::store::StoreError;

/// What is sent in one request at most, in bytes: above the 5 MiB that S3 asks of parts, and 10,000 of them are 80 GB.
const PART_BYTES: usize = 8 << 20;

/// Puts an object and sees that it is kept.
pub(super) fn put(s3: &S3, facts: &Facts, body: &Body) -> Result<(), StoreError> {
    let end: Bytes = trailer(facts, &body.block_crcs).map_err(StoreError::Facts)?.into();
    let key = s3.bucket.blob(&facts.sha256);
    // Dropped when it is put: large ones wait for one another, as each has a part in memory.
    let _permit = match &body.content {
        Content::Memory(_) => None,
        Content::File(_) => waited(&s3.bucket.runtime, s3.uploads.clone().acquire_owned()),
    };
    let pieces = Pieces { body, end, next: 0 };
    let (answered, expected) = if body.length <= PART_BYTES as u64 {
        put_whole(&s3.bucket, &key, pieces)?
    } else {
        put_parts(&s3.bucket, &key, pieces)?
    };
    let e_tag = answered.e_tag.as_deref().map(|e_tag| e_tag.trim_matches('"').to_ascii_lowercase());
    if e_tag.as_deref() == Some(expected.as_str()) {
        return Ok(());
    }
    tracing::debug!(?e_tag, expected, "the ETag of an object is not its MD5: it is read back");
    read_back(s3, facts, &key)
}

/// The object as it is sent: its data set by blocks, each checked as it is read, and its end.
struct Pieces<'b> {
    body: &'b Body,
    end: Bytes,
    next: u64,
}

impl Pieces<'_> {
    /// The next bytes, at least `least` of them unless these are the last; none behind the end.
    fn take(&mut self, least: usize) -> Result<Vec<Bytes>, BlockError> {
        let (mut taken, mut length) = (Vec::new(), 0);
        while length < least {
            let block = self.body.read_block(self.next)?;
            if block.is_empty() {
                if !self.end.is_empty() {
                    taken.push(std::mem::take(&mut self.end));
                }
                break;
            }
            self.next += 1;
            length += block.len();
            taken.push(block);
        }
        Ok(taken)
    }
}

fn put_whole(bucket: &Bucket, key: &Key, mut pieces: Pieces<'_>) -> Result<(PutResult, String), StoreError> {
    let pieces = pieces.take(usize::MAX).map_err(StoreError::Spool)?;
    let expected = hex(&md5(&pieces));
    let (store, at) = (bucket.store.clone(), key.clone());
    let payload: PutPayload = pieces.into_iter().collect();
    let call = async move { object_store::ObjectStoreExt::put(&*store, &at, payload).await };
    let answered = bucket.ask(Call::Take, key, call).map_err(StoreError::Object)?;
    Ok((answered, expected))
}

fn put_parts(bucket: &Bucket, key: &Key, mut pieces: Pieces<'_>) -> Result<(PutResult, String), StoreError> {
    let (store, at) = (bucket.store.clone(), key.clone());
    let begun = async move { object_store::ObjectStoreExt::put_multipart(&*store, &at).await };
    let mut upload = bucket.ask(Call::Take, key, begun).map_err(StoreError::Object)?;
    let sent = send_parts(bucket, key, &mut pieces, &mut upload);
    let sums = match sent {
        Ok(sums) => sums,
        Err(error) => {
            give_up(bucket, key, upload);
            return Err(error);
        }
    };
    let ended = async move {
        match upload.complete().await {
            Ok(answered) => Ok(Ok(answered)),
            Err(error) => Ok(Err((error, upload))),
        }
    };
    match bucket.ask(Call::Take, key, ended).map_err(StoreError::Object)? {
        Ok(answered) => {
            let parts = sums.len() / Md5::output_size();
            Ok((answered, format!("{}-{parts}", hex(&md5(&[sums.into()])))))
        }
        Err((error, upload)) => {
            give_up(bucket, key, upload);
            let outcome: object_store::Result<(PutResult, String)> = Err(error);
            bucket.noted(Call::Take, key, outcome).map_err(StoreError::Object)
        }
    }
}

/// Sends part after part; gives the MD5s of all in a row.
fn send_parts(
    bucket: &Bucket,
    key: &Key,
    pieces: &mut Pieces<'_>,
    upload: &mut Box<dyn MultipartUpload>,
) -> Result<Vec<u8>, StoreError> {
    let mut sums = Vec::new();
    loop {
        let part = pieces.take(PART_BYTES).map_err(StoreError::Spool)?;
        if part.is_empty() {
            return Ok(sums);
        }
        sums.extend(md5(&part));
        let sent = upload.put_part(part.into_iter().collect());
        bucket.ask(Call::Take, key, sent).map_err(StoreError::Object)?;
    }
}

/// Tells the store that the parts are not wanted; one that does not hear it keeps them until its own rule removes them.
fn give_up(bucket: &Bucket, key: &Key, mut upload: Box<dyn MultipartUpload>) {
    if let Err(error) = bucket.ask(Call::Remove, key, async move { upload.abort().await }) {
        tracing::warn!(error = &error as &dyn std::error::Error, "parts of an object are left in the store");
    }
}

/// Reads an object as it is kept: its end, every block, and their digest.
fn read_back(s3: &S3, facts: &Facts, key: &Key) -> Result<(), StoreError> {
    let at = s3.bucket.shown(key);
    let kept = |error: BlobError| match error {
        BlobError::Read { source, .. } => StoreError::ReadBack { at: at.clone(), source },
        other => StoreError::Object(S3Error::NotKept { at: at.clone(), what: other.to_string() }),
    };
    let blob = s3.open(PLACE, &facts.sha256, Ahead::Block).map_err(&kept)?;
    let mut digest = Sha256::new();
    for block in 0..blob.length().div_ceil(outrigger_runtime::body::BLOCK_BYTES as u64) {
        digest.update(blob.checked(block).map_err(&kept)?);
    }
    if <[u8; 32]>::from(digest.finalize()) == facts.sha256.0 {
        return Ok(());
    }
    Err(StoreError::Object(S3Error::NotKept { at, what: "its digest is another".to_owned() }))
}

fn md5(pieces: &[Bytes]) -> [u8; 16] {
    let mut md5 = Md5::new();
    for piece in pieces {
        md5.update(piece);
    }
    md5.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
