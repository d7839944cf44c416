//! What objects lack is not learnt as the member's inability; what is asked in the background, and of whom.

use std::time::Duration;

use outrigger_member::Ability;
use outrigger_model::{ConfirmLevel, MemberNumber, SopInstanceUid, WallTime};

use crate::rig::Rig;

/// Some rounds of the loop.
const ROUNDS: Duration = Duration::from_secs(5);

use ConfirmLevel::{Accepted, Present, Verified};

/// It could not commit either, which nobody needs of it.
#[tokio::test(start_paused = true)]
async fn an_object_that_nobody_can_ask_for_says_nothing_against_the_member() {
    let rig = Rig::new(Verified).await;
    rig.member.can(&[Ability::Query, Ability::ReadBack]);
    rig.gives(1).await;
    assert_eq!(rig.closes(1).await, Verified);
    let outside = rig.accepts_outside_studies(2).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let member = rig.stands(&outside).await;
    assert_eq!((member.state.as_str(), member.level), ("confirmed", Some(Accepted)), "{member:?}");
    assert_eq!(rig.unable().await, [], "the member does what is asked of it");
    let findings = rig.ledger.findings().await.unwrap();
    assert_eq!(findings.len(), 1, "one of the object: {findings:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_accepted_is_asked_for_later_a_series_at_a_time_and_noted_as_present() {
    let rig = Rig::new(Accepted).await;
    rig.member.can(&[Ability::Query]);
    let uids = [rig.accepts(1).await, rig.accepts(2).await, rig.accepts(3).await];
    tokio::time::sleep(ROUNDS).await;
    for uid in &uids {
        let member = rig.stands(uid).await;
        assert_eq!((member.state.as_str(), member.level), ("confirmed", Some(Present)), "{member:?}");
        assert_eq!(member.attempts.len(), 0, "{member:?}");
    }
    let queries = rig.member.asked().queries;
    assert!(queries <= 3, "{queries}");
    tokio::time::sleep(Duration::from_secs(3 * 3600)).await;
    assert_eq!(rig.member.asked().queries, queries, "what it showed is not asked for again");
}

/// It died within its last ten minutes and forgot: what it showed before says nothing any more.
#[tokio::test(start_paused = true)]
async fn what_a_member_showed_before_it_was_lost_is_asked_for_again_where_acceptance_is_enough() {
    let rig = Rig::new(Accepted).await;
    rig.member.can(&[Ability::Query]);
    let (kept, forgotten) = (rig.accepts(1).await, rig.accepts(2).await);
    tokio::time::sleep(ROUNDS).await;
    assert_eq!(rig.stands(&forgotten).await.level, Some(Present));
    rig.member.loses(&SopInstanceUid::new(&forgotten).unwrap());
    let lost = rig.ledger.reopen(MemberNumber(0), WallTime(0)).await.unwrap();
    assert_eq!(lost, 2);
    tokio::time::sleep(ROUNDS).await;
    assert_eq!(
        (rig.stands(&kept).await.level, rig.stands(&kept).await.state.as_str()),
        (Some(Present), "confirmed")
    );
    let member = rig.stands(&forgotten).await;
    assert_eq!(member.state, "pending", "{member:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_member_accepted_and_does_not_show_is_owed_again() {
    let rig = Rig::new(Accepted).await;
    rig.member.can(&[]);
    let uid = rig.accepts(1).await;
    rig.member.loses(&SopInstanceUid::new(&uid).unwrap());
    rig.member.can(&[Ability::Query]);
    tokio::time::sleep(Duration::from_secs(3700)).await;
    let member = rig.stands(&uid).await;
    assert_eq!(member.state, "pending", "{member:?}");
    assert!(
        member.attempts.iter().any(|attempt| attempt.text.contains("not shown by a query")),
        "{member:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_member_that_was_not_to_be_asked_and_cannot_be_is_left_alone() {
    let rig = Rig::new(Accepted).await;
    let uid = rig.accepts(1).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let member = rig.stands(&uid).await;
    assert_eq!((member.state.as_str(), member.level), ("confirmed", Some(Accepted)), "{member:?}");
    assert_eq!(rig.unable().await, [Verified], "that it gives nothing back is all there is against it");
    assert_eq!(rig.ledger.findings().await.unwrap().len(), 1);
    assert_eq!(rig.member.asked().queries, 1, "tried once");
}
