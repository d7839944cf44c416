//! How many connections a member gets at once: storing and confirming share them.
//!
//! Archives count associations and let further ones wait, some with no more than four threads; an idle connection of ours
//! must not keep our own question, or a workstation's, waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The connections that one member gets; clones share them.
#[derive(Debug, Clone)]
pub struct Lines {
    free: Arc<Semaphore>,
    asking: Arc<AtomicUsize>,
    asked: Arc<Notify>,
    storing: Arc<AtomicUsize>,
    wanted: Arc<Notify>,
}

/// The right to one connection, given back when dropped.
#[derive(Debug)]
pub struct LinePermit {
    _permit: OwnedSemaphorePermit,
}

/// Counts somebody who waits, also when the future is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn one_more(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lines {
    /// So many connections.
    pub fn new(count: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count)),
            asking: Arc::default(),
            asked: Arc::default(),
            storing: Arc::default(),
            wanted: Arc::default(),
        }
    }

    /// Waits for a connection to store over; whoever asks meanwhile gives its own up after its batch.
    pub async fn to_store(&self) -> Option<LinePermit> {
        let _waiting = Waiting::one_more(&self.storing);
        self.wanted.notify_waiters();
        self.permit().await
    }

    /// Waits for a connection to ask over; whoever stores meanwhile gives one up after its batch.
    pub async fn to_ask(&self) -> Option<LinePermit> {
        let _waiting = Waiting::one_more(&self.asking);
        self.asked.notify_waiters();
        self.permit().await
    }

    async fn permit(&self) -> Option<LinePermit> {
        let permit = Arc::clone(&self.free).acquire_owned().await;
        permit.ok().map(|permit| LinePermit { _permit: permit })
    }

    /// Whether somebody waits for a connection to store over.
    pub fn is_wanted(&self) -> bool {
        self.storing.load(Ordering::Relaxed) > 0 && self.free.available_permits() == 0
    }

    /// Waits until somebody asks for a connection to store over.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Whether a question waits for a connection.
    pub fn is_asked(&self) -> bool {
        self.asking.load(Ordering::Relaxed) > 0 && self.free.available_permits() == 0
    }

    /// Waits until a question asks for a connection.
    pub async fn asked(&self) {
        self.asked.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_is_seen_by_whoever_stores_and_gets_its_turn() {
        let lines = Lines::new(1);
        let storing = lines.to_store().await.unwrap();
        assert!(!lines.is_asked());
        let asker = lines.clone();
        let question = tokio::spawn(async move { asker.to_ask().await.is_some() });
        lines.asked().await;
        assert!(lines.is_asked());
        drop(storing);
        assert!(question.await.unwrap());
        assert!(!lines.is_asked());
    }

    #[tokio::test]
    async fn whoever_asks_sees_that_somebody_waits_to_store() {
        let lines = Lines::new(1);
        let asking = lines.to_ask().await.unwrap();
        assert!(!lines.is_wanted());
        let storer = lines.clone();
        let storing = tokio::spawn(async move { storer.to_store().await.is_some() });
        lines.wanted().await;
        assert!(lines.is_wanted() && !lines.is_asked());
        drop(asking);
        assert!(storing.await.unwrap());
        assert!(!lines.is_wanted());
    }

    #[tokio::test]
    async fn a_question_given_up_is_not_counted() {
        let lines = Lines::new(1);
        let _storing = lines.to_store().await.unwrap();
        assert!(tokio::time::timeout(std::time::Duration::from_millis(1), lines.to_ask()).await.is_err());
        assert!(!lines.is_asked());
    }
}
