//! The applier, started again at any position, and the books it makes.

use std::collections::BTreeSet;

use outrigger_journal::{Append, RecordKind};
use outrigger_ledger::{Ledger, LedgerOpenError, LedgerOptions, ReportOutcome};
use outrigger_model::{ConfirmLevel, Seq, SuspenseReason, WallTime};
use outrigger_runtime::Threads;
use outrigger_runtime::disk::simulated::SimDisk;

use crate::kit::{A, B, Kind, Place, Rig, dump, open, open_journal};

/// A life of a node, some of everything that stands in a journal, and the disk after each step.
async fn live(rig: &Rig) -> Vec<SimDisk> {
    let mut disks = vec![rig.disk.fork(0)];
    for instance in 0..6 {
        rig.enter(instance, instance / 2, 1).await;
        disks.push(rig.disk.fork(1));
    }
    let other = rig.enter(0, 0, 2).await;
    let reports = [
        (Seq(3), A, ReportOutcome::Reached(ConfirmLevel::Accepted)),
        (Seq(4), A, ReportOutcome::Suspend(SuspenseReason::Refused)),
        (Seq(3), B, ReportOutcome::Reached(ConfirmLevel::Verified)),
        (other, A, ReportOutcome::Reached(ConfirmLevel::Present)),
    ];
    for (entry, member, outcome) in reports {
        disks.push(rig.disk.fork(2));
        rig.report(entry, member, outcome).await;
    }
    disks.push(rig.disk.fork(3));
    rig.ledger.reopen(B, WallTime(0)).await.unwrap();
    disks
}

#[tokio::test(start_paused = true)]
async fn the_books_are_the_same_from_whatever_position_they_go_on() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let disks = live(&rig).await;
        let whole = rig.dump().await;
        rig.ledger.close().await;
        rig.journal.clone().close().await.unwrap();
        let mut positions = BTreeSet::new();
        for then in disks {
            // Books that stopped there, as in a crash.
            let place = Place::new(kind);
            let before = open_journal(&then, &rig.clock, 0);
            Ledger::rebuild(&before.reader(), &mut *place.open()).unwrap();
            positions.insert(before.tail());
            let (_journal, ledger) = open(&rig.disk.fork(4), &place, &rig.clock, rig.members.clone()).await;
            ledger.follow(Seq(rig.journal.tail().0)).await.unwrap();
            ledger.close().await;
            assert_eq!(dump(&*place.open()), whole, "{kind:?} stopped at {}", before.tail());
        }
        assert_eq!(positions.len(), 12, "each position was another");
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_keeps_its_number_for_ever_whatever_its_place_in_the_configuration() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        rig.members.reverse();
        rig.members.insert(0, crate::kit::member("c", ConfirmLevel::Accepted));
        rig.restart().await;
        let policies = rig.ledger.policies();
        let names: Vec<&str> = policies.iter().map(|(_, policy)| policy.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }
}

#[tokio::test(start_paused = true)]
async fn books_of_another_journal_or_ahead_of_theirs_are_refused() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let early = rig.disk.fork(1);
        rig.enter(1, 1, 1).await;
        rig.ledger.close().await;
        let open_with = |disk: SimDisk| {
            let (clock, place, members) = (rig.clock.clone(), &rig.place, rig.members.clone());
            async move {
                let journal = open_journal(&disk, &clock, 0);
                let options = LedgerOptions { members, fresh_for: std::time::Duration::ZERO };
                Ledger::open(journal, place.open(), options, clock, Threads::Simulated).await
            }
        };
        let ahead = open_with(early).await;
        assert!(matches!(ahead, Err(LedgerOpenError::Ahead { .. })), "{ahead:?}");
        let other = SimDisk::new(9, 1 << 30);
        let random = outrigger_runtime::Random::seeded(99);
        let options = outrigger_journal::Options {
            copies: vec![outrigger_journal::Place::new(outrigger_journal::EngineKind::Log, "/node/journal")],
            accept_loss: None,
            segment_bytes_max: 4 << 20,
            reserve_bytes: 1 << 20,
            max_size_bytes: 1 << 30,
        };
        let made = outrigger_journal::Journal::open(
            other.shared(),
            rig.clock.clone(),
            random,
            options,
            outrigger_journal::Seq(0),
        );
        drop(made.unwrap());
        let foreign = open_with(other).await;
        assert!(matches!(foreign, Err(LedgerOpenError::Foreign { .. })), "{foreign:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_is_a_finding_and_a_newer_one_stops_the_applier() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let append = |header: &'static [u8]| Append {
            kind: RecordKind::Closing,
            header: bytes::Bytes::from_static(header),
            body: None,
        };
        rig.journal.append(append(b"rubbish")).await.unwrap();
        let entry = rig.enter(1, 1, 1).await;
        let findings = rig.ledger.findings().await.unwrap();
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].entry, Some(Seq(entry.0 - 1)));
        rig.journal.append(append(br#"{"v":2,"closed":[{"member":0,"levels":"all"}]}"#)).await.unwrap();
        let mut health = rig.ledger.watch_health();
        health.wait_for(|health| *health != outrigger_ledger::LedgerHealth::Up).await.unwrap();
        let trouble = rig.ledger.status().await.unwrap().trouble.unwrap();
        assert!(trouble.contains("start the newer program"), "{trouble}");
        assert!(matches!(rig.accept(2, 1, 1).await, outrigger_ledger::Accepted::New { .. }), "stores go on");
    }
}
