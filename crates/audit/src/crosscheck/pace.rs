//! When the next question is asked: when it is paid for, and the node serves nobody.

use std::fmt;
use std::sync::Arc;

use outrigger_runtime::Clock;
use tokio::time::sleep_until;

use super::budget::{Purse, Quiet};

/// How much the node has done for others so far, in whatever it counts: objects taken and delivered, queries, retrievals.
#[derive(Clone)]
pub struct Activity(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Activity {
    /// Activity as this counts it.
    pub fn new(count: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(count))
    }

    pub(crate) fn done(&self) -> u64 {
        (self.0)()
    }
}

impl fmt::Debug for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Activity").finish_non_exhaustive()
    }
}

/// What holds questions back.
pub(crate) struct Pace {
    pub(crate) purse: Purse,
    pub(crate) quiet: Quiet,
    pub(crate) activity: Activity,
    pub(crate) clock: Clock,
    /// Questions asked.
    pub(crate) asked: u64,
    /// Bytes of instances read.
    pub(crate) bytes: u64,
}

impl Pace {
    /// Waits for the turn to ask one question; dropped while it waits, it has taken none.
    pub(crate) async fn turn(&mut self) {
        loop {
            sleep_until(self.purse.free_at()).await;
            match self.quiet.look(self.activity.done(), self.clock.now()) {
                None => break,
                Some(later) => sleep_until(later).await,
            }
        }
        self.purse.ask(self.clock.now());
        self.asked += 1;
    }

    /// Notes that so many bytes were read.
    pub(crate) fn read(&mut self, bytes: u64) {
        self.purse.read(bytes, self.clock.now());
        self.bytes += bytes;
    }
}
