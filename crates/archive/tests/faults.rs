//! A fault at every call to the disk while objects are stored: what was acknowledged is there after a restart.

use std::io;
use std::path::Path;

use outrigger_archive::Health;
use outrigger_front::RefusalKind;

use crate::faulty_disk::{Fault, FaultyDisk, shared};
use crate::setup::{Object, has, open, open_over, planned, small, spool_files, sqlite, store};

/// Two small objects and a large one, which goes through the spool.
fn objects() -> [Object; 3] {
    [small(1), Object { length: (1 << 20) + 5000, ..small(2) }, small(3)]
}

/// What came of storing under a fault.
struct Outcome {
    acknowledged: Vec<Object>,
    refused: Vec<RefusalKind>,
    /// The calls that failed.
    failed: Vec<&'static str>,
    health: Health,
}

/// Stores what can be stored while a fault is waiting; the fault begins after the archive is open.
async fn stored_under(directory: &Path, fault: Fault) -> Outcome {
    let disk = FaultyDisk::new(Fault::None);
    let archive = open_over(directory, &sqlite(directory), shared(&disk)).await;
    disk.set(fault);
    let (mut acknowledged, mut refused) = (Vec::new(), Vec::new());
    for object in objects() {
        match store(&archive, object).await {
            Ok(_) => acknowledged.push(object),
            Err(refusal) => refused.push(refusal.kind),
        }
    }
    let health = archive.health();
    archive.close().await;
    Outcome { acknowledged, refused, failed: disk.failed(), health }
}

/// Opens the archive over a sound disk: all that was acknowledged is there, and nothing is there in part.
async fn check_after_restart(directory: &Path, outcome: &Outcome, what: &str) {
    let archive = open(directory).await;
    for object in objects() {
        let acknowledged = outcome.acknowledged.iter().any(|known| known.number == object.number);
        let whole = has(&archive, object).await;
        assert!(whole || !acknowledged, "{what}: an acknowledged object is lost");
        assert!(whole || planned(&archive, object).await.is_none(), "{what}: a row without its object");
    }
    assert_eq!(archive.recovered().unreadable.len(), 0, "{what}");
    assert_eq!(spool_files(directory), 0, "{what}");
    for object in objects() {
        store(&archive, object).await.unwrap();
        assert!(has(&archive, object).await, "{what}: taken after the restart");
    }
    archive.close().await;
}

/// Runs a fault at the first call, the second, and so on until none is left; gives how many calls there were.
async fn at_every_call(fault: impl Fn(u64) -> Fault, check: impl Fn(&Outcome, &str)) -> u64 {
    for call in 1.. {
        let directory = tempfile::tempdir().unwrap();
        let outcome = stored_under(directory.path(), fault(call)).await;
        if outcome.failed.is_empty() {
            assert_eq!(outcome.acknowledged.len(), 3);
            return call - 1;
        }
        let what = format!("call {call}, {:?}", outcome.failed.first());
        check(&outcome, &what);
        check_after_restart(directory.path(), &outcome, &what).await;
    }
    0
}

#[tokio::test]
async fn after_a_failed_sync_nothing_more_is_taken_after_any_other_failure_the_next_is() {
    let calls = at_every_call(
        |call| Fault::Once(call, io::ErrorKind::Other),
        |outcome, what| {
            let sync = outcome.failed.iter().any(|call| call.starts_with("sync"));
            match outcome.failed.as_slice() {
                // Written to the spool by the front door; or a file that was to go away already.
                [_] if sync => {
                    assert!(matches!(outcome.health, Health::Stopped { .. }), "{what}");
                    let later = outcome.refused.last().copied();
                    assert_eq!(later, Some(RefusalKind::Failed), "{what}");
                }
                _ => {
                    assert_eq!(outcome.health, Health::Good, "{what}");
                    assert_eq!((outcome.acknowledged.len(), outcome.refused.len()), (2, 1), "{what}");
                }
            }
        },
    )
    .await;
    assert!(calls > 15, "{calls} calls");
}

#[tokio::test]
async fn without_room_an_object_is_refused_for_now_and_the_next_is_taken() {
    let calls = at_every_call(
        |call| Fault::Once(call, io::ErrorKind::StorageFull),
        |outcome, what| {
            assert_eq!(outcome.refused, [RefusalKind::OutOfResources], "{what}");
            assert_eq!(outcome.health, Health::Good, "{what}");
        },
    )
    .await;
    assert!(calls > 15, "{calls} calls");
}

#[tokio::test]
async fn a_process_that_dies_at_any_call_loses_nothing_acknowledged() {
    let calls = at_every_call(Fault::FromThenOn, |outcome, what| {
        assert!(outcome.acknowledged.len() < 3, "{what}");
    })
    .await;
    assert!(calls > 15, "{calls} calls");
}

#[tokio::test]
async fn a_full_disk_refuses_until_there_is_room_again() {
    let directory = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new(Fault::None);
    let archive = open_over(directory.path(), &sqlite(directory.path()), shared(&disk)).await;
    for object in objects() {
        disk.set(Fault::Room(1 << 20));
        let refused = store(&archive, object).await.unwrap_err();
        assert_eq!(refused.kind, RefusalKind::OutOfResources);
        assert!(refused.text.contains("make room"), "{}", refused.text);
        assert_eq!(spool_files(directory.path()), 0);
        disk.set(Fault::Room(1 << 30));
        store(&archive, object).await.unwrap();
        assert!(has(&archive, object).await);
    }
    assert_eq!(archive.health(), Health::Good);
}
