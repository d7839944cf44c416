//! The one that places files and writes the catalogue: commits at once when idle, gathers what arrives while a commit runs.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use outrigger_catalogue::{Catalogue, Put};
use outrigger_front::Stored;
use outrigger_runtime::disk::ArcDisk;
use tokio::sync::{mpsc, oneshot};

use crate::blob::Facts;
use crate::blobs::{BUCKET_BLOBS_MAX, Places, Unplaced};
use crate::store::{Severity, StoreError};

/// Objects in one transaction: its time stays some milliseconds, and waiting senders are fewer anyhow.
const BATCH_OBJECTS_MAX: usize = 256;
/// Messages waiting: one for each association that stores, so more never wait than associations are allowed.
pub(crate) const QUEUE_MAX: usize = 256;

/// Why the archive takes no objects any more, once that is so.
pub(crate) type Stopped = Arc<OnceLock<Arc<StoreError>>>;

/// An object whose file is synced.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) facts: Facts,
    pub(crate) file: Unplaced,
    pub(crate) answer: oneshot::Sender<Result<Stored, Arc<StoreError>>>,
}

/// What the writer is told.
#[derive(Debug)]
pub(crate) enum Message {
    Store(Box<Item>),
    Stop,
}

/// Owns the catalogue's writing side and the directory being filled.
pub(crate) struct Writer {
    pub(crate) catalogue: Box<dyn Catalogue>,
    pub(crate) disk: ArcDisk,
    pub(crate) places: Places,
    pub(crate) bucket: Bucket,
    pub(crate) stopped: Stopped,
}

/// The directory being filled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    pub(crate) number: u64,
    pub(crate) blobs: u32,
    pub(crate) state: BucketState,
}

/// Whether a directory outlives a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BucketState {
    /// Perhaps it is there, perhaps not yet for good.
    Planned,
    /// It is in its parent for good.
    Durable,
}

impl Bucket {
    pub(crate) fn new(number: u64) -> Self {
        Self { number, blobs: 0, state: BucketState::Planned }
    }
}

impl Writer {
    /// Runs until it is told to stop or nobody can tell it anything any more.
    pub(crate) async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        while let Some(first) = messages.recv().await {
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
                for (item, put) in items.into_iter().zip(puts) {
                    answer(item, Ok(stored(put)));
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                stop_if_lasting(&self.stopped, &error);
                for item in items {
                    answer(item, Err(error.clone()));
                }
            }
        }
    }

    /// Files under their names, their directories synced, then the rows: in this order, whatever happens.
    fn commit(&mut self, items: &mut [Item]) -> Result<Vec<Put>, StoreError> {
        let current = self.bucket_for(items.len())?;
        let mut rows = Vec::with_capacity(items.len());
        let mut buckets = BTreeSet::new();
        for item in items {
            let bucket = self.bucket_of(&item.facts)?.unwrap_or(current);
            buckets.insert(bucket);
            let path = self.places.blob(bucket, &item.facts.sha256);
            item.file.place(&path).map_err(|source| StoreError::Place { path, source })?;
            rows.push(item.facts.row(bucket));
        }
        for bucket in buckets {
            let path = self.places.bucket(bucket);
            self.disk.sync_directory(&path).map_err(|source| StoreError::Sync { path, source })?;
        }
        let outcomes = self.catalogue.put(&rows).map_err(StoreError::Catalogue)?;
        Ok(outcomes.into_iter().map(|outcome| outcome.put).collect())
    }

    /// The bucket where these very bytes are kept already: the new file takes the old one's place, whose disk may have damaged it.
    fn bucket_of(&mut self, facts: &Facts) -> Result<Option<u64>, StoreError> {
        let known = self.catalogue.lookup(&facts.header.sop_instance).map_err(StoreError::Catalogue)?;
        let Some(known) = known else { return Ok(None) };
        let mut versions = known.versions();
        Ok(versions.find(|version| version.sha256 == facts.sha256).map(|version| version.place))
    }

    /// The directory for new objects, which outlives a power cut before anything is put into it.
    fn bucket_for(&mut self, objects: usize) -> Result<u64, StoreError> {
        if self.bucket.blobs >= BUCKET_BLOBS_MAX {
            self.bucket = Bucket::new(self.bucket.number + 1);
        }
        if self.bucket.state == BucketState::Planned {
            let path = self.places.bucket(self.bucket.number);
            self.disk.create_directory(&path).map_err(|source| StoreError::Place { path, source })?;
            // Once more by ourselves: one made in a try that failed later is not synced by the next.
            let path = self.places.blobs();
            self.disk.sync_directory(&path).map_err(|source| StoreError::Sync { path, source })?;
            self.bucket.state = BucketState::Durable;
        }
        self.bucket.blobs = self.bucket.blobs.saturating_add(u32::try_from(objects).unwrap_or(u32::MAX));
        Ok(self.bucket.number)
    }
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
