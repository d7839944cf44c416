//! Stopping: everybody is told, and everybody is waited for.

use tokio::sync::{mpsc, watch};

/// Told to all who must stop; clones see the same signal, and each clone is waited for.
#[derive(Debug, Clone)]
pub struct Shutdown {
    signal: watch::Receiver<bool>,
    _alive: mpsc::Sender<()>,
}

/// The side that says stop and waits.
#[derive(Debug)]
pub struct ShutdownGuard {
    signal: watch::Sender<bool>,
    gone: mpsc::Receiver<()>,
}

impl Shutdown {
    /// A signal and the guard that gives it.
    pub fn pair() -> (ShutdownGuard, Self) {
        let (signal, seen) = watch::channel(false);
        let (alive, gone) = mpsc::channel(1);
        (ShutdownGuard { signal, gone }, Self { signal: seen, _alive: alive })
    }

    /// Whether stopping was asked for; a guard that is gone counts as asking.
    pub fn is_stopping(&self) -> bool {
        *self.signal.borrow() || self.signal.has_changed().is_err()
    }

    /// Waits until stopping is asked for; a guard that is gone counts as asking.
    pub async fn stopping(&mut self) {
        while !*self.signal.borrow_and_update() {
            if self.signal.changed().await.is_err() {
                return;
            }
        }
    }
}

impl ShutdownGuard {
    /// Asks everybody to stop.
    pub fn stop(&self) {
        self.signal.send_replace(true);
    }

    /// Waits until every [`Shutdown`] is dropped.
    pub async fn all_gone(&mut self) {
        while self.gone.recv().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_guard_waits_for_every_clone() {
        let (mut guard, mut one) = Shutdown::pair();
        let mut two = one.clone();
        let first = tokio::spawn(async move { one.stopping().await });
        let second = tokio::spawn(async move { two.stopping().await });
        guard.stop();
        guard.all_gone().await;
        first.await.unwrap();
        second.await.unwrap();
    }

    #[tokio::test]
    async fn a_guard_that_is_gone_asks_for_stopping_in_both_ways() {
        let (guard, mut one) = Shutdown::pair();
        assert!(!one.is_stopping());
        drop(guard);
        one.stopping().await;
        assert!(one.is_stopping());
    }
}
