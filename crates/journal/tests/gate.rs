//! A real disk whose syncs wait at a gate.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

use outrigger_runtime::disk::{Access, ArcDisk, Disk, DiskFile, Listed, RealDisk, Space};

/// Opens and closes; clones are the same gate.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<Shut>, Condvar)>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Shut {
    #[default]
    No,
    Yes,
    /// And somebody waits.
    Waited,
    /// Whoever waits may pass, and then nobody.
    Once,
}

impl Gate {
    pub(crate) fn shut(&self) {
        *self.0.0.lock().unwrap() = Shut::Yes;
    }

    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = Shut::No;
        self.0.1.notify_all();
    }

    /// Lets whoever waits pass, and shuts again behind.
    pub(crate) fn let_one_pass(&self) {
        *self.0.0.lock().unwrap() = Shut::Once;
        self.0.1.notify_all();
    }

    pub(crate) fn wait_for_somebody(&self) {
        let shut = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(shut, |shut| *shut != Shut::Waited).unwrap());
    }

    fn pass(&self) {
        let mut shut = self.0.0.lock().unwrap();
        if *shut == Shut::Yes {
            *shut = Shut::Waited;
            self.0.1.notify_all();
        }
        let mut shut = self.0.1.wait_while(shut, |shut| !matches!(*shut, Shut::No | Shut::Once)).unwrap();
        if *shut == Shut::Once {
            *shut = Shut::Yes;
        }
    }

    /// The real disk behind this gate.
    pub(crate) fn disk(&self) -> ArcDisk {
        self.disk_under(Path::new("/"))
    }

    /// The real disk, with only what is under this directory behind the gate.
    pub(crate) fn disk_under(&self, directory: &Path) -> ArcDisk {
        Arc::new(GatedDisk(self.clone(), directory.to_owned()))
    }
}

#[derive(Debug)]
struct GatedDisk(Gate, PathBuf);

#[derive(Debug)]
struct GatedFile(Gate, Arc<dyn DiskFile>);

impl GatedDisk {
    fn file(&self, path: &Path, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        if path.starts_with(&self.1) { Arc::new(GatedFile(self.0.clone(), file)) } else { file }
    }
}

impl Disk for GatedDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(path, RealDisk.create(path)?))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(path, RealDisk.open(path, access)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_directory(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_directory(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Listed>> {
        RealDisk.list(path)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        RealDisk.space(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        RealDisk.lock(path)
    }
}

impl DiskFile for GatedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.1.read_at(buffer, offset)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.1.write_at(parts, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.pass();
        self.1.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        self.1.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.1.set_length(length)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.1.allocate(length)
    }
}
