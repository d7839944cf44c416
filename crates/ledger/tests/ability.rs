//! Members that cannot be confirmed at a level: noted once, and closed postings are left alone.

use std::time::Duration;

use outrigger_ledger::finding::FindingKind;
use outrigger_ledger::{Noted, ReleaseMode, ReportOutcome, Why};
use outrigger_model::{ConfirmLevel, WallTime};

use crate::kit::{A, B, Kind, Rig, member};

use ConfirmLevel::{Accepted, Committed, Present, Verified};

#[tokio::test(start_paused = true)]
async fn what_a_member_cannot_do_is_noted_once_over_a_restart_and_closed_when_it_can() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let entry = rig.enter(1, 1, 1).await;
        let text = || "the member knows no storage commitment".to_owned();
        assert_eq!(rig.ledger.cannot_confirm(B, Committed, text()).await.unwrap(), Noted::New);
        assert_eq!(rig.ledger.cannot_confirm(B, Committed, text()).await.unwrap(), Noted::Before);
        rig.restart().await;
        assert_eq!(rig.ledger.cannot_confirm(B, Committed, text()).await.unwrap(), Noted::Before);
        assert_eq!(rig.ledger.cannot_confirm(B, Present, "no C-FIND".to_owned()).await.unwrap(), Noted::New);
        assert_eq!(rig.ledger.unable(B).await.unwrap(), [Present, Committed]);
        assert_eq!(rig.ledger.unable(A).await.unwrap(), []);

        let findings = rig.ledger.findings().await.unwrap();
        assert_eq!(findings.len(), 2);
        assert!(findings.iter().all(|finding| finding.kind == FindingKind::CannotConfirm));
        let status = rig.ledger.status().await.unwrap();
        assert_eq!(status.members[0].cannot, []);
        assert_eq!(status.members[1].cannot[1], (Committed, text()));
        let why = rig.ledger.why(Why::Uid(format!("1.2.1.1.{}", 1))).await.unwrap();
        let members = &why.studies[0].instances[0].members;
        assert_eq!(members[0].findings, [""; 0]);
        assert!(members[1].findings.contains(&text()), "{members:?}");

        rig.ledger.can_confirm(B, Committed).await.unwrap();
        rig.ledger.can_confirm(B, Verified).await.unwrap();
        assert_eq!(rig.ledger.unable(B).await.unwrap(), [Present]);
        assert_eq!(rig.ledger.findings().await.unwrap().len(), 1);
        rig.restart().await;
        assert_eq!(rig.ledger.unable(B).await.unwrap(), [Present]);
        assert_eq!(rig.ledger.cannot_confirm(B, Committed, text()).await.unwrap(), Noted::New);
        assert_eq!(rig.due_one(A).await.unwrap().posting.entry, entry);
    }
}

#[tokio::test(start_paused = true)]
async fn all_that_a_member_can_confirm_closes_its_posting_and_a_rebuild_says_the_same() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let entries = [rig.enter(1, 1, 1).await, rig.enter(2, 1, 1).await];
        for (left, (entry, level)) in [(2, (entries[0], Present)), (1, (entries[1], Accepted))] {
            rig.report(entry, A, ReportOutcome::Reached(Accepted)).await;
            rig.report(entry, B, ReportOutcome::Reached(Accepted)).await;
            rig.report(entry, B, ReportOutcome::Reached(level)).await;
            let pending = rig.ledger.balance().await.unwrap().members[1].pending;
            assert_eq!(pending, left, "{level:?} is less than is asked for");
            rig.report(entry, B, ReportOutcome::Settled(level)).await;
        }
        let balance = rig.ledger.balance().await.unwrap();
        assert_eq!((balance.members[1].confirmed, balance.members[1].difference), (2, 0));
        let before = rig.dump().await;
        let place = crate::kit::Place::new(kind);
        let mut anew = place.open();
        outrigger_ledger::Ledger::rebuild(&rig.journal.reader(), &mut *anew).unwrap();
        assert_eq!(crate::kit::dump(&*anew), before);
        // It has nothing more to say about what it only accepted.
        assert_eq!(rig.ledger.reopen(B, WallTime(0)).await.unwrap(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_go_on_presence_where_a_member_cannot_commit_and_never_on_its_word() {
    for kind in Kind::BOTH {
        let rig = Rig::with(kind, vec![member("a", Verified), member("b", Committed)]).await;
        let shown = rig.enter(1, 1, 1).await;
        let accepted = rig.enter(2, 1, 1).await;
        for entry in [shown, accepted] {
            rig.report(entry, A, ReportOutcome::Reached(Verified)).await;
        }
        rig.report(shown, B, ReportOutcome::Settled(Present)).await;
        rig.report(accepted, B, ReportOutcome::Settled(Accepted)).await;
        tokio::time::advance(Duration::from_secs(7200)).await;
        let free = rig.ledger.release_candidates(9, Duration::ZERO, ReleaseMode::Normal).await.unwrap();
        assert_eq!(free, [shown]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_gives_nothing_back_is_not_asked_to_and_another_is() {
    for kind in Kind::BOTH {
        let mut members = vec![member("a", Accepted), member("b", Accepted)];
        members[0].preference = 0;
        let mut rig = Rig::with(kind, members).await;
        let entry = rig.enter(1, 1, 1).await;
        for member in [A, B] {
            rig.report(entry, member, ReportOutcome::Reached(Accepted)).await;
        }
        let asked = async |rig: &Rig, member| rig.ledger.unverified(member, 9).await.unwrap().len();
        assert_eq!(asked(&rig, B).await, 0, "the other is preferred");
        rig.ledger.cannot_confirm(A, Verified, "no C-GET".to_owned()).await.unwrap();
        rig.restart().await;
        assert_eq!((asked(&rig, A).await, asked(&rig, B).await), (0, 1));
        rig.ledger.can_confirm(A, Verified).await.unwrap();
        rig.restart().await;
        assert_eq!((asked(&rig, B).await, asked(&rig, A).await), (0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_read_back_is_asked_for_ever_more_rarely() {
    for kind in Kind::BOTH {
        let rig = Rig::with(kind, vec![member("a", Accepted)]).await;
        let entry = rig.enter(1, 1, 1).await;
        rig.report(entry, A, ReportOutcome::Reached(Accepted)).await;
        for failed in 0..3 {
            let due = rig.ledger.unverified(A, 9).await.unwrap();
            assert_eq!((due.len(), due[0].attempts), (1, failed));
            let at = rig.now().after(Duration::from_secs(10));
            rig.report(entry, A, ReportOutcome::RetryAt { at }).await;
            assert_eq!(rig.ledger.unverified(A, 9).await.unwrap(), []);
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        let balance = rig.ledger.balance().await.unwrap();
        assert_eq!(balance.members[0].confirmed, 1, "it stays closed");
    }
}
