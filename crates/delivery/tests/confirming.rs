//! What is learnt of a member that cannot confirm, and when it is learnt again.

use std::time::Duration;

use outrigger_delivery::confirm::ability::LEARN_AGAIN;
use outrigger_ledger::Why;
use outrigger_member::Ability;
use outrigger_model::ConfirmLevel;

use crate::rig::Rig;

use ConfirmLevel::{Accepted, Committed, Present, Verified};

#[tokio::test(start_paused = true)]
async fn a_member_that_learns_to_commit_is_found_out_within_the_hour_without_a_restart() {
    let rig = Rig::new(Committed).await;
    rig.member.can(&[Ability::Query]);
    assert_eq!(rig.closes(1).await, Present);
    assert_eq!(rig.closes(2).await, Present);
    let asked = rig.member.asked();
    assert_eq!((asked.commitments, asked.queries), (1, 2), "what it cannot do is asked once");
    // Reading back for the release of bytes is found impossible meanwhile.
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(rig.unable().await, [Committed, Verified]);

    rig.member.can(&[Ability::Query, Ability::Commit]);
    assert_eq!(rig.closes(3).await, Present, "nobody has looked again yet");
    tokio::time::sleep(LEARN_AGAIN).await;
    assert_eq!(rig.unable().await, [Verified], "found out with nothing to do");
    assert_eq!(rig.closes(4).await, Committed);
    assert_eq!(rig.member.asked().commitments, 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_member_never_learns_costs_it_a_negotiation_an_hour_and_nothing_else() {
    let rig = Rig::new(Present).await;
    assert_eq!(rig.closes(1).await, Accepted);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let before = rig.member.asked();
    assert_eq!((before.queries, before.retrievals), (1, 1), "{before:?}");
    tokio::time::sleep(LEARN_AGAIN * 3).await;
    let after = rig.member.asked();
    assert_eq!(after.negotiations - before.negotiations, 3);
    assert_eq!((after.queries, after.retrievals, after.connections), (1, 1, before.connections), "{after:?}");
    assert_eq!(rig.unable().await, [Present, Verified]);
    assert_eq!(rig.ledger.findings().await.unwrap().len(), 2, "one for each level, however long");
}

/// It can give objects back and refuses for now: that is no lack, and it goes on.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_back_for_now_is_asked_for_ever_more_rarely_and_shown_once() {
    let rig = Rig::new(Present).await;
    rig.member.can(&[Ability::Query, Ability::ReadBack]);
    assert_eq!(rig.closes(1).await, Present);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let attempts = rig.attempts(1).await;
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    assert!(attempts[0].contains("A702"), "{attempts:?}");
    let retrievals = rig.member.asked().retrievals;
    assert!((8..=32).contains(&retrievals), "2 s at first, 5 min at last: {retrievals}");
    assert_eq!(rig.unable().await, []);
}

/// An object that it shows and never gives back, while it gives others: a person must look, and not for one bad minute.
#[tokio::test(start_paused = true)]
async fn what_a_member_withholds_while_it_gives_others_is_set_aside() {
    let rig = Rig::new(Verified).await;
    rig.member.can(&[Ability::Query, Ability::ReadBack]);
    let withheld = rig.accepts(1).await;
    rig.gives(2).await;
    assert_eq!(rig.closes(2).await, Verified);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.stands(&withheld).await.state, "pending");
    tokio::time::sleep(Duration::from_secs(1200)).await;
    let member = rig.stands(&withheld).await;
    assert_eq!(member.state, "suspense", "{member:?}");
    let reason = member.reason.unwrap();
    assert!(reason.contains("kept failing") && reason.contains("A702"), "{reason}");
    let retrievals = rig.member.asked().retrievals;
    tokio::time::sleep(Duration::from_secs(1200)).await;
    assert_eq!(rig.member.asked().retrievals, retrievals, "it is asked no more");
}

#[tokio::test(start_paused = true)]
async fn what_a_member_withholds_that_gives_nothing_at_all_is_asked_for_on_and_on() {
    let rig = Rig::new(Verified).await;
    rig.member.can(&[Ability::Query, Ability::ReadBack]);
    let withheld = rig.accepts(1).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(rig.member.asked().retrievals > 8, "{:?}", rig.member.asked());
    let member = rig.stands(&withheld).await;
    assert_eq!(member.state, "pending", "{member:?}");
}

/// As archives do that go by the patient too, where the second version is of another patient.
#[tokio::test(start_paused = true)]
async fn a_second_version_that_is_shown_and_not_given_is_kept_beside_the_first_and_not_lost() {
    for is_shown in [true, false] {
        let rig = Rig::new(Verified).await;
        rig.member.can(&[Ability::Query, Ability::ReadBack]);
        rig.gives(1).await;
        assert_eq!(rig.closes(1).await, Verified);
        let uid = "1.2.1.1.1";
        let first = rig.ledger.why(Why::Uid(uid.to_owned())).await.unwrap().studies[0].instances[0].entry;
        rig.member.finds_nothing_of(uid);
        rig.accepts_another_version(uid).await;
        if !is_shown {
            rig.member.loses(&outrigger_model::SopInstanceUid::known(uid));
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        let member = rig.last_stands(uid).await;
        let told = format!("{member:?}");
        if is_shown {
            assert_eq!(member.state, "suspense", "{told}");
            let reason = member.reason.unwrap();
            assert!(reason.contains(&format!("keeps this version beside that of entry {first}")), "{told}");
            assert_eq!(reason.matches("came before").count(), 1, "{told}");
            let step = member.next_step.unwrap();
            assert!(step.contains(&format!("remove entry {first}'s there and `retry`")), "{told}");
        } else {
            assert_ne!(member.state, "suspense", "the control: it is stored again: {told}");
            assert!(member.attempts[0].text.contains("not shown by a query afterwards"), "{told}");
        }
    }
}
