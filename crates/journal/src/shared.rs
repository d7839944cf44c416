//! What the writer and the readers share.

use std::path::PathBuf;

use crate::ids::{JournalId, Seq};
use crate::state::JournalState;

/// What the writer and the readers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) journal: JournalId,
    pub(crate) tail: Seq,
    pub(crate) state: JournalState,
    pub(crate) spool_directory: PathBuf,
}
