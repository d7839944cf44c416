//! Sending an object block by block, as it is read.

use std::sync::Arc;

use bytes::Bytes;
use outrigger_runtime::body::BLOCK_BYTES;
use outrigger_runtime::threads::WorkLost;
use outrigger_runtime::{BlockError, BlockSource, Threads};

use crate::association::Association;
use crate::command::Command;
use crate::error::AssociationError;
use crate::pdu::Part;

/// Why an object was not sent whole; but for `NotBegun` the association is of no more use after it.
#[derive(Debug, thiserror::Error)]
pub enum SendObjectError {
    /// The first bytes could not be read, so nothing was sent.
    #[error("the object's bytes could not be read")]
    NotBegun(#[source] BlockError),
    /// The association could not go on.
    #[error(transparent)]
    Association(#[from] AssociationError),
    /// Bytes of ours could not be read.
    #[error("the object's bytes could not be read")]
    Source(#[from] BlockError),
    /// The reading thread is gone.
    #[error("the object's bytes could not be read")]
    Thread(#[from] WorkLost),
    /// Fewer bytes were there than the object has.
    #[error("the object has {length} bytes, {sent} could be read")]
    Short {
        /// Its length.
        length: u64,
        /// Bytes sent.
        sent: u64,
    },
}

impl Association {
    /// Sends a message whose data set is an object; one block of it is in memory at a time.
    pub async fn send_object(
        &mut self,
        context: u8,
        command: &Command,
        object: &Arc<dyn BlockSource>,
        threads: Threads,
    ) -> Result<(), SendObjectError> {
        let length = object.length();
        let mut sent = 0;
        let mut block = read(object, 0, threads).await?.map_err(SendObjectError::NotBegun)?;
        self.begin_data(context, command)?;
        loop {
            let read_before = block.len() as u64;
            sent += read_before;
            if sent >= length {
                return Ok(self.push_data(block, Part::Last).await?);
            }
            if read_before < BLOCK_BYTES as u64 {
                return Err(SendObjectError::Short { length, sent });
            }
            self.push_data(block, Part::More).await?;
            block = read(object, sent / BLOCK_BYTES as u64, threads).await??;
        }
    }
}

async fn read(
    object: &Arc<dyn BlockSource>,
    index: u64,
    threads: Threads,
) -> Result<Result<Bytes, BlockError>, WorkLost> {
    let start = index.saturating_mul(BLOCK_BYTES as u64);
    let length = object.length().saturating_sub(start).min(BLOCK_BYTES as u64);
    if let Some(mut bytes) = object.at_hand(start)
        && bytes.len() as u64 >= length
    {
        bytes.truncate(BLOCK_BYTES);
        return Ok(Ok(bytes));
    }
    let object = Arc::clone(object);
    threads.blocking("block read", move || object.read_block(index)).await
}
