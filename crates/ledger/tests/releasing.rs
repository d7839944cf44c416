//! Which bytes may go, and what is known afterwards.

use std::time::Duration;

use outrigger_journal::Seq as JournalSeq;
use outrigger_ledger::note::{NoteKind, NotesOf};
use outrigger_ledger::store::read;
use outrigger_ledger::{
    Accepted, Compared, Ledger, MemberCopy, MemberState, ObjectError, PostingKey, ReleaseMode, ReportOutcome,
};
use outrigger_model::{ConfirmLevel, Seq, Sha256Digest, SuspenseReason, TransferSyntaxUid};

use crate::kit::{A, B, Kind, Place, Rig, content, member};
use crate::renewing::the_books_hold;

async fn candidates(rig: &Rig, mode: ReleaseMode) -> Vec<Seq> {
    rig.ledger.release_candidates(9, Duration::from_secs(3600), mode).await.unwrap()
}

async fn reached(rig: &Rig, entry: Seq, member: outrigger_model::MemberNumber, level: ConfirmLevel) {
    rig.report(entry, member, ReportOutcome::Reached(level)).await;
}

#[tokio::test(start_paused = true)]
async fn bytes_go_when_all_have_them_one_was_read_back_and_the_time_has_passed() {
    use ConfirmLevel::{Accepted, Committed, Verified};
    let hour = Duration::from_secs(3600);
    for kind in Kind::BOTH {
        let mut members = vec![member("a", Accepted), member("b", Committed)];
        members[0].release = ConfirmLevel::Present;
        let rig = Rig::with(kind, members).await;
        let entry = rig.enter(1, 1, 1).await;
        reached(&rig, entry, A, Accepted).await;
        reached(&rig, entry, B, Committed).await;
        tokio::time::advance(hour).await;
        assert_eq!(candidates(&rig, ReleaseMode::Normal).await, [], "nobody was read back");
        assert_eq!(candidates(&rig, ReleaseMode::Early { room: u64::MAX }).await, [], "not even early");
        reached(&rig, entry, B, Verified).await;
        assert_eq!(candidates(&rig, ReleaseMode::Normal).await, [], "a accepted it, and never showed it");
        assert_eq!(candidates(&rig, ReleaseMode::Early { room: u64::MAX }).await, [entry]);
        reached(&rig, entry, A, ConfirmLevel::Present).await;
        assert_eq!(candidates(&rig, ReleaseMode::Normal).await, [entry]);

        let younger = rig.enter(2, 1, 1).await;
        reached(&rig, younger, A, Verified).await;
        assert_eq!(
            candidates(&rig, ReleaseMode::Early { room: u64::MAX }).await,
            [entry, younger],
            "owed to b, and verified at a"
        );
        reached(&rig, younger, B, Verified).await;
        tokio::time::advance(Duration::from_secs(3599)).await;
        assert_eq!(candidates(&rig, ReleaseMode::Normal).await, [entry]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(candidates(&rig, ReleaseMode::Normal).await, [entry, younger]);
    }
}

#[tokio::test(start_paused = true)]
async fn released_bytes_are_not_offered_again_and_their_entry_is_still_known() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let entry = rig.enter(1, 1, 1).await;
        for member in [A, B] {
            reached(&rig, entry, member, ConfirmLevel::Verified).await;
        }
        tokio::time::advance(Duration::from_secs(7200)).await;
        let free = candidates(&rig, ReleaseMode::Normal).await;
        assert_eq!(free, [entry]);
        rig.journal.release(vec![JournalSeq(entry.0)]).await.unwrap();
        rig.ledger.released(&free).await.unwrap();
        assert_eq!(candidates(&rig, ReleaseMode::Normal).await, []);
        assert_eq!(candidates(&rig, ReleaseMode::Early { room: u64::MAX }).await, []);
        rig.restart().await;
        let gone = rig.ledger.object(entry).await;
        assert!(matches!(gone, Err(ObjectError::Released(_))), "{gone:?}");
        let verified = rig.ledger.marks(entry).await.unwrap().unwrap().verified;
        assert!(verified.contains(A) && verified.contains(B));
        assert_eq!(rig.ledger.scrub().await.unwrap(), [""; 0]);
    }
}

/// Has every member read it back, and its bytes let go.
async fn let_go(rig: &Rig, entry: Seq, by: &[outrigger_model::MemberNumber]) {
    for member in by {
        reached(rig, entry, *member, ConfirmLevel::Verified).await;
    }
    tokio::time::advance(Duration::from_secs(7200)).await;
    let free = candidates(rig, ReleaseMode::Normal).await;
    assert_eq!(free.first(), Some(&entry), "{free:?}");
    release(rig, &free).await;
    assert_eq!(candidates(rig, ReleaseMode::Normal).await, []);
}

async fn release(rig: &Rig, entries: &[Seq]) {
    rig.journal.release(entries.iter().map(|entry| JournalSeq(entry.0)).collect()).await.unwrap();
    rig.ledger.released(entries).await.unwrap();
}

