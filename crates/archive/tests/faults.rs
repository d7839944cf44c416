//! A fault at every call to the disk while objects are stored: what was acknowledged is there after a restart.

use std::path::Path;

use outrigger_archive::Health;
use outrigger_front::RefusalKind;
use outrigger_runtime::disk::simulated::{Fault, FaultAt, Lasting, Loss, SimDisk};

use crate::setup::{Object, has, open_simulated, planned, small, sqlite, store};

const CAPACITY: u64 = 1 << 30;

/// Two small objects and a large one, which goes through the spool.
pub(crate) fn objects() -> [Object; 3] {
    [small(1), Object { length: (1 << 20) + 5000, ..small(2) }, small(3)]
}

/// What came of storing under a fault.
struct Outcome {
    acknowledged: Vec<Object>,
    refused: Vec<RefusalKind>,
    /// The call the fault struck, if there were so many.
    struck: Option<String>,
    /// Calls to the disk while objects were stored.
    calls: u64,
    health: Health,
}

/// Stores what can be stored, with a fault at a call counted from when the archive is open; then the process dies.
async fn stored_under(disk: &SimDisk, directory: &Path, fault: FaultAt) -> Outcome {
    let archive = open_simulated(disk, &sqlite(directory)).await.unwrap();
    let before = disk.calls();
    disk.plan(Some(FaultAt { call: before + fault.call, ..fault }));
    let (mut acknowledged, mut refused) = (Vec::new(), Vec::new());
    for object in objects() {
        match store(&archive, object).await {
            Ok(_) => acknowledged.push(object),
            Err(refusal) => refused.push(refusal.kind),
        }
    }
    let (health, calls) = (archive.health(), disk.calls() - before);
    archive.close().await;
    drop(archive);
    disk.crash(Loss::Nothing);
    let struck = disk.struck();
    disk.plan(None);
    Outcome { acknowledged, refused, struck, calls, health }
}

/// Opens the archive again: all that was acknowledged is there, nothing is there in part, and all can be stored.
async fn check_after_restart(disk: &SimDisk, directory: &Path, outcome: &Outcome, what: &str) {
    let archive = open_simulated(disk, &sqlite(directory)).await.unwrap();
    for object in objects() {
        let acknowledged = outcome.acknowledged.iter().any(|known| known.number == object.number);
        let whole = has(&archive, object).await;
        assert!(whole || !acknowledged, "{what}: an acknowledged object is lost");
        assert!(whole || planned(&archive, object).await.is_none(), "{what}: a row without its object");
    }
    assert_eq!(archive.recovered().unreadable.len(), 0, "{what}");
    for object in objects() {
        store(&archive, object).await.unwrap();
        assert!(has(&archive, object).await, "{what}: not taken after the restart");
    }
    assert!(!disk.files().iter().any(|(path, _)| path.starts_with("/archive/spool")), "{what}");
    archive.close().await;
}

/// Runs a fault at the first call, the second, and so on until none is left; gives how many calls there were.
async fn at_every_call(fault: Fault, lasting: Lasting, check: impl Fn(&Outcome, &str)) -> u64 {
    let mut call = 0;
    loop {
        call += 1;
        let directory = tempfile::tempdir().unwrap();
        let disk = SimDisk::new(call, CAPACITY);
        let outcome = stored_under(&disk, directory.path(), FaultAt { call, fault, lasting }).await;
        if outcome.calls < call {
            return call;
        }
        let what = format!("{fault:?} at call {call}, {:?}", outcome.struck);
        if outcome.struck.is_some() {
            check(&outcome, &what);
        } else {
            assert_eq!(outcome.acknowledged.len(), 3, "{what}");
        }
        check_after_restart(&disk, directory.path(), &outcome, &what).await;
    }
}

#[tokio::test]
async fn after_a_failed_sync_nothing_more_is_taken_after_any_other_failure_the_next_is() {
    let calls = at_every_call(Fault::Io, Lasting::Once, |outcome, what| {
        if outcome.struck.as_ref().is_some_and(|call| call.contains("sync")) {
            assert!(matches!(outcome.health, Health::Stopped { .. }), "{what}");
            assert_eq!(outcome.refused.last(), Some(&RefusalKind::Failed), "{what}");
            assert_eq!(outcome.acknowledged.len() + outcome.refused.len(), 3, "{what}");
        } else {
            assert_eq!(outcome.health, Health::Good, "{what}");
            assert_eq!((outcome.acknowledged.len(), outcome.refused.len()), (2, 1), "{what}");
        }
    })
    .await;
    assert!(calls > 15, "{calls} calls");
}

#[tokio::test]
async fn without_room_an_object_is_refused_for_now_and_the_next_is_taken() {
    let calls = at_every_call(Fault::NoSpace, Lasting::Once, |outcome, what| {
        assert_eq!(outcome.refused, [RefusalKind::OutOfResources], "{what}");
        assert_eq!(outcome.health, Health::Good, "{what}");
    })
    .await;
    assert!(calls > 15, "{calls} calls");
}

#[tokio::test]
async fn a_short_write_is_never_acknowledged() {
    let calls = at_every_call(Fault::ShortWrite, Lasting::Once, |outcome, what| {
        assert_eq!((outcome.acknowledged.len(), outcome.refused.len()), (2, 1), "{what}");
    })
    .await;
    assert!(calls > 15, "{calls} calls");
}

#[tokio::test]
async fn a_process_that_dies_at_any_call_loses_nothing_acknowledged() {
    let calls = at_every_call(Fault::Crash, Lasting::FromThenOn, |outcome, what| {
        assert!(outcome.acknowledged.len() < 3, "{what}");
    })
    .await;
    assert!(calls > 15, "{calls} calls");
}

#[tokio::test]
async fn a_full_disk_refuses_until_there_is_room_again() {
    let directory = tempfile::tempdir().unwrap();
    let disk = SimDisk::new(1, CAPACITY);
    let archive = open_simulated(&disk, &sqlite(directory.path())).await.unwrap();
    for object in objects() {
        disk.set_capacity(10 << 20);
        let refused = store(&archive, object).await.unwrap_err();
        assert_eq!(refused.kind, RefusalKind::OutOfResources);
        assert!(refused.text.contains("make room"), "{}", refused.text);
        disk.set_capacity(CAPACITY);
        store(&archive, object).await.unwrap();
        assert!(has(&archive, object).await);
    }
    assert_eq!(archive.health(), Health::Good);
}
