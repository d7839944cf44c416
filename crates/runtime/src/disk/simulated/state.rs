//! The disk itself: files, names, counts and faults.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::content::Content;
use super::fault::{Damage, Fault, FaultAt, Lasting, Loss, Strikes, Syncs};
use super::tree::{Change, Directory, below};
use crate::disk::{Kind, Listed, Space};
use crate::random::Random;

/// What a real disk writes at once or not at all.
const SECTOR_BYTES: u64 = 512;
/// Files that no name stands for any more are looked for once in so many directory syncs.
const SWEEP_EVERY: u64 = 256;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) boot: u64,
    pub(crate) calls: u64,
    pub(crate) fault: Option<FaultAt>,
    pub(crate) struck: Option<String>,
    pub(crate) syncs: Syncs,
    pub(crate) capacity: u64,
    pub(crate) is_off: bool,
    pub(crate) damage: Damage,
    pub(crate) strikes: Strikes,
    random: Random,
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    directories: BTreeMap<PathBuf, Directory>,
    locked: BTreeSet<PathBuf>,
    swept: u64,
}

#[derive(Debug, Clone, Default)]
struct Inode {
    now: Content,
    durable: Content,
    pending: Vec<Write>,
}

#[derive(Debug, Clone)]
enum Write {
    Data { offset: u64, bytes: Vec<u8> },
    Length(u64),
}

/// What a call may meet beside EIO and a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    Space,
    Writing,
}

impl State {
    pub(crate) fn new(seed: u64, capacity: u64) -> Self {
        Self {
            boot: 0,
            calls: 0,
            fault: None,
            struck: None,
            syncs: Syncs::Honest,
            capacity,
            is_off: false,
            damage: Damage::default(),
            strikes: Strikes::default(),
            random: Random::seeded(seed),
            inodes: BTreeMap::new(),
            next_inode: 1,
            directories: BTreeMap::from([(PathBuf::from("/"), Directory::default())]),
            locked: BTreeSet::new(),
            swept: 0,
        }
    }

    pub(crate) fn fork(&self, seed: u64) -> Self {
        Self {
            boot: self.boot + 1,
            calls: 0,
            fault: None,
            struck: None,
            syncs: self.syncs,
            capacity: self.capacity,
            is_off: self.is_off,
            damage: Damage::default(),
            strikes: Strikes::default(),
            random: Random::seeded(seed),
            inodes: self.inodes.clone(),
            next_inode: self.next_inode,
            directories: self.directories.clone(),
            locked: BTreeSet::new(),
            swept: 0,
        }
    }

    /// Counts a call and lets the planned fault strike it.
    fn enter(&mut self, call: &str, path: &Path, needs: Needs) -> Result<(), Fault> {
        self.calls += 1;
        let Some(plan) = self.fault else { return Ok(()) };
        let is_time = match plan.lasting {
            Lasting::Once => self.calls == plan.call,
            Lasting::FromThenOn => self.calls >= plan.call,
        };
        let applies = match plan.fault {
            Fault::Crash | Fault::Io => true,
            Fault::NoSpace => needs != Needs::Nothing,
            Fault::ShortWrite => needs == Needs::Writing,
        };
        if !is_time || !applies {
            return Ok(());
        }
        if self.struck.is_none() {
            self.struck = Some(format!("{:?} at call {}: {call} {}", plan.fault, self.calls, path.display()));
        }
        self.strikes.add(plan.fault);
        if plan.fault == Fault::Crash {
            self.is_off = true;
        }
        Err(plan.fault)
    }

    /// [`State::enter`] for calls that a fault leaves without effect.
    fn call(&mut self, call: &str, path: &Path, needs: Needs) -> io::Result<()> {
        self.on(path)?;
        self.enter(call, path, needs).map_err(error)
    }

    fn on(&self, path: &Path) -> io::Result<()> {
        if self.is_off {
            return Err(io::Error::other(format!("the disk is off, {} cannot be reached", path.display())));
        }
        Ok(())
    }

