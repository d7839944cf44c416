//! The log as what keeps a copy.

use std::sync::Arc;

use outrigger_runtime::disk::DiskFile;
use outrigger_runtime::reserve::Reserve;

use crate::commit::{Batch, Setback};
use crate::engine::{Engine, Forwarded, IsKept, Plan};
use crate::error::AppendError;
use crate::head::Head;
use crate::home::Home;
use crate::ids::Epoch;
use crate::log::open_segment::OpenSegment;
use crate::log::reader::LogReader;
use crate::log::shared::Shared;
use crate::paths::SegmentKey;
use crate::ranges::Ranges;
use crate::reader::JournalReader;

/// The log, owned by whoever writes it.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) shared: Arc<Shared>,
    pub(crate) head: Head,
    pub(crate) epoch: Epoch,
    /// Made by the first append.
    pub(crate) open: Option<OpenSegment>,
    pub(crate) reserve: Reserve,
    /// Segments that could not be carried forward, as long as this process lives.
    pub(crate) stuck: Vec<SegmentKey>,
    /// Held as long as this lives.
    pub(crate) _lock: Arc<dyn DiskFile>,
}

impl Engine for Log {
    fn home(&self) -> &Arc<Home> {
        &self.shared.home
    }

    fn reader(&self) -> JournalReader {
        JournalReader::new(self.shared.home.clone(), Arc::new(LogReader { shared: self.shared.clone() }))
    }

    fn bytes(&self) -> u64 {
        self.shared.index().bytes()
    }

    fn reserve(&mut self) -> &mut Reserve {
        &mut self.reserve
    }

    fn given(&self) -> u64 {
        self.reserve.missing()
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Setback> {
        self.append(batch)
    }

    fn with_kept(&self, asked: &mut dyn FnMut(&IsKept<'_>)) {
        let index = self.shared.index();
        asked(&|seq| index.is_kept(seq));
    }

    fn let_go(&mut self, released: &Ranges) -> Result<(), Setback> {
        let files = self.note(released);
        self.remove(files)
    }

    fn plan(&self) -> Option<Box<dyn Plan>> {
        self.worth_while().map(|plan| Box::new(plan) as Box<dyn Plan>)
    }

    fn put_in_place(&mut self, forwarded: Forwarded) -> Result<(), Setback> {
        match forwarded {
            Forwarded::Log(written) => self.replace(written),
            Forwarded::Sqlite(_) => Ok(()),
        }
    }

    fn leave(&mut self, stuck: Vec<SegmentKey>) {
        self.stuck.extend(stuck);
    }

    fn pause(&mut self) -> Result<(), Setback> {
        Ok(())
    }

    fn close(mut self: Box<Self>) -> Result<(), AppendError> {
        self.seal_open()?;
        self.head.certain = self.shared.index().last_number();
        self.head.release_mark = self.shared.index().release_mark();
        let written = self.head.write(&*self.shared.home.disk, &self.shared.home.paths.head());
        written.map_err(|error| self.shared.home.refused("writing the head", &error))
    }
}
