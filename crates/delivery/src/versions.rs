//! Telling re-encodings from new versions: objects that came again under their SOP Instance UID with other bytes.

use std::time::Duration;

use outrigger_dataset::normal::Verdict;
use outrigger_ledger::{Compared, Ledger, StoredObject};
use outrigger_model::Seq;
use outrigger_runtime::{Shutdown, Threads};

use crate::compare::{Copy, compare};
use crate::send::chain;

/// How often it is looked for something to compare; until then both versions are delivered in their order.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Pairs compared in a row before it is asked whether to stop.
const BATCH: usize = 16;

/// The loop that compares versions.
pub struct Versions {
    /// The ledger.
    pub ledger: Ledger,
    /// Where comparisons run.
    pub threads: Threads,
    /// When to stop.
    pub shutdown: Shutdown,
}

impl Versions {
    /// Works until the node stops.
    pub async fn run(mut self) {
        while !self.shutdown.is_stopping() {
            let pairs = match self.ledger.uncompared(BATCH).await {
                Ok(pairs) => pairs,
                Err(error) => {
                    tracing::debug!(error = %chain(&error), "versions are not compared now");
                    Vec::new()
                }
            };
            let mut settled = 0;
            for (entry, earlier) in pairs {
                if self.settle(entry, earlier).await {
                    settled += 1;
                }
            }
            if settled > 0 {
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.shutdown.stopping() => {}
            }
        }
    }

    /// Compares two entries and notes what the later one is; false where that cannot be told now.
    async fn settle(&self, entry: Seq, earlier: Seq) -> bool {
        let (Ok(before), Ok(after)) = (self.ledger.object(earlier).await, self.ledger.object(entry).await)
        else {
            return false;
        };
        let compared = match self
            .threads
            .blocking("comparison of versions", move || compare(copy(&before), copy(&after)))
            .await
        {
            Ok(Ok(Verdict::Identical | Verdict::ReEncoded)) => Compared::ReEncoded,
            Ok(Ok(_)) => Compared::OtherContent,
            Ok(Err(error)) => {
                tracing::info!(%entry, error = %chain(&error), "versions cannot be compared and count as different");
                Compared::OtherContent
            }
            Err(error) => {
                tracing::warn!(%entry, %error, "a comparison of versions did not finish");
                return false;
            }
        };
        match self.ledger.compared(entry, compared).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%entry, error = %chain(&error), "what a version is could not be noted");
                false
            }
        }
    }
}

fn copy(object: &StoredObject) -> Copy<'_> {
    Copy { transfer_syntax: &object.transfer_syntax, bytes: &*object.bytes }
}
