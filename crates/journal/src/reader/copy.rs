//! Reading one copy, while its writer writes, whatever engine keeps the records.

use std::fmt;
use std::sync::Arc;

use outrigger_runtime::BlockSource;

use crate::error::ReadError;
use crate::home::{Contents, Home};
use crate::ids::Seq;
use crate::reader::Scrub;
use crate::record::Entry;

/// What an engine has to read with; synchronous, may block.
pub(crate) trait Reads: fmt::Debug + Send + Sync {
    /// See [`JournalReader::records`](crate::JournalReader::records).
    fn records(&self, after: Seq, limit: usize) -> Result<Vec<Entry>, ReadError>;
    /// See [`JournalReader::body`](crate::JournalReader::body).
    fn body(&self, seq: Seq) -> Result<Arc<dyn BlockSource>, ReadError>;
    /// See [`JournalReader::is_known_released`](crate::JournalReader::is_known_released).
    fn is_known_released(&self, seq: Seq) -> bool;
    /// The last number that is durable in this copy.
    fn tail(&self) -> Seq;
    /// How much is kept.
    fn contents(&self) -> Contents;
    /// Begins to check everything anew.
    fn scrub(&self) -> Scrub;
}

/// Reads one copy; clones share its index.
#[derive(Debug, Clone)]
pub(crate) struct CopyReader {
    pub(crate) home: Arc<Home>,
    reads: Arc<dyn Reads>,
}

impl CopyReader {
    pub(crate) fn new(home: Arc<Home>, reads: Arc<dyn Reads>) -> Self {
        Self { home, reads }
    }

    pub(crate) fn contents(&self) -> Contents {
        self.reads.contents()
    }

    /// The others of these copies.
    pub(crate) fn others<'a>(&'a self, copies: &'a [Self]) -> impl Iterator<Item = &'a Self> {
        copies.iter().filter(|other| !Arc::ptr_eq(&self.home, &other.home))
    }
}

impl std::ops::Deref for CopyReader {
    type Target = dyn Reads;

    fn deref(&self) -> &Self::Target {
        &*self.reads
    }
}
