//! A member that answers every store with a refusal for now.

use std::time::Duration;

use outrigger_delivery::StandingState;
use outrigger_member::Ability;
use outrigger_model::ConfirmLevel;
use outrigger_model::transfer_syntax::EXPLICIT_VR_LE;

use crate::rig::Rig;

/// Longer than a row of refusals lasts before it counts, and the wait for the next one.
const MINUTES: Duration = Duration::from_secs(180);

async fn owed(count: u32) -> Rig {
    let rig = Rig::new(ConfirmLevel::Present).await;
    rig.member.can(&[Ability::Query]);
    for instance in 1..=count {
        rig.owes(instance).await;
    }
    rig
}

#[tokio::test(start_paused = true)]
async fn a_member_that_refuses_all_for_minutes_takes_nothing_until_it_takes_one() {
    for (count, status) in [(1, 0xA700), (40, 0xA700), (3, 0x0124), (3, 0xFE00)] {
        let rig = owed(count).await;
        rig.member.refuses(Some(status));
        rig.stores();
        tokio::time::sleep(Duration::from_secs(50)).await;
        assert_eq!(rig.standing().state().0, StandingState::Up, "{status:04X}: for now is not for long");
        assert_eq!(rig.standing().refusals(), None);
        tokio::time::sleep(MINUTES).await;
        let (state, since, error) = rig.standing().state();
        assert_eq!((state, since), (StandingState::TakesNothing, None), "{status:04X}");
        let refusals = rig.standing().refusals().unwrap();
        let stores = u64::try_from(rig.member.asked().stores).unwrap();
        assert!(stores > 4 && refusals.count == stores, "{stores} {refusals:?}");
        let words = format!("{status:04X} (");
        assert!(
            refusals.words.starts_with(&words) && refusals.words.ends_with("): as it was told"),
            "{refusals:?}"
        );
        assert_eq!(error, Some(refusals.words));
        rig.member.refuses(None);
        rig.closes_next(100).await;
        assert_eq!((rig.standing().state().0, rig.standing().refusals()), (StandingState::Up, None));
    }
}

/// One that it refuses each time while it takes others is that object's matter.
#[tokio::test(start_paused = true)]
async fn a_member_that_takes_others_between_is_up() {
    let rig = owed(1).await;
    rig.member.refuses(Some(0xA700));
    rig.stores();
    for instance in 10..20 {
        tokio::time::sleep(Duration::from_secs(20)).await;
        rig.member.refuses(None);
        rig.closes_next(instance).await;
        rig.member.refuses(Some(0xA700));
        rig.owes(instance + 100).await;
        assert_eq!(rig.standing().state().0, StandingState::Up, "after {instance}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_away_while_it_refused_all_is_away() {
    let rig = owed(3).await;
    rig.member.refuses(Some(0xA700));
    rig.stores();
    tokio::time::sleep(MINUTES).await;
    assert_eq!(rig.standing().state().0, StandingState::TakesNothing);
    rig.member.goes_away();
    tokio::time::sleep(MINUTES * 10).await;
    assert_eq!(rig.standing().state().0, StandingState::Away);
}

/// A member short of room says nothing of the encodings of what it refuses.
#[tokio::test(start_paused = true)]
async fn what_a_member_refuses_like_all_else_arrives_as_it_is() {
    let rig = owed(3).await;
    rig.member.refuses(Some(0xA700));
    rig.stores();
    tokio::time::sleep(MINUTES).await;
    rig.member.refuses(None);
    tokio::time::sleep(MINUTES).await;
    let tried = rig.member.tried("1.2.1.1.1");
    assert!(tried.len() > 4 && tried.iter().all(|encoding| encoding.as_str() == EXPLICIT_VR_LE), "{tried:?}");
}

/// The control: what it refuses while it takes others may be taken in another encoding.
#[tokio::test(start_paused = true)]
async fn what_a_member_refuses_while_it_takes_others_is_tried_in_other_encodings() {
    let rig = owed(1).await;
    rig.member.refuses_this("1.2.1.1.1");
    rig.stores();
    for instance in 2..32 {
        rig.owes(instance).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let tried = rig.member.tried("1.2.1.1.1");
    let own: Vec<bool> = tried.iter().map(|encoding| encoding.as_str() == EXPLICIT_VR_LE).collect();
    assert!(own.starts_with(&[true, true, false]), "{tried:?}");
}
