//! Many queries at once.

use std::time::Duration;

use outrigger_query::Respondents;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::member::Conduct;
use crate::rig::{Rig, by_name, study_uid};

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
            let mut taken = reader.find(by_name("DOE"));
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
