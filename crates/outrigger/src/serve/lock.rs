//! What only one process may have: each is told who has it.

use std::path::Path;
use std::sync::Arc;

use outrigger_runtime::DiskFile;
use outrigger_runtime::disk::{LockError, lock_as};

use super::World;
use crate::config::{ArchiveConfig, Base, NodeConfig};
use crate::process::Failure;

/// Held until dropped.
pub(crate) type Locks = Vec<Arc<dyn DiskFile>>;

/// Takes a node's directory, made if missing, and the file of its ledger.
pub(crate) fn lock_node(world: &World, config: &NodeConfig) -> Result<Locks, Failure> {
    let holder = holder("node", &config.base);
    let data = lock_data(world, &config.base.data, &holder)?;
    Ok(vec![data, lock_database(world, "ledger", &config.ledger, &holder)?])
}

/// Takes an archive's directory, made if missing, and the file of its catalogue, if it has one; the directory of its blobs it takes itself.
pub(crate) fn lock_archive(world: &World, config: &ArchiveConfig) -> Result<Locks, Failure> {
    let holder = holder("archive", &config.base);
    let data = lock_data(world, &config.base.data, &holder)?;
    let mut locks = vec![data];
    // One on a server has a lock of its own there.
    if let Some(file) = &config.catalogue_file {
        locks.push(lock_database(world, "catalogue", file, &holder)?);
    }
    Ok(locks)
}

/// What this process is, for whoever wants the same.
pub(crate) fn holder(kind: &str, base: &Base) -> String {
    format!("{kind} {} (process {})", base.name, std::process::id())
}

fn lock_data(world: &World, data: &Path, holder: &str) -> Result<Arc<dyn DiskFile>, Failure> {
    let what = format!("the data directory {}", data.display());
    let made = world.disk.create_directory(data);
    made.map_err(|error| {
        Failure::of(format!("{what} cannot be made; make its parent writable for this user"), error)
    })?;
    lock(world, &what, &data.join("lock"), holder)
}

/// The lock stands beside the database: a database has locks of its own in its file, which a second process may share.
fn lock_database(world: &World, kind: &str, file: &Path, holder: &str) -> Result<Arc<dyn DiskFile>, Failure> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".lock");
    lock(world, &format!("the {kind} {}", file.display()), beside.as_ref(), holder)
}

fn lock(world: &World, what: &str, path: &Path, holder: &str) -> Result<Arc<dyn DiskFile>, Failure> {
    lock_as(&*world.disk, path, holder).map_err(|error| match error {
        held @ LockError::Held { .. } => Failure::of(
            format!("{what} is in use; stop that one first, or give this one a place of its own"),
            held,
        ),
        error @ LockError::Disk { .. } => {
            Failure::of(format!("{what} cannot be locked; make it writable for this user"), error)
        }
    })
}
