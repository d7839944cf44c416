//! Objects on which a member loses the connection: they are set aside, and the member, its other objects and what it had
//! confirmed are left in peace.

use std::time::Duration;

use outrigger_delivery::StandingState;
use outrigger_delivery::plan::LOSSES_BEFORE_SUSPENSE;
use outrigger_member::Ability;
use outrigger_model::transfer_syntax::EXPLICIT_VR_LE;
use outrigger_model::{ConfirmLevel, TransferSyntaxUid};

use crate::rig::Rig;

/// Longer than eight attempts take, each after a wait twice as long as that before.
const ATTEMPTS_TAKE: Duration = Duration::from_secs(600);

/// Longer than forty attempts take.
const HOURS: Duration = Duration::from_secs(6 * 3600);

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
    assert!(words.contains("lost during C-STORE") && words.contains("answered after that"), "{member:?}");
    assert_eq!(member.attempts.len(), 8, "{member:?}");
    assert_eq!(rig.member.asked().stores, 60 + 5 * 8);
}

/// More than make a row, with others that the member takes: it is told once more that the fault is theirs.
#[tokio::test(start_paused = true)]
async fn however_many_a_member_chokes_on_while_it_takes_others_each_is_set_aside_after_eight_attempts() {
    for poison in [40, 200] {
        let (rig, uids) = owed(poison, poison + 60).await;
        rig.stores();
        let (poison, good) = uids.split_at(usize::try_from(poison).unwrap());
        tokio::time::sleep(ATTEMPTS_TAKE * 2).await;
        assert!(states(&rig, good).await.iter().all(|state| state == "confirmed"));
        let set_aside = states(&rig, poison).await;
        assert!(set_aside.iter().all(|state| state == "suspense"), "{set_aside:?}");
        for uid in poison {
            let member = rig.stands(uid).await;
            assert_eq!(member.attempts.len(), 8, "{member:?}");
            assert!(member.reason.as_ref().unwrap().contains("kept failing"), "{member:?}");
        }
    }
}

/// The control: the member itself is away, so no object is to blame.
#[tokio::test(start_paused = true)]
async fn what_a_member_loses_that_answers_no_echo_either_is_not_set_aside() {
    for (count, span) in [(POISON, ATTEMPTS_TAKE), (40, HOURS), (200, ATTEMPTS_TAKE)] {
        let (rig, uids) = owed(count, count).await;
        rig.member.goes_deaf();
        rig.stores();
        tokio::time::sleep(span).await;
        assert_eq!(rig.standing().state().0, StandingState::Away, "{:?}", rig.stands(&uids[0]).await);
        let states = states(&rig, &uids).await;
        assert!(states.iter().all(|state| state == "pending"), "{:?}", rig.stands(&uids[0]).await);
    }
}

/// A member behind a proxy that takes each connection and loses it says nothing of the encodings of what it loses.
#[tokio::test(start_paused = true)]
async fn what_was_lost_at_a_member_that_was_away_arrives_as_it_is() {
    let (rig, uids) = owed(POISON, POISON).await;
    rig.member.goes_deaf();
    rig.stores();
    tokio::time::sleep(ATTEMPTS_TAKE).await;
    assert!(uids.iter().any(|uid| rig.member.tried(uid).len() > 2), "else there was no turn for another");
    rig.member.is_mended();
    rig.member.comes_back();
    tokio::time::sleep(ATTEMPTS_TAKE).await;
    assert_eq!(states(&rig, &uids).await, ["confirmed"; 5]);
    for uid in &uids {
        let tried = rig.member.tried(uid);
        assert!(tried.iter().all(|encoding| encoding.as_str() == EXPLICIT_VR_LE), "{tried:?}");
    }
}

/// It answers each C-ECHO and loses all it is sent for a while, as an archive does whose store is broken.
#[tokio::test(start_paused = true)]
async fn what_was_lost_with_all_else_at_a_member_that_is_there_arrives_as_it_is() {
    let (rig, uids) = owed(66, 66).await;
    rig.stores();
    tokio::time::sleep(Duration::from_secs(60)).await;
    rig.member.is_mended();
    tokio::time::sleep(ATTEMPTS_TAKE).await;
    assert_eq!(states(&rig, &uids).await, ["confirmed"; 66]);
    let lost_twice = |uid: &&String| rig.member.tried(uid).len() > 2;
    assert!(uids.iter().filter(lost_twice).count() > 10, "else there was no turn for another");
    let as_it_was = |uid: &&String| rig.member.tried(uid).last().unwrap().as_str() == EXPLICIT_VR_LE;
    assert!(uids.iter().filter(as_it_was).count() >= 63);
}

/// The control: one that answers after each loss has others in their turn.
#[tokio::test(start_paused = true)]
async fn what_a_member_that_is_there_chokes_on_is_tried_twice_as_it_is_and_then_in_other_encodings() {
    let (rig, uids) = owed(1, 1).await;
    rig.stores();
    tokio::time::sleep(ATTEMPTS_TAKE).await;
    let tried = rig.member.tried(&uids[0]);
    let own = |encoding: &TransferSyntaxUid| encoding.as_str() == EXPLICIT_VR_LE;
    assert!(tried[..2].iter().all(own) && !own(&tried[2]) && !own(&tried[3]), "{tried:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_set_aside_at_a_member_that_takes_no_connection() {
    let (rig, uids) = owed(200, 200).await;
    rig.member.goes_away();
    rig.stores();
    tokio::time::sleep(ATTEMPTS_TAKE * 2).await;
    assert_eq!(rig.standing().state().0, StandingState::Away);
    assert!(states(&rig, &uids).await.iter().all(|state| state == "pending"));
    assert_eq!(rig.member.asked().stores, 0);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_answers_and_takes_nothing_is_shaky_and_keeps_out_of_suspense() {
    let (rig, uids) = owed(100, 100).await;
    rig.stores();
    tokio::time::sleep(ATTEMPTS_TAKE * 2).await;
    let (state, _, error) = rig.standing().state();
    assert_eq!(state, StandingState::TakesNothing);
    assert!(error.unwrap().contains("lost during C-STORE"));
    assert_eq!(states(&rig, &uids).await, ["pending"; 100]);
    let stores = rig.member.asked().stores;
    assert!(stores < 1300, "it is tried at the pace of a probe: {stores}");
}

/// A member that chokes on so many and is owed nothing else.
async fn sets_all_aside_within_hours(count: u32) {
    let (rig, uids) = owed(count, count).await;
    rig.stores();
    tokio::time::sleep(HOURS / 3).await;
    let pending = states(&rig, &uids).await;
    assert!(pending.iter().all(|state| state == "pending"), "{pending:?}");
    tokio::time::sleep(HOURS / 2).await;
    let set_aside = states(&rig, &uids).await;
    assert!(set_aside.iter().all(|state| state == "suspense"), "{set_aside:?}");
    let stores = rig.member.asked().stores;
    assert_eq!(stores, uids.len() * usize::try_from(LOSSES_BEFORE_SUSPENSE).unwrap());
}

#[tokio::test(start_paused = true)]
async fn forty_that_a_member_chokes_on_are_set_aside_within_hours_though_it_takes_nothing_else() {
    sets_all_aside_within_hours(40).await;
}

#[tokio::test(start_paused = true)]
async fn fault_a_hundred_that_a_member_chokes_on_are_set_aside_within_hours_though_it_takes_nothing_else() {
    sets_all_aside_within_hours(100).await;
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