    pub(crate) fn create(&mut self, path: &Path) -> io::Result<u64> {
        self.call("create", path, Needs::Space)?;
        self.make(path)
    }

    fn make(&mut self, path: &Path) -> io::Result<u64> {
        let inode = self.next_inode;
        let (directory, name) = self.parent(path)?;
        if directory.now.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        directory.change(Change::Link { name, inode });
        self.next_inode += 1;
        self.inodes.insert(inode, Inode::default());
        Ok(inode)
    }

    pub(crate) fn open(&mut self, path: &Path) -> io::Result<u64> {
        self.call("open", path, Needs::Nothing)?;
        self.find(path)
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.call("rename", from, Needs::Space)?;
        let inode = self.find(from)?;
        let (_, old) = self.parent(from)?;
        let (target, new) = self.parent(to)?;
        if from.parent() == to.parent() {
            target.change(Change::Rename { from: old, to: new, inode });
            return Ok(());
        }
        target.change(Change::Link { name: new, inode });
        self.parent(from)?.0.change(Change::Unlink { name: old });
        Ok(())
    }

    pub(crate) fn remove(&mut self, path: &Path) -> io::Result<()> {
        // File systems that never overwrite need room to remove, too.
        self.call("remove", path, Needs::Space)?;
        self.find(path)?;
        let (directory, name) = self.parent(path)?;
        directory.change(Change::Unlink { name });
        Ok(())
    }

    pub(crate) fn create_directory(&mut self, path: &Path) -> io::Result<()> {
        self.call("create_directory", path, Needs::Space)?;
        for ancestor in path.ancestors().filter(|ancestor| !ancestor.as_os_str().is_empty()) {
            self.directories.entry(ancestor.to_owned()).or_default();
        }
        Ok(())
    }

