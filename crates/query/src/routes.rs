//! Which of a member's routes is asked first, for one operation: one that failed goes last for a while, the others as they are configured.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use outrigger_member::MemberError;
use outrigger_model::MemberName;
use tokio::time::Instant;

/// For so long a route that failed is asked after the others: not every question is to wait for it, and a better route that is back
/// is soon used again. Delivery leaves it for as long.
const REST: Duration = Duration::from_secs(60);

/// When routes failed that go last, by their places.
#[derive(Debug, Default)]
pub(crate) struct Routes(Mutex<BTreeMap<usize, Instant>>);

impl Routes {
    /// The order in which so many routes are asked; of those that failed the one that did so longest ago comes first.
    pub(crate) fn order(&self, count: usize, now: Instant) -> Vec<usize> {
        let failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut order: Vec<usize> = (0..count).collect();
        let rests = |at: &&Instant| now.saturating_duration_since(**at) < REST;
        // Stable, and none comes before any.
        order.sort_by_key(|route| failed.get(route).filter(rests));
        order
    }

    /// A route did not answer, for a reason in words; it is told once for each time that it is left.
    pub(crate) fn failed(&self, member: &MemberName, route: usize, now: Instant, error: &str) {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(route, now);
        if before.is_none_or(|at| now.saturating_duration_since(at) >= REST) {
            tracing::warn!(%member, route = route.saturating_add(1), error, "a route to a member does not answer, and is asked after its others");
        }
    }

    /// A route answered.
    pub(crate) fn worked(&self, route: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&route);
    }
}

/// Whether a failure is of the route, or of the member behind it, and not its answer.
pub(crate) fn is_of_route(error: &MemberError) -> bool {
    matches!(error, MemberError::Connect(_) | MemberError::Lost { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_route_that_failed_goes_last_for_a_while() {
        let (routes, name, now) = (Routes::default(), MemberName::new("a").unwrap(), Instant::now());
        assert_eq!(routes.order(3, now), [0, 1, 2]);
        routes.failed(&name, 0, now, "refused");
        assert_eq!(routes.order(3, now), [1, 2, 0]);
        let later = now + Duration::from_secs(1);
        routes.failed(&name, 1, later, "silent");
        assert_eq!(routes.order(3, later), [2, 0, 1]);
        assert_eq!(routes.order(3, now + REST), [0, 2, 1]);
        routes.worked(1);
        assert_eq!(routes.order(3, later), [1, 2, 0]);
    }
}
