//! Two unlike members behind a front door, one of which is struck in the middle of a retrieval.

use std::fs;
use std::time::Duration;

use outrigger_sim::peers::{Orthanc, OrthancSetup};
use outrigger_sim::phantom::{Phantom, Place, Shape};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::actor::{Actor, UNTOUCHED};
use super::load::{associations, ended};
use crate::door::{Behind, Door, ae, answers, head};
use crate::modality::Object;
use crate::reading::{NO_RETENTION, released};
use crate::weblegs::{member, web};
use crate::webstation::{Fetched, retrieve};
use crate::workstation::{Came, Receiver, Retrieved, get, silent_since};

/// Instances of one study.
pub(crate) const INSTANCES: u32 = 2_000;
/// One instance of this many is an image; the others are reports of a kilobyte.
const IMAGE_EVERY: u32 = 40;
/// Associations that store them: they share the syncs of the journal.
const SENDERS: usize = 4;
/// One instance of this many is asked about before all count as released.
const ASKED_EVERY: usize = 400;
/// From the start of a retrieval until the blow falls.
const BLOW_WITHIN: Duration = Duration::from_secs(60);
/// Until both members have everything.
const PATIENCE: Duration = Duration::from_secs(60);
/// All the clients of these tests call from one address.
const LISTENER: &str = "max_associations = 300\nmax_associations_per_peer = 300\n";

/// What happens to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    Kill,
    Hang,
}

/// By which operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Get,
    Move,
    Wado,
}

/// How a retrieval went.
#[derive(Debug)]
pub(crate) enum Ended {
    Dimse(Retrieved),
    Web(Fetched),
}

impl Ended {
    pub(crate) fn wrong(&self, expected: &[Object]) -> Vec<String> {
        match self {
            Self::Dimse(retrieved) => retrieved.wrong(expected),
            Self::Web(fetched) => fetched.wrong(expected),
        }
    }

    pub(crate) fn came(&self) -> &[Came] {
        match self {
            Self::Dimse(retrieved) => &retrieved.came,
            Self::Web(fetched) => &fetched.came,
        }
    }
}

/// How the front door reaches Orthanc.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    Dimse,
    Web,
}

/// How long the journal keeps the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Journal {
    /// As long as it has room.
    Keeps,
    /// No longer than every member needs to have them.
    LetsGo,
}

/// Orthanc and an embedded archive behind a front door.
pub(crate) struct Pair {
    pub(crate) orthanc: Orthanc,
    pub(crate) archive: Actor,
    pub(crate) door: Door,
    receiver: Receiver,
    pub(crate) sent: Vec<Object>,
    _directory: TempDir,
}

/// Which member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victim {
    Orthanc,
    Archive,
}

impl Pair {
    /// Opens one with the instances of a study in it, which the journal has let go.
    pub(crate) async fn open(seed: u64, reached: Reached) -> Self {
        Self::with(study(seed, reached, INSTANCES), reached, Journal::LetsGo).await
    }

    /// Opens one with these instances in it.
    pub(crate) async fn with(sent: Vec<Object>, reached: Reached, journal: Journal) -> Self {
        Self::that_knows(&[], sent, reached, journal).await
    }

    /// Opens one that knows these destinations beside its own.
    pub(crate) async fn that_knows(
        others: &[Receiver],
        sent: Vec<Object>,
        reached: Reached,
        journal: Journal,
    ) -> Self {
        let directory = TempDir::new().unwrap();
        let ours = answers();
        let setup = OrthancSetup::new(&ae("ORTHANC"), std::slice::from_ref(&ours));
        let orthanc = Orthanc::start(&setup).await.unwrap();
        let mut archive = Actor::archive(&directory.path().join("b"), "B", "sqlite");
        archive.start(UNTOUCHED).await.unwrap();
        let first = match reached {
            Reached::Dimse => Behind::new("orthanc", orthanc.station(), "verified").text(),
            Reached::Web => member("orthanc", "verified", &[web("dicomweb", &orthanc.dicomweb())]),
        };
        let second = Behind::new("archive", &archive.station(), "verified").text();
        let receiver = Receiver::start().await;
        let of_door = TempDir::new().unwrap();
        let keeps = match journal {
            Journal::Keeps => "[journal]\n",
            Journal::LetsGo => NO_RETENTION,
        };
        let text = head(of_door.path(), ours.port, LISTENER).replace("[journal]\n", keeps)
            + &format!("[[front.web]]\nlisten = \"127.0.0.1:0\"\n{first}{second}")
            + &receiver.table()
            + &others.iter().map(Receiver::own_table).collect::<String>();
        let door = Door::open_with(of_door, &text).await;
        let stored = ended(associations(&door.station(), &sent, SENDERS)).await;
        assert_eq!((stored.acked.len(), stored.broken), (sent.len(), false), "{}", door.log());
        match journal {
            Journal::Keeps => drop(door.balance_exits(0, PATIENCE).await),
            Journal::LetsGo => {
                let asked: Vec<_> = sent.iter().step_by(ASKED_EVERY).chain(sent.last()).cloned().collect();
                released(&door, &asked).await;
            }
        }
        Self { orthanc, archive, door, receiver, sent, _directory: directory }
    }

