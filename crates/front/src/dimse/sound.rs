//! Instances whose bytes are known to be readable before any of them goes out.

use std::sync::Arc;

use outrigger_runtime::Threads;

use super::sub_operation::SubOperationError;
use crate::service::{Opened, Retrievable, Service};
use crate::sound::check;

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

/// Reads the first blocks; an object that is a single block is kept as it was read. Damage behind them ends the association.
async fn checked(threads: Threads, opened: Opened) -> Result<Opened, SubOperationError> {
    let read = check(threads, &opened.bytes).await.map_err(SubOperationError::Thread)?;
    let whole = read.map_err(SubOperationError::Read)?;
    Ok(match whole {
        Some(whole) => Opened { bytes: Arc::new(whole), ..opened },
        None => opened,
    })
}
