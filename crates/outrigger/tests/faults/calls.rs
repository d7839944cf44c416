//! A fault at each call by which the process changes files: killed before it, killed in the middle of a write, EIO, ENOSPC,
//! a short write. Nothing is acknowledged that is not there afterwards, and service goes on where it can.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use outrigger_sim::peers::Station;
use outrigger_sim::phantom::{Phantom, Place, Shape};
use outrigger_sim::shim::{Call, Fault, FaultKind, Lasting, Shim};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::actor::{Actor, Behind, UNTOUCHED};
use super::books::{balance, differing, missing, violations};
use super::chance::{Chance, soak};
use super::load::{Supply, association};
use crate::modality::Object;

/// Processes that meet their fault at the same time: most of each is waiting.
const AT_ONCE: usize = 4;
/// How long a process that had a fault may take until it has delivered, before it is stopped all the same: without one it
/// takes half a second.
const DELIVERS_WITHIN: Duration = Duration::from_secs(2);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How soon service goes on by itself when there is room again.
const RESUMES_WITHIN: Duration = Duration::from_secs(10);
/// How often that is tried.
const TRY_EVERY: Duration = Duration::from_millis(200);
/// Calls within which a start is killed again, after a start that was killed.
const RECOVERY_CALLS: usize = 12;

const KINDS: [FaultKind; 5] =
    [FaultKind::Crash, FaultKind::Torn, FaultKind::Eio, FaultKind::Enospc, FaultKind::Short];
/// Those that a process can live on with for a while: the disk keeps failing, stays full, takes half of every write.
const LASTING: [FaultKind; 3] = [FaultKind::Eio, FaultKind::Enospc, FaultKind::Short];
/// Calls, spread over all, from which on they last.
const LASTING_FROM: usize = 4;

/// What stands under the fault.
#[derive(Debug, Clone)]
enum Subject {
    /// A front door that starts on a journal from which it can release, before this archive.
    Door { prepared: PathBuf, before: Vec<Object>, archive: Station },
    /// An archive over this database, from nothing.
    Archive { database: &'static str },
}

/// What came of a run under a fault.
#[derive(Debug)]
struct Run {
    acked: Vec<Object>,
    calls: Vec<Call>,
    wrong: Vec<String>,
}

/// Three small objects and a large one, others for each seed.
fn objects(seed: u64) -> Vec<Object> {
    let mut objects = Supply::new(seed).take(3);
    let place = Place { patient: 1, ..Place::default() };
    objects.push(Phantom::new(seed, place, Shape::Us { frames: 2 }).into());
    objects
}

impl Subject {
    fn actor(&self, directory: &Path) -> Actor {
        let data = directory.join("data");
        fs::create_dir_all(directory).unwrap();
        match self {
            Self::Door { prepared, archive, .. } => {
                let status = Command::new("cp").arg("-r").args([prepared, &data]).status();
                assert!(status.unwrap().success(), "{} is not copied", prepared.display());
                let member = Behind { name: "a", station: archive.clone(), confirm: "verified" };
                Actor::door(directory, &data, "0s", &[member])
            }
            Self::Archive { database } => Actor::archive(directory, "A", database),
        }
    }

    /// Lives through a scripted life: starts, releases, takes objects, delivers, stops; with a fault, or none.
    async fn live(&self, actor: &mut Actor, shim: &Shim, fault: Option<Fault>, objects: Vec<Object>) -> Run {
        let prefix = actor.directory.canonicalize().unwrap().join("data");
        let mut run = Run { acked: Vec::new(), calls: Vec::new(), wrong: Vec::new() };
        if actor.start(shim.variables(&prefix, fault).unwrap()).await.is_ok() {
            let stored = association(actor.station(), objects).await;
            run.acked = stored.acked;
            let hit = shim.calls().unwrap();
            if let Some((fault, call)) = fault.and_then(|fault| Some((fault, hit.get(fault.at - 1)?.clone())))
            {
                self.goes_on(actor, fault, &call, stored.left, &mut run).await;
            }
            if let Self::Door { .. } = self {
                delivers(actor, shim, fault).await;
            }
            actor.stop().await;
        }
        run.calls = shim.calls().unwrap();
        run
    }