    pub(crate) fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
        self.call("sync_directory", path, Needs::Nothing)?;
        let syncs = self.syncs;
        let directory = self.directories.get_mut(path).ok_or(io::ErrorKind::NotFound)?;
        if syncs == Syncs::Honest {
            directory.sync();
        }
        self.swept += 1;
        if self.swept.is_multiple_of(SWEEP_EVERY) {
            self.sweep();
        }
        Ok(())
    }

    pub(crate) fn list(&mut self, path: &Path) -> io::Result<Vec<Listed>> {
        self.call("list", path, Needs::Nothing)?;
        let directory = self.directories.get(path).ok_or(io::ErrorKind::NotFound)?;
        let files = directory.now.iter().map(|(name, inode)| {
            let length = self.inodes.get(inode).map_or(0, |inode| inode.now.length());
            Listed { path: path.join(name), kind: Kind::File, length }
        });
        let below = self.directories.keys().filter(|other| other.parent() == Some(path));
        let directories = below.map(|other| Listed { path: other.clone(), kind: Kind::Directory, length: 0 });
        let mut listed: Vec<Listed> = files.chain(directories).collect();
        listed.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(listed)
    }

    pub(crate) fn space(&mut self, path: &Path) -> io::Result<Space> {
        self.call("space", path, Needs::Nothing)?;
        Ok(Space { free: self.capacity.saturating_sub(self.used()), total: self.capacity })
    }

    pub(crate) fn lock(&mut self, path: &Path) -> io::Result<u64> {
        self.call("lock", path, Needs::Space)?;
        let inode = match self.find(path) {
            Ok(inode) => inode,
            Err(_) => self.make(path)?,
        };
        if !self.locked.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(inode)
    }

    pub(crate) fn unlock(&mut self, path: &Path) {
        self.locked.remove(path);
    }

    pub(crate) fn read_at(
        &mut self,
        inode: u64,
        path: &Path,
        buffer: &mut [u8],
        offset: u64,
    ) -> io::Result<usize> {
        self.call("read", path, Needs::Nothing)?;
        Ok(self.inode(inode)?.now.read(buffer, offset))
    }

    pub(crate) fn write_at(&mut self, inode: u64, path: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.on(path)?;
        let struck = self.enter("write", path, Needs::Writing);
        let end = offset.saturating_add(bytes.len() as u64);
        let grown = end.saturating_sub(self.inode(inode)?.now.length());
        let free = self.capacity.saturating_sub(self.used());
        let outcome = if struck.is_ok() && grown > free { Err(Fault::NoSpace) } else { struck };
        let bytes = if outcome.is_ok() {
            bytes
        } else {
            let kept = usize::try_from(below(&self.random, bytes.len() as u64)).unwrap_or(0);
            bytes.get(..kept).unwrap_or_default()
        };
        let inode = self.inode(inode)?;
        inode.now.write(bytes, offset);
        inode.pending.push(Write::Data { offset, bytes: bytes.to_vec() });
        outcome.map_err(error)
    }

    pub(crate) fn sync_data(&mut self, inode: u64, path: &Path) -> io::Result<()> {
        self.on(path)?;
        let struck = self.enter("sync", path, Needs::Nothing);
        let (syncs, random) = (self.syncs, self.random.clone());
        let mut damage = self.damage;
        let inode = self.inode(inode)?;
        match struck {
            Ok(()) if syncs == Syncs::Honest => inode.sync(),
            // The power goes while it runs: what is pending is decided by the crash.
            Ok(()) | Err(Fault::Crash) => {}
            Err(Fault::Io | Fault::NoSpace | Fault::ShortWrite) => {
                inode.crash(Loss::Some, &random, &mut damage);
            }
        }
        self.damage = damage;
        struck.map_err(error)
    }

    pub(crate) fn length(&mut self, inode: u64, path: &Path) -> io::Result<u64> {
        self.call("length", path, Needs::Nothing)?;
        Ok(self.inode(inode)?.now.length())
    }

    pub(crate) fn set_length(&mut self, inode: u64, path: &Path, length: u64) -> io::Result<()> {
        self.call("set_length", path, Needs::Nothing)?;
        self.inode(inode)?.set_length(length);
        Ok(())
    }

    pub(crate) fn allocate(&mut self, inode: u64, path: &Path, length: u64) -> io::Result<()> {
        self.call("allocate", path, Needs::Space)?;
        let grown = length.saturating_sub(self.inode(inode)?.now.length());
        if grown > self.capacity.saturating_sub(self.used()) {
            return Err(error(Fault::NoSpace));
        }
        let inode = self.inode(inode)?;
        if grown > 0 {
            inode.set_length(length);
        }
        Ok(())
    }

    pub(crate) fn crash(&mut self, loss: Loss) {
        self.boot += 1;
        self.is_off = false;
        self.fault = None;
        self.locked.clear();
        if loss == Loss::Nothing {
            return;
        }
        let random = self.random.clone();
        for directory in self.directories.values_mut() {
            directory.crash(|| {
                let keeps = loss == Loss::Some && below(&random, 2) == 0;
                self.damage.forgotten += u64::from(!keeps);
                keeps
            });
        }
        self.sweep();
        for inode in self.inodes.values_mut() {
            inode.crash(loss, &random, &mut self.damage);
            inode.now = inode.durable.clone();
        }
    }

    pub(crate) fn files(&self) -> Vec<(PathBuf, u64)> {
        let all = self.directories.iter().flat_map(|(path, directory)| {
            directory.now.iter().map(move |(name, inode)| (path.join(name), *inode))
        });
        all.filter_map(|(path, inode)| Some((path, self.inodes.get(&inode)?.now.length()))).collect()
    }

    pub(crate) fn content(&self, path: &Path) -> io::Result<Vec<u8>> {
        let inode = self.inodes.get(&self.find(path)?).ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = vec![0; usize::try_from(inode.now.length()).map_err(io::Error::other)?];
        inode.now.read(&mut bytes, 0);
        Ok(bytes)
    }

    pub(crate) fn flip(&mut self, path: &Path, bit: u64) -> io::Result<()> {
        let inode = self.find(path)?;
        let inode = self.inode(inode)?;
        inode.now.flip(bit);
        inode.durable.flip(bit);
        Ok(())
    }

    fn find(&self, path: &Path) -> io::Result<u64> {
        let directory = path.parent().and_then(|parent| self.directories.get(parent));
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let inode = directory.and_then(|directory| directory.now.get(name)).copied();
        inode.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn parent(&mut self, path: &Path) -> io::Result<(&mut Directory, OsString)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let directory = path.parent().and_then(|parent| self.directories.get_mut(parent));
        Ok((directory.ok_or(io::ErrorKind::NotFound)?, name.to_owned()))
    }

    fn inode(&mut self, inode: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&inode).ok_or_else(|| io::Error::other("the file is gone from the disk"))
    }

    fn used(&self) -> u64 {
        let named = self.directories.values().flat_map(|directory| directory.now.values());
        named.filter_map(|inode| self.inodes.get(inode)).map(|inode| inode.now.length()).sum()
    }

    /// Lets go of files that no name stands for; an open one keeps its bytes until the next crash by staying named in `pending`.
    fn sweep(&mut self) {
        let named: BTreeSet<u64> = self.directories.values().flat_map(Directory::inodes).collect();
        self.inodes.retain(|inode, _| named.contains(inode));
    }
}

