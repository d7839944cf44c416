//! Writing files anew where the page cache may show what is not on the disk.
//!
//! After a failed sync the kernel may take pages for written that are not, and go on showing them. Whether the last run ended so
//! cannot be told, so after any end but an orderly one, what had not been sealed and succeeded is copied into a new file.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use outrigger_runtime::disk::{Access, Disk, DiskFile, remove_if_there};

/// Copied at once.
const COPY_BYTES: usize = 1 << 20;

/// Copies the first `length` bytes of a file into a new one, without sync.
pub(crate) fn copy(disk: &dyn Disk, from: &Path, to: &Path, length: u64) -> io::Result<Arc<dyn DiskFile>> {
    remove_if_there(disk, to)?;
    let target = disk.create(to)?;
    copy_into(disk, from, &*target, length)?;
    Ok(target)
}

/// Copies the first `length` bytes of a file into one that is open, without sync.
pub(crate) fn copy_into(disk: &dyn Disk, from: &Path, target: &dyn DiskFile, length: u64) -> io::Result<()> {
    let source = disk.open(from, Access::Read)?;
    let mut buffer = vec![0; COPY_BYTES];
    let mut offset = 0;
    while offset < length {
        let room = usize::try_from(length - offset).unwrap_or(COPY_BYTES).min(COPY_BYTES);
        let read = source.read_at(buffer.get_mut(..room).unwrap_or_default(), offset)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        target.write_at(&[IoSlice::new(bytes)], offset)?;
        offset += read as u64;
    }
    Ok(())
}
