//! Events on their way out of a front: a bounded channel that is waited for, but not for ever.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

/// Events waiting to be recorded: a burst of one for each association of a listener, with room to spare.
const EVENTS_MAX: usize = 1024;
/// How long a full channel is waited for: whoever records writes to a disk, and a peer waits no longer than this.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The sending side for events of one kind; clones share the channel.
#[derive(Debug, Clone)]
pub struct Outbox<T> {
    what: &'static str,
    sender: mpsc::Sender<T>,
    /// Whether an event was waited for in vain, and none was taken since.
    is_stuck: Arc<AtomicBool>,
}

impl<T: fmt::Debug> Outbox<T> {
    /// A channel for events that the log calls `what`.
    pub fn new(what: &'static str) -> (Self, mpsc::Receiver<T>) {
        let (sender, receiver) = mpsc::channel(EVENTS_MAX);
        (Self { what, sender, is_stuck: Arc::new(AtomicBool::new(false)) }, receiver)
    }

    /// Hands an event over; one that cannot be handed over in time is counted, and logged whole as lost. After one was waited for in
    /// vain no other is waited for until there is room again: a disk that hangs holds a peer up once.
    pub async fn put(&self, event: T) {
        let patience = if self.is_stuck.load(Ordering::Relaxed) { Duration::ZERO } else { WAIT_MAX };
        let (event, why) = match self.sender.send_timeout(event, patience).await {
            Ok(()) => return self.is_stuck.store(false, Ordering::Relaxed),
            Err(mpsc::error::SendTimeoutError::Timeout(event)) => (event, "nobody takes them"),
            Err(mpsc::error::SendTimeoutError::Closed(event)) => (event, "nobody listens"),
        };
        self.is_stuck.store(true, Ordering::Relaxed);
        metrics::counter!("outrigger_events_lost_total", "kind" => self.what).increment(1);
        tracing::error!(kind = self.what, why, ?event, "an event was lost");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_full_box_holds_up_for_a_while_only() {
        let (outbox, mut events) = Outbox::new("test");
        for event in 0..EVENTS_MAX {
            outbox.put(event).await;
        }
        let before = tokio::time::Instant::now();
        outbox.put(EVENTS_MAX).await;
        assert_eq!(before.elapsed(), WAIT_MAX);
        assert_eq!(events.recv().await, Some(0));
        outbox.put(EVENTS_MAX + 1).await;
        assert_eq!(before.elapsed(), WAIT_MAX, "there is room again");
        // It was taken, so that the next is waited for anew; the one after that is not.
        outbox.put(EVENTS_MAX + 2).await;
        assert_eq!(before.elapsed(), 2 * WAIT_MAX);
        outbox.put(EVENTS_MAX + 3).await;
        assert_eq!(before.elapsed(), 2 * WAIT_MAX, "a peer is held up once");
    }
}
