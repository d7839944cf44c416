//! The power goes at every call, in many ways: acknowledged objects are there when it comes back, and without syncs they are not.

use outrigger_runtime::disk::simulated::{Fault, FaultAt, Lasting, Loss, SimDisk, Syncs};

use crate::faults::objects;
use crate::setup::{has, open_simulated, planned, sqlite, store};

const CAPACITY: u64 = 1 << 30;
/// More calls than the scenario makes.
const CALLS_MAX: u64 = 60;

fn crash_at(disk: &SimDisk, calls: u64) {
    disk.plan(Some(FaultAt {
        call: disk.calls() + calls,
        fault: Fault::Crash,
        lasting: Lasting::FromThenOn,
    }));
}

/// What a power cut left, for one catalogue.
#[derive(Debug, Default)]
struct Left {
    acknowledged: usize,
    /// Acknowledged and not there any more.
    lost: usize,
    /// Catalogued without their file.
    hollow: usize,
}

/// Stores until the power goes at a call, cuts it again at a call of the recovery, and looks at what is left.
async fn cut(disk: &SimDisk, catalogue: &str, loss: Loss, call: u64, recovery_call: u64) -> Left {
    crash_at(disk, call);
    let mut acknowledged = Vec::new();
    if let Some(archive) = open_simulated(disk, catalogue).await {
        for object in objects() {
            if store(&archive, object).await.is_ok() {
                acknowledged.push(object.number);
            }
        }
        archive.close().await;
    }
    disk.crash(loss);
    crash_at(disk, recovery_call);
    if let Some(archive) = open_simulated(disk, catalogue).await {
        archive.close().await;
    }
    disk.crash(loss);
    disk.plan(None);
    let archive = open_simulated(disk, catalogue).await.unwrap();
    let mut left = Left { acknowledged: acknowledged.len(), ..Left::default() };
    for object in objects() {
        let whole = has(&archive, object).await;
        left.lost += usize::from(!whole && acknowledged.contains(&object.number));
        left.hollow += usize::from(!whole && planned(&archive, object).await.is_some());
    }
    archive.close().await;
    left
}

#[tokio::test]
async fn a_power_cut_at_any_call_loses_nothing_acknowledged() {
    let mut acknowledged = 0;
    for call in 1..CALLS_MAX {
        for (seed, loss) in [(1, Loss::Everything), (2, Loss::Some), (3, Loss::Some), (4, Loss::Some)] {
            // The catalogue in memory goes with the power: all is entered anew from the files.
            let disk = SimDisk::new(seed * 1000 + call, CAPACITY);
            let left = cut(&disk, "memory:", loss, call, call % 7 + seed).await;
            assert_eq!((left.lost, left.hollow), (0, 0), "call {call}, seed {seed}, {loss:?}");
            acknowledged += left.acknowledged;
        }
    }
    assert!(acknowledged > 200, "{acknowledged}");
}

#[tokio::test]
async fn no_row_comes_to_be_without_its_file() {
    for call in (1..CALLS_MAX).step_by(2) {
        let directory = tempfile::tempdir().unwrap();
        let disk = SimDisk::new(call, CAPACITY);
        let left = cut(&disk, &sqlite(directory.path()), Loss::Everything, call, call % 7 + 1).await;
        assert_eq!((left.lost, left.hollow), (0, 0), "call {call}");
    }
}

/// The control: the same scenario on a disk whose syncs do nothing.
#[tokio::test]
async fn without_syncs_acknowledged_objects_are_lost() {
    let (mut acknowledged, mut lost) = (0, 0);
    for call in 30..CALLS_MAX {
        let disk = SimDisk::new(call, CAPACITY);
        // The directories of the archive are there for good.
        open_simulated(&disk, "memory:").await.unwrap().close().await;
        disk.set_syncs(Syncs::Ignored);
        let left = cut(&disk, "memory:", Loss::Everything, call, 1000).await;
        acknowledged += left.acknowledged;
        lost += left.lost;
    }
    assert!(acknowledged > 30 && lost * 2 > acknowledged, "{lost} of {acknowledged} lost");
}
