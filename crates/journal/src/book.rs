//! What the one writer and all readers of a journal share: which copies are in use, and up to where they agree.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use outrigger_runtime::{Clock, Random, SpoolPlace};
use tokio::sync::watch;

use crate::ids::{JournalId, Seq};
use crate::options::Place;
use crate::reader::CopyReader;
use crate::state::{CopyStanding, CopyState, Health, JournalState};

/// What the one writer and all readers of a journal share.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) journal: JournalId,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    places: RwLock<Vec<Held>>,
    /// Tells the last number that is durable in every copy in use.
    pub(crate) tail: watch::Sender<Seq>,
    /// Where large bodies stream to: beside the first copy in use.
    pub(crate) spool: SpoolPlace,
    left_free: AtomicU64,
}

/// A place that is configured, and what is in it.
#[derive(Debug)]
struct Held {
    place: Place,
    now: Now,
}

/// What is in a place.
#[derive(Debug, Clone)]
pub(crate) enum Now {
    InUse(CopyReader),
    /// Nothing that counts, for a reason in words.
    Out(String),
    Rebuilding,
}

impl Book {
    pub(crate) fn new(journal: JournalId, (clock, random): (Clock, Random), places: &[Place]) -> Self {
        let held = places
            .iter()
            .map(|place| Held { place: place.clone(), now: Now::Out("it was not there yet".to_owned()) });
        Self {
            journal,
            clock,
            random,
            places: RwLock::new(held.collect()),
            tail: watch::Sender::new(Seq(0)),
            spool: PathBuf::new().into(),
            left_free: AtomicU64::new(0),
        }
    }

    /// The last number that is durable in every copy in use.
    pub(crate) fn tail(&self) -> Seq {
        *self.tail.borrow()
    }

    /// The copies in use, in the order of their places.
    pub(crate) fn in_use(&self) -> Vec<CopyReader> {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        let copies = places.iter().filter_map(|held| match &held.now {
            Now::InUse(copy) => Some(copy.clone()),
            Now::Out(_) | Now::Rebuilding => None,
        });
        copies.collect()
    }

    /// Which places have no copy that counts, and none being made.
    pub(crate) fn empty_places(&self) -> Vec<usize> {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        let empty = places.iter().enumerate().filter(|(_, held)| matches!(held.now, Now::Out(_)));
        empty.map(|(at, _)| at).collect()
    }

    /// Notes what is in a place from now on.
    pub(crate) fn set(&self, at: usize, now: Now) {
        if let Now::InUse(copy) = &now {
            copy.home.leave_free(self.left_free.load(Ordering::Relaxed));
        }
        {
            let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(held) = places.get_mut(at) {
                held.now = now;
            }
        }
        if let Some(first) = self.in_use().first() {
            self.spool.set(&first.home.paths.spool);
        }
    }

    pub(crate) fn leave_free(&self, bytes: u64) {
        self.left_free.store(bytes, Ordering::Relaxed);
        for copy in self.in_use() {
            copy.home.leave_free(bytes);
        }
    }

    /// How the journal as a whole is doing: it is full as soon as one copy is, and failed when all are.
    pub(crate) fn health(&self) -> Health {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        let healths = places.iter().filter_map(|held| match &held.now {
            Now::InUse(copy) => Some(copy.home.health()),
            Now::Out(_) | Now::Rebuilding => None,
        });
        healths.fold(Health::Failed, |all, one| match (all, one) {
            (Health::Full, _) | (_, Health::Full) => Health::Full,
            (Health::Healthy, _) | (_, Health::Healthy) => Health::Healthy,
            (Health::Failed, Health::Failed) => Health::Failed,
        })
    }

    pub(crate) fn state(&self) -> JournalState {
        let copies = self.in_use();
        let contents: Vec<_> = copies.iter().map(|copy| (copy.home.clone(), copy.contents())).collect();
        let first = contents.first().map(|(_, contents)| *contents).unwrap_or_default();
        JournalState {
            copies: self.copy_states(),
            health: self.health(),
            entries: first.entries,
            bodies: first.bodies,
            bytes: contents.iter().map(|(_, contents)| contents.bytes).max().unwrap_or(0),
            capacity: contents.iter().map(|(home, contents)| home.capacity(*contents)).min().unwrap_or(0),
            generation: copies.iter().map(|copy| copy.home.generation()).max().unwrap_or(0),
        }
    }

    fn copy_states(&self) -> Vec<CopyState> {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        let states = places.iter().map(|Held { place, now }| CopyState {
            engine: place.engine,
            directory: place.directory.clone(),
            standing: match now {
                Now::Out(why) => CopyStanding::Out(why.clone()),
                Now::Rebuilding => CopyStanding::Rebuilding,
                Now::InUse(copy) => match copy.home.health() {
                    Health::Healthy => CopyStanding::Healthy,
                    Health::Full => CopyStanding::Full,
                    Health::Failed => CopyStanding::Failed,
                },
            },
        });
        states.collect()
    }
}
