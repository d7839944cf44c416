//! Taking objects in.

use outrigger_ledger::{Accepted, Lane, ReportOutcome};
use outrigger_model::{ConfirmLevel, MemberNumber, Seq};

use crate::kit::{A, B, Kind, Place, Rig, acceptance, content, member};
use crate::renewing::the_books_hold;

async fn counts(rig: &Rig) -> (u64, u64) {
    rig.ledger.follow(Seq(rig.journal.tail().0)).await.unwrap();
    let status = rig.ledger.status().await.unwrap();
    (status.entries, status.repeated)
}

#[tokio::test(start_paused = true)]
async fn first_again_and_other_bytes() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let Accepted::New { durable } = rig.accept(1, 1, 1).await else { panic!("first of its UID") };
        let first = Seq(durable.seq().0);
        assert_eq!(rig.accept(1, 1, 1).await, Accepted::Repeated { entry: first });
        let other = rig.accept(1, 1, 2).await;
        assert!(matches!(other, Accepted::NewVersion { of, .. } if of == first), "{other:?}");
        assert_eq!(rig.accept(1, 1, 1).await, Accepted::Repeated { entry: first });
        assert_eq!(rig.accept(1, 1, 2).await, Accepted::Repeated { entry: other.entry() });
        assert_eq!(counts(&rig).await, (2, 3));
        // The same answers once all is in the catalogue.
        assert_eq!(rig.accept(1, 1, 1).await, Accepted::Repeated { entry: first });
        let third = rig.accept(1, 1, 3).await;
        assert!(matches!(third, Accepted::NewVersion { of, .. } if of == other.entry()), "{third:?}");
    }
}

/// Whoever sends again what members have expects it there, and may have deleted it there.
#[tokio::test(start_paused = true)]
async fn what_comes_again_is_looked_for_again_at_those_who_confirmed_it() {
    for kind in Kind::BOTH {
        let mut members = vec![member("a", ConfirmLevel::Verified), member("b", ConfirmLevel::Present)];
        members.push(member("c", ConfirmLevel::Accepted));
        let mut rig = Rig::with(kind, members).await;
        let entry = rig.enter(1, 1, 1).await;
        let c = MemberNumber(2);
        let levels = [(A, ConfirmLevel::Verified), (B, ConfirmLevel::Present), (c, ConfirmLevel::Accepted)];
        for (member, level) in levels {
            rig.report(entry, member, ReportOutcome::Reached(level)).await;
        }
        assert_eq!(rig.pending().await, [0, 0, 0]);
        for _ in 0..2 {
            assert_eq!(rig.accept(1, 1, 1).await, Accepted::Repeated { entry });
            assert_eq!(rig.pending().await, [1, 1, 0], "its acceptance is all that c gives");
        }
        for (member, level) in levels {
            rig.report(entry, member, ReportOutcome::Reached(level)).await;
        }
        assert_eq!(rig.pending().await, [0, 0, 0]);
        the_books_hold(&mut rig, kind).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_bytes_at_once_make_one_entry() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let mut senders = Vec::new();
        for _ in 0..8 {
            let (ledger, acceptance) = (rig.ledger.clone(), acceptance(1, 1, 1).await);
            senders.push(tokio::spawn(async move { ledger.accept(acceptance).await.unwrap() }));
        }
        let mut new = 0;
        let mut entries = Vec::new();
        for sender in senders {
            let accepted = sender.await.unwrap();
            new += usize::from(matches!(accepted, Accepted::New { .. }));
            entries.push(accepted.entry());
        }
        entries.dedup();
        assert_eq!((new, entries.len()), (1, 1));
        assert_eq!(counts(&rig).await, (1, 7));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_accepted_can_be_opened() {
    let rig = Rig::new(Kind::Memory).await;
    let entry = rig.accept(3, 1, 9).await.entry();
    let object = rig.ledger.object(entry).await.unwrap();
    assert_eq!(object.bytes.read_block(0).unwrap(), content(3, 9));
    assert_eq!(object.header, acceptance(3, 1, 9).await.header);
    assert!(rig.ledger.object(Seq(entry.0 + 1)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn stores_go_on_while_the_database_is_away_and_the_applier_settles_them() {
    let rig = Rig::new(Kind::Memory).await;
    let Place::Memory(store) = &rig.place else { panic!("in memory") };
    let known = rig.enter(1, 1, 1).await;
    store.go_away();
    // Not known whether it is new: the catalogue cannot be asked.
    let repeated = rig.accept(1, 1, 1).await;
    assert!(matches!(repeated, Accepted::Unresolved { .. }), "{repeated:?}");
    let new = rig.accept(2, 1, 1).await;
    assert!(matches!(new, Accepted::Unresolved { .. }), "{new:?}");
    // What came since is held, and known.
    assert_eq!(rig.accept(2, 1, 1).await, Accepted::Repeated { entry: new.entry() });
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let status = rig.ledger.status().await.unwrap();
    assert!(status.trouble.is_some() && status.applied == known, "{status:?}");
    assert_eq!(rig.due(A, Lane::Fresh, 10).await, [], "what is sent could not be noted");

    store.come_back();
    let mut applied = rig.ledger.watch();
    applied.wait_for(|applied| *applied >= new.entry()).await.unwrap();
    assert_eq!(rig.ledger.status().await.unwrap().trouble, None);
    let balance = rig.ledger.balance().await.unwrap();
    let a = &balance.members[0];
    assert_eq!((a.accepted_entries, a.pending, a.superseded, a.difference), (3, 2, 1, 0));
    assert_eq!(rig.due(A, Lane::Fresh, 10).await, [known, new.entry()], "the repetition owes nothing");
}
