//! The books made anew from the journal.

use outrigger_journal::Seq as JournalSeq;
use outrigger_ledger::{Compared, Ledger, MemberState, ReportOutcome, Resend, SuspenseFilter};
use outrigger_model::{ConfirmLevel, Seq, SuspenseReason};

use crate::kit::{A, B, Kind, Place, Rig, dump, member, open_journal, study_uid};

#[tokio::test(start_paused = true)]
async fn a_rebuild_equals_the_original_also_after_release() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let mut entries = Vec::new();
        for instance in 0..8 {
            entries.push(rig.enter(instance, instance / 3, 1).await);
        }
        for (entry, level) in entries.iter().zip([ConfirmLevel::Accepted, ConfirmLevel::Verified]) {
            rig.report(*entry, A, ReportOutcome::Reached(level)).await;
            rig.report(*entry, B, ReportOutcome::Reached(ConfirmLevel::Committed)).await;
        }
        for entry in [entries[4], entries[5], entries[6]] {
            rig.report_attempt(entry, A, ReportOutcome::Suspend(SuspenseReason::Refused), "no").await;
        }
        let one = SuspenseFilter::Postings(vec!["8:0".parse().unwrap()]);
        rig.ledger.retry(one).await.unwrap();
        let two = SuspenseFilter::Of { member: Some(A), reason: None };
        rig.ledger.write_off(two, "A. Person".into(), "test".into()).await.unwrap();
        let again = rig.enter(3, 1, 2).await;
        rig.ledger.compared(again, Compared::ReEncoded).await.unwrap();
        rig.members.push(member("c", ConfirmLevel::Accepted));
        rig.restart().await;
        rig.enter(9, 9, 1).await;
        rig.ledger.resend(Resend::Study(study_uid(0)), Some(B)).await.unwrap();
        rig.ledger.change_member(A, MemberState::Held).await.unwrap();
        rig.journal.release(vec![JournalSeq(entries[1].0)]).await.unwrap();
        rig.ledger.released(&[entries[1]]).await.unwrap();

        let original = rig.dump().await;
        let place = Place::new(kind);
        let mut store = place.open();
        let report = Ledger::rebuild(&rig.journal.reader(), &mut *store).unwrap();
        assert_eq!((report.objects, report.closings, report.damaged), (10, 4, 0));
        assert_eq!(dump(&*store), original, "{kind:?}");
        assert_eq!(outrigger_ledger::check(&*store).unwrap(), [""; 0]);
        assert_eq!(
            Ledger::rebuild(&rig.journal.reader(), &mut *store).unwrap().objects,
            0,
            "nothing is left to do"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_rebuild_is_one_over_sqlite_and_memory() {
    let rig = Rig::new(Kind::Sqlite).await;
    for instance in 0..600 {
        rig.accept(instance, instance % 7, 1).await;
    }
    rig.report(Seq(5), A, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
    let original = rig.dump().await;
    let mut memory = Place::new(Kind::Memory).open();
    Ledger::rebuild(&rig.journal.reader(), &mut *memory).unwrap();
    assert_eq!(dump(&*memory), original);
}

/// Flips a bit in the first place of the journal that holds `text`.
fn flip_in_journal(rig: &Rig, text: &[u8]) {
    let found = rig.disk.files().into_iter().find_map(|(path, _)| {
        let content = rig.disk.content(&path).unwrap();
        let at = content.windows(text.len()).position(|window| window == text)?;
        Some((path, at))
    });
    let (path, at) = found.expect("the text stands in the journal");
    rig.disk.flip(&path, u64::try_from(at * 8).unwrap()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lost_record_of_a_member_costs_nothing_that_is_owed_there() {
    for name in [&b"\"name\":\"a\""[..], b"\"name\":\"b\""] {
        let rig = Rig::new(Kind::Memory).await;
        for instance in 0..3 {
            rig.enter(instance, 0, 1).await;
        }
        rig.report(Seq(3), A, ReportOutcome::Reached(ConfirmLevel::Verified)).await;
        let original = rig.dump().await;
        rig.ledger.close().await;
        rig.journal.clone().close().await.unwrap();
        flip_in_journal(&rig, name);

        let journal = open_journal(&rig.disk, &rig.clock, 0);
        let place = Place::new(Kind::Memory);
        let mut store = place.open();
        let report = Ledger::rebuild(&journal.reader(), &mut *store).unwrap();
        assert_eq!(report.damaged, 1, "the damage is counted");
        assert_eq!(dump(&*store), original);
    }
}
