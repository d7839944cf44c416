//! Studies that a member loses: sent again twice, and then a person must look.

use std::time::Duration;

use outrigger_ledger::{PostingKey, Report, ReportOutcome};
use outrigger_model::{ConfirmLevel, Seq};

use crate::kit::{B, Kind, Rig};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Postings of the member that are confirmed, pending and in suspense.
async fn standing(rig: &Rig) -> (u64, u64, u64) {
    let balance = rig.ledger.balance().await.unwrap();
    let member = &balance.members[1];
    assert_eq!(member.difference, 0);
    (member.confirmed, member.pending, member.suspense)
}

/// The member has each of these.
async fn has(rig: &Rig, entries: &[Seq]) {
    for entry in entries {
        rig.report(*entry, B, ReportOutcome::Reached(ConfirmLevel::Committed)).await;
    }
}

/// The member is found not to have these, all at once.
async fn loses(rig: &Rig, entries: &[Seq]) {
    let at = rig.now();
    let report = |entry: &Seq| Report {
        posting: PostingKey { entry: *entry, member: B },
        attempt: None,
        outcome: ReportOutcome::SendAgain { at },
    };
    rig.ledger.report(entries.iter().map(report).collect()).await.unwrap();
}

async fn study(rig: &Rig, study: u32) -> [Seq; 3] {
    let mut entries = [Seq(0); 3];
    for (entry, instance) in entries.iter_mut().zip(1..) {
        *entry = rig.enter(instance, study, 1).await;
    }
    has(rig, &entries).await;
    entries
}

#[tokio::test(start_paused = true)]
async fn a_study_removed_for_the_third_time_needs_a_person_over_restarts_too() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let [one, two, three] = study(&rig, 1).await;
        for lost in [[one, two], [one, three]] {
            tokio::time::advance(DAY).await;
            loses(&rig, &lost).await;
            assert_eq!(standing(&rig).await, (1, 2, 0), "sent again");
            has(&rig, &lost).await;
            rig.restart().await;
        }
        tokio::time::advance(DAY).await;
        loses(&rig, &[two]).await;
        assert_eq!(standing(&rig).await, (2, 0, 1), "though this one was lost once before");
        let items = rig
            .ledger
            .suspense(outrigger_ledger::SuspenseFilter::Of { member: None, reason: None })
            .await
            .unwrap();
        assert_eq!(items[0].reason, "lost");
        assert!(items[0].text.contains("twice already"), "{}", items[0].text);
    }
}

#[tokio::test(start_paused = true)]
async fn each_time_another_object_of_it_counts_as_well() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let [one, two, three] = study(&rig, 1).await;
        for lost in [one, two] {
            tokio::time::advance(DAY).await;
            loses(&rig, &[lost]).await;
            has(&rig, &[lost]).await;
        }
        tokio::time::advance(DAY).await;
        loses(&rig, &[three]).await;
        assert_eq!(standing(&rig).await, (2, 0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn one_loss_found_out_object_by_object_is_one() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let entries = study(&rig, 1).await;
        for lost in entries {
            tokio::time::advance(Duration::from_secs(600)).await;
            loses(&rig, &[lost]).await;
            has(&rig, &[lost]).await;
        }
        let other = study(&rig, 2).await;
        tokio::time::advance(DAY).await;
        loses(&rig, &entries).await;
        loses(&rig, &other).await;
        assert_eq!(standing(&rig).await, (0, 6, 0), "the second loss of one study, the first of the other");
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_lost_at_once_each_time_needs_a_person_at_once() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let entry = rig.enter(1, 1, 1).await;
        // Accepted, and never confirmed: nothing of that is in the journal.
        for _ in 0..2 {
            rig.report(entry, B, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
            loses(&rig, &[entry]).await;
            assert_eq!(standing(&rig).await, (0, 1, 0));
        }
        rig.report(entry, B, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
        loses(&rig, &[entry]).await;
        assert_eq!(standing(&rig).await, (0, 0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_person_has_looked_it_begins_anew() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let [one, ..] = study(&rig, 1).await;
        for _ in 0..3 {
            tokio::time::advance(DAY).await;
            loses(&rig, &[one]).await;
            has(&rig, &[one]).await;
        }
        // The third loss stood in suspense, and the object turned up: that closed it.
        tokio::time::advance(DAY).await;
        loses(&rig, &[one]).await;
        assert_eq!(standing(&rig).await, (2, 0, 1));
        let all = outrigger_ledger::SuspenseFilter::Of { member: None, reason: None };
        rig.ledger.retry(all).await.unwrap();
        has(&rig, &[one]).await;
        tokio::time::advance(DAY).await;
        loses(&rig, &[one]).await;
        assert_eq!(standing(&rig).await, (2, 1, 0));
    }
}

/// Closed postings that were healed are counted from the journal, so that a rebuild counts them too.
#[tokio::test(start_paused = true)]
async fn a_rebuild_counts_the_same() {
    let rig = Rig::new(Kind::Memory).await;
    let [one, two, _] = study(&rig, 1).await;
    for lost in [one, two] {
        tokio::time::advance(DAY).await;
        loses(&rig, &[lost]).await;
        has(&rig, &[lost]).await;
    }
    rig.ledger.follow(Seq(rig.journal.tail().0)).await.unwrap();
    let counted = |store: &dyn outrigger_ledger::LedgerStore| {
        outrigger_ledger::store::read(store, |books| {
            let lane = books.entry(one)?.unwrap().lane;
            books.healings(B, lane)
        })
        .unwrap()
    };
    let before = counted(&*rig.place.open());
    assert_eq!(before.len(), 2);
    for kind in Kind::BOTH {
        let place = crate::kit::Place::new(kind);
        let mut anew = place.open();
        outrigger_ledger::Ledger::rebuild(&rig.journal.reader(), &mut *anew).unwrap();
        assert_eq!(counted(&*anew), before);
    }
}
