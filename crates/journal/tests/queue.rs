//! The queue before the writer: what waits in it too long is refused, whatever the writer does.

use std::future::Future;
use std::task::Poll;
use std::time::Duration;

use outrigger_journal::{AppendError, Durable, JournalHandle, Seq};
use outrigger_runtime::Threads;

use crate::gate::Gate;
use crate::kit::{closing, object, open_on};

/// Records in one commit.
const COMMIT: usize = 256;

/// How long each takes here: less than what counts as stalled, and three of them more than a record may wait.
const COMMIT_TIME: Duration = Duration::from_secs(4);

/// Appends so many records at once, and gives what became of each.
async fn all(journal: JournalHandle, count: usize) -> Vec<Result<Durable, AppendError>> {
    let append = |seed: usize| Box::pin(journal.append(object(seed as u64, 100)));
    let mut waiting: Vec<_> = (0..count).map(append).collect();
    let mut outcomes = Vec::with_capacity(count);
    std::future::poll_fn(|context| {
        waiting.retain_mut(|append| match append.as_mut().poll(context) {
            Poll::Ready(outcome) => {
                outcomes.push(outcome);
                false
            }
            Poll::Pending => true,
        });
        if waiting.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outcomes
}

/// Appends `count` records while each commit takes its time; gives how many were committed and how many refused.
async fn appended(count: usize) -> (usize, usize) {
    let directory = tempfile::tempdir().unwrap();
    let gate = Gate::default();
    let journal = open_on(&gate.disk(), directory.path(), Seq(0)).journal.start(Threads::System).unwrap();
    journal.append(object(1, 100)).await.unwrap();
    gate.shut();
    let first = tokio::spawn({
        let journal = journal.clone();
        async move { journal.append(object(2, 100)).await }
    });
    let at_the_gate = gate.clone();
    tokio::task::spawn_blocking(move || at_the_gate.wait_for_somebody()).await.unwrap();
    tokio::time::pause();
    let waiting = tokio::spawn(tokio::task::unconstrained(all(journal.clone(), count)));
    // One turn of that task queues them all; with more, time would pass by itself.
    tokio::task::yield_now().await;
    for _ in 0..count.div_ceil(COMMIT).min(2) {
        tokio::time::advance(COMMIT_TIME).await;
        let before = journal.tail();
        // A commit that grows the segment syncs twice. This thread waits, so that no time passes by itself; the writer has
        // one of its own.
        while journal.tail() == before {
            gate.let_one_pass();
            gate.wait_for_somebody();
        }
    }
    if count > COMMIT {
        tokio::time::advance(COMMIT_TIME).await;
    } else {
        gate.open();
        tokio::time::resume();
    }
    let (mut committed, mut refused) = (0, 0);
    let first = first.await.unwrap();
    for outcome in std::iter::once(first).chain(waiting.await.unwrap()) {
        match outcome {
            Ok(_) => committed += 1,
            Err(AppendError::QueueTimeout { seconds: 10 }) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    if count > COMMIT {
        tokio::time::resume();
        gate.open();
    }
    journal.append(closing(4)).await.unwrap();
    journal.close().await.unwrap();
    (committed, refused)
}

#[tokio::test]
async fn a_record_is_refused_after_ten_seconds_in_the_queue_though_the_writer_gets_on() {
    assert_eq!(appended(3 * COMMIT).await, (1 + COMMIT, 2 * COMMIT));
}

/// The control: what the next commit takes is not refused.
#[tokio::test]
async fn a_record_that_is_committed_in_time_is_not_refused() {
    assert_eq!(appended(COMMIT / 2).await, (1 + COMMIT / 2, 0));
}
