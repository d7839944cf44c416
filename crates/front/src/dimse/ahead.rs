//! Instances opened ahead of the one being sent, so that a retrieval does not wait for its source and its peer in turn.

use std::collections::VecDeque;
use std::slice;
use std::sync::Arc;

use outrigger_dimse::Context;
use outrigger_runtime::Threads;
use tokio::task::JoinSet;

use super::sound::open_sound;
use super::sub_operation::{SubOperationError, has_a_way};
use crate::service::{Opened, Retrievable, Service};

/// Instances open or being opened at once for a request: as many as there are connections to a member where nothing else is
/// configured, so that one request can keep them busy.
const AHEAD_MAX: usize = 4;
/// Bytes of the instances beyond the first that are open at once: four objects of the common sizes, and none beside a large one.
const AHEAD_BYTES_MAX: u64 = 64 << 20;

/// Opens instances in their order, a few at a time.
pub(super) struct Ahead<'p> {
    service: Arc<dyn Service>,
    threads: Threads,
    rest: slice::Iter<'p, Retrievable>,
    begun: VecDeque<Begun<'p>>,
}

struct Begun<'p> {
    instance: &'p Retrievable,
    state: State,
}

enum State {
    /// One task, which ends with this value.
    Opening(JoinSet<Result<Opened, SubOperationError>>),
    Ended(Result<Opened, SubOperationError>),
}

impl<'p> Ahead<'p> {
    pub(super) fn new(service: &Arc<dyn Service>, threads: Threads, plan: &'p [Retrievable]) -> Self {
        let service = service.retrieving(plan).unwrap_or_else(|| Arc::clone(service));
        Self { service, threads, rest: plan.iter(), begun: VecDeque::new() }
    }

    /// The next instance, open where it could be opened; `None` after the last. Nothing is lost when the future is dropped.
    ///
    /// What fits none of these contexts is not fetched from wherever it is.
    pub(super) async fn next(
        &mut self,
        contexts: &[Context],
    ) -> Option<(&'p Retrievable, Result<Opened, SubOperationError>)> {
        self.fill(contexts);
        if let State::Opening(task) = &mut self.begun.front_mut()?.state {
            let opened = match task.join_next().await {
                Some(Ok(opened)) => opened,
                Some(Err(_)) | None => Err(SubOperationError::Unopened),
            };
            self.begun.front_mut()?.state = State::Ended(opened);
        }
        let Begun { instance, state } = self.begun.pop_front()?;
        match state {
            State::Ended(opened) => Some((instance, opened)),
            State::Opening(_) => None,
        }
    }

    /// Gives the next instance up without opening it.
    pub(super) fn pass(&mut self) -> Option<&'p Retrievable> {
        match self.begun.pop_front() {
            Some(Begun { instance, .. }) => Some(instance),
            None => self.rest.next(),
        }
    }

    fn fill(&mut self, contexts: &[Context]) {
        while let Some(instance) = self.rest.as_slice().first() {
            let bytes: u64 = self.begun.iter().map(|begun| begun.instance.length).sum();
            let is_first = self.begun.is_empty();
            let has_room = self.begun.len() < AHEAD_MAX && bytes + instance.length <= AHEAD_BYTES_MAX;
            if !is_first && !has_room {
                return;
            }
            self.rest.next();
            let state = match has_a_way(contexts, instance) {
                Ok(()) => State::Opening(opening(&self.service, self.threads, instance)),
                Err(error) => State::Ended(Err(error)),
            };
            self.begun.push_back(Begun { instance, state });
        }
    }
}

fn opening(
    service: &Arc<dyn Service>,
    threads: Threads,
    instance: &Retrievable,
) -> JoinSet<Result<Opened, SubOperationError>> {
    let (service, instance) = (Arc::clone(service), instance.clone());
    let mut task = JoinSet::new();
    task.spawn(async move { open_sound(&service, threads, &instance).await });
    task
}
