//! A disk in memory that fails on demand and, at a crash, forgets, tears, reorders and flips what was not synced.
//!
//! Every call is counted, so that a scenario can be tried with a fault at each of them. Files are sparse: room made in advance
//! costs nothing.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Access, ArcDisk, Disk, DiskFile, Listed, Space};
pub use crate::disk::simulated::fault::{Damage, Fault, FaultAt, Lasting, Loss, Strikes, Syncs};
use crate::disk::simulated::state::State;

mod content;
mod fault;
mod state;
mod tree;

/// A disk in memory; clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

/// An open file of a [`SimDisk`]; stale after a crash.
#[derive(Debug)]
struct SimFile {
    state: Arc<Mutex<State>>,
    path: PathBuf,
    inode: u64,
    boot: u64,
    access: Access,
    is_lock: Lock,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lock {
    Held,
    None,
}

impl SimDisk {
    /// An empty disk of `capacity` bytes that decides by `seed` what a crash leaves.
    pub fn new(seed: u64, capacity: u64) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(seed, capacity))) }
    }

    /// This disk as the rest of the program takes it.
    pub fn shared(&self) -> ArcDisk {
        Arc::new(self.clone())
    }

    /// Another disk, equal to this one as it is now, that decides by another seed; open files stay with this one.
    #[must_use]
    pub fn fork(&self, seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new(self.lock_state().fork(seed))) }
    }

    /// Plans a fault, or none.
    pub fn plan(&self, fault: Option<FaultAt>) {
        self.lock_state().fault = fault;
    }

    /// Whether syncs do what they say.
    pub fn set_syncs(&self, syncs: Syncs) {
        self.lock_state().syncs = syncs;
    }

    /// Changes how much fits on it.
    pub fn set_capacity(&self, capacity: u64) {
        self.lock_state().capacity = capacity;
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.lock_state().calls
    }

    /// The call that the planned fault struck, once it has.
    pub fn struck(&self) -> Option<String> {
        self.lock_state().struck.clone()
    }

    /// What crashes and failed syncs have done so far to what was not synced.
    pub fn damage(&self) -> Damage {
        self.lock_state().damage
    }

    /// How many calls each kind of fault has struck so far.
    pub fn strikes(&self) -> Strikes {
        self.lock_state().strikes
    }

    /// Whether a planned crash has happened: every call fails until [`SimDisk::crash`].
    pub fn is_off(&self) -> bool {
        self.lock_state().is_off
    }

    /// Ends every process that uses this disk and, unless only the processes died, the power: open files and locks are gone.
    pub fn crash(&self, loss: Loss) {
        self.lock_state().crash(loss);
    }

    /// All files by path, with their lengths.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        self.lock_state().files()
    }

    /// The content of a file as a process would see it.
    pub fn content(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.lock_state().content(path)
    }

    /// Turns one bit of a file, counted from its start, on the medium itself.
    pub fn flip(&self, path: &Path, bit: u64) -> io::Result<()> {
        self.lock_state().flip(path, bit)
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    fn file(&self, path: &Path, inode: u64, access: Access, is_lock: Lock) -> Arc<dyn DiskFile> {
        let boot = self.lock_state().boot;
        let path = path.to_owned();
        Arc::new(SimFile { state: self.state.clone(), path, inode, boot, access, is_lock })
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk for SimDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let inode = self.lock_state().create(path)?;
        Ok(self.file(path, inode, Access::ReadWrite, Lock::None))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let inode = self.lock_state().open(path)?;
        Ok(self.file(path, inode, access, Lock::None))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.lock_state().rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.lock_state().remove(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.lock_state().create_directory(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.lock_state().sync_directory(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Listed>> {
        self.lock_state().list(path)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.lock_state().space(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let inode = self.lock_state().lock(path)?;
        Ok(self.file(path, inode, Access::ReadWrite, Lock::Held))
    }
}

impl SimFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = locked(&self.state);
        if state.boot == self.boot {
            return Ok(state);
        }
        Err(io::Error::other(format!("{} was open when the disk crashed", self.path.display())))
    }

    fn writable(&self) -> io::Result<MutexGuard<'_, State>> {
        match self.access {
            Access::ReadWrite => self.state(),
            Access::Read => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut state = locked(&self.state);
        if self.is_lock == Lock::Held && state.boot == self.boot {
            state.unlock(&self.path);
        }
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.state()?.read_at(self.inode, &self.path, buffer, offset)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
        for part in parts {
            bytes.extend_from_slice(part);
        }
        self.writable()?.write_at(self.inode, &self.path, &bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.state()?.sync_data(self.inode, &self.path)
    }

    fn length(&self) -> io::Result<u64> {
        self.state()?.length(self.inode, &self.path)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.writable()?.set_length(self.inode, &self.path, length)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.writable()?.allocate(self.inode, &self.path, length)
    }
}

#[cfg(test)]
mod tests;
