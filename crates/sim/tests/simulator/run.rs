//! Runs a seed: life after life of the node, the last one without faults, and looks whether everything holds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outrigger_front::Service;
use outrigger_ledger::{MemoryStore, SuspenseFilter};
use outrigger_model::ConfirmLevel;
use outrigger_runtime::disk::simulated::{Damage, Fault, FaultAt, Lasting, SimDisk, Syncs};
use outrigger_runtime::net::ArcNet;
use outrigger_runtime::{Clock, Disk, Random, Shutdown};
use tokio::time::Instant;

use super::archive::{Archive, Conduct, Word};
use super::checker;
use super::commitment::{Desk, Faults};
use super::dice::Dice;
use super::events::Events;
use super::net::{Reach, SimNet, Weather};
use super::node::{MEMBER_PORT, NAMES, NODE_PORT, Node, World, front, spool};
use super::plan::{Books, Commits, Event, Life, Memory, Object, Plan};
use super::sender::{Sender, Sent};

/// The simulated wall clock at the start: 2026-09-21.
const ORIGIN_US: i64 = 1_790_000_000_000_000;
/// Bytes on the disk, and when it is made full.
const DISK_BYTES: u64 = 128 << 20;
/// How often the end of a life is looked for.
const LOOK: Duration = Duration::from_millis(5);
/// The books must balance so long after everything was healed: retries are up to ten minutes apart.
const LIVENESS: Duration = Duration::from_secs(2 * 3600);
/// How often a person looks at suspense once all is healed.
const PERSON: Duration = Duration::from_secs(600);
/// Room for the simulation of one member's disk, which nothing goes wrong with.
const MEMBER_DISK_BYTES: u64 = 256 << 20;

/// What is changed for a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutation {
    None,
    /// Syncs of the node's disk do nothing.
    NoSyncs,
    /// A member drops what it accepts, and nobody asks it again.
    SilentDrop,
    /// A member drops what it accepts, and commits to it when it is asked.
    FalseCommit,
}

impl Mutation {
    fn drops(self) -> bool {
        matches!(self, Self::SilentDrop | Self::FalseCommit)
    }
}

/// What a seed came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) hash: String,
    pub(crate) wrong: Vec<String>,
    pub(crate) events: Events,
}

struct Simulation {
    seed: u64,
    mutation: Mutation,
    plan: Plan,
    disk: SimDisk,
    store: MemoryStore,
    archives: Vec<Archive>,
    members_world: World,
    sent: Arc<Mutex<Sent>>,
    objects: Vec<Arc<Vec<Object>>>,
    events: Events,
    random: Random,
    now_us: i64,
}

/// Runs a seed from beginning to end.
pub(crate) fn simulate(seed: u64, mutation: Mutation) -> Outcome {
    let mut simulation = Simulation::new(seed, mutation);
    let events = simulation.events.clone();
    let mut wrong = Vec::new();
    for number in 0..simulation.plan.lives.len() {
        wrong = simulation.live(number);
        if !wrong.is_empty() {
            break;
        }
    }
    let Damage { forgotten, torn, reordered, flipped, garbled } = simulation.disk.damage();
    events.count("writes forgotten", forgotten);
    events.count("writes torn", torn);
    events.count("writes reordered", reordered);
    events.count("sectors with a bit flipped", flipped);
    events.count("sectors of garbage", garbled);
    Outcome { hash: events.hash(), wrong, events }
}

impl Simulation {
    fn new(seed: u64, mutation: Mutation) -> Self {
        let mut plan = Plan::of(seed);
        if mutation == Mutation::SilentDrop {
            plan.confirm = [ConfirmLevel::Accepted; 2];
        }
        if mutation == Mutation::FalseCommit {
            plan.confirm = [ConfirmLevel::Committed; 2];
            plan.commits = [Commits::Yes; 2];
        }
        let events = Events::default();
        let disk = SimDisk::new(seed, DISK_BYTES);
        if mutation == Mutation::NoSyncs {
            disk.set_syncs(Syncs::Ignored);
        }
        let dice = Dice::new(seed, 2);
        let members_world = World {
            disk: SimDisk::new(seed, MEMBER_DISK_BYTES).shared(),
            net: Arc::new(SimNet::new(dice.clone(), Weather { cut_percent: 0, delay_ms: 0 })),
            clock: Clock::System,
            random: Random::seeded(dice.bits()),
        };
        members_world.disk.create_directory("/spool".as_ref()).unwrap();
        let place = || spool(&members_world, "/spool".into(), 1 << 30);
        let archives = NAMES.map(|name| Archive::new(name, place(), events.clone())).to_vec();
        let objects: Vec<_> = plan.senders.iter().map(|objects| Arc::new(objects.clone())).collect();
        let sent = Sent { done: vec![0; objects.len()], ..Sent::default() };
        Self {
            seed,
            mutation,
            plan,
            disk,
            store: MemoryStore::default(),
            archives,
            members_world,
            sent: Arc::new(Mutex::new(sent)),
            objects,
            events,
            random: Random::seeded(dice.bits()),
            now_us: ORIGIN_US,
        }
    }

