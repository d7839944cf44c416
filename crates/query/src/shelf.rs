//! What came of a series and was not asked for yet: between one who reads all of it and those who want its instances.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// Wakes the one who reads, when there may be room.
    room: Notify,
}

#[derive(Debug)]
struct State {
    /// Not come yet, nor given up.
    wanted: HashSet<SopInstanceUid>,
    came: HashMap<SopInstanceUid, CameBack>,
    bytes: u64,
    /// Of these somebody waits for each, and is woken by himself: a few wait, and what comes is for one of them.
    awaited: HashMap<SopInstanceUid, Arc<Notify>>,
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
            awaited: HashMap::new(),
            taken: 0,
            unwanted: 0,
            misses: 0,
            ended: false,
        };
        Self { state: Mutex::new(state), room: Notify::new() }
    }

    /// Puts what came to those who want it; what nobody wants is let go.
    pub(crate) fn put(&self, came: CameBack) {
        let mut state = self.lock();
        if state.wanted.remove(&came.sop_instance) {
            state.bytes += came.body.length;
            state.wake(&came.sop_instance);
            state.came.insert(came.sop_instance.clone(), came);
            if state.is_stuck() {
                state.wake_all();
            }
        } else {
            state.unwanted += 1;
        }
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
        // One reads; what was told before he waits is kept for him.
        while self.next() == Next::Wait {
            self.room.notified().await;
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
        state.wake(instance);
        self.room.notify_one();
    }

    /// Nothing more comes; what came can still be taken.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.wake_all();
        self.room.notify_one();
    }

    /// Takes an instance when it has come; `None` if it does not come from here.
    pub(crate) async fn take(&self, instance: &SopInstanceUid) -> Option<CameBack> {
        let awaiting = Awaiting::begin(self, instance);
        loop {
            match self.look(instance) {
                Look::Came(came) => return Some(*came),
                Look::NotHere => return None,
                Look::Later => awaiting.woken.notified().await,
            }
        }
    }

    fn look(&self, instance: &SopInstanceUid) -> Look {
        let mut state = self.lock();
        if let Some(came) = state.came.remove(instance) {
            state.bytes -= came.body.length;
            state.taken += 1;
            if state.is_stuck() {
                state.wake_all();
            }
            self.room.notify_one();
            return Look::Came(Box::new(came));
        }
        if state.ended || !state.wanted.contains(instance) {
            return Look::NotHere;
        }
        if !state.is_stuck() {
            return Look::Later;
        }
        // There is no room for it, and nobody makes any: it is to be had elsewhere.
        state.wanted.remove(instance);
        state.misses += 1;
        if state.misses > MISSES_MAX {
            state.ended = true;
            state.wake_all();
        }
        self.room.notify_one();
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

    /// Whether there is no room, and nobody waits for what is there.
    fn is_stuck(&self) -> bool {
        self.is_full() && !self.came.keys().any(|came| self.awaited.contains_key(came))
    }

    fn wake(&self, instance: &SopInstanceUid) {
        if let Some(waiting) = self.awaited.get(instance) {
            waiting.notify_one();
        }
    }

    fn wake_all(&self) {
        self.awaited.values().for_each(|waiting| waiting.notify_one());
    }
}

/// Somebody waits for an instance, until this is dropped.
struct Awaiting<'a> {
    shelf: &'a Shelf,
    instance: &'a SopInstanceUid,
    woken: Arc<Notify>,
}

impl<'a> Awaiting<'a> {
    fn begin(shelf: &'a Shelf, instance: &'a SopInstanceUid) -> Self {
        let woken = Arc::new(Notify::new());
        shelf.lock().awaited.insert(instance.clone(), Arc::clone(&woken));
        Self { shelf, instance, woken }
    }
}

impl Drop for Awaiting<'_> {
    fn drop(&mut self) {
        let mut state = self.shelf.lock();
        state.awaited.remove(self.instance);
        // He may have gone without what was there for him.
        if state.is_stuck() {
            state.wake_all();
        }
    }
}

#[cfg(test)]
mod tests;
