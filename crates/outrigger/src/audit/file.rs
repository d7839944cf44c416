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
        let mut length = file.length()?;
        let mut last = [b'\n'];
        file.read_at(&mut last, length.saturating_sub(1))?;
        if last != [b'\n'] {
            // A line that a crash tore stands for itself.
            file.write_at(&[IoSlice::new(b"\n")], length)?;
            length += 1;
        }
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

    /// Whether the name leads to this file, as far as its length tells; what cannot be asked now is taken to be so.
    pub(crate) fn is_at(&self, disk: &ArcDisk, path: &Path) -> bool {
        match disk.open(path, Access::Read).and_then(|file| file.length()) {
            Ok(length) => length == self.length,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    /// Length in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The same file, to be read.
    pub(crate) fn reader(&self) -> AuditReader {
        AuditReader(Arc::clone(&self.file))
    }
}

/// The audit file, to be read while it is written.
#[derive(Debug)]
pub(crate) struct AuditReader(Arc<dyn DiskFile>);

impl AuditReader {
    /// Whole lines from `offset` on, of at most `limit` bytes where the first is no longer; `end` is where a line ends.
    pub(crate) fn lines(&self, offset: u64, end: u64, limit: usize) -> io::Result<Vec<u8>> {
        let mut length = limit;
        loop {
            let left = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
            let mut buffer = vec![0; length.min(left)];
            if self.0.read_at(&mut buffer, offset)? < buffer.len() {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it has become shorter"));
            }
            if let Some(last) = buffer.iter().rposition(|byte| *byte == b'\n') {
                buffer.truncate(last + 1);
                return Ok(buffer);
            }
            if length >= left {
                return Ok(buffer);
            }
            length = length.saturating_mul(2);
        }
    }

    /// How many lines end between two places, reading `step` bytes at once.
    pub(crate) fn count(&self, from: u64, end: u64, step: usize) -> io::Result<u64> {
        let (mut at, mut lines) = (from, 0);
        let mut buffer = vec![0; step];
        while at < end {
            let read = self.0.read_at(&mut buffer, at)?;
            let here = buffer.get(..read).unwrap_or_default();
            lines += here.split(|byte| *byte == b'\n').skip(1).count() as u64;
            if read == 0 {
                break;
            }
            at += read as u64;
        }
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use outrigger_runtime::disk::simulated::SimDisk;

    use super::*;

    #[test]
    fn lines_are_read_whole_however_long_and_a_torn_one_is_ended() {
        let disk: ArcDisk = Arc::new(SimDisk::new(1, 1 << 20));
        let path = Path::new("/audit/audit.log");
        let mut file = AuditFile::open(&disk, path).unwrap();
        let lines = ["a".repeat(3), "b".repeat(100), "c".repeat(3)];
        file.append(&lines).unwrap();
        let reader = file.reader();
        let (mut at, mut read) = (0, Vec::new());
        while at < file.length() {
            let some = reader.lines(at, file.length(), 10).unwrap();
            at += some.len() as u64;
            read.push(String::from_utf8(some).unwrap());
        }
        assert_eq!(read.concat(), lines.join("\n") + "\n");
        assert_eq!(reader.count(0, file.length(), 7).unwrap(), 3);
        assert!(reader.lines(0, file.length() + 1, 1000).is_err());

        let torn = disk.open(path, Access::ReadWrite).unwrap();
        torn.write_at(&[IoSlice::new(b"torn")], file.length()).unwrap();
        let mut again = AuditFile::open(&disk, path).unwrap();
        again.append(&["d".to_owned()]).unwrap();
        let rest = again.reader().lines(file.length(), again.length(), 100).unwrap();
        assert_eq!(rest, b"torn\nd\n");
    }
}
