//! Those who wait for news, woken in the order in which they came.
//!
//! One channel with many receivers wakes them in an order by chance, which no simulation could repeat.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outrigger_model::Seq;
use tokio::sync::watch;

/// Tells how far the journal is applied; clones tell the same followers.
#[derive(Debug, Clone)]
pub(crate) struct Followers(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    applied: Seq,
    told: Vec<watch::Sender<Seq>>,
}

impl Followers {
    pub(crate) fn new(applied: Seq) -> Self {
        Self(Arc::new(Mutex::new(Inner { applied, told: Vec::new() })))
    }

    /// The lock is a leaf: nothing is awaited and nothing else locked under it.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far the journal is applied.
    pub(crate) fn applied(&self) -> Seq {
        self.lock().applied
    }

    /// Another follower.
    pub(crate) fn join(&self) -> watch::Receiver<Seq> {
        let mut inner = self.lock();
        let (told, follower) = watch::channel(inner.applied);
        inner.told.push(told);
        follower
    }

    /// Tells everybody who is still there.
    pub(crate) fn tell(&self, applied: Seq) {
        let mut inner = self.lock();
        inner.applied = applied;
        inner.told.retain(|told| told.send(applied).is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn followers_come_and_go() {
        let followers = Followers::new(Seq(1));
        let (stays, goes) = (followers.join(), followers.join());
        drop(goes);
        followers.tell(Seq(2));
        assert_eq!(
            (followers.applied(), *stays.borrow(), *followers.join().borrow()),
            (Seq(2), Seq(2), Seq(2))
        );
        assert_eq!(followers.lock().told.len(), 2);
    }
}
