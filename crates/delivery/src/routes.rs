//! The routes to a member: which is tried first, and that one failed where another worked.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// For so long a route that could not be called is tried after the others: a batch must not wait for it each time, and a
/// better route that is back is soon used again.
const REST: Duration = Duration::from_secs(60);

/// A route that fails where another works is told again after this: a person needs no finding for each object.
const TOLD_AGAIN: Duration = Duration::from_secs(3600);

/// What the connections of one member know of its routes. The lock is a leaf: nothing is awaited under it.
#[derive(Debug, Default)]
pub struct Routes(Mutex<BTreeMap<usize, State>>);

#[derive(Debug, Default)]
struct State {
    resting: Option<(Instant, String)>,
    told: Option<Instant>,
}

impl Routes {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The order in which so many routes are tried: as they are configured, those that could not be called at the end.
    pub fn order(&self, count: usize, now: Instant) -> Vec<usize> {
        let state = self.lock();
        let is_resting = |number: &usize| state.get(number).is_some_and(|state| words(state, now).is_some());
        let (resting, ready): (Vec<_>, Vec<_>) = (0..count).partition(is_resting);
        ready.into_iter().chain(resting).collect()
    }

    /// Why a route is tried after the others, if it is.
    pub fn resting(&self, number: usize, now: Instant) -> Option<String> {
        self.lock().get(&number).and_then(|state| words(state, now)).map(str::to_owned)
    }

    /// A route could not be called while there are others.
    pub fn failed(&self, number: usize, words: String, now: Instant) {
        self.lock().entry(number).or_default().resting = Some((now + REST, words));
    }

    /// A route works.
    pub fn worked(&self, number: usize) {
        if let Some(state) = self.lock().get_mut(&number) {
            state.resting = None;
        }
    }

    /// Whether it is time to tell that a route failed where another worked; it counts as told then.
    pub fn tell(&self, number: usize, now: Instant) -> bool {
        let mut routes = self.lock();
        let state = routes.entry(number).or_default();
        let is_time = state.told.is_none_or(|told| now.saturating_duration_since(told) >= TOLD_AGAIN);
        if is_time {
            state.told = Some(now);
        }
        is_time
    }
}

fn words(state: &State, now: Instant) -> Option<&str> {
    state.resting.as_ref().filter(|(until, _)| now < *until).map(|(_, words)| words.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_route_that_failed_goes_last_for_a_while() {
        let (routes, now) = (Routes::default(), Instant::now());
        assert_eq!(routes.order(3, now), [0, 1, 2]);
        routes.failed(0, "refused".to_owned(), now);
        assert_eq!(routes.order(3, now), [1, 2, 0]);
        assert_eq!(routes.resting(0, now).as_deref(), Some("refused"));
        assert_eq!(routes.order(3, now + REST), [0, 1, 2]);
        routes.worked(0);
        assert_eq!(routes.order(3, now), [0, 1, 2]);
        assert!(routes.tell(1, now) && !routes.tell(1, now + REST) && routes.tell(2, now));
        assert!(routes.tell(1, now + TOLD_AGAIN));
    }
}
