//! Whether the bytes of an opened instance can be read, known before any of them goes out.

use std::sync::Arc;

use bytes::Bytes;
use outrigger_runtime::body::BLOCK_BYTES;
use outrigger_runtime::threads::WorkLost;
use outrigger_runtime::{BlockError, BlockSource, Threads};

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
        if bytes.length() <= BLOCK_BYTES as u64 {
            return bytes.read_block(0).map(Some);
        }
        let blocks = bytes.length().div_ceil(BLOCK_BYTES as u64).min(CHECKED_BLOCKS_MAX);
        (0..blocks).try_for_each(|index| bytes.read_block(index).map(drop)).map(|()| None)
    };
    threads.blocking("check", work).await
}
