//! Whether the bytes of an opened instance can be read, known before any of them goes out; and where they are had from if it turns out
//! on the way that some cannot.

use std::sync::Arc;

use bytes::Bytes;
use outrigger_runtime::body::BLOCK_BYTES;
use outrigger_runtime::threads::WorkLost;
use outrigger_runtime::{BlockError, BlockSource, Threads};

use crate::service::{Opened, Provenance, Retrievable, Service};

/// Blocks that are read, and so checked, before anything of an object goes out: of larger ones the first byte would wait for the
/// disk.
const CHECKED_BLOCKS_MAX: u64 = 64;

/// Reads the first blocks of an object; one that is a single block is given as it was read. What is at hand is not read.
pub(crate) async fn check(
    threads: Threads,
    bytes: &Arc<dyn BlockSource>,
) -> Result<Result<Option<Bytes>, BlockError>, WorkLost> {
    if bytes.at_hand(0).is_some() {
        return Ok(Ok(None));
    }
    let bytes = Arc::clone(bytes);
    let work = move || {
        if let Some(whole) = bytes.only_block() {
            return whole.map(Some);
        }
        let blocks = bytes.length().div_ceil(BLOCK_BYTES as u64).min(CHECKED_BLOCKS_MAX);
        (0..blocks).try_for_each(|index| bytes.read_block(index).map(drop)).map(|()| None)
    };
    threads.blocking("check", work).await
}

/// The same bytes from somebody else, where they are the same as far as ours can be read: some are out already, and bytes that are
/// merely as good cannot be put behind them.
pub(crate) async fn same_elsewhere(
    service: &Arc<dyn Service>,
    threads: Threads,
    instance: &Retrievable,
    ours: &Opened,
    unread: &BlockError,
) -> Option<Arc<dyn BlockSource>> {
    let uid = &instance.sop_instance;
    tracing::warn!(instance = %uid, error = unread as &dyn std::error::Error, "a block of an instance cannot be read; others are asked");
    let other = match service.open_elsewhere(instance).await {
        Ok(other) => other,
        Err(refusal) => {
            let error = &refusal as &dyn std::error::Error;
            tracing::warn!(instance = %uid, error, "nobody else gives the bytes of an instance");
            return None;
        }
    };
    let is_alike = other.transfer_syntax == ours.transfer_syntax
        && other.provenance == Provenance::Proven
        && other.bytes.length() == ours.bytes.length();
    let (here, there) = (Arc::clone(&ours.bytes), Arc::clone(&other.bytes));
    let is_same = is_alike && threads.blocking("compare", move || agree(&*here, &*there)).await.ok()?;
    if !is_same {
        tracing::warn!(instance = %uid, "the bytes that others have are not those being sent");
    }
    is_same.then_some(other.bytes)
}

/// Whether all blocks that both give are equal, and the other gives all; synchronous, may block.
fn agree(ours: &dyn BlockSource, theirs: &dyn BlockSource) -> bool {
    (0..ours.length().div_ceil(BLOCK_BYTES as u64)).all(|index| {
        match (ours.read_block(index), theirs.read_block(index)) {
            (Ok(ours), Ok(theirs)) => ours == theirs,
            // That ours cannot be read is why the other was asked.
            (Err(_), Ok(_)) => true,
            (_, Err(_)) => false,
        }
    })
}

#[cfg(test)]
mod tests;
