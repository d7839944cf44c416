//! Bytes that came again because they are damaged in the journal: they take the place of the bytes, never that of a version.

use std::time::Duration;

use outrigger_journal::Seq as JournalSeq;
use outrigger_ledger::{
    Accepted, Compared, Lane, Ledger, PostingKey, ReleaseMode, ReportOutcome, Resend, SuspenseFilter, Why,
};
use outrigger_model::{ConfirmLevel, MemberNumber, Seq, SuspenseReason};

use crate::kit::{A, B, Kind, Place, Rig, content, dump, study_uid};

const ALL: SuspenseFilter = SuspenseFilter::Of { member: None, reason: None };

/// Flips a bit of the bytes of an entry, in the first place of the journal where they stand.
fn damage(rig: &Rig, bytes: &[u8]) {
    let holding = rig.disk.files().into_iter().find_map(|(path, _)| {
        let content = rig.disk.content(&path).unwrap();
        let at = content.windows(bytes.len()).position(|window| window == bytes)?;
        Some((path, at as u64))
    });
    let (path, at) = holding.unwrap();
    rig.disk.flip(&path, at * 8 + 3).unwrap();
}

/// Has version 1 of the instance sent again, whose bytes in `entry` are damaged first; gives the entry that brought them again.
async fn renew(rig: &Rig, entry: Seq) -> Seq {
    damage(rig, &content(1, 1));
    let again = rig.accept(1, 1, 1).await;
    assert!(matches!(again, Accepted::Renewed { of, .. } if of == entry), "{again:?}");
    rig.ledger.follow(again.entry()).await.unwrap();
    again.entry()
}

async fn suspend(rig: &Rig, entry: Seq, member: MemberNumber, reason: SuspenseReason) {
    rig.report(entry, member, ReportOutcome::Suspend(reason)).await;
}

/// The member has an object as surely as both members must.
async fn reached(rig: &Rig, entry: Seq, member: MemberNumber) {
    rig.report(entry, member, ReportOutcome::Reached(ConfirmLevel::Committed)).await;
}

async fn due(rig: &Rig, member: MemberNumber) -> Vec<Seq> {
    rig.due(member, Lane::Fresh, 9).await
}

/// What an entry is at a member, as `why` says it of the versions; `None` for an entry that is none.
async fn state(rig: &Rig, entry: Seq, member: MemberNumber) -> Option<String> {
    let why = rig.ledger.why(Why::Uid("1.2.1.1.1".to_owned())).await.unwrap();
    let of = why.studies[0].instances.iter().find(|version| version.entry == entry)?;
    Some(of.members[usize::from(member.0)].state.clone())
}

/// The books are sound, and the same after a restart and made anew.
pub(crate) async fn the_books_hold(rig: &mut Rig, kind: Kind) {
    let original = rig.dump().await;
    assert_eq!(rig.ledger.scrub().await.unwrap(), [""; 0]);
    let balance = rig.ledger.balance().await.unwrap();
    assert!(balance.members.iter().all(|member| member.difference == 0), "{balance:?}");
    rig.restart().await;
    assert_eq!(rig.dump().await, original);
    let place = Place::new(kind);
    let mut anew = place.open();
    Ledger::rebuild(&rig.journal.reader(), &mut *anew).unwrap();
    assert_eq!(dump(&*anew), original, "{kind:?}");
}

/// What is acknowledged is safe: bytes that cannot be read any more are no reason to throw good ones away.
#[tokio::test(start_paused = true)]
async fn what_comes_again_and_is_damaged_here_is_stored_anew_and_delivered() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let damaged = rig.enter(1, 1, 1).await;
        let sound = rig.enter(2, 1, 1).await;
        rig.report(damaged, B, ReportOutcome::Reached(ConfirmLevel::Verified)).await;
        suspend(&rig, damaged, A, SuspenseReason::Damaged).await;
        let opened_before = rig.ledger.object(damaged).await.unwrap();
        let again = renew(&rig, damaged).await;
        assert_eq!(rig.accept(2, 1, 1).await, Accepted::Repeated { entry: sound });
        assert_eq!(rig.accept(1, 1, 1).await, Accepted::Repeated { entry: damaged }, "once is enough");

        assert_eq!(due(&rig, A).await, [damaged, sound], "it is owed where its bytes were missed");
        assert_eq!(due(&rig, B).await, [sound], "and nowhere else");
        for object in [opened_before, rig.ledger.object(damaged).await.unwrap()] {
            assert_eq!((object.entry, object.bytes.read_block(0).unwrap()), (damaged, content(1, 1)));
        }
        reached(&rig, damaged, A).await;
        let balance = rig.ledger.balance().await.unwrap();
        let a = &balance.members[0];
        assert_eq!((a.confirmed, a.suspense, a.superseded, a.difference), (1, 0, 1, 0), "{a:?}");
        let why = rig.ledger.why(Why::Uid("1.2.1.1.1".to_owned())).await.unwrap();
        let [told] = &why.studies[0].instances[..] else { panic!("one version: {why:?}") };
        assert!(told.findings[0].contains(&format!("came again as entry {again}")), "{told:?}");
        the_books_hold(&mut rig, kind).await;
        assert_eq!(rig.ledger.object(damaged).await.unwrap().bytes.read_block(0).unwrap(), content(1, 1));
    }
}