    /// The root of the door's DICOMweb service.
    pub(crate) fn dicomweb(&self) -> String {
        format!("http://{}/dicomweb", self.door.node.listening().unwrap().web[0])
    }

    pub(crate) fn strike(&mut self, victim: Victim, blow: Blow) {
        match (victim, blow) {
            (Victim::Orthanc, Blow::Kill) => self.orthanc.process().kill().unwrap(),
            (Victim::Orthanc, Blow::Hang) => self.orthanc.process().pause().unwrap(),
            (Victim::Archive, Blow::Kill) => self.archive.kill(),
            (Victim::Archive, Blow::Hang) => self.archive.signal(Signal::STOP),
        }
    }

    pub(crate) async fn heal(&mut self, victim: Victim, blow: Blow) {
        match (victim, blow) {
            (Victim::Orthanc, Blow::Kill) => self.orthanc.process().restart().await.unwrap(),
            (Victim::Orthanc, Blow::Hang) => self.orthanc.process().resume().unwrap(),
            (Victim::Archive, Blow::Kill) => self.archive.start(UNTOUCHED).await.unwrap(),
            (Victim::Archive, Blow::Hang) => self.archive.signal(Signal::CONT),
        }
    }

    /// The member that gave the last instance of all, by the door's log.
    pub(crate) fn giver(&self) -> Option<Victim> {
        let log = fs::read_to_string(self.door.directory.path().join("log")).unwrap();
        let mut lines = log.lines().rev().filter(|line| line.contains("an instance comes from a member"));
        let last = lines.next()?;
        Some(if last.contains("orthanc") { Victim::Orthanc } else { Victim::Archive })
    }

    /// Retrieves the study; the member that gives it is struck somewhere in the middle.
    pub(crate) async fn struck(&mut self, by: By, blow: Blow, at: usize) -> Struck {
        // Fresh from the door, whichever member it is that it asks now.
        let (door, root, sent) = (self.door.station(), self.dicomweb(), self.sent.clone());
        let progress = watch::Sender::new(0);
        let mut struck = None;
        let ended = match by {
            By::Get => {
                let getting = get(&door, &sent, &progress);
                tokio::pin!(getting);
                let got = interfere(getting, &progress, at, || struck = Some(self.strike_giver(blow)));
                Ended::Dimse(got.await)
            }
            By::Wado => {
                let fetching = retrieve(&root, &sent, &progress);
                tokio::pin!(fetching);
                let got = interfere(fetching, &progress, at, || struck = Some(self.strike_giver(blow)));
                Ended::Web(got.await)
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
                Ended::Dimse(retrieved)
            }
        };
        let (victim, at) = struck.expect("the retrieval was over before the blow");
        let silent = silent_since(ended.came(), at);
        Struck { ended, victim, silent }
    }

    fn strike_giver(&mut self, blow: Blow) -> (Victim, Instant) {
        let victim = self.giver().expect("the bytes come from a member");
        self.strike(victim, blow);
        (victim, Instant::now())
    }
}

/// A retrieval in which a member was struck.
#[derive(Debug)]
pub(crate) struct Struck {
    pub(crate) ended: Ended,
    pub(crate) victim: Victim,
    /// The longest time without an object from the blow on.
    pub(crate) silent: Duration,
}

/// Lets a retrieval run, and does something when so many objects came.
pub(crate) async fn interfere<R>(
    mut retrieval: std::pin::Pin<&mut impl Future<Output = R>>,
    progress: &watch::Sender<usize>,
    at: usize,
    blow: impl FnOnce(),
) -> R {
    let mut counted = progress.subscribe();
    tokio::select! {
        ended = &mut retrieval => return ended,
        reached = timeout(BLOW_WITHIN, counted.wait_for(|count| *count >= at)) => drop(reached.unwrap().unwrap()),
    }
    blow();
    retrieval.await
}

/// A study for a member that is reached in this way. One that is read by series has images only: the small ones of a whole study
/// fit into the buffers of a connection, so that no blow would fall in the middle.
pub(crate) fn study(seed: u64, reached: Reached, instances: u32) -> Vec<Object> {
    let numbers = 0..instances;
    match reached {
        Reached::Dimse => numbers.map(|number| instance(seed, 0, number)).collect(),
        Reached::Web => numbers.map(|number| of_shape(seed, 0, number, Shape::SmallCt)).collect(),
    }
}

/// An instance of the study of a patient: now and then an image, reports between them.
pub(crate) fn instance(seed: u64, patient: u32, number: u32) -> Object {
    let shape = if number.is_multiple_of(IMAGE_EVERY) { Shape::SmallCt } else { Shape::Sr };
    of_shape(seed, patient, number, shape)
}

fn of_shape(seed: u64, patient: u32, number: u32, shape: Shape) -> Object {
    let series = u32::from(shape == Shape::Sr);
    Phantom::new(seed, Place { patient, series, instance: number, ..Place::default() }, shape).into()
}
