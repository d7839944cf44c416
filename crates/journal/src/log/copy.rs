//! The log as what keeps a copy.

use std::sync::Arc;

use crate::commit::{Batch, Setback};
use crate::engine::{Engine, Forwarded, IsKept, Plan, of_another};
use crate::home::Home;
use crate::keeping::Keeping;
use crate::log::open_segment::OpenSegment;
use crate::log::reader::LogReader;
use crate::log::shared::Shared;
use crate::ranges::Ranges;
use crate::reader::CopyReader;

/// The log, owned by whoever writes it.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) shared: Arc<Shared>,
    pub(crate) keeping: Keeping,
    /// Made by the first append.
    pub(crate) open: Option<OpenSegment>,
}

impl Engine for Log {
    fn home(&self) -> &Arc<Home> {
        &self.shared.home
    }

    fn reader(&self) -> CopyReader {
        CopyReader::new(self.shared.home.clone(), Arc::new(LogReader { shared: self.shared.clone() }))
    }

    fn bytes(&self) -> u64 {
        self.shared.index().bytes()
    }

    fn keeping(&self) -> &Keeping {
        &self.keeping
    }

    fn keeping_mut(&mut self) -> &mut Keeping {
        &mut self.keeping
    }

    fn write(&mut self, batch: &Batch) -> Result<(), Setback> {
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
            Forwarded::Sqlite(_) => Err(of_another()),
        }
    }

    fn pause(&mut self) -> Result<(), Setback> {
        Ok(())
    }

    fn close(mut self: Box<Self>) -> Result<(), Setback> {
        self.seal()?;
        let (last_number, release_mark) = {
            let index = self.shared.index();
            (index.last_number(), index.release_mark())
        };
        self.keeping.close(&self.shared.home, last_number, release_mark)
    }
}
