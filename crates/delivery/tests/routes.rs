//! A member with two routes: what one does not bring, the other does, and it is written down.

use std::time::Duration;

use outrigger_delivery::StandingState;
use outrigger_ledger::finding::FindingKind;
use outrigger_member::Ability;
use outrigger_model::ConfirmLevel;

use crate::rig::Rig;

#[tokio::test(start_paused = true)]
async fn where_one_route_cannot_be_called_the_next_brings_the_objects_and_it_is_told_once() {
    let rig = Rig::with_two_routes(ConfirmLevel::Accepted).await;
    rig.member.goes_away();
    rig.stores();
    for instance in 1..=5 {
        rig.closes_next(instance).await;
    }
    assert_eq!((rig.member.asked().stores, rig.second.asked().stores), (0, 5));
    assert_eq!(rig.standing().state().0, StandingState::Up, "the member is there");
    let findings = rig.ledger.findings().await.unwrap();
    let [finding] = &findings[..] else { panic!("one finding, not {findings:?}") };
    assert_eq!(finding.kind, FindingKind::RouteFailed);
    assert!(finding.text.contains("the route told failed where second took the object: "), "{finding:?}");
    assert!(finding.entry.is_some() && finding.member.is_some(), "{finding:?}");
}

#[tokio::test(start_paused = true)]
async fn what_one_route_refuses_for_good_the_next_may_take() {
    let rig = Rig::with_two_routes(ConfirmLevel::Accepted).await;
    rig.member.refuses(Some(0xC000));
    rig.stores();
    rig.closes_next(1).await;
    assert_eq!((rig.member.asked().stores, rig.second.asked().stores), (1, 1));
    let findings = rig.ledger.findings().await.unwrap();
    assert!(findings[0].text.contains("as it was told"), "{findings:?}");
    rig.member.refuses(None);
    rig.closes_next(2).await;
    assert_eq!(rig.member.asked().stores, 2, "the better route is still tried first");
}

#[tokio::test(start_paused = true)]
async fn a_member_whose_routes_all_fail_is_away() {
    let rig = Rig::with_two_routes(ConfirmLevel::Accepted).await;
    rig.member.goes_away();
    rig.second.goes_away();
    rig.owes(1).await;
    rig.stores();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(rig.standing().state().0, StandingState::Away);
    assert!(rig.ledger.findings().await.unwrap().is_empty(), "nothing worked where another failed");
}

#[tokio::test(start_paused = true)]
async fn a_route_that_works_leaves_nothing_to_be_told() {
    let rig = Rig::with_two_routes(ConfirmLevel::Accepted).await;
    rig.stores();
    rig.closes_next(1).await;
    assert_eq!((rig.member.asked().stores, rig.second.asked().stores), (1, 0));
    assert!(rig.ledger.findings().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn questions_too_go_by_the_route_that_works() {
    let rig = Rig::with_two_routes(ConfirmLevel::Present).await;
    rig.member.goes_away();
    for route in [&rig.member, &rig.second] {
        route.can(&[Ability::Query]);
    }
    rig.stores();
    rig.closes_next(1).await;
    rig.closes_next(2).await;
    assert_eq!(rig.member.asked().queries, 0, "it rests, and is not asked first each time");
    assert!(rig.second.asked().queries > 0, "{:?}", rig.second.asked());
}
