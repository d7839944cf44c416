//! Objects on which a member loses the connection: they are set aside, and the member, its other objects and what it had
//! confirmed are left in peace.

use std::time::Duration;

use outrigger_delivery::StandingState;
use outrigger_member::Ability;
use outrigger_model::ConfirmLevel;

use crate::rig::Rig;

/// Longer than eight attempts take, each after a wait twice as long as that before.
const ATTEMPTS_TAKE: Duration = Duration::from_secs(600);

/// As many as the tester had.
const POISON: u32 = 5;

/// A member that is owed these, of which it chokes on the first.
async fn owed(poison: u32, count: u32) -> (Rig, Vec<String>) {
    let rig = Rig::new(ConfirmLevel::Present).await;
    rig.member.can(&[Ability::Query]);
    let mut uids = Vec::new();
    for instance in 1..=count {
        uids.push(rig.owes(instance).await);
    }
    for uid in uids.iter().take(usize::try_from(poison).unwrap()) {
        rig.member.chokes_on(uid);
    }
    (rig, uids)
}

async fn states(rig: &Rig, uids: &[String]) -> Vec<String> {
    let mut states = Vec::new();
    for uid in uids {
        states.push(rig.stands(uid).await.state);
    }
    states
}

/// Looks at how the member stands every second.
async fn is_up_for(rig: &Rig, span: Duration) {
    for second in 0..span.as_secs() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(rig.standing().state().0, StandingState::Up, "after {second} s");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_member_that_is_there_chokes_on_is_set_aside_and_the_others_arrive_at_once() {
    let (rig, uids) = owed(POISON, 65).await;
    rig.stores();
    let (poison, good) = uids.split_at(5);
    is_up_for(&rig, Duration::from_secs(3)).await;
    assert_eq!(states(&rig, good).await, ["confirmed"; 60]);
    // Nothing else is owed: only the C-ECHO tells that the member is there.
    is_up_for(&rig, ATTEMPTS_TAKE).await;
    assert_eq!(states(&rig, poison).await, ["suspense"; 5]);
    let member = rig.stands(&poison[0]).await;
    let words = &member.attempts.last().unwrap().text;
    assert!(words.contains("lost during C-STORE") && words.contains("answered a C-ECHO"), "{member:?}");
    assert_eq!(member.attempts.len(), 8, "{member:?}");
    assert_eq!(rig.member.asked().stores, 60 + 5 * 8);
}

/// The control: the member itself is away, so no object is to blame.
#[tokio::test(start_paused = true)]
async fn what_a_member_loses_that_answers_no_echo_either_is_not_set_aside() {
    let (rig, uids) = owed(POISON, POISON).await;
    rig.member.goes_deaf();
    rig.stores();
    tokio::time::sleep(ATTEMPTS_TAKE).await;
    assert_eq!(rig.standing().state().0, StandingState::Away, "{:?}", rig.stands(&uids[0]).await);
    assert_eq!(states(&rig, &uids).await, ["pending"; 5], "{:?}", rig.stands(&uids[0]).await);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_answers_and_takes_nothing_is_shaky_and_keeps_out_of_suspense() {
    let (rig, uids) = owed(100, 100).await;
    rig.stores();
    tokio::time::sleep(ATTEMPTS_TAKE * 2).await;
    let (state, _, error) = rig.standing().state();
    assert_eq!(state, StandingState::Shaky);
    assert!(error.unwrap().contains("lost during C-STORE"));
    assert_eq!(states(&rig, &uids).await, ["pending"; 100]);
    let stores = rig.member.asked().stores;
    assert!(stores < 1300, "it is tried at the pace of a probe: {stores}");
}

#[tokio::test(start_paused = true)]
async fn what_was_confirmed_is_confirmed_again_once_in_ten_minutes_however_many_objects_are_lost() {
    let (rig, _) = owed(0, 1).await;
    rig.stores();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = rig.member.asked().queries;
    assert_eq!(before, 1);
    for instance in 10..15 {
        rig.member.chokes_on(&format!("1.2.1.1.{instance}"));
        rig.owes(instance).await;
    }
    tokio::time::sleep(Duration::from_secs(550)).await;
    assert_eq!(rig.member.asked().queries, before + 1, "after some 40 lost connections");
    tokio::time::sleep(Duration::from_secs(1200)).await;
    assert_eq!(rig.member.asked().queries, before + 2, "the losses after the first are made up for");
}
