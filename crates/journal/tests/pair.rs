//! Two copies on two disks, either of which fails at every call: what was acknowledged stands as long as the newest generation can be read.

use std::io;
use std::path::Path;
use std::sync::Arc;

use outrigger_journal::{CopyStanding, EngineKind, Journal, OpenError, Opened, Options, Place, Seq};
use outrigger_runtime::disk::simulated::{Fault, FaultAt, Lasting, Loss, SimDisk, Syncs};
use outrigger_runtime::disk::{Access, Disk, DiskFile, Listed, Space};
use outrigger_runtime::{Clock, Random};

use crate::crash::{LOSSES, crash_at, live};
use crate::kit::options;
use crate::promises::{Promises, Went, still_holds};

const CAPACITY: u64 = 1 << 30;
/// In a test run one call in so many is struck: prime, so that it falls in with no rhythm of commits.
const SHARE: usize = 7;

/// Two disks, told apart by the first part of a path.
#[derive(Debug, Clone)]
struct Two {
    one: SimDisk,
    other: SimDisk,
    power: Power,
}

/// What goes off when one disk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Power {
    /// That disk.
    Own,
    /// The other too, at the next call it gets.
    Common,
}

impl Two {
    fn new(seed: u64) -> Self {
        Self::of_two(SimDisk::new(seed, CAPACITY), SimDisk::new(seed + 1, CAPACITY))
    }

    fn of_two(one: SimDisk, other: SimDisk) -> Self {
        Self { one, other, power: Power::Own }
    }

    fn of(&self, path: &Path) -> &SimDisk {
        if self.power == Power::Common && self.each().iter().any(|disk| disk.is_off()) {
            for disk in self.each().into_iter().filter(|disk| !disk.is_off()) {
                disk.plan(Some(crash_at(disk.calls() + 1)));
            }
        }
        if path.starts_with("/one") { &self.one } else { &self.other }
    }

    fn each(&self) -> [&SimDisk; 2] {
        [&self.one, &self.other]
    }

    fn fork(&self, seed: u64) -> Self {
        Self::of_two(self.one.fork(seed), self.other.fork(seed + 1))
    }

    fn crash(&self, loss: Loss) {
        for disk in self.each() {
            disk.crash(loss);
        }
    }

    fn open(&self, applied: Seq, accepted_by: Option<&str>) -> Result<Opened, OpenError> {
        let places = ["/one/journal", "/other/journal"];
        let options = Options {
            copies: places.map(|place| Place::new(EngineKind::Log, place)).to_vec(),
            accept_loss: accepted_by.map(ToOwned::to_owned),
            ..options(Path::new("/"))
        };
        Journal::open(Arc::new(self.clone()), Clock::System, Random::System, options, applied)
    }

    fn holds(&self, promises: &Promises, applied: Seq) -> Result<Journal, String> {
        still_holds(self.open(applied, None), promises)
    }
}

