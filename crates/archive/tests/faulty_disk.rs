//! A disk on which one call fails, or from one call on all do.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use outrigger_runtime::RealDisk;
use outrigger_runtime::disk::{Access, ArcDisk, Disk, DiskFile, Listed, Space};

/// What goes wrong, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The call of this number fails.
    Once(u64, io::ErrorKind),
    /// So does every call after it, as for a process that died there.
    FromThenOn(u64),
    /// There is this much room, in bytes; calls do not fail.
    Room(u64),
    /// Nothing.
    None,
}

/// Calls that change something, counted, and the machine's disk behind them.
#[derive(Debug)]
pub(crate) struct FaultyDisk {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    calls: AtomicU64,
    fault: Mutex<Fault>,
    /// The calls that failed, by name.
    failed: Mutex<Vec<&'static str>>,
}

impl FaultyDisk {
    pub(crate) fn new(fault: Fault) -> Arc<Self> {
        let state =
            State { calls: AtomicU64::new(0), fault: Mutex::new(fault), failed: Mutex::new(Vec::new()) };
        Arc::new(Self { state: Arc::new(state) })
    }

    pub(crate) fn set(&self, fault: Fault) {
        *self.state.fault.lock().unwrap() = fault;
        self.state.calls.store(0, Ordering::SeqCst);
    }

    pub(crate) fn failed(&self) -> Vec<&'static str> {
        self.state.failed.lock().unwrap().clone()
    }

    fn file(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(FaultyFile { state: self.state.clone(), file })
    }
}

impl State {
    fn call(&self, name: &'static str) -> io::Result<()> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let error = match *self.fault.lock().unwrap() {
            Fault::Once(at, kind) if at == number => kind.into(),
            Fault::FromThenOn(at) if number >= at => io::Error::other("the process is dead"),
            Fault::Once(..) | Fault::FromThenOn(_) | Fault::Room(_) | Fault::None => return Ok(()),
        };
        self.failed.lock().unwrap().push(name);
        Err(error)
    }
}

impl Disk for FaultyDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.state.call("create")?;
        Ok(self.file(RealDisk.create(path)?))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(RealDisk.open(path, access)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.state.call("rename")?;
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.state.call("remove")?;
        RealDisk.remove(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.state.call("create directory")?;
        RealDisk.create_directory(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.state.call("sync directory")?;
        RealDisk.sync_directory(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Listed>> {
        RealDisk.list(path)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.state.call("space")?;
        match *self.state.fault.lock().unwrap() {
            Fault::Room(free) => Ok(Space { free, total: 1 << 40 }),
            Fault::Once(..) | Fault::FromThenOn(_) | Fault::None => RealDisk.space(path),
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        RealDisk.lock(path)
    }
}

#[derive(Debug)]
struct FaultyFile {
    state: Arc<State>,
    file: Arc<dyn DiskFile>,
}

impl DiskFile for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        if let Err(error) = self.state.call("write") {
            // Half of it reached the file.
            let half = parts.get(..parts.len() / 2).unwrap_or(&[]);
            self.file.write_at(half, offset)?;
            return Err(error);
        }
        self.file.write_at(parts, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.state.call("sync")?;
        self.file.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.state.call("set length")?;
        self.file.set_length(length)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.state.call("allocate")?;
        self.file.allocate(length)
    }
}

/// A disk as the archive takes it.
pub(crate) fn shared(disk: &Arc<FaultyDisk>) -> ArcDisk {
    disk.clone()
}