/// Members had it once, and may have lost it since: what is acknowledged again is safe again, and reaches them again.
#[tokio::test(start_paused = true)]
async fn what_comes_again_when_its_bytes_have_gone_is_kept_and_owed_anew() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let entry = rig.enter(1, 1, 1).await;
        let_go(&rig, entry, &[A, B]).await;
        let again = rig.accept(1, 1, 1).await;
        assert!(matches!(again, Accepted::Renewed { of, .. } if of == entry), "{again:?}");
        rig.ledger.follow(again.entry()).await.unwrap();
        assert_eq!(rig.accept(1, 1, 1).await, Accepted::Repeated { entry }, "once is enough");
        assert_eq!(
            candidates(&rig, ReleaseMode::Early { room: u64::MAX }).await,
            [],
            "nobody is known to have it"
        );
        for member in [A, B] {
            assert_eq!(rig.due(member, outrigger_ledger::Lane::Fresh, 9).await, [entry]);
        }
        let bytes = rig.ledger.object(entry).await.unwrap().bytes;
        assert_eq!(bytes.read_block(0).unwrap(), content(1, 1));
        the_books_hold(&mut rig, kind).await;
        assert_eq!(rig.ledger.object(entry).await.unwrap().bytes.read_block(0).unwrap(), content(1, 1));
        let_go(&rig, entry, &[A, B]).await;
        for gone in [entry, again.entry()] {
            assert!(matches!(rig.ledger.object(gone).await, Err(ObjectError::Released(_))));
        }
        the_books_hold(&mut rig, kind).await;
    }
}

/// A posting in suspense is no reason to throw away what comes again: the member is sent it.
#[tokio::test(start_paused = true)]
async fn what_went_early_and_is_missing_at_a_member_is_delivered_when_it_comes_again() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let entry = rig.enter(1, 1, 1).await;
        reached(&rig, entry, A, ConfirmLevel::Verified).await;
        release(&rig, &candidates(&rig, ReleaseMode::Early { room: u64::MAX }).await).await;
        rig.report(entry, B, ReportOutcome::Suspend(SuspenseReason::Damaged)).await;
        let again = rig.accept(1, 1, 1).await;
        rig.ledger.follow(again.entry()).await.unwrap();
        for member in [A, B] {
            assert_eq!(rig.due(member, outrigger_ledger::Lane::Fresh, 9).await, [entry]);
            reached(&rig, entry, member, ConfirmLevel::Verified).await;
        }
        let balance = rig.ledger.balance().await.unwrap();
        assert!(
            balance.members.iter().all(|member| (member.suspense, member.difference) == (0, 0)),
            "{balance:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_retired_or_wants_it_not_is_not_waited_for() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let entry = rig.enter(1, 1, 1).await;
        reached(&rig, entry, A, ConfirmLevel::Verified).await;
        tokio::time::advance(Duration::from_secs(7200)).await;
        assert_eq!(candidates(&rig, ReleaseMode::Normal).await, []);
        rig.ledger.change_member(B, MemberState::Retired).await.unwrap();
        assert_eq!(candidates(&rig, ReleaseMode::Normal).await, [], "its posting was closed only now");
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(candidates(&rig, ReleaseMode::Normal).await, [entry]);
    }
}

/// Bytes may go on a copy in another encoding, so that it must be known for as long as somebody may need it.
#[tokio::test(start_paused = true)]
async fn a_copy_in_another_encoding_is_known_over_restarts_and_by_a_rebuild() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let (entry, other) = (rig.enter(1, 1, 1).await, rig.enter(2, 1, 1).await);
        let copy = MemberCopy {
            transfer_syntax: TransferSyntaxUid::known("1.2.840.10008.1.2"),
            sha256: Sha256Digest([7; 32]),
        };
        let posting = PostingKey { entry, member: A };
        rig.ledger.gave_re_encoded(posting, copy.clone()).await.unwrap();
        reached(&rig, entry, A, ConfirmLevel::Verified).await;
        for _ in 0..2 {
            assert_eq!(rig.ledger.copies(entry).await.unwrap(), std::slice::from_ref(&copy));
            assert_eq!(rig.ledger.copies(other).await.unwrap(), []);
            rig.restart().await;
        }
        let place = Place::new(kind);
        let mut anew = place.open();
        Ledger::rebuild(&rig.journal.reader(), &mut *anew).unwrap();
        let note = read(&*anew, |books| books.notes(NoteKind::Copy, NotesOf::Entry(entry), 9)).unwrap();
        assert_eq!(note.len(), 1, "{kind:?}");
        assert_eq!(serde_json::from_str::<MemberCopy>(&note[0].body).unwrap(), copy);
    }
}

/// Another encoding that came later is no later content, which would have the first stay away.
#[tokio::test(start_paused = true)]
async fn what_came_in_two_encodings_is_owed_anew_whichever_comes_again() {
    for kind in Kind::BOTH {
        for again in [1, 2] {
            let rig = Rig::new(kind).await;
            let entries = [rig.enter(1, 1, 1).await, rig.enter(1, 1, 2).await];
            for entry in entries {
                for member in [A, B] {
                    reached(&rig, entry, member, ConfirmLevel::Verified).await;
                }
            }
            rig.ledger.compared(entries[1], Compared::ReEncoded).await.unwrap();
            release(&rig, &entries).await;
            assert!(matches!(rig.accept(1, 1, again).await, Accepted::Renewed { .. }));
            assert_eq!(rig.pending().await, [1, 1], "{kind:?}, {again}");
        }
    }
}
