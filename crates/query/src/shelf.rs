//! What came of a series and was not asked for yet: between one who reads all of it and those who want its instances.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use outrigger_member::CameBack;
use outrigger_model::SopInstanceUid;
use tokio::sync::Notify;

/// Bytes of instances that wait to be asked for: two dozen images, so that one who reads and one who sends do not wait for one
/// another; a larger instance waits alone.
const BYTES_MAX: u64 = 16 << 20;
/// Instances that wait to be asked for: the small ones too come about as they are wanted, or not from here.
const COUNT_MAX: usize = 64;
/// Instances that may be given up because others came in their place; behind that the order is another one.
const MISSES_MAX: usize = 16;
/// Instances that may come and are wanted by nobody, beside as many as were wanted.
const UNWANTED_MAX: usize = 16;

/// Instances of a series between their member and those who want them.
#[derive(Debug)]
pub(crate) struct Shelf {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// Not come yet, nor given up.
    wanted: HashSet<SopInstanceUid>,
    came: HashMap<SopInstanceUid, CameBack>,
    bytes: u64,
    /// Of these somebody waits for each.
    awaited: HashSet<SopInstanceUid>,
    taken: usize,
    unwanted: usize,
    misses: usize,
    ended: bool,
}

/// What one who reads a series does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// He reads on.
    Read,
    /// He waits until there is room.
    Wait,
    /// Nobody wants more of it.
    Stop,
}

impl Shelf {
    pub(crate) fn new(wanted: HashSet<SopInstanceUid>) -> Self {
        let state = State {
            wanted,
            came: HashMap::new(),
            bytes: 0,
            awaited: HashSet::new(),
            taken: 0,
            unwanted: 0,
            misses: 0,
            ended: false,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// Puts what came to those who want it; what nobody wants is let go.
    pub(crate) fn put(&self, came: CameBack) {
        let mut state = self.lock();
        if state.wanted.remove(&came.sop_instance) {
            state.bytes += came.body.length;
            state.came.insert(came.sop_instance.clone(), came);
        } else {
            state.unwanted += 1;
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// What is to be done by one who reads.
    pub(crate) fn next(&self) -> Next {
        let state = self.lock();
        let came = state.taken + state.came.len();
        if state.ended || state.wanted.is_empty() || state.unwanted > UNWANTED_MAX + came {
            Next::Stop
        } else if state.is_full() {
            Next::Wait
        } else {
            Next::Read
        }
    }

    /// Waits until there is room, or nothing is wanted any more.
    pub(crate) async fn room(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.next() != Next::Wait {
                return;
            }
            changed.await;
        }
    }

    /// An instance is not wanted from here any more.
    pub(crate) fn pass(&self, instance: &SopInstanceUid) {
        let mut state = self.lock();
        state.wanted.remove(instance);
        if let Some(came) = state.came.remove(instance) {
            state.bytes -= came.body.length;
            state.taken += 1;
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Nothing more comes; what came can still be taken.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_waiters();
    }

    /// Takes an instance when it has come; `None` if it does not come from here.
    pub(crate) async fn take(&self, instance: &SopInstanceUid) -> Option<CameBack> {
        let _awaiting = Awaiting::begin(self, instance);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.look(instance) {
                Look::Came(came) => return Some(*came),
                Look::NotHere => return None,
                Look::Later => changed.await,
            }
        }
    }

    fn look(&self, instance: &SopInstanceUid) -> Look {
        let mut state = self.lock();
        if let Some(came) = state.came.remove(instance) {
            state.bytes -= came.body.length;
            state.taken += 1;
            drop(state);
            self.changed.notify_waiters();
            return Look::Came(Box::new(came));
        }
        if state.ended || !state.wanted.contains(instance) {
            return Look::NotHere;
        }
        let is_any_taken = state.came.keys().any(|came| state.awaited.contains(came));
        if !state.is_full() || is_any_taken {
            return Look::Later;
        }
        // There is no room for it, and nobody makes any: it is to be had elsewhere.
        state.wanted.remove(instance);
        state.misses += 1;
        state.ended |= state.misses > MISSES_MAX;
        drop(state);
        self.changed.notify_waiters();
        Look::NotHere
    }

    /// A leaf lock: nothing is awaited under it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Look {
    Came(Box<CameBack>),
    NotHere,
    Later,
}

impl State {
    fn is_full(&self) -> bool {
        !self.came.is_empty() && (self.bytes >= BYTES_MAX || self.came.len() >= COUNT_MAX)
    }
}

/// Somebody waits for an instance, until this is dropped.
struct Awaiting<'a> {
    shelf: &'a Shelf,
    instance: &'a SopInstanceUid,
}

impl<'a> Awaiting<'a> {
    fn begin(shelf: &'a Shelf, instance: &'a SopInstanceUid) -> Self {
        shelf.lock().awaited.insert(instance.clone());
        Self { shelf, instance }
    }
}

impl Drop for Awaiting<'_> {
    fn drop(&mut self) {
        self.shelf.lock().awaited.remove(self.instance);
    }
}

#[cfg(test)]
mod tests;
