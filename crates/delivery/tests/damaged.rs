//! Objects that the journal cannot give any more: they are taken from a member that has them.

use std::time::Duration;

use outrigger_ledger::{Resend, SuspenseFilter};
use outrigger_member::Ability;
use outrigger_model::{ConfirmLevel, StudyUid};

use crate::rig::{Rig, data_set};

/// Longer than an object takes to arrive and be confirmed.
const ARRIVES: Duration = Duration::from_secs(5);

/// Longer than the longest wait between two attempts.
const RETRIED: Duration = Duration::from_secs(700);

/// Where a bit is turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the object's bytes.
    Bytes,
    /// In the record before them.
    Record,
}

/// An object that is owed and damaged in the journal, while the member beside has it verified.
async fn damaged(place: Place) -> (Rig, String) {
    let rig = Rig::with_one_beside(ConfirmLevel::Present).await;
    rig.member.can(&[Ability::Query]);
    rig.beside.can(&[Ability::ReadBack]);
    let uid = rig.owes(1).await;
    rig.was_read_back_beside(&uid).await;
    flip(&rig, &uid, place);
    (rig, uid)
}

fn flip(rig: &Rig, uid: &str, place: Place) {
    let wanted = data_set(uid);
    for (path, _) in rig.disk.files() {
        let content = rig.disk.content(&path).unwrap();
        let Some(body) = content.windows(wanted.len()).position(|window| *window == *wanted) else {
            continue;
        };
        let at = match place {
            Place::Bytes => body,
            Place::Record => {
                let windows = content[..body].windows(uid.len());
                windows
                    .rev()
                    .position(|window| *window == *uid.as_bytes())
                    .map(|back| body - uid.len() - back)
                    .unwrap()
            }
        };
        rig.disk.flip(&path, u64::try_from(at).unwrap() * 8).unwrap();
        return;
    }
    panic!("no file has the object");
}

/// The member was sent an object with the bytes of `as_of`, and it is confirmed.
async fn arrived(rig: &Rig, uid: &str, as_of: &str) {
    let member = rig.stands(uid).await;
    assert_eq!(member.state, "confirmed", "{member:?}");
    assert_eq!(rig.member.stored(uid), Some(data_set(as_of)));
}

async fn state(rig: &Rig, uid: &str) -> String {
    rig.stands(uid).await.state
}

