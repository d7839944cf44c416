//! Many queries at once.

use std::convert::identity;
use std::time::Duration;

use outrigger_query::{ANSWERED_AT_ONCE_MAX, FindError, Respondents};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::member::Conduct;
use crate::rig::{Rig, TIMEOUT, by_name, study_uid};

/// Members are asked few queries at once, whatever comes in, and one that comes and goes spoils no answer.
#[tokio::test(start_paused = true)]
async fn two_hundred_queries_at_once_are_all_answered_while_a_member_flaps() {
    let rig = Rig::uninventoried(Respondents::Members).await;
    rig.in_step(1, "DOE").await;
    rig.a.conduct(Conduct::Flaps);
    rig.b.conduct(Conduct::After(Duration::from_millis(20)));
    let begun = Instant::now();
    let mut asking = JoinSet::new();
    for _ in 0..200 {
        let reader = rig.reader.clone();
        asking.spawn(async move {
            let mut taken = reader.find(by_name("DOE"), identity);
            let mut answers = 0;
            while let Some(item) = taken.recv().await {
                answers += usize::from(item.is_ok());
            }
            answers
        });
    }
    let answered = timeout(Duration::from_secs(10), asking.join_all()).await.unwrap();
    assert_eq!(answered, vec![1; 200]);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(rig.b.under_way().1, 4, "at once");
    assert_eq!(rig.named("DOE").await.0, [study_uid(1)]);
}

/// Answers that nobody takes hold their places, and whoever comes then is told so instead of adding to what is held; with one of
/// them gone there is room again.
#[tokio::test(start_paused = true)]
async fn no_more_queries_are_answered_at_once_than_there_is_room_for() {
    let rig = Rig::uninventoried(Respondents::Catalogue).await;
    for study in 0..600 {
        rig.stored(study, "DOE").await;
    }
    let mut untaken: Vec<_> =
        (0..ANSWERED_AT_ONCE_MAX).map(|_| rig.reader.find(by_name("DOE"), identity)).collect();
    for answers in &mut untaken {
        assert!(answers.recv().await.unwrap().is_ok());
    }
    let begun = Instant::now();
    let refused = rig.reader.find(by_name("DOE"), identity).recv().await.unwrap();
    assert!(matches!(refused, Err(FindError::Busy)), "{refused:?}");
    assert_eq!(begun.elapsed(), TIMEOUT);
    drop(untaken.pop());
    assert!(rig.reader.find(by_name("DOE"), identity).recv().await.unwrap().is_ok());
}
