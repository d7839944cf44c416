//! What members were seen not to have: nothing is promised or let go on the word of the books while that stands open.

use std::collections::BTreeSet;
use std::time::Duration;

use outrigger_ledger::finding::{Difference, FindingKind, Witness};
use outrigger_ledger::{Asked, CommitPolicy, Compared, ReleaseMode, ReportOutcome, Resend};
use outrigger_model::{
    AeTitle, ConfirmLevel, MemberNumber, Requestor, Seq, SopClassUid, SopInstanceUid, TransactionUid,
};

use crate::kit::{A, B, Kind, Rig, study_uid};

const WAIT: Duration = Duration::from_secs(24 * 3600);

fn uid() -> SopInstanceUid {
    SopInstanceUid::new("1.2.1.1.1").unwrap()
}

/// A member does not show the instance, or many of its study.
async fn lost(rig: &Rig, entry: Seq, member: MemberNumber, instance: Option<SopInstanceUid>) {
    let difference = Difference {
        about: format!("lost {}", member.0),
        kind: FindingKind::Forgotten,
        study: study_uid(1),
        instance,
        entry: Some(entry),
        member: Some(member),
        witness: Witness::Books,
        text: "it does not show it any more".to_owned(),
        seen: Vec::new(),
    };
    rig.ledger.note_differences(BTreeSet::new(), vec![difference]).await.unwrap();
}

/// It was looked for again, and found.
async fn found(rig: &Rig, member: MemberNumber) {
    rig.ledger.note_differences([format!("lost {}", member.0)].into(), Vec::new()).await.unwrap();
}

async fn asked(rig: &Rig, number: u32) -> TransactionUid {
    let transaction = TransactionUid::new(&format!("1.2.9.{number}")).unwrap();
    let whom = (Requestor::Ae(AeTitle::known("CT1")), AeTitle::known("OUTRIGGER"));
    let ct = SopClassUid::new("1.2.840.10008.5.1.4.1.1.2").unwrap();
    rig.ledger.promise(Asked::new(transaction.clone(), whom, [(ct, uid())])).await.unwrap();
    transaction
}

/// Whether it was promised; `None` while it is open.
async fn promised(rig: &Rig, policy: CommitPolicy, transaction: &TransactionUid) -> Option<bool> {
    rig.ledger.settle_promises(policy, WAIT).await.unwrap();
    let promise = rig.ledger.open_promise(transaction).await.unwrap().unwrap();
    promise.head.decided_at?;
    Some(promise.failed().count() == 0)
}

async fn verified(rig: &Rig, entry: Seq, members: &[MemberNumber]) {
    for member in members {
        rig.report(entry, *member, ReportOutcome::Reached(ConfirmLevel::Verified)).await;
    }
    tokio::time::advance(Duration::from_secs(7200)).await;
}