#[tokio::test(start_paused = true)]
async fn fault_an_object_damaged_in_the_journal_is_taken_from_a_member_that_has_it() {
    for place in [Place::Bytes, Place::Record] {
        let (rig, uid) = damaged(place).await;
        rig.gives_beside(&uid, &uid).await;
        rig.stores();
        tokio::time::sleep(ARRIVES).await;
        arrived(&rig, &uid, &uid).await;
        assert_eq!(rig.beside.asked().retrievals, 1, "{place:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn fault_what_nobody_gives_is_set_aside_and_arrives_with_retry_when_a_member_gives_it() {
    for place in [Place::Bytes, Place::Record] {
        let (rig, uid) = damaged(place).await;
        rig.stores();
        tokio::time::sleep(ARRIVES).await;
        let member = rig.stands(&uid).await;
        assert_eq!(member.state, "suspense", "{place:?} {member:?}");
        assert!(member.reason.unwrap().contains("damaged"), "{place:?}");
        assert_eq!(rig.beside.asked().retrievals, 1, "{place:?}: it was asked");
        rig.gives_beside(&uid, &uid).await;
        assert_eq!(rig.ledger.retry(SuspenseFilter::Of { member: None, reason: None }).await.unwrap(), 1);
        tokio::time::sleep(ARRIVES).await;
        arrived(&rig, &uid, &uid).await;
    }
}

/// It comes again before anybody misses it, after it was set aside, or while a member is asked for it.
#[tokio::test(start_paused = true)]
async fn fault_what_comes_again_is_sent_by_itself() {
    for place in [Place::Bytes, Place::Record] {
        for (hesitates, comes_after) in [(0, 0), (0, 60), (30, 10)]
            .map(|(a, b): (u64, u64)| (Duration::from_secs(a), Duration::from_secs(b)))
        {
            let (rig, uid) = damaged(place).await;
            rig.beside.hesitates(hesitates);
            let began = tokio::time::Instant::now();
            let comes_again = async {
                tokio::time::sleep_until(began + comes_after).await;
                rig.owes(1).await
            };
            if comes_after.is_zero() {
                comes_again.await;
                rig.stores();
            } else {
                rig.stores();
                comes_again.await;
            }
            tokio::time::sleep(hesitates + ARRIVES).await;
            arrived(&rig, &uid, &uid).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fault_other_bytes_from_a_member_do_not_take_the_place_of_damaged_ones() {
    for place in [Place::Bytes, Place::Record] {
        let (rig, uid) = damaged(place).await;
        rig.gives_beside(&uid, "1.2.1.1.2").await;
        rig.stores();
        tokio::time::sleep(ARRIVES).await;
        assert_eq!(state(&rig, &uid).await, "suspense", "{place:?}");
        assert_eq!(rig.member.stored(&uid), None, "{place:?}");
    }
}

/// A member that encodes all it takes anew has no other bytes than those that were compared when it was read back.
#[tokio::test(start_paused = true)]
async fn fault_a_copy_that_was_compared_takes_the_place_of_damaged_bytes() {
    for place in [Place::Bytes, Place::Record] {
        let (rig, uid) = damaged(place).await;
        let copy = "1.2.1.1.2";
        rig.was_compared_beside(&uid, copy).await;
        rig.gives_beside(&uid, copy).await;
        rig.stores();
        tokio::time::sleep(ARRIVES).await;
        arrived(&rig, &uid, copy).await;
    }
}

/// Those around it in one batch are sent over what connection there is.
#[tokio::test(start_paused = true)]
async fn fault_a_damaged_object_holds_up_none_of_its_batch() {
    let (rig, uid) = damaged(Place::Bytes).await;
    let mut sound = Vec::new();
    for instance in 2..20 {
        sound.push(rig.owes(instance).await);
    }
    rig.stores();
    tokio::time::sleep(ARRIVES).await;
    for sound in &sound {
        assert_eq!(state(&rig, sound).await, "confirmed");
    }
    assert_eq!(state(&rig, &uid).await, "suspense");
}

/// An object that both members had, let go by the journal, and to be sent again to both.
async fn owed_again_to_both() -> (Rig, String) {
    let rig = Rig::with_one_beside(ConfirmLevel::Present).await;
    rig.member.can(&[Ability::Query, Ability::ReadBack]);
    rig.beside.can(&[Ability::ReadBack]);
    let uid = rig.accepts(1).await;
    rig.closed(&uid).await;
    rig.was_read_back_beside(&uid).await;
    rig.let_go(&uid).await;
    let study = Resend::Study(StudyUid::known("1.2.1"));
    assert_eq!(rig.ledger.resend(study, None).await.unwrap(), 2);
    (rig, uid)
}

#[tokio::test(start_paused = true)]
async fn what_was_let_go_and_is_owed_to_all_again_comes_from_one_that_had_it() {
    let (rig, uid) = owed_again_to_both().await;
    rig.gives_beside(&uid, &uid).await;
    rig.stores();
    tokio::time::sleep(ARRIVES).await;
    arrived(&rig, &uid, &uid).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_let_go_comes_from_the_member_itself_where_nobody_else_gives_it() {
    let (rig, uid) = owed_again_to_both().await;
    rig.gives(1).await;
    rig.stores();
    tokio::time::sleep(ARRIVES).await;
    assert_eq!(state(&rig, &uid).await, "confirmed", "{:?}", rig.stands(&uid).await);
    assert_eq!(rig.beside.asked().retrievals, 1, "the other is asked first");
    assert_eq!(rig.member.stored(&uid), Some(data_set(&uid)));
}

#[tokio::test(start_paused = true)]
async fn fault_what_was_let_go_waits_for_a_member_that_had_it_and_is_away() {
    let (rig, uid) = owed_again_to_both().await;
    rig.beside.goes_away();
    rig.stores();
    // Long enough that another encoding would have its turn, had it been sent and lost meanwhile.
    tokio::time::sleep(RETRIED).await;
    assert_eq!(state(&rig, &uid).await, "pending", "{:?}", rig.stands(&uid).await);
    rig.beside.comes_back();
    rig.gives_beside(&uid, &uid).await;
    tokio::time::sleep(RETRIED).await;
    arrived(&rig, &uid, &uid).await;
}

#[tokio::test(start_paused = true)]
async fn fault_what_was_let_go_waits_for_a_member_that_answers_and_breaks_off() {
    let (rig, uid) = owed_again_to_both().await;
    rig.beside.is_torn(true);
    rig.stores();
    tokio::time::sleep(RETRIED).await;
    assert_eq!(state(&rig, &uid).await, "pending", "{:?}", rig.stands(&uid).await);
    rig.beside.is_torn(false);
    rig.gives_beside(&uid, &uid).await;
    tokio::time::sleep(RETRIED).await;
    assert_eq!(state(&rig, &uid).await, "confirmed", "{:?}", rig.stands(&uid).await);
}

#[tokio::test(start_paused = true)]
async fn fault_what_was_let_go_and_nobody_has_any_more_is_set_aside() {
    let (rig, uid) = owed_again_to_both().await;
    rig.stores();
    tokio::time::sleep(ARRIVES).await;
    let member = rig.stands(&uid).await;
    assert_eq!(member.state, "suspense", "{member:?}");
    assert_eq!((rig.beside.asked().retrievals, rig.member.asked().retrievals), (1, 1), "both were asked");
    assert_eq!(rig.member.stored(&uid), None);
}
