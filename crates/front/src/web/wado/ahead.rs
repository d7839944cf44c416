//! Instances begun ahead of the one that is sent, so that a response does not wait for its source and its reader in turn.

use std::collections::VecDeque;
use std::future::Future;
use std::vec;

use tokio::task::JoinSet;

use super::failure::failed;
use crate::service::Retrievable;
use crate::web::Refusal;

/// Instances begun at once for a request: as many as there are connections to a member where nothing else is configured.
const AHEAD_MAX: usize = 4;
/// Bytes of the instances beyond the first that are begun at once: four of the common sizes, and none beside a large one.
const AHEAD_BYTES_MAX: u64 = 64 << 20;

/// Does something with instances in their order, a few at a time. It must hold no memory of the listener when it is done:
/// what waits for its turn would keep it from what is before it.
pub(super) struct Ahead<T, B> {
    rest: vec::IntoIter<Retrievable>,
    begun: VecDeque<Begun<T>>,
    begin: B,
}

struct Begun<T> {
    instance: Retrievable,
    /// One task, which ends with the response.
    task: JoinSet<Result<T, Refusal>>,
}

impl<T, B, F> Ahead<T, B>
where
    T: Send + 'static,
    B: Fn(Retrievable) -> F,
    F: Future<Output = Result<T, Refusal>> + Send + 'static,
{
    pub(super) fn new(instances: Vec<Retrievable>, begin: B) -> Self {
        Self { rest: instances.into_iter(), begun: VecDeque::new(), begin }
    }

    /// The next instance, and what came of it; `None` after the last.
    pub(super) async fn next(&mut self) -> Option<(Retrievable, Result<T, Refusal>)> {
        self.fill();
        let Begun { instance, mut task } = self.begun.pop_front()?;
        let result = match task.join_next().await? {
            Ok(result) => result,
            Err(error) => Err(failed("the work for an instance was lost", &error)),
        };
        Some((instance, result))
    }

    fn fill(&mut self) {
        while let Some(instance) = self.rest.as_slice().first() {
            let bytes: u64 = self.begun.iter().map(|begun| begun.instance.length).sum();
            let has_room = self.begun.len() < AHEAD_MAX && bytes + instance.length <= AHEAD_BYTES_MAX;
            if !self.begun.is_empty() && !has_room {
                return;
            }
            let Some(instance) = self.rest.next() else { return };
            let mut task = JoinSet::new();
            task.spawn((self.begin)(instance.clone()));
            self.begun.push_back(Begun { instance, task });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use outrigger_model::{SopClassUid, SopInstanceUid, TransferSyntaxUid};

    use super::*;

    fn instance(number: u32, length: u64) -> Retrievable {
        Retrievable {
            sop_class: SopClassUid::known("1.2"),
            sop_instance: SopInstanceUid::from_random(number.into()),
            study: None,
            series: None,
            transfer_syntax: TransferSyntaxUid::known("1.2.840.10008.1.2"),
            length,
            place: number.to_string(),
        }
    }

    /// How many are begun when each is handed over.
    async fn begun(lengths: &[u64]) -> Vec<usize> {
        let instances: Vec<Retrievable> =
            (0..).zip(lengths).map(|(n, length)| instance(n, *length)).collect();
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        let mut ahead = Ahead::new(instances.clone(), move |instance| {
            counter.fetch_add(1, Ordering::Relaxed);
            async move { Ok(instance.place) }
        });
        let mut counts = Vec::new();
        let mut order = Vec::new();
        while let Some((instance, place)) = ahead.next().await {
            assert_eq!(place.unwrap(), instance.place);
            order.push(instance);
            counts.push(count.load(Ordering::Relaxed));
        }
        assert_eq!(order, instances);
        counts
    }

    #[tokio::test]
    async fn a_few_are_begun_ahead_and_none_beside_a_large_one() {
        assert_eq!(begun(&[1; 7]).await, [4, 5, 6, 7, 7, 7, 7]);
        let large = AHEAD_BYTES_MAX;
        assert_eq!(begun(&[large, large, 1, 1]).await, [1, 2, 4, 4]);
        assert_eq!(begun(&[]).await, Vec::<usize>::new());
    }

    #[tokio::test]
    async fn work_that_is_lost_is_a_refusal() {
        let mut ahead = Ahead::new(vec![instance(1, 1)], |_| async { panic!("lost") });
        let (_, result): (_, Result<(), Refusal>) = ahead.next().await.unwrap();
        assert!(result.unwrap_err().text().contains("lost"));
        assert!(ahead.next().await.is_none());
    }
}
