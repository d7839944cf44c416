//! A member dies or hangs in the middle of a retrieval of 2,000 instances: the same request finishes from the other member.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use outrigger_model::{SopInstanceUid, Status};
use outrigger_sim::peers::{Orthanc, OrthancSetup, Station};
use outrigger_sim::phantom::{Phantom, Place, Shape};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::actor::{Actor, UNTOUCHED};
use super::chance::{Chance, soak};
use crate::door::{Behind, Door, ae, answers, head};
use crate::modality::{Object, send};
use crate::reading::{NO_RETENTION, released};
use crate::workstation::{Receiver, Retrieved, get};

/// Instances of one study.
const INSTANCES: u32 = 2_000;
/// Rounds of each kind.
const ROUNDS: u64 = 5;
/// One instance of this many is an image; the others are reports of a kilobyte.
const IMAGE_EVERY: u32 = 40;
/// One instance of this many is asked about before all count as released.
const ASKED_EVERY: usize = 400;
/// Longest time without an object beside a member that hangs: the default time-out of 2 s, and one more.
const HUNG_MAX: Duration = Duration::from_secs(3);
/// Longest time without an object beside a member that died, which refuses connections at once.
const DEAD_MAX: Duration = Duration::from_secs(1);
/// From the start of a retrieval until the blow falls.
const BLOW_WITHIN: Duration = Duration::from_secs(60);

/// What happens to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Kill,
    Hang,
}

/// By which operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Get,
    Move,
}

/// Orthanc and an embedded archive behind a front door whose journal has let the bytes go.
struct Pair {
    orthanc: Orthanc,
    archive: Actor,
    door: Door,
    receiver: Receiver,
    sent: Vec<Object>,
    _directory: TempDir,
}

/// Which member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Orthanc,
    Archive,
}

impl Pair {
    async fn open(seed: u64) -> Self {
        let sent = (0..INSTANCES).map(|number| instance(seed, 0, number)).collect();
        Self::with(sent).await
    }

    async fn with(sent: Vec<Object>) -> Self {
        let directory = TempDir::new().unwrap();
        let ours = answers();
        let setup = OrthancSetup::new(&ae("ORTHANC"), std::slice::from_ref(&ours));
        let orthanc = Orthanc::start(&setup).await.unwrap();
        let mut archive = Actor::archive(&directory.path().join("b"), "B", "sqlite");
        archive.start(UNTOUCHED).await.unwrap();
        let members = [
            Behind::new("orthanc", orthanc.station(), "verified"),
            Behind::new("archive", &archive.station(), "verified"),
        ];
        let receiver = Receiver::start().await;
        let of_door = TempDir::new().unwrap();
        let text = head(of_door.path(), ours.port, "").replace("[journal]\n", NO_RETENTION)
            + &members.iter().map(Behind::text).collect::<String>()
            + &receiver.table();
        let door = Door::open_with(of_door, &text).await;
        send(&door.station(), &sent).await;
        let asked: Vec<_> = sent.iter().step_by(ASKED_EVERY).chain(sent.last()).cloned().collect();
        released(&door, &asked).await;
        Self { orthanc, archive, door, receiver, sent, _directory: directory }
    }

    fn strike(&mut self, victim: Victim, blow: Blow) {
        match (victim, blow) {
            (Victim::Orthanc, Blow::Kill) => self.orthanc.process().kill().unwrap(),
            (Victim::Orthanc, Blow::Hang) => self.orthanc.process().pause().unwrap(),
            (Victim::Archive, Blow::Kill) => self.archive.kill(),
            (Victim::Archive, Blow::Hang) => self.archive.signal(Signal::STOP),
        }
    }

    async fn heal(&mut self, victim: Victim, blow: Blow) {
        match (victim, blow) {
            (Victim::Orthanc, Blow::Kill) => self.orthanc.process().restart().await.unwrap(),
            (Victim::Orthanc, Blow::Hang) => self.orthanc.process().resume().unwrap(),
            (Victim::Archive, Blow::Kill) => self.archive.start(UNTOUCHED).await.unwrap(),
            (Victim::Archive, Blow::Hang) => self.archive.signal(Signal::CONT),
        }
    }