impl Disk for Two {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.of(path).create(path)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        self.of(path).open(path, access)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.of(from).rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.of(path).remove(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.of(path).create_directory(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.of(path).sync_directory(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Listed>> {
        self.of(path).list(path)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.of(path).space(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.of(path).lock(path)
    }
}

/// Which of the two disks a fault strikes.
#[derive(Debug, Clone, Copy)]
enum Struck {
    One,
    Other,
}

const BOTH: [Struck; 2] = [Struck::One, Struck::Other];

impl Struck {
    fn of(self, disks: &Two) -> &SimDisk {
        match self {
            Self::One => &disks.one,
            Self::Other => &disks.other,
        }
    }

    fn opposite(self) -> Self {
        match self {
            Self::One => Self::Other,
            Self::Other => Self::One,
        }
    }

    /// The two disks, with a new one in the place of the one that is gone.
    fn without(disks: &Two, gone: Self) -> Two {
        let fresh = SimDisk::new(9, CAPACITY);
        match gone {
            Self::One => Two::of_two(fresh, disks.other.clone()),
            Self::Other => Two::of_two(disks.one.clone(), fresh),
        }
    }
}

/// Calls at which a fault is tried: a share of them in every test run, all in a soak.
fn every(calls: u64) -> impl Iterator<Item = u64> {
    let step = if std::env::var("OUTRIGGER_SOAK").is_ok() { 1 } else { SHARE };
    (1..=calls).step_by(step)
}

/// A life with a fault at one call of one disk, and what was promised in it.
fn life(seed: u64, syncs: Syncs, struck: Struck, fault: Option<FaultAt>) -> (Two, Promises) {
    life_on(Two::new(seed), syncs, struck, fault)
}

fn life_on(disks: Two, syncs: Syncs, struck: Struck, fault: Option<FaultAt>) -> (Two, Promises) {
    for disk in disks.each() {
        disk.set_syncs(syncs);
    }
    struck.of(&disks).plan(fault);
    let mut promises = Promises::default();
    live(&|| disks.open(Seq(0), None).ok(), &mut promises);
    (disks, promises)
}

fn calls(struck: Struck) -> u64 {
    let (disks, promises) = life(1, Syncs::Honest, struck, None);
    assert!(promises.acknowledged.len() > 25 && !promises.released.is_empty());
    struck.of(&disks).calls()
}

/// The power fails at a call of either disk, for it alone or for both, and each loses what it likes of what it had not synced.
#[test]
fn fault_a_power_cut_at_a_call_of_either_disk_loses_nothing_acknowledged() {
    for (struck, power) in BOTH.into_iter().flat_map(|struck| [(struck, Power::Own), (struck, Power::Common)])
    {
        for call in every(calls(struck)) {
            let disks = Two { power, ..Two::new(call) };
            let (disks, promises) = life_on(disks, Syncs::Honest, struck, Some(crash_at(call)));
            let last = promises.acknowledged.keys().next_back().copied().unwrap_or(Seq(0));
            for (seed, loss) in (0..).zip(LOSSES) {
                let disks = disks.fork(call * 100 + seed);
                disks.one.crash(loss);
                disks.other.crash(if seed % 2 == 0 { Loss::Some } else { loss });
                let applied = if seed % 2 == 0 { Seq(0) } else { last };
                let context = || {
                    format!("{struck:?}, {power:?}, call {call}, {loss:?}, seed {seed}, applied {applied}")
                };
                let mut promises = promises.clone();
                let mut journal =
                    disks.holds(&promises, applied).unwrap_or_else(|error| panic!("{}: {error}", context()));
                promises.found(&journal.reader());
                journal.remake().unwrap_or_else(|error| panic!("{}: {error}", context()));
                assert!(journal.state().copies.iter().all(|copy| copy.standing == CopyStanding::Healthy));
                assert_eq!(promises.append(&mut journal, &[Some(2000), None]), Went::On);
                drop(journal);
                disks.crash(Loss::Everything);
                disks
                    .holds(&promises, applied)
                    .unwrap_or_else(|error| panic!("again, {}: {error}", context()));
            }
        }
    }
}

/// One disk dies at a call, for good: the service goes on with the other, and that holds all of it; when it is back, it is made anew.
#[test]
fn fault_a_disk_that_dies_at_a_call_stops_nothing() {
    let fault = |call| FaultAt { call, fault: Fault::Io, lasting: Lasting::FromThenOn };
    for struck in BOTH {
        let mut taken_out = 0;
        for call in every(calls(struck)) {
            let (disks, mut promises) = life(call, Syncs::Honest, struck, Some(fault(call)));
            let context = || format!("{struck:?}, call {call}");
            disks.crash(Loss::Everything);
            // The dead one is not even there; where it was of the newest generation, a person has to say so.
            let without = disks.fork(call);
            struck.of(&without).plan(None);
            let alone = Struck::without(&without, struck);
            if !promises.acknowledged.is_empty() {
                taken_out += u64::from(alone.fork(1).open(Seq(0), None).is_ok());
                still_holds(alone.open(Seq(0), Some("Ada")), &promises)
                    .unwrap_or_else(|error| panic!("{}, without it: {error}", context()));
            }
            // It is back as it was.
            let mut journal =
                without.holds(&promises, Seq(0)).unwrap_or_else(|error| panic!("{}: {error}", context()));
            promises.found(&journal.reader());
            journal.remake().unwrap_or_else(|error| panic!("{}: {error}", context()));
            assert_eq!(promises.append(&mut journal, &[Some(2000), None]), Went::On);
            drop(journal);
            without.crash(Loss::Everything);
            without.holds(&promises, Seq(0)).unwrap_or_else(|error| panic!("{}, again: {error}", context()));
            // And the one that was spared dies now: the one that was made anew holds all of it.
            let spared = Struck::without(&without, struck.opposite());
            still_holds(spared.open(Seq(0), Some("Ada")), &promises)
                .unwrap_or_else(|error| panic!("{}, made anew: {error}", context()));
        }
        assert!(taken_out > 7, "{struck:?}: {taken_out} of the deaths were noted by the other copy");
    }
}

/// The control: where the disks forget what was synced, a power cut loses.
#[test]
fn fault_two_disks_that_forget_lose() {
    let lost = (1..=calls(Struck::One)).step_by(5).filter(|call| {
        let (disks, promises) = life(*call, Syncs::Ignored, Struck::One, Some(crash_at(*call)));
        disks.crash(Loss::Everything);
        disks.holds(&promises, Seq(0)).is_err()
    });
    assert!(lost.count() > 20, "disks that forget must be noticed");
}

/// The other control: without noting that a copy was taken out, a start with it and without the other loses what came since; as it is,
/// such a start is refused.
#[test]
fn fault_a_start_with_only_the_copy_that_was_taken_out_is_refused() {
    let fault = FaultAt { call: 60, fault: Fault::Io, lasting: Lasting::FromThenOn };
    let (disks, promises) = life(5, Syncs::Honest, Struck::Other, Some(fault));
    disks.crash(Loss::Everything);
    let stale = Two::of_two(SimDisk::new(9, CAPACITY), disks.other.fork(1));
    stale.other.plan(None);
    let refused = stale.open(Seq(0), None).unwrap_err();
    assert!(matches!(refused, OpenError::CopyMissing { .. }), "{refused}");
    let lost = still_holds(stale.open(Seq(0), Some("Ada")), &promises);
    assert!(lost.is_err(), "a person who accepts it loses what came since");
}

/// No room on one disk, at a call: that batch is refused, whatever the other copy has of it, and the service goes on.
#[test]
fn fault_no_space_at_a_call_of_either_disk() {
    for struck in BOTH {
        for call in every(calls(struck)) {
            let fault = FaultAt { call, fault: Fault::NoSpace, lasting: Lasting::Once };
            let (disks, mut promises) = life(call, Syncs::Honest, struck, Some(fault));
            let context = || format!("{struck:?}, {:?}", struck.of(&disks).struck());
            for disk in disks.each() {
                disk.plan(None);
            }
            disks.crash(Loss::Nothing);
            let mut journal =
                disks.holds(&promises, Seq(0)).unwrap_or_else(|error| panic!("{}: {error}", context()));
            promises.found(&journal.reader());
            assert_eq!(promises.append(&mut journal, &[Some(2000), None]), Went::On, "{}", context());
            drop(journal);
            disks.crash(Loss::Everything);
            disks.holds(&promises, Seq(0)).unwrap_or_else(|error| panic!("{}, again: {error}", context()));
        }
    }
}