/// The defect of seed 120: both versions were confirmed, and the member was left with another one than the books said.
#[tokio::test(start_paused = true)]
async fn a_later_version_in_suspense_stays_the_later_one() {
    for kind in Kind::BOTH {
        for renewed_goes_first in [true, false] {
            let mut rig = Rig::new(kind).await;
            let (one, two) = (rig.enter(1, 1, 1).await, rig.enter(1, 1, 2).await);
            suspend(&rig, one, B, SuspenseReason::Damaged).await;
            suspend(&rig, two, B, SuspenseReason::Refused).await;
            let again = renew(&rig, one).await;
            if !renewed_goes_first {
                // A person has all tried again before anything was sent.
                assert_eq!(rig.ledger.retry(ALL).await.unwrap(), 1);
            }
            assert_eq!(due(&rig, B).await, [one], "the earlier one goes first");
            reached(&rig, one, B).await;
            if renewed_goes_first {
                assert_eq!(rig.ledger.retry(ALL).await.unwrap(), 1);
            }
            assert_eq!(due(&rig, B).await, [two]);
            reached(&rig, two, B).await;
            assert_eq!(state(&rig, two, B).await.as_deref(), Some("confirmed"));
            assert_eq!(state(&rig, again, B).await, None, "bytes are no version");
            the_books_hold(&mut rig, kind).await;
            rig.ledger.resend(Resend::Study(study_uid(1)), Some(B)).await.unwrap();
            assert_eq!(due(&rig, B).await, [two], "the latest is what the member is to have");
            the_books_hold(&mut rig, kind).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_again_is_not_sent_behind_a_later_version() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let (one, two) = (rig.enter(1, 1, 1).await, rig.enter(1, 1, 2).await);
        // A has the later version; B is being sent it.
        for member in [A, B] {
            suspend(&rig, one, member, SuspenseReason::Damaged).await;
            assert_eq!(due(&rig, member).await, [two]);
        }
        reached(&rig, two, A).await;
        renew(&rig, one).await;
        for member in [A, B] {
            assert_eq!(due(&rig, member).await, []);
            assert_eq!(state(&rig, one, member).await.as_deref(), Some("superseded"));
        }
        reached(&rig, two, B).await;
        the_books_hold(&mut rig, kind).await;
        rig.ledger.reopen(A, Rig::now(&rig)).await.unwrap();
        rig.ledger.resend(Resend::Study(study_uid(1)), None).await.unwrap();
        for member in [A, B] {
            assert_eq!(due(&rig, member).await, [two]);
        }
        the_books_hold(&mut rig, kind).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_comes_behind_what_came_again_waits_for_it() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let one = rig.enter(1, 1, 1).await;
        suspend(&rig, one, A, SuspenseReason::Damaged).await;
        renew(&rig, one).await;
        let two = rig.enter(1, 1, 2).await;
        assert_eq!(due(&rig, A).await, [one]);
        rig.report(one, A, ReportOutcome::Released).await;
        assert_eq!(due(&rig, A).await, [one]);
        reached(&rig, one, A).await;
        assert_eq!(due(&rig, A).await, [two]);
        reached(&rig, two, A).await;
        the_books_hold(&mut rig, kind).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_written_off_stays_so_until_a_person_has_it_sent_again() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let (one, two) = (rig.enter(1, 1, 1).await, rig.enter(1, 1, 2).await);
        suspend(&rig, one, A, SuspenseReason::Damaged).await;
        suspend(&rig, two, A, SuspenseReason::Refused).await;
        suspend(&rig, one, B, SuspenseReason::Damaged).await;
        suspend(&rig, two, B, SuspenseReason::Refused).await;
        let given_up = [PostingKey { entry: two, member: A }, PostingKey { entry: one, member: B }];
        let which = SuspenseFilter::Postings(given_up.to_vec());
        rig.ledger.write_off(which, "A. Person".into(), "test".into()).await.unwrap();
        renew(&rig, one).await;
        assert_eq!(
            due(&rig, A).await,
            [one],
            "the later version was given up: the earlier one is all there is"
        );
        assert_eq!(due(&rig, B).await, []);
        assert_eq!(state(&rig, one, B).await.as_deref(), Some("written_off"));
        reached(&rig, one, A).await;
        the_books_hold(&mut rig, kind).await;
        rig.ledger.resend(Resend::Study(study_uid(1)), Some(B)).await.unwrap();
        assert_eq!(due(&rig, B).await, [one]);
        assert_eq!(rig.ledger.object(one).await.unwrap().bytes.read_block(0).unwrap(), content(1, 1));
    }
}

/// A posting that stands in suspense for another reason is a person's: the bytes were not what was missing.
#[tokio::test(start_paused = true)]
async fn what_a_member_refused_is_not_sent_again_for_new_bytes() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let one = rig.enter(1, 1, 1).await;
        suspend(&rig, one, A, SuspenseReason::Refused).await;
        suspend(&rig, one, B, SuspenseReason::Damaged).await;
        renew(&rig, one).await;
        assert_eq!((due(&rig, A).await, due(&rig, B).await), (vec![], vec![one]));
        the_books_hold(&mut rig, kind).await;
    }
}

