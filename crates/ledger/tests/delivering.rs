//! What members are sent, and what becomes of it.

use std::time::Duration;

use outrigger_ledger::{Lane, LedgerHealth, PostingKey, ReportOutcome};
use outrigger_model::{ConfirmLevel, Seq, SuspenseReason, TransactionUid, WallTime};

use crate::kit::{A, B, Kind, Place, Rig, study_uid};

async fn standing(rig: &Rig, member: usize) -> (u64, u64, u64) {
    let balance = rig.ledger.balance().await.unwrap();
    let member = &balance.members[member];
    assert_eq!(member.difference, 0);
    (member.confirmed, member.pending, member.suspense)
}

#[tokio::test(start_paused = true)]
async fn a_posting_is_given_once_until_it_is_reported() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let entry = rig.enter(1, 1, 1).await;
        let due = rig.due_one(A).await.unwrap();
        assert_eq!((due.posting.entry, due.attempts, due.level), (entry, 0, None));
        assert_eq!(rig.due(A, Lane::Fresh, 5).await, []);
        assert_eq!(rig.due(B, Lane::Fresh, 5).await, [entry], "each member has its own posting");
        rig.ledger.give_back(&[due]).await.unwrap();
        assert_eq!(rig.due(A, Lane::Fresh, 5).await, [entry]);
        rig.report(entry, A, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
        assert_eq!(rig.due(A, Lane::Fresh, 5).await, []);
        assert_eq!(standing(&rig, 0).await, (1, 0, 0));
        assert_eq!(standing(&rig, 1).await, (0, 1, 0));
    }
}

