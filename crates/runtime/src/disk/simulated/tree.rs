//! Names: what a directory holds now, and what of it would stand after a crash.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::random::Random;

/// One directory; those below it are entries of the tree themselves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Directory {
    pub(crate) now: BTreeMap<OsString, u64>,
    durable: BTreeMap<OsString, u64>,
    pending: Vec<Change>,
}

/// A change of a directory, in force now and durable after a sync.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// A name stands for a file.
    Link { name: OsString, inode: u64 },
    /// A name is gone.
    Unlink { name: OsString },
    /// A file has another name in the same directory, at once.
    Rename { from: OsString, to: OsString, inode: u64 },
}

impl Directory {
    pub(crate) fn change(&mut self, change: Change) {
        apply(&mut self.now, &change);
        self.pending.push(change);
    }

    pub(crate) fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            apply(&mut self.durable, &change);
        }
    }

    /// Files that some name stands for, or might after a crash.
    pub(crate) fn inodes(&self) -> impl Iterator<Item = u64> + '_ {
        let pending = self.pending.iter().filter_map(|change| match change {
            Change::Link { inode, .. } | Change::Rename { inode, .. } => Some(*inode),
            Change::Unlink { .. } => None,
        });
        self.now.values().chain(self.durable.values()).copied().chain(pending)
    }

    /// What a crash leaves, where each change that was not synced is kept or not as `keeps` says.
    pub(crate) fn crash(&mut self, mut keeps: impl FnMut() -> bool) {
        for change in std::mem::take(&mut self.pending) {
            if keeps() {
                apply(&mut self.durable, &change);
            }
        }
        self.now = self.durable.clone();
    }
}

fn apply(names: &mut BTreeMap<OsString, u64>, change: &Change) {
    match change {
        Change::Link { name, inode } => {
            names.insert(name.clone(), *inode);
        }
        Change::Unlink { name } => {
            names.remove(name);
        }
        Change::Rename { from, to, inode } => {
            names.remove(from);
            names.insert(to.clone(), *inode);
        }
    }
}

/// A number below `bound`, decided by the seed.
pub(crate) fn below(random: &Random, bound: u64) -> u64 {
    // A seeded source never fails.
    random.u64().map_or(0, |drawn| drawn % bound.max(1))
}