/// The database could not be asked, so that nobody knew that they came again, nor that they are damaged.
#[tokio::test(start_paused = true)]
async fn bytes_that_came_again_unnoticed_are_lent_too() {
    let mut rig = Rig::new(Kind::Memory).await;
    let Place::Memory(store) = &rig.place else { panic!("in memory") };
    let store = store.clone();
    let one = rig.enter(1, 1, 1).await;
    suspend(&rig, one, A, SuspenseReason::Damaged).await;
    damage(&rig, &content(1, 1));
    assert!(rig.ledger.object(one).await.unwrap().bytes.read_block(0).is_err(), "nobody can lend them yet");
    store.go_away();
    let again = rig.accept(1, 1, 1).await;
    assert!(matches!(again, Accepted::Unresolved { .. }), "{again:?}");
    store.come_back();
    let mut applied = rig.ledger.watch();
    applied.wait_for(|applied| *applied >= again.entry()).await.unwrap();
    assert_eq!(due(&rig, A).await, [one]);
    assert_eq!(rig.ledger.object(one).await.unwrap().bytes.read_block(0).unwrap(), content(1, 1));
    the_books_hold(&mut rig, Kind::Memory).await;
}

#[tokio::test(start_paused = true)]
async fn lent_bytes_go_with_those_of_the_entry_they_are_lent_to() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let one = rig.enter(1, 1, 1).await;
        suspend(&rig, one, A, SuspenseReason::Damaged).await;
        let again = renew(&rig, one).await;
        let candidates = async |rig: &Rig| {
            rig.ledger.release_candidates(9, Duration::ZERO, ReleaseMode::Normal).await.unwrap()
        };
        for member in [A, B] {
            assert_eq!(candidates(&rig).await, []);
            rig.report(one, member, ReportOutcome::Reached(ConfirmLevel::Verified)).await;
        }
        let both = [one, again];
        assert_eq!(candidates(&rig).await, both);
        rig.journal.release(both.map(|entry| JournalSeq(entry.0)).to_vec()).await.unwrap();
        rig.ledger.released(&both).await.unwrap();
        the_books_hold(&mut rig, kind).await;
        assert_eq!(candidates(&rig).await, []);
        let anew = rig.accept(1, 1, 1).await;
        assert!(matches!(anew, Accepted::Renewed { of, .. } if of == one), "{anew:?}");
    }
}

/// An entry that turns out to be a re-encoding is moot only where the one before it is not moot for its sake.
#[tokio::test(start_paused = true)]
async fn a_re_encoding_is_owed_where_the_entry_before_it_is_moot() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let (one, two) = (rig.enter(1, 1, 1).await, rig.enter(1, 1, 2).await);
        suspend(&rig, one, A, SuspenseReason::Refused).await;
        // Tried again while the later one is owed, it is moot.
        assert_eq!(rig.ledger.retry(ALL).await.unwrap(), 1);
        rig.ledger.compared(two, Compared::ReEncoded).await.unwrap();
        assert_eq!(due(&rig, A).await, [two], "else the member gets neither");
        assert_eq!(due(&rig, B).await, [one]);
        reached(&rig, two, A).await;
        the_books_hold(&mut rig, kind).await;
    }
}

/// What nobody confirmed is nobody's to give back, and does not stand before what is.
#[tokio::test(start_paused = true)]
async fn what_came_again_keeps_nothing_from_being_read_back() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        for content in 1..=40 {
            let entry = rig.enter(1, 1, content).await;
            if content > 1 {
                rig.ledger.compared(entry, Compared::ReEncoded).await.unwrap();
            }
        }
        let last = rig.enter(2, 1, 1).await;
        for member in [A, B] {
            rig.report(last, member, ReportOutcome::Reached(ConfirmLevel::Present)).await;
            reached(&rig, last, member).await;
        }
        let found = rig.ledger.unverified(A, 1).await.unwrap();
        assert_eq!(found.iter().map(|due| due.posting.entry).collect::<Vec<_>>(), [last]);
    }
}
