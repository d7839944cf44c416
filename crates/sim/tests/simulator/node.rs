//! A node as the program wires it, over the simulated world.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use outrigger_delivery::{Calling, Delivery, DeliveryOptions, MemberSetup, Route};
use outrigger_dimse::Settings;
use outrigger_front::{
    Destination, DimseFront, DimseOptions, Limits, Outbox, Peer, Peers, Permission, Quarantine, Reporter,
    Service, WhenIncomplete,
};
use outrigger_gateway::{Gateway, GatewayOptions, Undeliverable};
use outrigger_journal::{Journal, JournalHandle, Options};
use outrigger_ledger::scope::Scope;
use outrigger_ledger::{Ledger, LedgerOptions, LedgerStore, MemberPolicy, MemoryStore, Need};
use outrigger_member::answers::Expectations;
use outrigger_member::dimse::CONNECT_TIMEOUT;
use outrigger_member::{Answers, AnswersOptions, DimseMember, DimseRoute, ReadBack, StatusRules};
use outrigger_model::{AeTitle, ConfirmLevel, MemberName};
use outrigger_query::{Reader, ReaderOptions, Respondents, Source};
use outrigger_runtime::disk::ArcDisk;
use outrigger_runtime::net::ArcNet;
use outrigger_runtime::{Clock, Random, Shutdown, ShutdownGuard, Spool, SpoolPlace, Threads};
use tokio::sync::watch;

use super::plan::{MEMBERS, Plan, ReadBy};

/// Where the node listens.
pub(crate) const NODE_PORT: u16 = 11112;
/// Where members answer it.
pub(crate) const ANSWERS_PORT: u16 = 11113;
/// Where the members listen: this and the following.
pub(crate) const MEMBER_PORT: u16 = 4242;
/// Its AE title.
pub(crate) const NODE_AE: &str = "OUTRIGGER";
/// The members' names, which are their AE titles too.
pub(crate) const NAMES: [&str; MEMBERS] = ["ALPHA", "BETA"];

/// Longest wait for a member that is to give an instance.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of the journal in all, and kept back.
const JOURNAL_BYTES: u64 = 32 << 20;
const RESERVE_BYTES: u64 = 256 << 10;
const OBJECT_BYTES_MAX: u64 = 16 << 20;

/// The outside world as the node sees it.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) disk: ArcDisk,
    pub(crate) net: ArcNet,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
}

