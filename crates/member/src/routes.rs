//! Which of a member's routes is used first, for one operation: one that failed goes last for a while, the others as they are
//! configured.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::contract::MemberError;

/// For so long a route that failed is used after the others: not every object or question is to wait for it, and a better route
/// that is back is soon used again.
const REST: Duration = Duration::from_secs(60);

/// A route that fails where another works is told again after this: a person needs no finding for each object.
const TOLD_AGAIN: Duration = Duration::from_secs(3600);

/// What is known of the routes of one member, by their places. The lock is a leaf: nothing is awaited under it.
#[derive(Debug, Default)]
pub struct Routes(Mutex<BTreeMap<usize, State>>);

#[derive(Debug, Default)]
struct State {
    resting: Option<Resting>,
    told: Option<Instant>,
}

#[derive(Debug)]
struct Resting {
    until: Instant,
    why: String,
}

/// What a failure is to a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// It goes last from now on.
    Begun,
    /// It went last before.
    GoesOn,
}

impl Routes {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The order in which so many routes are used; of those that failed the one that did so longest ago comes first.
    pub fn order(&self, count: usize, now: Instant) -> Vec<usize> {
        let routes = self.lock();
        let mut order: Vec<usize> = (0..count).collect();
        // Stable, and none comes before any.
        order.sort_by_key(|route| {
            routes.get(route).and_then(|state| state.resting(now)).map(|rest| rest.until)
        });
        order
    }

    /// Why a route is used after the others, if it is.
    pub fn resting(&self, route: usize, now: Instant) -> Option<String> {
        self.lock().get(&route).and_then(|state| state.resting(now)).map(|rest| rest.why.clone())
    }

    /// A route failed, for a reason in words, while there are others.
    pub fn failed(&self, route: usize, why: String, now: Instant) -> Rest {
        let mut routes = self.lock();
        let state = routes.entry(route).or_default();
        let rest = if state.resting(now).is_some() { Rest::GoesOn } else { Rest::Begun };
        state.resting = Some(Resting { until: now + REST, why });
        rest
    }

    /// A route works.
    pub fn worked(&self, route: usize) {
        if let Some(state) = self.lock().get_mut(&route) {
            state.resting = None;
        }
    }

    /// Whether it is time to tell that a route failed where another worked; it counts as told then.
    pub fn tell(&self, route: usize, now: Instant) -> bool {
        let mut routes = self.lock();
        let state = routes.entry(route).or_default();
        let is_time = state.told.is_none_or(|told| now.saturating_duration_since(told) >= TOLD_AGAIN);
        if is_time {
            state.told = Some(now);
        }
        is_time
    }
}

impl State {
    fn resting(&self, now: Instant) -> Option<&Resting> {
        self.resting.as_ref().filter(|rest| now < rest.until)
    }
}

/// Whether a failure is of the route, or of the member behind it, and not its answer.
pub fn is_of_route(error: &MemberError) -> bool {
    matches!(error, MemberError::Connect(_) | MemberError::Lost { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_route_that_failed_goes_last_for_a_while() {
        let (routes, now) = (Routes::default(), Instant::now());
        let failed = |route, now| routes.failed(route, "refused".to_owned(), now);
        assert_eq!(routes.order(3, now), [0, 1, 2]);
        assert_eq!(failed(0, now), Rest::Begun);
        assert_eq!(routes.order(3, now), [1, 2, 0]);
        assert_eq!(routes.resting(0, now).as_deref(), Some("refused"));
        let later = now + Duration::from_secs(1);
        assert_eq!((failed(1, later), failed(1, later)), (Rest::Begun, Rest::GoesOn));
        assert_eq!(routes.order(3, later), [2, 0, 1], "the one that failed longest ago is the first of them");
        assert_eq!(routes.order(3, now + REST), [0, 2, 1]);
        routes.worked(1);
        assert_eq!(routes.order(3, later), [1, 2, 0]);
        assert_eq!((routes.resting(0, now + REST), failed(0, now + REST)), (None, Rest::Begun));
        assert!(routes.tell(1, now) && !routes.tell(1, now + REST) && routes.tell(2, now));
        assert!(routes.tell(1, now + TOLD_AGAIN));
    }
}
