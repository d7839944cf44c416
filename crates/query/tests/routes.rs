//! A member that is reached by two routes: what one does not answer the other does, then the next member, each operation for itself.

use std::sync::Arc;
use std::time::Duration;

use outrigger_member::breaker::Breaker;
use outrigger_model::{MemberName, Tag};
use outrigger_query::{Respondents, Source};
use tokio::time::{Instant, sleep};

use crate::member::{Conduct, Scripted};
use crate::rig::{A, B, Rig, TIMEOUT};
use crate::series::planned;

/// For how long a route that failed is asked after the other.
const REST: Duration = Duration::from_secs(60);

/// Two routes to `a`, which is preferred, and `b`.
struct Routed {
    rig: Rig,
    first: Scripted,
    second: Scripted,
    other: Scripted,
}

impl Routed {
    async fn new() -> Self {
        let (first, second, other) = (Scripted::default(), Scripted::default(), Scripted::default());
        let source = |number, name: &str, preference, routes: &[&Scripted]| Source {
            number,
            name: MemberName::new(name).unwrap(),
            preference,
            routes: routes.iter().map(|route| Arc::new((*route).clone()) as _).collect(),
            connections: 4,
        };
        let sources = vec![source(A, "a", 1, &[&first, &second]), source(B, "b", 2, &[&other])];
        let rig = Rig::reading(Respondents::Members, sources).await;
        rig.is_inventoried(A).await;
        rig.is_inventoried(B).await;
        // Priors tell who answered.
        for (route, study) in [(&first, "1.1"), (&second, "1.2"), (&other, "1.3")] {
            route.shows(&[(Tag::STUDY_INSTANCE_UID, study), (Tag::PATIENT_NAME, "DOE")]);
        }
        Self { rig, first, second, other }
    }

    /// Who answers, and after how long.
    async fn answered(&self) -> (Vec<String>, Duration) {
        let begun = Instant::now();
        (self.rig.named("DOE").await.0, begun.elapsed())
    }

    fn is_asked(&self) -> bool {
        matches!(self.rig.reader.standing(A), Some(Breaker::Closed { .. }))
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_that_takes_no_connection_is_asked_after_the_other_for_a_while() {
    let routed = Routed::new().await;
    assert_eq!(routed.answered().await.0, ["1.1"], "the control: the first is the first");
    routed.first.conduct(Conduct::Away);
    for _ in 0..3 {
        assert_eq!(routed.answered().await, (vec!["1.2".to_owned()], Duration::ZERO));
    }
    routed.first.conduct(Conduct::Well);
    assert_eq!(routed.answered().await.0, ["1.2"], "it is not tried with each query");
    sleep(REST).await;
    assert_eq!(routed.answered().await.0, ["1.1"]);
    assert_eq!(routed.other.asked(), 0);
}

/// Goal: a member whose first route hangs answers by the second, within the time-out, and is not left alone. The control: with both
/// silent the next member answers, and the member is left alone.
#[tokio::test(start_paused = true)]
async fn beside_a_route_that_hangs_the_other_is_asked_within_the_same_time() {
    let routed = Routed::new().await;
    routed.first.conduct(Conduct::Hangs);
    let (answered, took) = routed.answered().await;
    assert_eq!(answered, ["1.2"]);
    assert!(took < TIMEOUT, "{took:?}");
    assert_eq!(
        (routed.answered().await, routed.is_asked()),
        ((vec!["1.2".to_owned()], Duration::ZERO), true)
    );
    assert_eq!((routed.first.asked(), routed.other.asked()), (1, 0));

    routed.second.conduct(Conduct::Hangs);
    let (answered, took) = routed.answered().await;
    assert_eq!((answered, routed.is_asked()), (vec!["1.3".to_owned()], false));
    assert!(took <= TIMEOUT + TIMEOUT / 4, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_route_that_is_slow_has_all_of_the_time_whatever_the_other_does() {
    for conduct in [Conduct::Hangs, Conduct::Away, Conduct::Refuses(0xA700)] {
        let routed = Routed::new().await;
        let slow = TIMEOUT * 9 / 10;
        routed.first.conduct(Conduct::After(slow));
        routed.second.conduct(conduct);
        assert_eq!(routed.answered().await, (vec!["1.1".to_owned()], slow), "{conduct:?}");
        assert!(routed.is_asked(), "{conduct:?}");
    }
}

/// Goal: what a member does not answer is left, and nothing else: one whose queries hang gives objects, and one that gives none answers
/// queries. Delivery has a breaker of its own for what is stored.
#[tokio::test(start_paused = true)]
async fn each_operation_is_left_alone_for_itself() {
    let routed = Routed::new().await;
    for route in [&routed.first, &routed.second] {
        route.conduct(Conduct::Hangs);
    }
    routed.answered().await;
    assert!(!routed.is_asked());
    let begun = Instant::now();
    assert!(routed.rig.reader.open(&planned([1])[0]).await.is_err(), "nobody has it");
    assert_eq!((begun.elapsed(), routed.first.fetched(), routed.second.fetched()), (Duration::ZERO, 1, 1));

    let routed = Routed::new().await;
    for route in [&routed.first, &routed.second] {
        route.withholds();
    }
    let begun = Instant::now();
    assert!(routed.rig.reader.open(&planned([1])[0]).await.is_err());
    assert!(begun.elapsed() >= TIMEOUT && routed.other.fetched() > 0, "{:?}", begun.elapsed());
    assert_eq!(
        (routed.answered().await, routed.is_asked()),
        ((vec!["1.1".to_owned()], Duration::ZERO), true)
    );
}
