//! What a cross-check makes nothing of: members that are away, silent, refuse, answer in part, or are not expected to have it.

use outrigger_ledger::MemberState;

use super::*;
use crate::holder::Manner;

const A: MemberNumber = MemberNumber(0);
const B: MemberNumber = MemberNumber(1);

/// So many instances of one study.
fn one_study(instances: u32) -> Vec<Phantom> {
    let place = |instance| Place { instance, ..Place::default() };
    (0..instances).map(|number| Phantom::new(9, place(number), Shape::SmallCt)).collect()
}

/// Goal: who is away or silent is tried now and then, and not for each study; the others are not held up for long.
#[tokio::test(start_paused = true)]
async fn who_does_not_answer_is_passed_over() {
    for silent in [false, true] {
        let mut rig = Rig::new(&priors(30), 100).await;
        if silent {
            rig.holders[1].answers(Manner::Silent);
        } else {
            rig.holders[1].leave();
        }
        let began = Instant::now();
        let progress = rig.ended(1).await;
        assert_eq!((progress.studies, progress.opened), (30, 0));
        let (knocks, _) = rig.holders[1].connections();
        assert!((1..15).contains(&knocks), "{knocks} times");
        assert!(began.elapsed() < Duration::from_secs(3_600), "{:?}", began.elapsed());
    }
}

/// Goal: one connection does for a study, is made anew where it ends, and is not kept while others are served.
#[tokio::test(start_paused = true)]
async fn a_study_takes_one_connection_which_is_not_kept_while_others_are_served() {
    let mut rig = Rig::new(&priors(4), 100).await;
    let progress = rig.ended(1).await;
    assert_eq!((progress.copies, rig.holders[0].connections()), (24, (4, 0)));
    rig.holders[0].answers(Manner::Dies(2));
    let progress = rig.ended(2).await;
    assert_eq!((progress.copies, progress.opened), (48, 0));

    rig.holders[0].answers(Manner::Well);
    rig.progress.wait_for(|seen| seen.round == 3).await.unwrap();
    let heard = rig.heard().len();
    while rig.heard().len() < heard + 3 {
        tokio::time::sleep(BETWEEN).await;
    }
    for _ in 0..20 {
        rig.served.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(IDLE / 2).await;
    }
    assert_eq!(rig.holders.each_ref().map(|holder| holder.connections().1), [0, 0], "none is open");
}

/// Goal: what a member does not show in a list, and cannot be asked for by name, is not called forgotten.
#[tokio::test(start_paused = true)]
async fn what_is_not_listed_is_asked_for_by_name_before_it_is_called_forgotten() {
    for (manner, found) in [(Manner::RefusesQueries, 0), (Manner::FindsNothing, 0), (Manner::Well, 1)] {
        let priors = priors(1);
        let mut rig = Rig::new(&priors, 100).await;
        rig.holders[1].lose(&priors[0]);
        rig.holders[1].answers(manner);
        assert_eq!(rig.ended(1).await.opened, found, "{manner:?}");
    }
}

/// Goal: a list of which one that is left out is found by name says nothing of those beyond the ones that are asked for.
#[tokio::test(start_paused = true)]
async fn a_list_that_is_not_whole_says_nothing_of_the_rest() {
    let priors = one_study(40);
    let mut rig = Rig::new(&priors, 1).await;
    for phantom in &priors[..20] {
        rig.holders[1].leave_out(phantom);
    }
    assert_eq!(rig.ended(1).await.opened, 0);
}

/// Goal: answers that end in a failure are compared with nothing, and close nothing. The control: they are closed by whole ones.
#[tokio::test(start_paused = true)]
async fn answers_that_are_not_whole_open_and_close_nothing() {
    let mut rig = Rig::new(&priors(1), 100).await;
    rig.holders[0].describe("ONE");
    rig.holders[1].describe("ANOTHER");
    rig.holders[1].answers(Manner::EndsInFailure);
    assert_eq!(rig.ended(1).await.opened, 0);
    rig.holders[1].answers(Manner::Well);
    assert_eq!(rig.ended(2).await.opened, 1);
    rig.holders[1].answers(Manner::EndsInFailure);
    rig.holders.iter().for_each(Holder::mend);
    assert_eq!(rig.ended(3).await.closed, 0);
    rig.holders[1].answers(Manner::Well);
    rig.closed(1).await;
}

/// Goal: who has a part of a study by the books is not held against those who have all of it.
#[tokio::test(start_paused = true)]
async fn who_has_a_part_of_a_study_does_not_disagree_about_it() {
    let priors = one_study(3);
    let mut rig = Rig::new(&priors, 100).await;
    let more = Phantom::new(9, Place { instance: 7, ..Place::default() }, Shape::SmallCt);
    rig.holders[0].put(&more);
    rig.ledger.inherit(A, seen(&more)).await.unwrap();
    rig.holders[0].describe("ONE");
    rig.holders[1].describe("ANOTHER");
    assert_eq!(rig.ended(1).await.opened, 0);
    // The control.
    rig.holders[1].put(&more);
    rig.ledger.inherit(B, seen(&more)).await.unwrap();
    assert_eq!(rig.ended(2).await.opened, 1);
}

/// Goal: a member that is held is left in peace, and asked again when it is not.
#[tokio::test(start_paused = true)]
async fn who_is_held_is_not_asked() {
    let priors = priors(2);
    let mut rig = Rig::new(&priors, 100).await;
    rig.holders[1].alter(&priors[0]);
    rig.ledger.change_member(B, MemberState::Held).await.unwrap();
    assert_eq!(rig.ended(1).await.opened, 0);
    assert_eq!(rig.holders[1].heard(), []);
    rig.ledger.change_member(B, MemberState::Active).await.unwrap();
    assert_eq!(rig.ended(2).await.opened, 1);
}

/// Goal: a start has other things to do first.
#[tokio::test(start_paused = true)]
async fn nothing_is_asked_right_after_a_start() {
    let mut rig = Rig::new(&priors(1), 100).await;
    tokio::time::sleep(Duration::from_secs(55)).await;
    assert_eq!(rig.heard(), []);
    rig.ended(1).await;
}

/// Goal: a difference of one instance is closed once it is as it was, in whatever part of the study the next rounds look.
#[tokio::test(start_paused = true)]
async fn an_instance_that_differed_is_read_again_in_each_round_until_it_does_not() {
    let priors = one_study(40);
    let mut rig = Rig::new(&priors, 100).await;
    rig.holders[0].alter(&priors[17]);
    rig.ended(1).await;
    rig.restart(1).await;
    rig.holders[0].mend();
    rig.closed(1).await;
    assert_eq!(rig.progress.borrow().round, 1, "between the rounds");
    assert_eq!(rig.findings().await, []);
}
