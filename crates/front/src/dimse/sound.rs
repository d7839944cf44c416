//! Instances whose bytes are known to be readable before any of them goes out.

use std::sync::Arc;

use outrigger_runtime::Threads;
use outrigger_runtime::body::BLOCK_BYTES;

use super::sub_operation::SubOperationError;
use crate::service::{Opened, Retrievable, Service};

/// Blocks that are read, and so checked, before an object begins to go out: of larger ones the first byte would wait for the
/// disk. Damage behind these ends the association.
const CHECKED_BLOCKS_MAX: u64 = 64;

/// Opens an instance; from somebody else where the bytes of the first who has it cannot be read.
pub(super) async fn open_sound(
    service: &Arc<dyn Service>,
    threads: Threads,
    instance: &Retrievable,
) -> Result<Opened, SubOperationError> {
    let opened = service.open(instance).await.map_err(SubOperationError::Open)?;
    let error = match checked(threads, opened).await {
        Err(error @ SubOperationError::Read(_)) => error,
        ended => return ended,
    };
    tracing::warn!(instance = %instance.sop_instance, error = &error as &dyn std::error::Error, "the bytes of an instance cannot be read here; others are asked");
    let opened = service.open_elsewhere(instance).await.map_err(SubOperationError::Open)?;
    checked(threads, opened).await
}

/// Reads the first blocks; an object that is a single block is kept as it was read.
async fn checked(threads: Threads, opened: Opened) -> Result<Opened, SubOperationError> {
    if opened.bytes.at_hand(0).is_some() {
        return Ok(opened);
    }
    let bytes = Arc::clone(&opened.bytes);
    let work = move || {
        if bytes.length() <= BLOCK_BYTES as u64 {
            return bytes.read_block(0).map(Some);
        }
        let blocks = bytes.length().div_ceil(BLOCK_BYTES as u64).min(CHECKED_BLOCKS_MAX);
        (0..blocks).try_for_each(|index| bytes.read_block(index).map(drop)).map(|()| None)
    };
    let read = threads.blocking("check", work).await.map_err(SubOperationError::Thread)?;
    let whole = read.map_err(SubOperationError::Read)?;
    Ok(match whole {
        Some(whole) => Opened { bytes: Arc::new(whole), ..opened },
        None => opened,
    })
}