async fn candidates(rig: &Rig, mode: ReleaseMode) -> Vec<Seq> {
    rig.ledger.release_candidates(9, Duration::from_secs(3600), mode).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_a_required_member_was_seen_to_lack_is_not_promised_to_be_at_all() {
    for kind in Kind::BOTH {
        for instance in [Some(uid()), None] {
            let rig = Rig::new(kind).await;
            let entry = rig.enter(1, 1, 1).await;
            verified(&rig, entry, &[A, B]).await;
            let control = asked(&rig, 1).await;
            assert_eq!(promised(&rig, CommitPolicy::All, &control).await, Some(true));
            lost(&rig, entry, B, instance).await;
            let all = asked(&rig, 2).await;
            assert_eq!(promised(&rig, CommitPolicy::All, &all).await, None, "b lacks it");
            let one = CommitPolicy::Journal { members: 1 };
            assert_eq!(promised(&rig, one, &all).await, Some(true), "the journal and a have it");
            let two = asked(&rig, 3).await;
            assert_eq!(promised(&rig, CommitPolicy::Members { members: 2 }, &two).await, None);
            found(&rig, B).await;
            assert_eq!(promised(&rig, CommitPolicy::Members { members: 2 }, &two).await, Some(true));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_was_seen_to_have_is_not_promised_when_its_bytes_have_gone() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let entry = rig.enter(1, 1, 1).await;
        verified(&rig, entry, &[A, B]).await;
        rig.ledger.released(&[entry]).await.unwrap();
        for member in [A, B] {
            lost(&rig, entry, member, Some(uid())).await;
        }
        let transaction = asked(&rig, 1).await;
        let policy = CommitPolicy::Journal { members: 1 };
        assert_eq!(promised(&rig, policy, &transaction).await, None);
        tokio::time::advance(WAIT).await;
        assert_eq!(promised(&rig, policy, &transaction).await, Some(false), "it waits, and fails then");
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_stay_while_a_member_is_seen_to_lack_them() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let (entry, other) = (rig.enter(1, 1, 1).await, rig.enter(2, 2, 1).await);
        verified(&rig, entry, &[A, B]).await;
        verified(&rig, other, &[A, B]).await;
        assert_eq!(candidates(&rig, ReleaseMode::Normal).await, [entry, other]);
        lost(&rig, entry, A, Some(uid())).await;
        assert_eq!(candidates(&rig, ReleaseMode::Normal).await, [other]);
        assert_eq!(
            candidates(&rig, ReleaseMode::Early { room: u64::MAX }).await,
            [entry, other],
            "b gave it back"
        );
        lost(&rig, entry, B, Some(uid())).await;
        assert_eq!(candidates(&rig, ReleaseMode::Early { room: u64::MAX }).await, [other], "nobody has it");
        tokio::time::advance(Duration::from_secs(1)).await;
        // Sent there again, it is what the members said last that counts.
        rig.ledger.resend(Resend::Study(study_uid(1)), None).await.unwrap();
        verified(&rig, entry, &[A, B]).await;
        assert_eq!(candidates(&rig, ReleaseMode::Normal).await, [other, entry]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_member_confirms_again_says_nothing_of_another() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let entry = rig.enter(1, 1, 1).await;
        verified(&rig, entry, &[A, B]).await;
        for member in [A, B] {
            lost(&rig, entry, member, Some(uid())).await;
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        rig.ledger.resend(Resend::Study(study_uid(1)), Some(B)).await.unwrap();
        rig.report(entry, B, ReportOutcome::Reached(ConfirmLevel::Verified)).await;
        let all = asked(&rig, 1).await;
        assert_eq!(promised(&rig, CommitPolicy::All, &all).await, None, "a lacks it");
        let at_once = rig.ledger.release_candidates(9, Duration::ZERO, ReleaseMode::Normal).await;
        assert_eq!(at_once.unwrap(), [], "a lacks it");
        rig.ledger.resend(Resend::Study(study_uid(1)), Some(A)).await.unwrap();
        verified(&rig, entry, &[A]).await;
        assert_eq!(promised(&rig, CommitPolicy::All, &all).await, Some(true));
        assert_eq!(candidates(&rig, ReleaseMode::Normal).await, [entry]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_missed_of_an_instance_is_missed_of_each_of_its_encodings() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let (first, second) = (rig.enter(1, 1, 1).await, rig.enter(1, 1, 2).await);
        verified(&rig, first, &[A, B]).await;
        verified(&rig, second, &[A, B]).await;
        rig.ledger.compared(second, Compared::ReEncoded).await.unwrap();
        assert_eq!(candidates(&rig, ReleaseMode::Normal).await, [first, second]);
        for member in [A, B] {
            lost(&rig, first, member, Some(uid())).await;
        }
        let all = asked(&rig, 1).await;
        assert_eq!(promised(&rig, CommitPolicy::All, &all).await, None, "nobody has it in either");
        assert_eq!(candidates(&rig, ReleaseMode::Early { room: u64::MAX }).await, []);
    }
}
