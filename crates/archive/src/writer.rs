//! The one that places blobs and writes the catalogue: commits at once when idle, gathers what arrives while a commit runs.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use outrigger_catalogue::{Catalogue, Located, Put};
use outrigger_front::Stored;
use tokio::sync::{mpsc, oneshot};

use crate::away::Away;
use crate::blob::Facts;
use crate::blobs::{Blobs, Pending, Placing};
use crate::store::{Severity, StoreError};

/// Objects in one transaction: its time stays some milliseconds, and waiting senders are fewer anyhow.
const BATCH_OBJECTS_MAX: usize = 256;
/// Messages waiting: one for each association that stores, so more never wait than associations are allowed.
pub(crate) const QUEUE_MAX: usize = 256;

/// Why the archive takes no objects any more, once that is so.
pub(crate) type Stopped = Arc<OnceLock<Arc<StoreError>>>;

/// An object that is on stable storage.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) facts: Facts,
    pub(crate) pending: Pending,
    pub(crate) answer: oneshot::Sender<Result<Stored, Arc<StoreError>>>,
}

/// What the writer is told.
#[derive(Debug)]
pub(crate) enum Message {
    Store(Box<Item>),
    Stop,
}

/// Owns the catalogue's writing side; it alone places blobs.
pub(crate) struct Writer {
    pub(crate) catalogue: Box<dyn Catalogue>,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) stopped: Stopped,
    pub(crate) away: Away,
}

/// How often an idle writer looks whether the database is there: what is wrong with it is then known before a sender comes.
const LOOK: Duration = Duration::from_secs(5);
/// How often while it is not: status says soon that it is again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Writer {
    /// Runs until it is told to stop or nobody can tell it anything any more; meanwhile it looks whether the database is there.
    pub(crate) async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        loop {
            let wait = if self.away.is_some() { LOOK_AGAIN } else { LOOK };
            let Ok(message) = tokio::time::timeout(wait, messages.recv()).await else {
                let reached = self.catalogue.reach();
                self.away.note(reached.as_ref().err());
                continue;
            };
            let Some(first) = message else { return };
            let (items, next) = gather(first, &mut messages);
            self.store(items);
            if next == Next::Stop {
                return;
            }
        }
    }

    /// Stores a batch and answers each of its senders.
    fn store(&mut self, mut items: Vec<Item>) {
        if items.is_empty() {
            return;
        }
        let outcome = match self.stopped.get() {
            Some(since) => Err(StoreError::Stopped { since: since.clone() }),
            None => self.commit(&mut items),
        };
        match outcome {
            Ok(puts) => {
                self.away.note(None);
                for (item, put) in items.into_iter().zip(puts) {
                    answer(item, Ok(stored(put)));
                }
            }
            Err(error) => {
                if let StoreError::Catalogue(error) = &error {
                    self.away.note(Some(error));
                }
                let error = Arc::new(error);
                stop_if_lasting(&self.stopped, &error);
                for item in items {
                    answer(item, Err(error.clone()));
                }
            }
        }
    }

    /// Every object in its place for good, then the rows: in this order, whatever happens.
    fn commit(&mut self, items: &mut [Item]) -> Result<Vec<Put>, StoreError> {
        let mut placings = Vec::with_capacity(items.len());
        let known: Vec<_> = items.iter().map(|item| item.facts.header.sop_instance.clone()).collect();
        let known = self.catalogue.lookup_each(&known).map_err(StoreError::Catalogue)?;
        for (item, known) in items.iter_mut().zip(known) {
            let known = known.and_then(|known| place_of(&item.facts, &known));
            placings.push(Placing { sha256: item.facts.sha256, pending: &mut item.pending, known });
        }
        let places = self.blobs.place(&mut placings)?;
        drop(placings);
        let rows: Vec<_> = items.iter().zip(places).map(|(item, place)| item.facts.row(place)).collect();
        let outcomes = self.catalogue.put(&rows).map_err(StoreError::Catalogue)?;
        for item in items {
            item.pending.settle();
        }
        Ok(outcomes.into_iter().map(|outcome| outcome.put).collect())
    }
}

/// Where these very bytes are kept already: the new blob takes the old one's place, whose keeper may have damaged it.
fn place_of(facts: &Facts, known: &Located) -> Option<u64> {
    let mut versions = known.versions();
    versions.find(|version| version.sha256 == facts.sha256).map(|version| version.place)
}

/// Notes the first failure after which nothing more is taken.
pub(crate) fn stop_if_lasting(stopped: &Stopped, error: &Arc<StoreError>) {
    if error.severity() == Severity::Lasting && stopped.set(error.clone()).is_ok() {
        tracing::error!(
            error = &**error as &dyn std::error::Error,
            "the archive takes no objects until it is restarted"
        );
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

/// What waits already, up to a batch.
fn gather(first: Message, messages: &mut mpsc::Receiver<Message>) -> (Vec<Item>, Next) {
    let mut items = Vec::new();
    let mut message = Some(first);
    while let Some(now) = message {
        match now {
            Message::Store(item) => items.push(*item),
            Message::Stop => return (items, Next::Stop),
        }
        let room = items.len() < BATCH_OBJECTS_MAX;
        message = if room { messages.try_recv().ok() } else { None };
    }
    (items, Next::GoOn)
}

fn stored(put: Put) -> Stored {
    match put {
        Put::New => Stored::New,
        Put::Same => Stored::Repeated,
        Put::Other => Stored::NewVersion,
    }
}

/// A sender that has gone does not need its answer; the object is kept all the same.
fn answer(item: Item, outcome: Result<Stored, Arc<StoreError>>) {
    if item.answer.send(outcome).is_err() {
        tracing::debug!(sop_instance = %item.facts.header.sop_instance, "nobody waits for the answer any more");
    }
}
