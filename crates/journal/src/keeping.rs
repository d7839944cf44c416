//! What the owner of a copy holds, whatever engine keeps it.

use std::sync::Arc;

use outrigger_runtime::DiskFile;
use outrigger_runtime::reserve::Reserve;

use crate::error::AppendError;
use crate::head::Head;
use crate::home::Home;
use crate::ids::{Epoch, Seq};
use crate::paths::SegmentKey;

/// What the owner of a copy holds.
#[derive(Debug)]
pub(crate) struct Keeping {
    head: Head,
    pub(crate) reserve: Reserve,
    /// Segments that could not be carried forward, as long as this process lives.
    pub(crate) stuck: Vec<SegmentKey>,
    /// Held as long as this lives.
    _lock: Arc<dyn DiskFile>,
}

impl Keeping {
    pub(crate) fn new(head: Head, reserve: Reserve, lock: Arc<dyn DiskFile>) -> Self {
        Self { head, reserve, stuck: Vec::new(), _lock: lock }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.head.epoch
    }

    /// Writes down that all segments are on the disk for certain, and what of their bodies is let go.
    pub(crate) fn close(
        &mut self,
        home: &Home,
        last_number: u32,
        release_mark: Seq,
    ) -> Result<(), AppendError> {
        (self.head.certain, self.head.release_mark) = (last_number, release_mark);
        let written = self.head.write(&*home.disk, &home.paths.head());
        written.map_err(|error| home.refused("writing the head", &error))
    }
}