/// What a member was behind with keeps nothing waiting that a modality asks about now, and is not forgotten for it.
#[tokio::test(start_paused = true)]
async fn half_of_what_a_member_is_asked_for_is_what_it_took_last() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let mut entries = Vec::new();
        for instance in 1..=20 {
            let entry = rig.enter(instance, 1, 1).await;
            rig.report(entry, B, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
            tokio::time::advance(Duration::from_secs(1)).await;
            entries.push(entry);
        }
        tokio::time::advance(Duration::from_secs(600)).await;
        let mut asked = Vec::new();
        for limit in [4, 4, 99] {
            let due = rig.ledger.awaiting(B, ConfirmLevel::Accepted, limit).await.unwrap();
            let numbers = due.iter().map(|due| entries.iter().position(|entry| *entry == due.posting.entry));
            asked.push(numbers.map(Option::unwrap).collect::<Vec<_>>());
        }
        let rest = asked.pop().unwrap();
        assert_eq!(asked, [vec![0, 19, 1, 18], vec![2, 17, 3, 16]]);
        assert_eq!(rest.len(), 12, "each once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_posting_waits_for_its_time_and_is_counted() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let entry = rig.enter(1, 1, 1).await;
        for attempts in 0..3 {
            let due = rig.due_one(A).await.unwrap();
            assert_eq!(due.attempts, attempts);
            let at = rig.now().after(Duration::from_secs(5));
            rig.report_attempt(entry, A, ReportOutcome::RetryAt { at }, "busy").await;
            tokio::time::advance(Duration::from_secs(4)).await;
            assert_eq!(rig.due_one(A).await, None);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(rig.due(A, Lane::Backlog, 5).await, [entry], "retries belong to both lanes");
    }
}

#[tokio::test(start_paused = true)]
async fn the_newest_study_goes_first_and_a_late_object_takes_its_study_along() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let (old_1, old_2) = (rig.enter(1, 1, 1).await, rig.enter(2, 1, 1).await);
        let other = rig.enter(1, 2, 1).await;
        tokio::time::advance(Duration::from_secs(901)).await;
        assert_eq!(rig.due(A, Lane::Fresh, 9).await, [], "all of it is backlog by now");
        let new_3 = rig.enter(1, 3, 1).await;
        let new_4 = rig.enter(1, 4, 1).await;
        let late = rig.enter(3, 1, 1).await;
        assert_eq!(rig.due(A, Lane::Fresh, 9).await, [old_1, old_2, late, new_4, new_3]);
        assert_eq!(rig.due(A, Lane::Backlog, 9).await, [other]);

        assert_eq!(rig.ledger.expedite(study_uid(2)).await.unwrap(), 1);
        assert_eq!(rig.due(B, Lane::Fresh, 2).await, [other, old_1], "expedited goes before everything");
        assert_eq!(rig.due(B, Lane::Backlog, 9).await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn levels_below_the_one_asked_for_wait_and_are_confirmed() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let entry = rig.enter(1, 1, 1).await;
        rig.due(B, Lane::Fresh, 1).await;
        rig.report(entry, B, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
        assert_eq!(rig.due(B, Lane::Fresh, 1).await, [], "it is not sent again");
        let waiting = |rig: &Rig| {
            let ledger = rig.ledger.clone();
            async move { ledger.awaiting(B, ConfirmLevel::Accepted, 9).await.unwrap() }
        };
        assert_eq!(waiting(&rig).await, [], "the member is left alone until it has settled");
        tokio::time::advance(Duration::from_secs(60)).await;
        rig.restart().await;
        let found = waiting(&rig).await;
        assert_eq!((found.len(), found[0].level), (1, Some(ConfirmLevel::Accepted)));
        assert_eq!(waiting(&rig).await, [], "it is claimed");
        rig.report(entry, B, ReportOutcome::Reached(ConfirmLevel::Committed)).await;
        assert_eq!(standing(&rig, 1).await, (1, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_member_lost_is_sent_again_and_remembered() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let entry = rig.enter(1, 1, 1).await;
        rig.due(A, Lane::Fresh, 1).await;
        rig.report(entry, A, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
        assert_eq!(standing(&rig, 0).await, (1, 0, 0));
        // Read back later, it is not there: a closed posting opens again.
        rig.report(entry, A, ReportOutcome::SendAgain { at: rig.now() }).await;
        assert_eq!(standing(&rig, 0).await, (0, 1, 0));
        let due = rig.due_one(A).await.unwrap();
        assert_eq!(due.healed, 1);
        rig.report(entry, A, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
        rig.report(entry, A, ReportOutcome::Suspend(SuspenseReason::Lost)).await;
        assert_eq!(standing(&rig, 0).await, (0, 0, 1), "a closed posting can be set aside, too");
    }
}

#[tokio::test(start_paused = true)]
async fn commitment_transactions_survive_a_restart() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let (first, second) = (rig.enter(1, 1, 1).await, rig.enter(2, 1, 1).await);
        rig.due(B, Lane::Fresh, 2).await;
        for entry in [first, second] {
            rig.report(entry, B, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
        }
        let (one, two) = (TransactionUid::known("1.9.1"), TransactionUid::known("1.9.2"));
        rig.ledger.commit_begun(&one, B, vec![first]).await.unwrap();
        tokio::time::advance(Duration::from_secs(100)).await;
        rig.ledger.commit_begun(&two, B, vec![second]).await.unwrap();
        rig.restart().await;
        assert_eq!(rig.ledger.commit_member(&one).await.unwrap(), Some(B));
        assert_eq!(rig.ledger.awaiting(B, ConfirmLevel::Accepted, 9).await.unwrap(), []);
        assert_eq!(rig.ledger.commits_overdue(B, Duration::from_secs(99)).await.unwrap(), 1);
        let waiting = rig.ledger.awaiting(B, ConfirmLevel::Accepted, 9).await.unwrap();
        assert_eq!(waiting.iter().map(|due| due.posting.entry).collect::<Vec<_>>(), [first]);
        let ended = rig.ledger.commit_ended(&two).await.unwrap();
        assert_eq!(ended.iter().map(|due| due.posting.entry).collect::<Vec<_>>(), [second]);
        assert_eq!(rig.ledger.commit_ended(&two).await.unwrap(), [], "a report is taken once");
        assert_eq!(rig.ledger.commit_member(&two).await.unwrap(), None);
    }
}

const PATIENCE: Duration = Duration::from_secs(600);

async fn accepted_by_b(kind: Kind) -> (Rig, outrigger_model::Seq) {
    let rig = Rig::new(kind).await;
    let entry = rig.enter(1, 1, 1).await;
    rig.due(B, Lane::Fresh, 1).await;
    rig.report(entry, B, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
    (rig, entry)
}

#[tokio::test(start_paused = true)]
async fn a_commitment_report_that_comes_after_the_next_request_counts_over_a_restart() {
    for kind in Kind::BOTH {
        let (mut rig, entry) = accepted_by_b(kind).await;
        let (one, two) = (TransactionUid::known("1.9.1"), TransactionUid::known("1.9.2"));
        rig.ledger.commit_begun(&one, B, vec![entry]).await.unwrap();
        tokio::time::advance(PATIENCE + Duration::from_secs(1)).await;
        assert_eq!(rig.ledger.commits_overdue(B, PATIENCE).await.unwrap(), 1);
        rig.ledger.commit_begun(&two, B, vec![entry]).await.unwrap();
        assert_eq!(rig.ledger.commits_overdue(B, PATIENCE).await.unwrap(), 0, "it is counted once");
        rig.restart().await;
        assert_eq!(rig.ledger.commits_overdue(B, PATIENCE).await.unwrap(), 1, "once a start");
        let waiting = rig.ledger.awaiting(B, ConfirmLevel::Accepted, 9).await.unwrap();
        assert_eq!(waiting, [], "it waits for the newer answer");
        assert_eq!(rig.ledger.commit_member(&one).await.unwrap(), Some(B));
        let ended = rig.ledger.commit_ended(&one).await.unwrap();
        assert_eq!(ended.iter().map(|due| due.posting.entry).collect::<Vec<_>>(), [entry]);
    }
}

#[tokio::test(start_paused = true)]
async fn commitment_transactions_without_a_report_are_forgotten_in_the_end() {
    for kind in Kind::BOTH {
        let (rig, entry) = accepted_by_b(kind).await;
        let transaction = TransactionUid::from_random;
        // More than are remembered, each waited for.
        for number in 1..=260 {
            rig.ledger.commit_begun(&transaction(number), B, vec![entry]).await.unwrap();
            tokio::time::advance(PATIENCE + Duration::from_secs(1)).await;
            assert_eq!(rig.ledger.commits_overdue(B, PATIENCE).await.unwrap(), 1);
        }
        assert_eq!(rig.ledger.commit_member(&transaction(1)).await.unwrap(), None);
        assert_eq!(rig.ledger.commit_member(&transaction(260)).await.unwrap(), Some(B));
        tokio::time::advance(Duration::from_secs(47 * 3600)).await;
        rig.ledger.commit_begun(&transaction(261), B, vec![entry]).await.unwrap();
        tokio::time::advance(Duration::from_secs(2 * 3600)).await;
        assert_eq!(rig.ledger.commits_overdue(B, PATIENCE).await.unwrap(), 1);
        assert_eq!(rig.ledger.commit_member(&transaction(260)).await.unwrap(), None);
        assert_eq!(rig.ledger.commit_member(&transaction(261)).await.unwrap(), Some(B));
    }
}

#[tokio::test(start_paused = true)]
async fn two_versions_of_an_instance_reach_a_member_in_order() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let (first, second) = (rig.enter(1, 1, 1).await, rig.enter(1, 1, 2).await);
        let free = rig.enter(2, 1, 1).await;
        assert_eq!(rig.due(A, Lane::Fresh, 9).await, [first, free]);
        rig.report(first, A, ReportOutcome::RetryAt { at: rig.now() }).await;
        assert_eq!(
            rig.due(A, Lane::Fresh, 9).await,
            [first],
            "the second waits as long as the first is open"
        );
        rig.report(first, A, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
        assert_eq!(rig.due(A, Lane::Fresh, 9).await, [second]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_in_suspense_blocks_nothing_and_is_moot_after_the_next() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let (first, second) = (rig.enter(1, 1, 1).await, rig.enter(1, 1, 2).await);
        assert_eq!(rig.due(A, Lane::Fresh, 9).await, [first]);
        rig.report(first, A, ReportOutcome::Suspend(SuspenseReason::Refused)).await;
        assert_eq!(rig.due(A, Lane::Fresh, 9).await, [second]);
        rig.report(second, A, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
        let balance = rig.ledger.balance().await.unwrap();
        let a = &balance.members[0];
        assert_eq!((a.confirmed, a.superseded, a.suspense, a.difference), (1, 1, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_confirmed_lately_can_be_put_in_doubt() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let early = rig.enter(1, 1, 1).await;
        rig.due(B, Lane::Fresh, 9).await;
        rig.report(early, B, ReportOutcome::Reached(ConfirmLevel::Committed)).await;
        tokio::time::advance(Duration::from_secs(700)).await;
        let late = rig.enter(2, 1, 1).await;
        rig.due(B, Lane::Fresh, 9).await;
        rig.report(late, B, ReportOutcome::Reached(ConfirmLevel::Verified)).await;
        let since = WallTime(rig.now().0 - 600_000_000);
        rig.report(late, A, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
        assert_eq!(rig.ledger.reopen(A, since).await.unwrap(), 0, "it is asked for acceptance alone");
        assert_eq!(rig.ledger.reopen(B, since).await.unwrap(), 1);
        assert_eq!(standing(&rig, 1).await, (1, 1, 0));
        assert_eq!(rig.ledger.reopen(B, since).await.unwrap(), 0, "what is open is not opened again");
        let waiting = rig.ledger.awaiting(B, ConfirmLevel::Accepted, 9).await.unwrap();
        assert_eq!(waiting.iter().map(|due| due.posting.entry).collect::<Vec<_>>(), [late]);
        assert_eq!(rig.due(B, Lane::Fresh, 9).await, [], "it is asked for, not sent");
        rig.report(late, B, ReportOutcome::Reached(ConfirmLevel::Committed)).await;
        assert_eq!(standing(&rig, 1).await, (2, 0, 0));
    }
}

/// Else bytes would go on a copy that the member has forgotten.
#[tokio::test(start_paused = true)]
async fn what_a_member_showed_beyond_what_is_asked_of_it_is_put_in_doubt_as_well() {
    for kind in Kind::BOTH {
        let mut rig = Rig::with(kind, vec![crate::kit::member("a", ConfirmLevel::Accepted)]).await;
        let entry = rig.enter(1, 1, 1).await;
        rig.due(A, Lane::Fresh, 9).await;
        rig.report(entry, A, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
        assert_eq!(rig.ledger.unverified(A, 9).await.unwrap().len(), 1);
        rig.report(entry, A, ReportOutcome::Reached(ConfirmLevel::Verified)).await;
        tokio::time::advance(Duration::from_secs(100)).await;
        let (retention, mode) = (Duration::from_secs(60), outrigger_ledger::ReleaseMode::Normal);
        assert_eq!(rig.ledger.release_candidates(9, retention, mode).await.unwrap(), [entry]);
        assert_eq!(rig.ledger.unverified(A, 9).await.unwrap(), []);

        let since = WallTime(rig.now().0 - 600_000_000);
        assert_eq!(rig.ledger.reopen(A, since).await.unwrap(), 1);
        rig.ledger.follow(entry).await.unwrap();
        assert_eq!(standing(&rig, 0).await, (1, 0, 0), "its word is what is asked for");
        rig.restart().await;
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(rig.ledger.release_candidates(9, retention, mode).await.unwrap(), []);
        let again = rig.ledger.unverified(A, 9).await.unwrap();
        assert_eq!(again.iter().map(|due| due.posting.entry).collect::<Vec<_>>(), [entry]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_preferred_member_is_read_back_and_then_any() {
    for kind in Kind::BOTH {
        let mut members = vec![
            crate::kit::member("a", ConfirmLevel::Accepted),
            crate::kit::member("b", ConfirmLevel::Accepted),
        ];
        members[1].preference = 0;
        let rig = Rig::with(kind, members).await;
        let entry = rig.enter(1, 1, 1).await;
        let unverified = |member| {
            let ledger = rig.ledger.clone();
            async move {
                let due = ledger.unverified(member, 9).await.unwrap();
                due.iter().map(|due| due.posting.entry).collect::<Vec<Seq>>()
            }
        };
        for member in [A, B] {
            assert_eq!(unverified(member).await, [], "a posting is open");
            rig.due(member, Lane::Fresh, 1).await;
            rig.report(entry, member, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
        }
        assert_eq!(unverified(A).await, [], "the other is preferred");
        assert_eq!(unverified(B).await, [entry]);
        rig.report(entry, B, ReportOutcome::RetryAt { at: rig.now().after(Duration::from_secs(9)) }).await;
        assert_eq!(unverified(B).await, []);
        assert_eq!(unverified(A).await, [entry], "who cannot give it back is passed over");
        rig.ledger.report(vec![]).await.unwrap();
        rig.report(entry, A, ReportOutcome::Reached(ConfirmLevel::Verified)).await;
        tokio::time::advance(Duration::from_secs(3600)).await;
        for member in [A, B] {
            assert_eq!(unverified(member).await, [], "one is enough");
        }
    }
}

/// Goal: a member that is away holds up no storage commitment: what another confirmed is read back all the same.
#[tokio::test(start_paused = true)]
async fn what_a_member_that_is_away_has_not_or_gives_not_back_is_read_back_from_another() {
    for kind in Kind::BOTH {
        let members = ["a", "b"].map(|name| crate::kit::member(name, ConfirmLevel::Accepted));
        let rig = Rig::with(kind, members.to_vec()).await;
        let entry = rig.enter(1, 1, 1).await;
        let unverified = async |member| rig.ledger.unverified(member, 9).await.unwrap();
        // It is away with the object in its hands.
        assert_eq!(rig.due(A, Lane::Fresh, 1).await.len(), 1);
        rig.due(B, Lane::Fresh, 1).await;
        rig.report(entry, B, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
        assert_eq!(unverified(B).await, [], "the other may close it at once, and is preferred");
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(unverified(A).await, [], "who has it not gives it not back");
        let asked = unverified(B).await;
        assert_eq!(asked.iter().map(|due| due.posting.entry).collect::<Vec<_>>(), [entry]);
        assert_eq!(unverified(B).await, [], "it is being read back");
        rig.report(entry, B, ReportOutcome::Reached(ConfirmLevel::Verified)).await;
        assert_eq!(standing(&rig, 0).await, (0, 1, 0), "it is owed as before");
        assert_eq!(unverified(B).await, [], "once is enough");
        rig.report(entry, A, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;

        let next = rig.enter(2, 1, 1).await;
        for member in [A, B] {
            rig.due(member, Lane::Fresh, 1).await;
            rig.report(next, member, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
        }
        assert_eq!(unverified(B).await, [], "the other is preferred");
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(unverified(B).await.len(), 1, "the preferred one fell after that");
    }
}

/// Goal: what a member cannot give back now holds up nothing behind it, and what came last does not wait for all before it.
#[tokio::test(start_paused = true)]
async fn what_came_last_is_read_back_beside_the_oldest_and_none_is_in_the_way() {
    const MANY: u32 = 60;
    for kind in Kind::BOTH {
        let rig = Rig::with(kind, vec![crate::kit::member("a", ConfirmLevel::Accepted)]).await;
        let mut entries = Vec::new();
        for instance in 1..=MANY {
            entries.push(rig.enter(instance, 1, 1).await);
            rig.due(A, Lane::Fresh, 1).await;
            rig.report(entries[entries.len() - 1], A, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
        }
        let unverified = async |limit| -> Vec<Seq> {
            let due = rig.ledger.unverified(A, limit).await.unwrap();
            due.iter().map(|due| due.posting.entry).collect()
        };
        let [.., before_last, last] = entries[..] else { panic!("there are many") };
        assert_eq!(unverified(4).await, [last, before_last, entries[0], entries[1]]);
        // It gives none of the others for a while.
        let later = ReportOutcome::RetryAt { at: rig.now().after(Duration::from_secs(900)) };
        for entry in entries.iter().filter(|entry| **entry != entries[30]) {
            rig.report(*entry, A, later.clone()).await;
        }
        let mut rounds = 0;
        while unverified(1).await.is_empty() {
            rounds += 1;
            assert!(rounds < 40, "one in the middle is never reached");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn many_reports_at_once() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        for instance in 0..300 {
            rig.accept(instance, instance / 100, 1).await;
        }
        rig.ledger.follow(Seq(rig.journal.tail().0)).await.unwrap();
        let due = rig.due(A, Lane::Fresh, 500).await;
        assert_eq!(due.len(), 300);
        let reports = due.iter().map(|entry| outrigger_ledger::Report {
            posting: PostingKey { entry: *entry, member: A },
            attempt: None,
            outcome: ReportOutcome::Reached(ConfirmLevel::Accepted),
        });
        rig.ledger.report(reports.collect()).await.unwrap();
        assert_eq!(standing(&rig, 0).await, (300, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn asking_for_less_closes_what_has_reached_it() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let entry = rig.enter(1, 1, 1).await;
        rig.due(B, Lane::Fresh, 1).await;
        rig.report(entry, B, ReportOutcome::Reached(ConfirmLevel::Present)).await;
        assert_eq!(standing(&rig, 1).await, (0, 1, 0));
        rig.members[1].confirm = ConfirmLevel::Present;
        rig.ledger.configure(rig.members.clone()).await.unwrap();
        assert_eq!(standing(&rig, 1).await, (1, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_full_database_does_not_take_is_kept_and_nothing_is_sent_meanwhile() {
    let rig = Rig::new(Kind::Memory).await;
    let Place::Memory(store) = &rig.place else { panic!("in memory") };
    let (first, second, third) =
        (rig.enter(1, 1, 1).await, rig.enter(2, 1, 1).await, rig.enter(3, 1, 1).await);
    assert_eq!(rig.due(A, Lane::Fresh, 2).await, [first, second]);
    assert_eq!(rig.due(B, Lane::Fresh, 2).await, [first, second]);
    store.fill_up();
    let at = rig.now().after(Duration::from_secs(1));
    rig.report_attempt(first, A, ReportOutcome::RetryAt { at }, "busy").await;
    rig.report(second, A, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
    rig.report(first, B, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(rig.ledger.status().await.unwrap().trouble.is_some());
        for member in [A, B] {
            assert_eq!(rig.due(member, Lane::Fresh, 9).await, []);
        }
    }

    store.come_back();
    let mut health = rig.ledger.watch_health();
    let up = health.wait_for(|health| *health == LedgerHealth::Up);
    tokio::time::timeout(Duration::from_secs(5), up).await.unwrap().unwrap();
    assert_eq!(rig.ledger.status().await.unwrap().trouble, None);
    assert_eq!(standing(&rig, 0).await, (1, 2, 0));
    assert_eq!(rig.due(A, Lane::Fresh, 9).await, [third, first], "nothing but what failed goes again");
    assert_eq!(rig.due(B, Lane::Fresh, 9).await, [third]);
}