    fn sent(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From a start of the node to the crash that ends it; gives what is wrong.
    fn live(&mut self, number: usize) -> Vec<String> {
        let before = self.disk.strikes();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let wrong = runtime.block_on(async {
            let clock = Clock::simulated(self.now_us);
            self.events.follow(&clock);
            let wrong = self.live_by(number, &clock).await;
            self.now_us = clock.wall_us() + 1_000_000;
            for wrong in &wrong {
                self.events.put(wrong);
            }
            let Life { loss, books, .. } = &self.plan.lives[number];
            self.events.put(&format!("crash: {loss:?}, books {books:?}"));
            wrong
        });
        let life = &self.plan.lives[number];
        self.events.count("books gone", u64::from(life.books == Books::Gone));
        let struck = self.disk.strikes();
        self.events.count("crash at a call", struck.crash - before.crash);
        self.events.count("EIO", struck.io - before.io);
        self.events.count("ENOSPC", struck.no_space - before.no_space);
        self.events.count("short write", struck.short_write - before.short_write);
        // The power goes before anything of the process can tidy up.
        self.disk.plan(Some(FaultAt { call: 0, fault: Fault::Crash, lasting: Lasting::FromThenOn }));
        drop(self.disk.list("/".as_ref()));
        drop(runtime);
        self.disk.crash(life.loss);
        self.disk.set_capacity(DISK_BYTES);
        self.store.come_back();
        if life.books == Books::Gone {
            self.store = MemoryStore::default();
        }
        wrong
    }

    async fn live_by(&self, number: usize, clock: &Clock) -> Vec<String> {
        let life = &self.plan.lives[number];
        let is_last = number + 1 == self.plan.lives.len();
        let net = SimNet::new(Dice::new(self.seed, 100 + number as u64), life.weather);
        let world = World {
            disk: self.disk.shared(),
            net: Arc::new(net.clone()),
            clock: clock.clone(),
            random: self.random.clone(),
        };
        let (_guard, shutdown) = Shutdown::pair();
        let mut doors = Vec::new();
        for (port, archive) in (MEMBER_PORT..).zip(&self.archives) {
            if is_last {
                archive.behave(Conduct::Keeps);
            }
            if self.mutation.drops() && port != MEMBER_PORT {
                archive.behave(Conduct::Forgets);
                archive.says(Word::Claims);
            }
            let member = usize::from(port - MEMBER_PORT);
            let net = self.desk(member, number, &world.net, if is_last { Faults::None } else { Faults::Any });
            let world = World { disk: self.members_world.disk.clone(), net, ..world.clone() };
            let service = Arc::new(archive.clone());
            let name = archive.name;
            doors.push(front(&world, "/quarantine", name, port, service, shutdown.clone()).await.unwrap());
        }
        let node = match Node::start(&world, &self.plan, self.store.clone()).await {
            Ok(node) => node,
            Err(error) => return vec![format!("the node does not start: {error:?}")],
        };
        self.events.put(&format!("start {number}, journal at {}", node.journal.tail().0));
        let wrong = self.safe(&node);
        if !wrong.is_empty() {
            return wrong;
        }
        self.send(&world, number);
        if is_last {
            return self.settle(&node).await;
        }
        self.suffer(life, &net).await;
        self.sent().wrong.clone()
    }

    /// The network as a member listens on it: with its desk before it, where it has one.
    fn desk(&self, member: usize, life: usize, net: &ArcNet, faults: Faults) -> ArcNet {
        match self.plan.commits[member] {
            Commits::Yes => {
                let dice = Dice::new(self.seed, 10_000 + (life * 10 + member) as u64);
                Arc::new(Desk::open(&self.archives[member], net, dice, &self.events, faults))
            }
            Commits::No => net.clone(),
        }
    }

    fn safe(&self, node: &Node) -> Vec<String> {
        let found = checker::journaled(&node.journal.reader());
        let sent = self.sent();
        let acknowledged = sent.acknowledged.iter().map(|(sender, index)| &self.objects[*sender][*index]);
        let all = self.objects.iter().flat_map(|objects| objects.iter());
        checker::safe(&found, acknowledged, all, self.plan.looked_up())
    }

    fn send(&self, world: &World, life: usize) {
        for (number, objects) in self.objects.iter().enumerate() {
            let purpose = 1_000 + (life * 100 + number) as u64;
            let sender = Sender {
                number,
                objects: Arc::clone(objects),
                sent: Arc::clone(&self.sent),
                net: world.net.clone(),
                spool: self.archives[0].spool(),
                dice: Dice::new(self.seed, purpose),
                events: self.events.clone(),
            };
            drop(tokio::spawn(sender.run()));
        }
    }

    /// Lets happen what the life has in store, until it ends or the disk is off.
    async fn suffer(&self, life: &Life, net: &SimNet) {
        let began = Instant::now();
        let mut coming = life.events.iter().peekable();
        loop {
            let passed = began.elapsed();
            if passed >= Duration::from_millis(life.ends) || self.disk.is_off() {
                return;
            }
            while let Some((_, event)) = coming.next_if(|(at, _)| Duration::from_millis(*at) <= passed) {
                self.events.put(&format!("{event:?}"));
                self.strike(*event, net);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn strike(&self, event: Event, net: &SimNet) {
        let port = |member: usize| MEMBER_PORT + u16::try_from(member).unwrap();
        match event {
            Event::Conduct(..) if self.mutation.drops() => {}
            Event::Conduct(member, conduct) => self.archives[member].behave(conduct),
            Event::Reach(member, reach) => {
                self.events.count("partitions", u64::from(reach != Reach::Open));
                net.reach(port(member), reach);
            }
            Event::CutMember(member) => net.cut(port(member)),
            Event::MemberCrash(member, memory) => {
                self.events.count("crashes of a member", 1);
                net.cut(port(member));
                if memory == Memory::Affirmed {
                    self.archives[member].loses_unaffirmed();
                }
            }
            Event::CutSenders => net.cut(NODE_PORT),
            Event::DiskFull => {
                self.events.count("disk full", 1);
                self.disk.set_capacity(0);
            }
            Event::DiskRoom => self.disk.set_capacity(DISK_BYTES),
            Event::DiskFault(ahead, fault, lasting) => {
                self.disk.plan(Some(FaultAt { call: self.disk.calls() + ahead, fault, lasting }));
            }
            Event::BooksAway => {
                self.events.count("books away", 1);
                self.store.go_away();
            }
            Event::BooksBack => self.store.come_back(),
        }
    }

    /// Waits until everything is delivered, lets a person look at suspense now and then, and checks everything.
    async fn settle(&self, node: &Node) -> Vec<String> {
        let began = Instant::now();
        let mut person = began + PERSON;
        loop {
            let all_sent = self.sent().done.iter().zip(&self.objects).all(|(done, of)| *done == of.len());
            let balance = node.ledger.balance().await.unwrap();
            let status = node.ledger.status().await.unwrap();
            if all_sent && balance.balanced && status.applied == status.tail {
                break;
            }
            if began.elapsed() > LIVENESS {
                let sent = self.sent().done.clone();
                let all = SuspenseFilter::Of { member: None, reason: None };
                let suspense = node.ledger.suspense(all).await;
                return vec![format!(
                    "NOT SETTLED in {LIVENESS:?}: sent {sent:?}, {balance:?}, {suspense:#?}"
                )];
            }
            if Instant::now() >= person {
                person = Instant::now() + PERSON;
                let retried = node.ledger.retry(SuspenseFilter::Of { member: None, reason: None }).await;
                self.events.put(&format!("a person has {retried:?} tried again"));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.events.put("settled");
        let mut wrong = self.sent().wrong.clone();
        wrong.extend(self.safe(node));
        let reader = node.journal.reader();
        let found = checker::journaled(&reader);
        let all = self.objects.iter().flat_map(|objects| objects.iter());
        let sent = all.map(|object| (checker::held(object), object)).collect();
        wrong.extend(checker::sound(&self.store, &node.ledger, &reader, &found, &self.archives, &sent));
        self.events.put(&format!("{} entries, tail {}", found.objects.len(), node.journal.tail().0));
        wrong
    }
}