    /// After ENOSPC everything left is taken by and by; after a failed sync of the journal nothing is.
    async fn goes_on(&self, actor: &Actor, fault: Fault, call: &Call, left: Vec<Object>, run: &mut Run) {
        let failed = matches!(fault.kind, FaultKind::Eio | FaultKind::Enospc);
        let sync = call.name.contains("sync");
        if let Self::Door { .. } = self
            && failed
            && sync
            && call.path.to_string_lossy().contains("/journal/segments/")
        {
            let more = association(actor.station(), objects(u64::MAX - fault.at as u64)).await;
            if !more.acked.is_empty() {
                run.wrong
                    .push(format!("{} objects are acknowledged after {call:?} failed", more.acked.len()));
            }
        }
        let passes = fault.kind == FaultKind::Short
            || fault.lasting == Lasting::Once && fault.kind == FaultKind::Enospc && !sync;
        let give_up = Instant::now() + RESUMES_WITHIN;
        let mut left = left;
        while passes && !left.is_empty() {
            let again = association(actor.station(), left).await;
            run.acked.extend(again.acked);
            left = again.left;
            if Instant::now() > give_up {
                run.wrong.push(format!("{} objects are not taken after {fault:?} at {call:?}", left.len()));
                return;
            }
            sleep(TRY_EVERY).await;
        }
    }

    /// Everything wrong with what is there once it runs again.
    async fn wrong(&self, actor: &mut Actor, mut acked: Vec<Object>) -> Vec<String> {
        if let Err(error) = actor.start(UNTOUCHED).await {
            return vec![format!("it does not start again: {error}")];
        }
        match self {
            Self::Door { before, archive, .. } => {
                acked.extend(before.clone());
                violations(actor, std::slice::from_ref(archive), &acked).await
            }
            Self::Archive { .. } => {
                let mut wrong = missing(&actor.station(), &acked).await;
                wrong.extend(differing(&actor.station(), &acked).await);
                wrong
            }
        }
    }

