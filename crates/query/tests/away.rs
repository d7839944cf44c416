//! Members that are away, slow or hang: answers without them, in time, and marked where something may be missing.

use std::convert::identity;
use std::time::Duration;

use outrigger_member::breaker::Breaker;
use outrigger_model::{MemberNumber, Tag};
use outrigger_query::Respondents;
use tokio::time::{Instant, sleep, timeout};

use crate::member::Conduct;
use crate::rig::{A, B, Rig, TIMEOUT, by_name, study_uid};

fn is_asked(rig: &Rig, member: MemberNumber) -> bool {
    matches!(rig.reader.standing(member), Some(Breaker::Closed { .. }))
}

#[tokio::test(start_paused = true)]
async fn another_member_answers_where_the_preferred_is_away() {
    let rig = Rig::new().await;
    rig.in_step(1, "DOE").await;
    rig.a.conduct(Conduct::Away);
    let begun = Instant::now();
    assert_eq!(rig.named("DOE").await, (vec![study_uid(1)], vec![]));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(rig.b.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_catalogue_answers_when_nobody_does() {
    let rig = Rig::new().await;
    rig.in_step(1, "DOE").await;
    rig.a.conduct(Conduct::Away);
    rig.b.conduct(Conduct::Hangs);
    let begun = Instant::now();
    assert_eq!(rig.named("DOE").await, (vec![study_uid(1)], vec![]));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_member_that_nobody_looked_at_is_marked() {
    for conduct in [Conduct::Away, Conduct::Hangs, Conduct::Refuses(0xA700), Conduct::EndsWith(0, 0xC001)] {
        let rig = Rig::uninventoried(Respondents::Members).await;
        rig.is_inventoried(A).await;
        rig.in_step(1, "DOE").await;
        rig.b.conduct(conduct);
        assert_eq!(rig.named("DOE").await, (vec![study_uid(1)], vec!["b".to_owned()]), "{conduct:?}");
        // And so is the next one, by which time it may be left alone.
        assert_eq!(rig.named("NOBODY").await, (vec![], vec!["b".to_owned()]), "{conduct:?}");
        rig.is_inventoried(B).await;
        assert_eq!(rig.named("DOE").await, (vec![study_uid(1)], vec![]), "{conduct:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_takes_half_a_minute_is_waited_for_once() {
    let rig = Rig::uninventoried(Respondents::Members).await;
    rig.in_step(1, "DOE").await;
    rig.a.conduct(Conduct::After(Duration::from_secs(30)));
    let begun = Instant::now();
    assert_eq!(rig.named("DOE").await.0, [study_uid(1)]);
    assert!((TIMEOUT..Duration::from_secs(3)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert!(!is_asked(&rig, A));
    let begun = Instant::now();
    assert_eq!(rig.named("DOE").await.0, [study_uid(1)]);
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
}

/// The control: with patience the same member does answer.
#[tokio::test(start_paused = true)]
async fn a_member_that_takes_less_than_the_time_out_is_waited_for() {
    let rig = Rig::uninventoried(Respondents::Members).await;
    rig.a.shows(&[(Tag::STUDY_INSTANCE_UID, "1.9"), (Tag::PATIENT_NAME, "DOE")]);
    rig.a.conduct(Conduct::After(TIMEOUT.mul_f32(0.9)));
    assert_eq!(rig.named("DOE").await, (vec!["1.9".to_owned()], vec![]));
    assert!(is_asked(&rig, A));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_back_is_found_in_the_background_and_asked() {
    let rig = Rig::new().await;
    rig.in_step(1, "DOE").await;
    rig.a.conduct(Conduct::Hangs);
    rig.named("DOE").await;
    assert!(!is_asked(&rig, A));
    rig.a.conduct(Conduct::Well);
    let back = async {
        while !is_asked(&rig, A) {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(10), back).await.unwrap();
    let asked = rig.a.asked();
    rig.named("DOE").await;
    assert_eq!(rig.a.asked(), asked + 1);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_stays_away_is_tried_now_and_then() {
    let rig = Rig::new().await;
    rig.a.conduct(Conduct::Hangs);
    rig.named("DOE").await;
    let before = rig.a.asked();
    sleep(Duration::from_secs(600)).await;
    let tried = rig.a.asked() - before;
    assert!((10..60).contains(&tried), "{tried} times in ten minutes");
    assert!(!is_asked(&rig, A));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_any_more_for_one_who_has_gone() {
    let rig = Rig::uninventoried(Respondents::All).await;
    rig.a.conduct(Conduct::Hangs);
    let taken = rig.reader.find(by_name("DOE"), identity);
    let asked = async {
        while rig.a.under_way().0 == 0 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(TIMEOUT / 2, asked).await.unwrap();
    drop(taken);
    let ended = async {
        while rig.a.under_way().0 > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(TIMEOUT / 4, ended).await.unwrap();
}
