//! Copies in another encoding that are read back after the journal let the bytes go: another member has what they are compared with.

use std::time::Duration;

use outrigger_member::Ability;
use outrigger_model::ConfirmLevel;

use crate::rig::Rig;

/// Longer than an object takes to be read back and compared.
const COMPARED: Duration = Duration::from_secs(20);

/// Longer than the longest wait before a question is asked again.
const ASKED_AGAIN: Duration = Duration::from_secs(400);

/// An object that the member accepted and gives back with the content of `as_of` in another encoding, after the journal let it go; the
/// member beside it had it verified.
async fn let_go_before_it_was_compared(as_of: &str) -> (Rig, String) {
    let rig = Rig::with_one_beside(ConfirmLevel::Verified).await;
    rig.member.can(&[Ability::Query, Ability::ReadBack]);
    rig.beside.can(&[Ability::ReadBack]);
    let uid = rig.accepts(1).await;
    rig.gives_re_encoded(&uid, as_of).await;
    rig.was_read_back_beside(&uid).await;
    rig.let_go(&uid).await;
    (rig, uid)
}

#[tokio::test(start_paused = true)]
async fn a_re_encoded_copy_is_compared_with_that_of_another_member() {
    for (as_of, state) in [("1.2.1.1.1", "confirmed"), ("1.2.1.1.2", "suspense")] {
        let (rig, uid) = let_go_before_it_was_compared(as_of).await;
        rig.gives_beside(&uid, &uid).await;
        tokio::time::sleep(COMPARED).await;
        let member = rig.stands(&uid).await;
        assert_eq!(member.state, state, "{member:?}");
        assert_eq!(rig.beside.asked().retrievals, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn fault_a_re_encoded_copy_waits_for_the_member_that_has_what_it_is_compared_with() {
    let (rig, uid) = let_go_before_it_was_compared("1.2.1.1.1").await;
    rig.beside.goes_away();
    tokio::time::sleep(COMPARED).await;
    let member = rig.stands(&uid).await;
    assert_eq!(member.state, "pending", "{member:?}");
    assert!(member.attempts.first().unwrap().text.contains("in another encoding"), "{member:?}");
    rig.beside.comes_back();
    rig.gives_beside(&uid, &uid).await;
    rig.gives_re_encoded(&uid, &uid).await;
    tokio::time::sleep(ASKED_AGAIN).await;
    assert_eq!(rig.stands(&uid).await.state, "confirmed", "{:?}", rig.stands(&uid).await);
}

#[tokio::test(start_paused = true)]
async fn a_re_encoded_copy_that_nobody_can_be_asked_about_needs_a_person() {
    let (rig, uid) = let_go_before_it_was_compared("1.2.1.1.1").await;
    tokio::time::sleep(COMPARED).await;
    let member = rig.stands(&uid).await;
    assert_eq!(member.state, "suspense", "{member:?}");
    assert_eq!(rig.beside.asked().retrievals, 1, "it was asked");
}
