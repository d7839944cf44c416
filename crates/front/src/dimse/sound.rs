//! Instances whose bytes are known to be readable before any of them goes out, or are had from somebody else on the way.

use std::sync::Arc;

use outrigger_dimse::{Association, Command, SendObjectError};
use outrigger_runtime::{BlockSource, Threads};

use super::sub_operation::SubOperationError;
use crate::service::{Opened, Retrievable, Service};
use crate::sound::{check, same_elsewhere};

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

/// Reads the first blocks; an object that is a single block is kept as it was read. Damage behind them is met by [`send_sound`].
async fn checked(threads: Threads, opened: Opened) -> Result<Opened, SubOperationError> {
    let read = check(threads, &opened.bytes).await.map_err(SubOperationError::Thread)?;
    let whole = read.map_err(SubOperationError::Read)?;
    Ok(match whole {
        Some(whole) => Opened { bytes: Arc::new(whole), ..opened },
        None => opened,
    })
}

/// An instance that goes out.
pub(super) struct Going<'a> {
    pub(super) service: &'a Arc<dyn Service>,
    pub(super) threads: Threads,
    pub(super) instance: &'a Retrievable,
    /// As it was opened.
    pub(super) opened: Opened,
}

/// Sends an instance in the bytes that were made ready; where some of them turn out on the way not to be readable, they and all behind them
/// come from somebody else who has the very same. Without one the association cannot go on: its message has no end.
pub(super) async fn send_sound(
    association: &mut Association,
    (context, command): (u8, &Command),
    bytes: &Arc<dyn BlockSource>,
    going: Going<'_>,
) -> Result<(), SendObjectError> {
    let Going { service, threads, instance, opened } = going;
    let ended = association.send_object(context, command, bytes, threads).await;
    let Err(SendObjectError::Source { source, sent }) = ended else { return ended };
    match same_elsewhere(service, threads, instance, &opened, &source).await {
        Some(same) => association.send_rest(&same, sent, threads).await,
        None => Err(SendObjectError::Source { source, sent }),
    }
}
