//! The local audit file: appended line by line, synced batch by batch.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use outrigger_runtime::DiskFile;
use outrigger_runtime::disk::Access;
use outrigger_runtime::disk::ArcDisk;

/// The audit file, open for appending.
#[derive(Debug)]
pub(crate) struct AuditFile {
    file: Arc<dyn DiskFile>,
    length: u64,
}

impl AuditFile {
    /// Opens the file, made if missing.
    pub(crate) fn open(disk: &ArcDisk, path: &Path) -> io::Result<Self> {
        let file = match disk.open(path, Access::ReadWrite) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let directory = path.parent().unwrap_or(Path::new("."));
                disk.create_directory(directory)?;
                let file = disk.create(path)?;
                disk.sync_directory(directory)?;
                file
            }
            opened => opened?,
        };
        let length = file.length()?;
        Ok(Self { file, length })
    }

    /// Appends lines and makes them durable.
    pub(crate) fn append(&mut self, lines: &[String]) -> io::Result<()> {
        let mut parts = Vec::with_capacity(lines.len() * 2);
        for line in lines {
            parts.push(IoSlice::new(line.as_bytes()));
            parts.push(IoSlice::new(b"\n"));
        }
        self.file.write_at(&parts, self.length)?;
        self.file.sync_data()?;
        self.length += lines.iter().map(|line| line.len() as u64 + 1).sum::<u64>();
        Ok(())
    }

    /// Length in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Whole lines from `offset` on, of at most `limit` bytes; empty at the end.
    pub(crate) fn lines(&self, offset: u64, limit: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; limit];
        let read = self.file.read_at(&mut buffer, offset)?;
        buffer.truncate(read);
        let end = buffer.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        buffer.truncate(end);
        Ok(buffer)
    }
}
