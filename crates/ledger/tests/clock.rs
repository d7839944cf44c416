//! The wall clock is set forward and back, with and without a restart: what waits waits as long as it should.

use std::time::Duration;

use outrigger_ledger::{Lane, ReleaseMode, ReportOutcome, Resend};
use outrigger_model::{ConfirmLevel, MemberNumber, Seq, TransactionUid, WallTime};

use crate::kit::{A, B, Kind, Rig, study_uid};

const HOUR_US: i64 = 3_600_000_000;
const YEAR_US: i64 = 8_766 * HOUR_US;
const SETTLE: Duration = Duration::from_secs(60);
const RETENTION: Duration = Duration::from_secs(72 * 3600);

async fn awaiting(rig: &Rig) -> Vec<Seq> {
    let waiting = rig.ledger.awaiting(B, ConfirmLevel::Accepted, 9).await.unwrap();
    rig.ledger.give_back(&waiting).await.unwrap();
    waiting.iter().map(|due| due.posting.entry).collect()
}

/// Accepted by member b, which is left alone for its settling time.
async fn settling(rig: &Rig, instance: u32) -> Seq {
    let entry = rig.enter(instance, 1, 1).await;
    rig.report(entry, B, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
    entry
}

/// Failed at member a, to be tried again in so many seconds.
async fn failing(rig: &Rig, instance: u32, seconds: u64) -> Seq {
    let entry = rig.enter(instance, 1, 1).await;
    let at = rig.now().after(Duration::from_secs(seconds));
    rig.report(entry, A, ReportOutcome::RetryAt { at }).await;
    entry
}

async fn verified(rig: &Rig, instance: u32) -> Seq {
    let entry = rig.enter(instance, 1, 1).await;
    for member in [A, B] {
        rig.report(entry, member, ReportOutcome::Reached(ConfirmLevel::Verified)).await;
    }
    entry
}

async fn free(rig: &Rig) -> Vec<Seq> {
    rig.ledger.release_candidates(9, RETENTION, ReleaseMode::Normal).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn waits_end_in_their_time_while_the_clock_is_set() {
    for (kind, set) in
        Kind::BOTH.into_iter().flat_map(|kind| [-HOUR_US, -3 * YEAR_US, 10 * YEAR_US].map(|set| (kind, set)))
    {
        let rig = Rig::new(kind).await;
        let (settles, fails) = (settling(&rig, 1).await, failing(&rig, 1, 30).await);
        rig.clock.set_by(set);
        assert_eq!((awaiting(&rig).await, rig.due(A, Lane::Fresh, 9).await), (vec![], vec![]), "{set}");
        let shown = rig.ledger.settling().await.unwrap();
        assert_eq!(
            shown[0].next_at,
            outrigger_ledger::rfc3339(rig.now().after(SETTLE)),
            "as the clock will show it"
        );
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(rig.due(A, Lane::Backlog, 9).await, [fails], "{set}");
        assert_eq!(awaiting(&rig).await, [], "{set}");
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(awaiting(&rig).await, [settles], "{set}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_waited_by_a_clock_that_was_ahead_is_not_waited_for_after_a_restart() {
    for (kind, back) in
        Kind::BOTH.into_iter().flat_map(|kind| [HOUR_US, 3 * YEAR_US].map(|back| (kind, back)))
    {
        let mut rig = Rig::new(kind).await;
        let (settles, fails) = (settling(&rig, 1).await, failing(&rig, 1, 30).await);
        rig.clock.set_by(-back);
        rig.restart().await;
        assert_eq!(
            (awaiting(&rig).await, rig.due(A, Lane::Fresh, 9).await),
            (vec![settles], vec![fails]),
            "{back}"
        );
        assert_eq!(rig.ledger.settling().await.unwrap(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_ahead_at_the_start_and_is_set_right_holds_nothing_up() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        rig.clock.set_by(3 * YEAR_US);
        rig.restart().await;
        let first = settling(&rig, 1).await;
        rig.clock.set_by(-3 * YEAR_US);
        let second = settling(&rig, 2).await;
        tokio::time::advance(SETTLE).await;
        assert_eq!(awaiting(&rig).await, [first, second]);
        rig.report(first, B, ReportOutcome::RetryAt { at: rig.now().after(SETTLE) }).await;
        rig.restart().await;
        assert_eq!(awaiting(&rig).await, [second, first]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_commitment_that_is_never_answered_is_overdue_though_the_clock_was_set_back() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let patience = Duration::from_secs(600);
        let (one, two) = (TransactionUid::known("1.9.1"), TransactionUid::known("1.9.2"));
        let first = settling(&rig, 1).await;
        rig.ledger.commit_begun(&one, B, vec![first]).await.unwrap();
        rig.clock.set_by(-3 * YEAR_US);
        assert_eq!(rig.ledger.commits_overdue(B, patience).await.unwrap(), 0);
        tokio::time::advance(Duration::from_secs(601)).await;
        assert_eq!(rig.ledger.commits_overdue(B, patience).await.unwrap(), 1);
        rig.ledger.commit_begun(&two, B, vec![first]).await.unwrap();
        rig.restart().await;
        assert_eq!(
            rig.ledger.commits_overdue(B, patience).await.unwrap(),
            2,
            "both begun in what is the future now"
        );
        assert_eq!(awaiting(&rig).await, [first]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_confirmed_before_the_clock_was_set_is_put_in_doubt_all_the_same() {
    for (kind, set) in
        Kind::BOTH.into_iter().flat_map(|kind| [HOUR_US, 10 * YEAR_US, -HOUR_US].map(|set| (kind, set)))
    {
        let rig = Rig::new(kind).await;
        let early = verified(&rig, 1).await;
        tokio::time::advance(Duration::from_secs(800)).await;
        let late = verified(&rig, 2).await;
        rig.clock.set_by(set);
        // What is closed by the new clock makes the books forget what was by the old one.
        let newest = verified(&rig, 3).await;
        tokio::time::advance(Duration::from_secs(60)).await;
        let since = WallTime(rig.now().0 - 600_000_000);
        let count = rig.ledger.reopen(B, since).await.unwrap();
        let waiting = awaiting(&rig).await;
        assert!(waiting.contains(&late) && waiting.contains(&newest), "{set} {waiting:?}");
        // A clock set back leaves those before it in the future, and they are asked for once too often.
        assert_eq!(count, if set < 0 { 3 } else { 2 }, "{set} {early}");
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_stay_for_their_retention_time_however_the_clock_is_set() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let before = verified(&rig, 1).await;
        rig.clock.set_by(10 * YEAR_US);
        assert_eq!(free(&rig).await, []);
        rig.clock.set_by(-13 * YEAR_US);
        verified(&rig, 2).await;
        assert_eq!(free(&rig).await, [], "balanced just now, three years ago by the start");
        rig.clock.set_by(3 * YEAR_US);
        tokio::time::advance(RETENTION).await;
        assert!(free(&rig).await.contains(&before));
    }
}

#[tokio::test(start_paused = true)]
async fn half_the_retention_is_lived_through_though_the_clock_leapt_over_a_restart() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let before = verified(&rig, 1).await;
        rig.clock.set_by(10 * YEAR_US);
        rig.restart().await;
        let after = verified(&rig, 2).await;
        tokio::time::advance(Duration::from_secs(36 * 3600 - 1)).await;
        assert_eq!(free(&rig).await, []);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(free(&rig).await, [before]);
        tokio::time::advance(RETENTION / 2).await;
        assert_eq!(free(&rig).await, [before, after]);
    }
}

#[tokio::test(start_paused = true)]
async fn new_studies_stay_before_the_backlog_when_the_clock_was_set_back() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let old = rig.enter(1, 1, 1).await;
        rig.clock.set_by(-3 * YEAR_US);
        let new = rig.enter(2, 2, 1).await;
        assert_eq!(rig.due(A, Lane::Fresh, 9).await, [new]);
        assert_eq!(rig.due(A, Lane::Backlog, 9).await, [old]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_who_puts_a_study_first_or_posts_it_again_ends_its_waiting() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let due = |member: MemberNumber| rig.due(member, Lane::Fresh, 9);
        let (fails, settles) = (failing(&rig, 1, 600).await, settling(&rig, 1).await);
        assert_eq!((due(A).await, awaiting(&rig).await), (vec![], vec![]));
        rig.ledger.expedite(study_uid(1)).await.unwrap();
        assert_eq!((due(A).await, awaiting(&rig).await), (vec![fails], vec![settles]));
        let at = rig.now().after(Duration::from_secs(600));
        rig.report(fails, A, ReportOutcome::RetryAt { at }).await;
        assert_eq!(due(A).await, []);
        rig.ledger.resend(Resend::Study(study_uid(1)), Some(A)).await.unwrap();
        assert_eq!(due(A).await, [fails]);
    }
}
