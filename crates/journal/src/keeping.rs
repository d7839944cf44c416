//! What the owner of a copy holds, whatever engine keeps it.

use std::sync::Arc;

use outrigger_runtime::DiskFile;
use outrigger_runtime::reserve::Reserve;

use crate::begin::with_room;
use crate::commit::{Setback, before_sync, for_good};
use crate::head::{Generation, Head};
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
    /// Of the place, held as long as anybody writes there.
    _lock: Arc<dyn DiskFile>,
}

impl Keeping {
    pub(crate) fn new(head: Head, reserve: Reserve, lock: Arc<dyn DiskFile>) -> Self {
        Self { head, reserve, stuck: Vec::new(), _lock: lock }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.head.epoch
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// Writes down the generation this copy is of, and with which others.
    pub(crate) fn enter(&mut self, home: &Home, generation: &Generation) -> Result<(), Setback> {
        let Generation { number, copies } = generation.clone();
        let head = Head { generation: number, copies, ..self.head.clone() };
        self.replace_head(home, head)
    }

    /// Writes down the start that is under way, where another copy knew of a later one.
    pub(crate) fn begin_epoch(&mut self, home: &Home, epoch: Epoch) -> Result<(), Setback> {
        if self.head.epoch == epoch {
            return Ok(());
        }
        let head = Head { epoch, ..self.head.clone() };
        self.replace_head(home, head)
    }

    fn replace_head(&mut self, home: &Home, head: Head) -> Result<(), Setback> {
        let path = home.paths.head();
        let written = with_room(&mut self.reserve, || head.write(&*home.disk, &path));
        written.map_err(for_good("writing the head"))?;
        home.set_generation(head.generation);
        self.head = head;
        Ok(())
    }

    /// Writes down that all segments are on the disk for certain, and what of their bodies is let go.
    pub(crate) fn close(&mut self, home: &Home, last_number: u32, release_mark: Seq) -> Result<(), Setback> {
        (self.head.certain, self.head.release_mark) = (last_number, release_mark);
        let written = self.head.write(&*home.disk, &home.paths.head());
        written.map_err(before_sync("writing the head"))
    }
}