    /// The member that gave the last instance of all, by the door's log.
    fn giver(&self) -> Option<Victim> {
        let log = fs::read_to_string(self.door.directory.path().join("log")).unwrap();
        let mut lines = log.lines().rev().filter(|line| line.contains("an instance comes from a member"));
        let last = lines.next()?;
        Some(if last.contains("orthanc") { Victim::Orthanc } else { Victim::Archive })
    }

    /// Retrieves the study; the member that gives it is struck somewhere in the middle.
    async fn struck(&mut self, by: By, blow: Blow, at: usize) -> (Retrieved, Victim, Duration) {
        // Fresh from the door, whichever member it is that it asks now.
        let (door, sent) = (self.door.station(), self.sent.clone());
        let progress = watch::Sender::new(0);
        let mut struck = None;
        let retrieved = match by {
            By::Get => {
                let getting = get(&door, &sent, &progress);
                tokio::pin!(getting);
                interfere(getting, &progress, at, || struck = Some(self.strike_giver(blow))).await
            }
            By::Move => {
                let mut receiver = std::mem::replace(&mut self.receiver, Receiver::start().await);
                receiver.progress().send_replace(0);
                let progress = receiver.progress().clone();
                let retrieved = {
                    let moving = receiver.move_(&door, &sent);
                    tokio::pin!(moving);
                    interfere(moving, &progress, at, || struck = Some(self.strike_giver(blow))).await
                };
                self.receiver = receiver;
                retrieved
            }
        };
        let (victim, at) = struck.expect("the retrieval was over before the blow");
        let silent = retrieved.silent_since(at);
        (retrieved, victim, silent)
    }

    fn strike_giver(&mut self, blow: Blow) -> (Victim, Instant) {
        let victim = self.giver().expect("the bytes come from a member");
        self.strike(victim, blow);
        (victim, Instant::now())
    }
}

/// Lets a retrieval run, and does something when so many objects came.
async fn interfere(
    mut retrieval: std::pin::Pin<&mut impl Future<Output = Retrieved>>,
    progress: &watch::Sender<usize>,
    at: usize,
    blow: impl FnOnce(),
) -> Retrieved {
    let mut counted = progress.subscribe();
    tokio::select! {
        ended = &mut retrieval => return ended,
        reached = timeout(BLOW_WITHIN, counted.wait_for(|count| *count >= at)) => drop(reached.unwrap().unwrap()),
    }
    blow();
    retrieval.await
}

fn instance(seed: u64, patient: u32, number: u32) -> Object {
    let (series, shape) =
        if number.is_multiple_of(IMAGE_EVERY) { (0, Shape::SmallCt) } else { (1, Shape::Sr) };
    Phantom::new(seed, Place { patient, series, instance: number, ..Place::default() }, shape).into()
}

/// Strikes again and again; the same request finishes each time.
async fn finishes(by: By, blow: Blow, longest: Duration) {
    let chance = Chance::new();
    let mut pair = Pair::open(chance.seed).await;
    let mut slowest = Duration::ZERO;
    let mut victims = Vec::new();
    for round in 0..ROUNDS * soak() {
        let at = usize::try_from(100 + chance.below(u64::from(INSTANCES) - 200)).unwrap();
        let began = Instant::now();
        let (retrieved, victim, silent) = pair.struck(by, blow, at).await;
        println!(
            "{by:?} {round}: {blow:?} of {victim:?} at {at}, {:?}, silent {:?}",
            began.elapsed(),
            silent
        );
        assert_eq!(retrieved.wrong(&pair.sent), [""; 0], "{}", pair.door.log());
        slowest = slowest.max(silent);
        victims.push(victim);
        pair.heal(victim, blow).await;
    }
    assert!(slowest <= longest, "nothing came for {slowest:?}");
    println!("{blow:?} {by:?}: victims {victims:?}, longest without an object {slowest:?}");
}

#[tokio::test]
async fn fault_retrieve_get_goes_on_when_a_member_is_killed() {
    finishes(By::Get, Blow::Kill, DEAD_MAX).await;
}

