//! The bytes of objects, one behind the other in a file beside the database.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bytes::Bytes;
use outrigger_runtime::disk::read_exact_at;
use outrigger_runtime::{BlockError, BlockSource, DiskFile};

use crate::ahead::Ahead;

/// A file of bodies that grows.
#[derive(Debug)]
pub(crate) struct Bodies {
    pub(crate) file: Arc<dyn DiskFile>,
    /// Where the last body ends that counts.
    pub(crate) end: u64,
    ahead: Ahead,
    syncing: Syncing,
}

/// The thread that syncs the file while the rows are committed: one after the other takes twice as long (docs/journal-layout.md).
#[derive(Debug)]
struct Syncing {
    ask: SyncSender<()>,
    done: Receiver<io::Result<()>>,
}

impl Bodies {
    /// Bodies in a file that ends at `end`.
    pub(crate) fn new(file: Arc<dyn DiskFile>, end: u64, room_max: u64) -> io::Result<Self> {
        let syncing = Syncing::start(file.clone())?;
        Ok(Self { file, end, ahead: Ahead::new(end, room_max), syncing })
    }

    /// Writes bodies behind the last that counts, without sync, and gives where each stands and where the last ends.
    pub(crate) fn write(&mut self, bodies: &[&[Bytes]]) -> io::Result<(Vec<u64>, u64)> {
        let mut at = self.end;
        let mut offsets = Vec::with_capacity(bodies.len());
        for body in bodies {
            offsets.push(at);
            at += body.iter().map(|piece| piece.len() as u64).sum::<u64>();
        }
        if at > self.end {
            self.ahead.make(&*self.file, self.end, at)?;
            let parts: Vec<IoSlice<'_>> =
                bodies.iter().flat_map(|body| body.iter().map(|piece| IoSlice::new(piece))).collect();
            self.file.write_at(&parts, self.end)?;
        }
        Ok((offsets, at))
    }

    /// Begins to sync what was written.
    pub(crate) fn begin_sync(&self) -> io::Result<()> {
        self.syncing.ask.send(()).map_err(|_| gone())
    }

    /// Waits until that is done.
    pub(crate) fn end_sync(&self) -> io::Result<()> {
        self.syncing.done.recv().map_err(|_| gone())?
    }

    /// Takes back what was written behind the last body that counts.
    pub(crate) fn roll_back(&mut self) -> io::Result<()> {
        self.ahead.roll_back(&*self.file, self.end)
    }
}

impl Syncing {
    fn start(file: Arc<dyn DiskFile>) -> io::Result<Self> {
        let (ask, asked) = sync_channel::<()>(1);
        let (told, done) = sync_channel(1);
        let work = move || {
            while asked.recv().is_ok() {
                if told.send(file.sync_data()).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("journal bodies".to_owned()).spawn(work)?;
        Ok(Self { ask, done })
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that syncs the bodies is gone")
}

/// A body beside the database, of at most one block.
#[derive(Debug)]
pub(crate) struct BesideBody {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) what: String,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) crc: u32,
}

impl BlockSource for BesideBody {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_block(&self, index: u64) -> Result<Bytes, BlockError> {
        if index > 0 || self.length == 0 {
            return Ok(Bytes::new());
        }
        let read = usize::try_from(self.length)
            .map_err(io::Error::other)
            .and_then(|length| read_exact_at(&*self.file, self.offset, length));
        let bytes = read.map_err(|source| BlockError::Read { what: self.what.clone(), index, source })?;
        let found = crc32c::crc32c(&bytes);
        if found != self.crc {
            let (what, written) = (self.what.clone(), self.crc);
            return Err(BlockError::Damaged { what, index, found, written });
        }
        Ok(bytes.into())
    }
}
