//! Locks that tell who holds them.

use std::io::{self, ErrorKind, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Disk, DiskFile, read_small};

/// Longest name read of a holder, in bytes: a node's name, what it is and a process number are a fraction of it.
const HOLDER_BYTES_MAX: u64 = 256;

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("{by} has it")]
    Held {
        /// Who, in its own words; another process, where those cannot be read.
        by: String,
    },
    /// The lock file cannot be made or locked.
    #[error("the lock file {path} cannot be taken")]
    Disk {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Takes the exclusive lock file at `path` in the name of `holder`, which whoever comes later is told; held until dropped.
pub fn lock_as(disk: &dyn Disk, path: &Path, holder: &str) -> Result<Arc<dyn DiskFile>, LockError> {
    let lock = disk.lock(path).map_err(|source| match source.kind() {
        ErrorKind::WouldBlock => LockError::Held { by: said(disk, path) },
        _ => LockError::Disk { path: path.to_owned(), source },
    })?;
    let named = lock.set_length(0).and_then(|()| lock.write_at(&[IoSlice::new(holder.as_bytes())], 0));
    if let Err(error) = named {
        // The lock holds without a name too, and a full disk must not keep a node from starting.
        tracing::debug!(path = %path.display(), %error, "the lock does not say who holds it");
    }
    Ok(lock)
}

fn said(disk: &dyn Disk, path: &Path) -> String {
    let name = read_small(disk, path, HOLDER_BYTES_MAX).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    name.filter(|name| !name.is_empty() && !name.contains(char::is_control))
        .unwrap_or_else(|| "another process".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::simulated::SimDisk;

    #[test]
    fn who_comes_second_is_told_who_came_first() {
        let disk = SimDisk::new(1, 1 << 20);
        disk.create_directory(Path::new("/a")).unwrap();
        let path = Path::new("/a/lock");
        let first = lock_as(&disk, path, "node front-1 (process 7)").unwrap();
        let error = lock_as(&disk, path, "node front-2 (process 8)").unwrap_err();
        assert_eq!(error.to_string(), "node front-1 (process 7) has it");
        drop(first);
        let second = lock_as(&disk, path, "b").unwrap();
        assert_eq!(lock_as(&disk, path, "c").unwrap_err().to_string(), "b has it");
        drop(second);
    }

    #[test]
    fn a_lock_without_a_name_is_another_process() {
        let disk = SimDisk::new(1, 1 << 20);
        disk.create_directory(Path::new("/a")).unwrap();
        let _held = disk.lock(Path::new("/a/lock")).unwrap();
        assert_eq!(
            lock_as(&disk, Path::new("/a/lock"), "b").unwrap_err().to_string(),
            "another process has it"
        );
        let nowhere = lock_as(&disk, Path::new("/b/lock"), "b").unwrap_err();
        assert!(matches!(nowhere, LockError::Disk { .. }), "{nowhere}");
    }
}
