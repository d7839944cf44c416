//! A crash at every call of a scripted life of a journal, on a disk that forgets, tears and reorders.

use std::path::Path;

use outrigger_journal::{Carried, Journal, Opened, Seq};
use outrigger_runtime::disk::simulated::{Fault, FaultAt, Lasting, Loss, SimDisk, Syncs};
use outrigger_runtime::{Clock, Random};

use crate::kit::options;
use crate::promises::{DIRECTORY, LARGE, Promises, Went, holds};

const CAPACITY: u64 = 1 << 30;

fn open(disk: &SimDisk, applied: Seq) -> Option<Opened> {
    let options = options(Path::new(DIRECTORY));
    Journal::open(disk.shared(), Clock::System, Random::System, options, applied).ok()
}

/// A life: small and large objects, batches, releases, segments that roll, are carried forward and merged, a close, a new start.
pub(crate) fn live(open: &dyn Fn() -> Option<Opened>, promises: &mut Promises) {
    for round in 0..2 {
        let Some(Opened { mut journal, .. }) = open() else { return };
        let step = |journal: &mut Journal, promises: &mut Promises| -> Option<()> {
            let on = |went| (went == Went::On).then_some(());
            on(promises.append(journal, &[Some(3000)]))?;
            on(promises.append(journal, &[Some(20_000), None, Some(9000), Some(500)]))?;
            on(promises.append(journal, &[Some(LARGE)]))?;
            on(promises.append(journal, &[Some(30_000), Some(25_000)]))?;
            on(promises.release(journal, 5))?;
            on(promises.append(journal, &[None, Some(40_000)]))?;
            on(promises.append(journal, &[Some(30_000), Some(30_000), None]))?;
            on(promises.release(journal, 7))?;
            while let Ok(Carried::Some) = journal.carry_forward() {}
            on(promises.append(journal, &[Some(LARGE), Some(1)]))
        };
        if step(&mut journal, promises).is_none() {
            return;
        }
        // The first life ends in order, the second does not.
        if round == 0 && journal.close().is_err() {
            return;
        }
    }
}

/// A life with a fault at one call, and what was promised in it.
fn life(seed: u64, syncs: Syncs, fault: Option<FaultAt>) -> (SimDisk, Promises) {
    let disk = SimDisk::new(seed, CAPACITY);
    disk.set_syncs(syncs);
    disk.plan(fault);
    let mut promises = Promises::default();
    live(&|| open(&disk, Seq(0)), &mut promises);
    (disk, promises)
}

fn calls() -> u64 {
    let (disk, promises) = life(1, Syncs::Honest, None);
    assert!(promises.acknowledged.len() > 25 && !promises.released.is_empty());
    disk.calls()
}

pub(crate) fn crash_at(call: u64) -> FaultAt {
    FaultAt { call, fault: Fault::Crash, lasting: Lasting::Once }
}

pub(crate) const LOSSES: [Loss; 6] =
    [Loss::Nothing, Loss::Everything, Loss::Some, Loss::Some, Loss::Some, Loss::Some];

#[test]
fn fault_a_crash_at_every_call_loses_nothing_acknowledged() {
    for call in 1..=calls() {
        let (disk, promises) = life(call, Syncs::Honest, Some(crash_at(call)));
        let last = promises.acknowledged.keys().next_back().copied().unwrap_or(Seq(0));
        for (seed, loss) in (0..).zip(LOSSES) {
            let disk = disk.fork(call * 100 + seed);
            disk.crash(loss);
            let applied = if seed % 2 == 0 { Seq(0) } else { last };
            let context = || format!("{:?}, {loss:?}, seed {seed}, applied {applied}", disk.struck());
            let mut promises = promises.clone();
            let mut journal =
                holds(&disk, &promises, applied).unwrap_or_else(|error| panic!("{}: {error}", context()));
            promises.found(&journal.reader());
            if seed % 3 > 0 {
                assert_eq!(promises.append(&mut journal, &[Some(2000), None]), Went::On);
            }
            drop(journal);
            disk.crash(Loss::Everything);
            holds(&disk, &promises, applied).unwrap_or_else(|error| panic!("again, {}: {error}", context()));
        }
    }
}

#[test]
fn fault_without_syncs_the_same_crashes_lose() {
    let lost = (1..=calls()).filter(|call| {
        let (disk, promises) = life(*call, Syncs::Ignored, Some(crash_at(*call)));
        disk.crash(Loss::Everything);
        holds(&disk, &promises, Seq(0)).is_err()
    });
    assert!(lost.count() > 100, "a disk that forgets must be noticed");
}

#[test]
fn fault_a_crash_at_every_call_of_a_recovery_loses_nothing_acknowledged() {
    for call in (1..=calls()).step_by(3) {
        let (disk, promises) = life(call, Syncs::Honest, Some(crash_at(call)));
        let loss = if call % 2 == 0 { Loss::Some } else { Loss::Everything };
        disk.crash(loss);
        let whole = disk.fork(call);
        drop(open(&whole, Seq(0)));
        for nested in 1..=whole.calls() {
            let disk = disk.fork(nested);
            disk.plan(Some(crash_at(nested)));
            assert!(open(&disk, Seq(0)).is_none(), "call {nested} of {}", whole.calls());
            disk.crash(if nested % 2 == 0 { Loss::Everything } else { Loss::Some });
            if let Err(error) = holds(&disk, &promises, Seq(0)) {
                panic!("crash at call {call}, {loss:?}, then at call {nested} of the recovery: {error}");
            }
        }
    }
}

/// An error at every call: whatever was acknowledged, before it or after, stands after a restart and after a power cut behind that.
fn errors_at_every_call(fault: Fault, lasting: Lasting) {
    for call in 1..=calls() {
        let (disk, mut promises) = life(call, Syncs::Honest, Some(FaultAt { call, fault, lasting }));
        let struck = disk.struck();
        disk.plan(None);
        disk.crash(Loss::Nothing);
        let mut journal =
            holds(&disk, &promises, Seq(0)).unwrap_or_else(|error| panic!("{struck:?}: {error}"));
        promises.found(&journal.reader());
        if call % 2 == 0 {
            assert_eq!(promises.append(&mut journal, &[Some(2000), None]), Went::On, "{struck:?}");
        }
        drop(journal);
        disk.crash(Loss::Everything);
        holds(&disk, &promises, Seq(0)).unwrap_or_else(|error| panic!("power cut after {struck:?}: {error}"));
    }
}

#[test]
fn fault_eio_at_every_call() {
    errors_at_every_call(Fault::Io, Lasting::Once);
}

#[test]
fn fault_a_disk_that_dies_at_every_call() {
    errors_at_every_call(Fault::Io, Lasting::FromThenOn);
}

#[test]
fn fault_a_short_write_at_every_call() {
    errors_at_every_call(Fault::ShortWrite, Lasting::Once);
}

#[test]
fn fault_no_space_at_every_call() {
    errors_at_every_call(Fault::NoSpace, Lasting::Once);
}