impl Inode {
    fn set_length(&mut self, length: u64) {
        self.now.set_length(length);
        self.pending.push(Write::Length(length));
    }

    fn sync(&mut self) {
        for write in std::mem::take(&mut self.pending) {
            match write {
                Write::Data { offset, bytes } => self.durable.write(&bytes, offset),
                Write::Length(length) => self.durable.set_length(length),
            }
        }
    }

    /// Decides what is on the medium of what was not synced; what reads show stays.
    fn crash(&mut self, loss: Loss, random: &Random, damage: &mut Damage) {
        let mut is_one_gone = false;
        for write in std::mem::take(&mut self.pending) {
            let fate = if loss == Loss::Everything { 0 } else { below(random, 4) };
            if fate == 0 {
                damage.forgotten += 1;
                is_one_gone = true;
                continue;
            }
            damage.reordered += u64::from(is_one_gone);
            match write {
                Write::Length(length) => self.durable.set_length(length),
                Write::Data { offset, bytes } if fate == 1 => self.durable.write(&bytes, offset),
                Write::Data { offset, bytes } => tear(&mut self.durable, &bytes, offset, random, damage),
            }
        }
    }
}

/// Writes some sectors of a write and not others; one in eight of those it touches comes out as garbage, whole, and one in eight
/// with a bit flipped.
fn tear(content: &mut Content, bytes: &[u8], offset: u64, random: &Random, damage: &mut Damage) {
    let mut rest = bytes;
    let mut at = offset;
    let (mut written, mut left_out) = (0, 0);
    while !rest.is_empty() {
        let step = usize::try_from(SECTOR_BYTES - at % SECTOR_BYTES).unwrap_or(1).min(rest.len());
        let (now, later) = rest.split_at(step);
        match below(random, 8) {
            0 => {
                let sector = at / SECTOR_BYTES * SECTOR_BYTES;
                let garbage: Vec<u8> =
                    (0..SECTOR_BYTES / 8).flat_map(|_| below(random, u64::MAX).to_le_bytes()).collect();
                let length = content.length().max(at + step as u64);
                content.write(&garbage, sector);
                content.set_length(length);
                damage.garbled += 1;
            }
            1 => {
                content.write(now, at);
                content.flip(at * 8 + below(random, step as u64 * 8));
                damage.flipped += 1;
            }
            2..4 => {
                content.write(now, at);
                written += 1;
            }
            _ => left_out += 1,
        }
        at += step as u64;
        rest = later;
    }
    damage.torn += u64::from(written > 0 && left_out > 0);
}

fn error(fault: Fault) -> io::Error {
    match fault {
        Fault::Crash => io::Error::other("the power went"),
        Fault::Io => io::Error::from_raw_os_error(EIO),
        Fault::NoSpace => io::Error::from_raw_os_error(ENOSPC),
        Fault::ShortWrite => io::ErrorKind::WriteZero.into(),
    }
}