#[tokio::test]
async fn fault_retrieve_get_goes_on_when_a_member_hangs() {
    finishes(By::Get, Blow::Hang, HUNG_MAX).await;
}

#[tokio::test]
async fn fault_retrieve_move_goes_on_when_a_member_is_killed() {
    finishes(By::Move, Blow::Kill, DEAD_MAX).await;
}

#[tokio::test]
async fn fault_retrieve_move_goes_on_when_a_member_hangs() {
    finishes(By::Move, Blow::Hang, HUNG_MAX).await;
}

/// With the second member taken out beforehand the request cannot finish, and says honestly what did not come.
#[tokio::test]
async fn fault_retrieve_control_needs_the_other_member() {
    for (by, blow) in [(By::Get, Blow::Kill), (By::Move, Blow::Hang)] {
        let sent = (0..INSTANCES / 4).map(|number| instance(7, 0, number)).collect();
        let mut pair = Pair::with(sent).await;
        pair.archive.kill();
        let (retrieved, victim, _) = pair.struck(by, blow, 100).await;
        assert_eq!(victim, Victim::Orthanc);
        assert!(!retrieved.wrong(&pair.sent).is_empty(), "the other member was not needed");
        assert_eq!(retrieved.status, Status::COERCED);
        let failed: BTreeSet<SopInstanceUid> = retrieved.failed.iter().cloned().collect();
        assert_eq!(failed.len(), retrieved.failed.len());
        let came: Vec<_> = pair
            .sent
            .iter()
            .filter(|object| !failed.contains(&object.header.sop_instance))
            .cloned()
            .collect();
        assert_eq!(retrieved.wrong_objects(&came), [""; 0]);
        assert_eq!(came.len() + failed.len(), pair.sent.len());
    }
}

/// Studies of the crowd.
const STUDIES: u32 = 10;
/// Instances of each of them.
const PER_STUDY: u32 = 40;
/// Retrievals at once.
const RETRIEVALS: usize = 50;
/// How long a member is up and away in turn.
const FLAPS_EVERY: Duration = Duration::from_millis(700);
/// Memory that fifty retrievals may take beside what the door had before, in KiB.
const MEMORY_KIB_MAX: u64 = 256 << 10;

/// Resident memory of a process, in KiB.
fn resident_kib(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn all_retrieved(door: &Station, studies: &[Vec<Object>]) -> Vec<String> {
    let mut retrievals = JoinSet::new();
    for number in 0..RETRIEVALS {
        let (door, study) = (door.clone(), studies[number % studies.len()].clone());
        retrievals.spawn(async move { get(&door, &study, &watch::Sender::new(0)).await.wrong(&study) });
    }
    retrievals.join_all().await.concat()
}

#[tokio::test]
async fn fault_retrieve_crowd_sees_no_error_while_one_member_flaps() {
    let studies: Vec<Vec<Object>> = (0..STUDIES)
        .map(|patient| (0..PER_STUDY).map(|number| instance(9, patient, number)).collect())
        .collect();
    let mut pair = Pair::with(studies.concat()).await;
    let orthanc = Pid::from_raw(i32::try_from(pair.orthanc.process().id()).unwrap()).unwrap();
    let before = resident_kib(pair.door.node.id());
    let mut most = before;
    let station = pair.door.station();
    let all = all_retrieved(&station, &studies);
    tokio::pin!(all);
    let mut flaps = 0;
    let wrong = loop {
        let signal = if flaps % 2 == 0 { Signal::STOP } else { Signal::CONT };
        kill_process_group(orthanc, signal).unwrap();
        flaps += 1;
        tokio::select! {
            wrong = &mut all => break wrong,
            () = sleep(FLAPS_EVERY) => most = most.max(resident_kib(pair.door.node.id())),
        }
    };
    kill_process_group(orthanc, Signal::CONT).unwrap();
    println!("{RETRIEVALS} retrievals over {flaps} flaps, {before} KiB before and {most} at most");
    assert_eq!(wrong, [""; 0], "{}", pair.door.log());
    assert!(flaps > 3, "the retrievals were over before the member flapped");
    assert!(most < before + MEMORY_KIB_MAX, "{before} KiB became {most}");
}