/// A node at work; it dies with its runtime.
pub(crate) struct Node {
    pub(crate) journal: JournalHandle,
    pub(crate) ledger: Ledger,
    _guard: ShutdownGuard,
    _peers: watch::Sender<Arc<Peers>>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Node {
    /// Starts as the program does: journal, ledger, members, delivery, front door.
    pub(crate) async fn start(world: &World, plan: &Plan, store: MemoryStore) -> Result<Self, Failure> {
        let (journal, ledger) = open_storage(world, plan, store).await?;
        let spool = spool(world, journal.spool_directory(), plan.memory_bytes_max);
        let (guard, shutdown) = Shutdown::pair();
        let options = AnswersOptions {
            listen: local(ANSWERS_PORT),
            ae_title: AeTitle::new(NODE_AE)?,
            members: NAMES.iter().map(|name| AeTitle::new(name)).collect::<Result<_, _>>()?,
            settings: Settings::STANDARD,
        };
        let expectations = Expectations::default();
        let answers =
            Answers::listen(&*world.net, options, expectations.clone(), spool.clone(), shutdown.clone())
                .await?;
        let members = setups(world, plan, &ledger, &spool, &expectations)?;
        drop(Delivery::start(DeliveryOptions {
            ledger: ledger.clone(),
            journal: journal.clone(),
            members: members.clone(),
            reports: answers.reports,
            retention: Duration::from_millis(plan.retention_ms),
            clock: world.clock.clone(),
            random: world.random.clone(),
            threads: Threads::Simulated,
            shutdown: shutdown.clone(),
        }));
        let reader = Reader::new(ReaderOptions {
            ledger: ledger.clone(),
            sources: members.iter().map(source).collect(),
            respondents: Respondents::Members,
            timeout: QUERY_TIMEOUT,
            clock: world.clock.clone(),
            threads: Threads::Simulated,
        });
        let options = GatewayOptions {
            ledger: ledger.clone(),
            spool,
            reader,
            lookup: None,
            undeliverable: Undeliverable::Accept,
        };
        let service = Arc::new(Gateway::new(options));
        let peers = front(world, "/node/quarantine", NODE_AE, NODE_PORT, service, shutdown).await?;
        Ok(Self { journal, ledger, _guard: guard, _peers: peers })
    }
}

fn source(member: &MemberSetup) -> Source {
    Source {
        number: member.number,
        name: member.name.clone(),
        preference: member.preference,
        routes: member.routes.iter().map(|route| Arc::clone(&route.member)).collect(),
        connections: member.connections,
    }
}

/// Opens a front door, of the node or of a member.
pub(crate) async fn front(
    world: &World,
    quarantine: &str,
    ae_title: &str,
    port: u16,
    service: Arc<dyn Service>,
    shutdown: Shutdown,
) -> Result<watch::Sender<Arc<Peers>>, Failure> {
    world.disk.create_directory(quarantine.as_ref())?;
    // Whoever calls may do everything; the node is where things can be moved to.
    let everything = [Permission::Store, Permission::Find, Permission::Move, Permission::Get];
    let node = Peer {
        ae_title: AeTitle::new(NODE_AE)?,
        hosts: Vec::new(),
        allow: everything.into(),
        issuer: None,
        member: None,
        incomplete: WhenIncomplete::Warn,
        destination: Some(Destination { address: local(ANSWERS_PORT).to_string(), tls: None }),
        commit_destination: None,
    };
    let (peers, peers_seen) =
        watch::channel(Arc::new(Peers(if ae_title == NODE_AE { vec![] } else { vec![node] })));
    let (refusals, mut refused) = Outbox::new("refusal");
    let (audit, mut audited) = Outbox::new("audit");
    drop(tokio::spawn(async move { while refused.recv().await.is_some() {} }));
    drop(tokio::spawn(async move { while audited.recv().await.is_some() {} }));
    let front = DimseFront {
        service,
        reporter: Reporter::new(world.net.clone(), peers_seen.clone()),
        peers: peers_seen,
        net: world.net.clone(),
        clock: world.clock.clone(),
        threads: Threads::Simulated,
        quarantine: Quarantine {
            disk: world.disk.clone(),
            directory: quarantine.into(),
            threads: Threads::Simulated,
            bytes_max: 1 << 20,
            files_max: 4,
        },
        refusals,
        audit,
        associations: Arc::new(AtomicU64::new(0)),
    };
    let options = DimseOptions {
        listen: local(port),
        ae_title: AeTitle::new(ae_title)?,
        other_ae_titles: Vec::new(),
        issuer: None,
        limits: Limits { associations: 100, associations_per_address: 100 },
        object_bytes_max: OBJECT_BYTES_MAX,
        settings: Settings::STANDARD,
        tls: None,
    };
    drop(front.listen(options, shutdown).await?);
    Ok(peers)
}

/// A place where objects arrive.
pub(crate) fn spool(world: &World, directory: SpoolPlace, memory_bytes_max: usize) -> Spool {
    Spool {
        disk: world.disk.clone(),
        directory,
        threads: Threads::Simulated,
        random: world.random.clone(),
        memory_bytes_max,
        object_bytes_max: OBJECT_BYTES_MAX,
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

async fn open_storage(
    world: &World,
    plan: &Plan,
    store: MemoryStore,
) -> Result<(JournalHandle, Ledger), Failure> {
    let store: Box<dyn LedgerStore> = Box::new(store);
    let applied = store.position()?.map_or(0, |position| position.applied.0);
    let options = Options {
        copies: vec![outrigger_journal::Place::new(outrigger_journal::EngineKind::Log, "/node/journal")],
        accept_loss: None,
        segment_bytes_max: plan.segment_bytes_max,
        reserve_bytes: RESERVE_BYTES,
        max_size_bytes: JOURNAL_BYTES,
    };
    let (disk, clock, random) = (world.disk.clone(), world.clock.clone(), world.random.clone());
    let opened = Journal::open(disk, clock, random, options, outrigger_journal::Seq(applied))?;
    if let Some(damage) = opened.report.damaged.first() {
        return Err(format!("DAMAGED {damage:?}").into());
    }
    let journal = opened.journal.start(Threads::Simulated)?;
    let options = LedgerOptions {
        members: (0..MEMBERS).map(|member| policy(plan, member)).collect::<Result<_, _>>()?,
        fresh_for: Duration::from_secs(900),
    };
    let ledger =
        Ledger::open(journal.clone(), store, options, world.clock.clone(), Threads::Simulated).await?;
    Ok((journal, ledger))
}

fn policy(plan: &Plan, member: usize) -> Result<MemberPolicy, Failure> {
    Ok(MemberPolicy {
        name: MemberName::new(&NAMES[member].to_lowercase())?,
        need: Need::Required,
        confirm: plan.confirm[member],
        release: ConfirmLevel::Present,
        scope: Scope::default(),
        settle: Duration::from_secs(1),
        preference: u8::try_from(member)?,
    })
}

fn setups(
    world: &World,
    plan: &Plan,
    ledger: &Ledger,
    spool: &Spool,
    expectations: &Expectations,
) -> Result<Vec<MemberSetup>, Failure> {
    let setup = |member: usize| {
        let name = MemberName::new(&NAMES[member].to_lowercase())?;
        let route = DimseRoute {
            address: format!("127.0.0.1:{}", MEMBER_PORT + u16::try_from(member)?),
            ae_title: AeTitle::new(NAMES[member])?,
            calling: AeTitle::new(NODE_AE)?,
            tls: None,
            connect_timeout: CONNECT_TIMEOUT,
            settings: Settings::STANDARD,
            read_back: match plan.read_back[member] {
                ReadBy::Get => ReadBack::Get,
                ReadBy::Move => {
                    ReadBack::Move { destination: AeTitle::new(NODE_AE)?, expectations: expectations.clone() }
                }
            },
        };
        let adapter = DimseMember::new(route, world.net.clone(), spool.clone());
        Ok(MemberSetup {
            number: ledger.policies().number(&name).ok_or("the member has no number")?,
            name,
            routes: vec![Route { label: "dimse".to_owned(), member: Arc::new(adapter) }],
            connections: 1,
            confirm: plan.confirm[member],
            settle: Duration::from_secs(1),
            calling: Calling::Fixed(AeTitle::new(NODE_AE)?),
            rules: StatusRules::default(),
            preference: u8::try_from(member)?,
        })
    };
    (0..MEMBERS).map(setup).collect()
}
