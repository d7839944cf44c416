//! Reading a file front to back, or in hops, with few calls.

use std::io;
use std::sync::Arc;

use outrigger_runtime::DiskFile;

/// A stretch of a file, held in memory and moved on demand.
#[derive(Debug)]
pub(crate) struct Window {
    file: Arc<dyn DiskFile>,
    /// Where the file is taken to end.
    end: u64,
    ahead: usize,
    start: u64,
    held: Vec<u8>,
}

impl Window {
    /// A window on the first `end` bytes of `file` that reads at least `ahead` bytes at once.
    pub(crate) fn new(file: Arc<dyn DiskFile>, end: u64, ahead: usize) -> Self {
        Self { file, end, ahead, start: 0, held: Vec::new() }
    }

    /// Where the file is taken to end.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// `length` bytes at `offset`, or `None` if the file ends before.
    pub(crate) fn get(&mut self, offset: u64, length: usize) -> io::Result<Option<&[u8]>> {
        let Some(last) = offset.checked_add(length as u64).filter(|last| *last <= self.end) else {
            return Ok(None);
        };
        let held_end = self.start + self.held.len() as u64;
        if offset < self.start || last > held_end {
            let room = usize::try_from(self.end - offset).unwrap_or(usize::MAX);
            self.held.resize(length.max(self.ahead).min(room), 0);
            self.start = offset;
            let read = self.file.read_at(&mut self.held, offset)?;
            self.held.truncate(read);
        }
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        Ok(self.held.get(from..).and_then(|held| held.get(..length)))
    }

    /// `N` bytes at `offset`, or `None` if the file ends before.
    pub(crate) fn array<const N: usize>(&mut self, offset: u64) -> io::Result<Option<[u8; N]>> {
        Ok(self.get(offset, N)?.and_then(|bytes| bytes.first_chunk::<N>()).copied())
    }
}
