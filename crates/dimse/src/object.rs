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
    /// Bytes of ours could not be read behind so many, all of whole blocks; the rest may come from elsewhere.
    #[error("the object's bytes could not be read behind the first {sent}")]
    Source {
        /// Why.
        source: BlockError,
        /// Bytes sent.
        sent: u64,
    },
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
        let block = read(object, 0, threads).await?.map_err(SendObjectError::NotBegun)?;
        self.begin_data(context, command)?;
        self.push_object(object, block, 0, threads).await
    }

    /// Sends the rest of an object of which the bytes could not be read behind those sent, from where the same bytes can be.
    pub async fn send_rest(
        &mut self,
        object: &Arc<dyn BlockSource>,
        sent: u64,
        threads: Threads,
    ) -> Result<(), SendObjectError> {
        let block = read(object, sent / BLOCK_BYTES as u64, threads).await?;
        let block = block.map_err(|source| SendObjectError::Source { source, sent })?;
        self.push_object(object, block, sent, threads).await
    }

    /// Sends a block behind those sent, and all that follow it.
    async fn push_object(
        &mut self,
        object: &Arc<dyn BlockSource>,
        mut block: Bytes,
        mut sent: u64,
        threads: Threads,
    ) -> Result<(), SendObjectError> {
        let length = object.length();
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
            let next = read(object, sent / BLOCK_BYTES as u64, threads).await?;
            block = next.map_err(|source| SendObjectError::Source { source, sent })?;
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