    /// One fault and what follows; the error says what is wrong.
    async fn meets(&self, fault: Fault, shim: &Shim, seed: u64) -> Result<(), String> {
        let Fault { at, kind, .. } = fault;
        let directory = TempDir::new().unwrap();
        let (shim, mut actor) = (shim.beside().unwrap(), self.actor(directory.path()));
        let offered = objects(seed + at as u64);
        let mut run = self.live(&mut actor, &shim, Some(fault), offered).await;
        let call = run.calls.get(at - 1).cloned();
        if let FaultKind::Crash | FaultKind::Torn = kind {
            let prefix = actor.directory.canonicalize().unwrap().join("data");
            let again = Fault { at: 1 + at % RECOVERY_CALLS, kind, lasting: Lasting::Once };
            // It is killed while it recovers, or recovers with fewer calls.
            drop(actor.start(shim.variables(&prefix, Some(again)).unwrap()).await);
            actor.kill();
        }
        let mut wrong = std::mem::take(&mut run.wrong);
        wrong.extend(self.wrong(&mut actor, run.acked).await);
        if wrong.is_empty() {
            return Ok(());
        }
        Err(format!("{fault:?} ({call:?}): {wrong:#?}\n{}", actor.log()))
    }
}

/// Waits until the books balance, or nobody is left who could balance them, or for a time.
async fn delivers(door: &Actor, shim: &Shim, fault: Option<Fault>) {
    let kills = fault.filter(|fault| matches!(fault.kind, FaultKind::Crash | FaultKind::Torn));
    let give_up = Instant::now() + DELIVERS_WITHIN;
    loop {
        let killed = kills.is_some_and(|fault| shim.calls().unwrap().len() >= fault.at);
        if killed || Instant::now() > give_up || balance(door, Duration::ZERO).await["balanced"] == true {
            return;
        }
        sleep(LOOK_EVERY).await;
    }
}

/// The faults tried: each call once, with a kind that follows from the seed and the call, under soak with each kind; and
/// those that last.
fn faults(calls: usize, seed: u64) -> Vec<Fault> {
    let first = usize::try_from(seed % KINDS.len() as u64).unwrap();
    let kinds = |at: usize| match soak() {
        1 => vec![KINDS[(first + at) % KINDS.len()]],
        _ => KINDS.to_vec(),
    };
    let once = |at| kinds(at).into_iter().map(move |kind| Fault { at, kind, lasting: Lasting::Once });
    let mut faults: Vec<_> = (1..=calls).flat_map(once).collect();
    for place in 0..LASTING_FROM {
        let at = 1 + (first + place * calls) / LASTING_FROM;
        faults.extend(LASTING.map(|kind| Fault { at, kind, lasting: Lasting::On }));
    }
    faults
}

/// Tries a fault at every call of the scripted life.
async fn nothing_is_lost(subject: Subject) {
    let chance = Chance::new();
    let counting = TempDir::new().unwrap();
    let (shim, mut actor) = (Shim::build().await.unwrap(), subject.actor(counting.path()));
    let run = subject.live(&mut actor, &shim, None, objects(chance.seed)).await;
    assert_eq!(run.acked.len(), 4, "{}", actor.log());
    assert_eq!(subject.wrong(&mut actor, run.acked).await, [""; 0]);
    actor.kill();
    let names = |part: &str| run.calls.iter().filter(|call| call.name.contains(part)).count();
    println!("{} calls, among them {} writes and {} syncs", run.calls.len(), names("write"), names("sync"));

    let began = Instant::now();
    let faults = faults(run.calls.len(), chance.seed);
    let tried = faults.len();
    let (gate, subject, shim) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::new(subject), Arc::new(shim));
    let mut tasks = JoinSet::new();
    for fault in faults {
        let (gate, subject, shim) = (gate.clone(), subject.clone(), shim.clone());
        tasks.spawn(async move {
            let _turn = gate.acquire().await.unwrap();
            subject.meets(fault, &shim, chance.seed).await
        });
    }
    let wrong: Vec<String> = tasks.join_all().await.into_iter().filter_map(Result::err).collect();
    println!("{tried} faults in {:?}, {} of them wrong", began.elapsed(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// A front door that has delivered and not yet released, and its archive, which lives on.
async fn prepared(directory: &Path) -> (Subject, Actor) {
    let mut archive = Actor::archive(&directory.join("a"), "A", "sqlite");
    archive.start(UNTOUCHED).await.unwrap();
    let member = Behind { name: "a", station: archive.station(), confirm: "verified" };
    let data = directory.join("door/data");
    let mut door = Actor::door(&directory.join("door"), &data, "0s", &[member]);
    door.start(UNTOUCHED).await.unwrap();
    let before = association(door.station(), objects(u64::from(u32::MAX) << 8)).await.acked;
    assert_eq!(before.len(), 4);
    assert_eq!(balance(&door, DELIVERS_WITHIN).await["balanced"], true);
    door.stop().await.unwrap();
    (Subject::Door { prepared: data, before, archive: archive.station() }, archive)
}

#[tokio::test]
async fn fault_calls_of_the_front_door() {
    let directory = TempDir::new().unwrap();
    let (subject, _archive) = prepared(directory.path()).await;
    nothing_is_lost(subject).await;
}

#[tokio::test]
async fn fault_calls_of_an_archive_over_sqlite() {
    nothing_is_lost(Subject::Archive { database: "sqlite" }).await;
}

#[tokio::test]
async fn fault_calls_of_an_archive_over_redb() {
    nothing_is_lost(Subject::Archive { database: "redb" }).await;
}

#[tokio::test]
async fn fault_calls_control_sees_one_object_too_many() {
    let directory = TempDir::new().unwrap();
    let (subject, _archive) = prepared(directory.path()).await;
    let shim = Shim::build().await.unwrap();
    let mut actor = subject.actor(&directory.path().join("again"));
    let mut acked = subject.live(&mut actor, &shim, None, objects(1)).await.acked;
    let never_sent = objects(2).remove(0);
    acked.push(never_sent.clone());
    let wrong = subject.wrong(&mut actor, acked).await;
    let uid = never_sent.header.sop_instance.as_str();
    assert_eq!(wrong.iter().filter(|wrong| wrong.contains(uid)).count(), 2, "{wrong:?}");
}
