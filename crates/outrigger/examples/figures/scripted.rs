//! Acknowledgements while two members take everything, and while a backlog of 10,000 is waiting.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use outrigger_dataset::phantom::Shape;
use outrigger_dimse::Settings;
use outrigger_front::{
    Accepts, Arrival, DimseFront, DimseOptions, FindRefusal, Limits, OtherSyntaxes, Outbox, Peers,
    Quarantine, Retrievable, Service, StoreRefusal, Stored,
};
use outrigger_model::{AeTitle, Answer, Query, Selection, SopInstanceUid, Status, TransferSyntaxUid};
use outrigger_runtime::net::Tcp;
use outrigger_runtime::{BlockSource, Clock, Random, RealDisk, Shutdown, ShutdownGuard, Spool, Threads};
use tokio::sync::{mpsc, watch};

use crate::Outcome;
use crate::contestant::{node_config, start_node};
use crate::load;
use crate::summary::{Spread, table};

/// Entries waiting when the new association comes.
const BACKLOG: usize = 10_000;
/// Objects of the new association.
const FRESH: usize = 200;

/// Measures both.
pub(crate) async fn measure(program: &Path, rounds: usize, count: usize) -> Outcome<()> {
    let (mut away, mut taking) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        for taken in if round % 2 == 0 { [false, true] } else { [true, false] } {
            let rate = one_round(program, taken, count, round).await?;
            if taken { taking.push(rate) } else { away.push(rate) }
        }
    }
    let (away, taking) = (Spread::of(away), Spread::of(taking));
    println!("\nCT, 4 associations, {count} objects a round, members away or taking everything\n");
    table(
        &["members", "objects/s", "share"],
        &[
            vec!["away".to_owned(), away.text(0), "1.00".to_owned()],
            vec![
                "two taking everything".to_owned(),
                taking.text(0),
                format!("{:.2}", taking.median / away.median),
            ],
        ],
    );
    backlog(program).await
}

async fn one_round(program: &Path, taken: bool, count: usize, round: usize) -> Outcome<f64> {
    let directory = tempfile::tempdir()?;
    let sinks = if taken { vec![Sink::start(0).await?, Sink::start(0).await?] } else { Vec::new() };
    let addresses: Vec<String> = if taken {
        sinks.iter().map(|sink| sink.address.to_string()).collect()
    } else {
        vec!["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()]
    };
    let members: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let node =
        start_node(program, directory.path(), &node_config(directory.path(), &members, "accepted")).await?;
    let address = node.listening()?.dimse.first().ok_or("no listener")?.to_string();
    let objects = load::objects(Shape::Ct, count, round as u64);
    Ok(load::send(&address, &objects, 4).await?.rate())
}

async fn backlog(program: &Path) -> Outcome<()> {
    let directory = tempfile::tempdir()?;
    // Two ports that are free now and taken again later.
    let ports: Vec<SocketAddr> = {
        let sinks = [Sink::start(0).await?, Sink::start(0).await?];
        sinks.iter().map(|sink| sink.address).collect()
    };
    let addresses: Vec<String> = ports.iter().map(ToString::to_string).collect();
    let members: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let node =
        start_node(program, directory.path(), &node_config(directory.path(), &members, "accepted")).await?;
    let address = node.listening()?.dimse.first().ok_or("no listener")?.to_string();
    load::send(&address, &load::objects(Shape::SmallCt, BACKLOG, 50), 4).await?;
    let mut sinks = Vec::new();
    for port in &ports {
        sinks.push(Sink::start(port.port()).await?);
    }
    let objects = load::objects(Shape::Ct, FRESH, 51);
    let taken = load::send(&address, &objects, 1).await?;
    for sink in &sinks {
        sink.until(BACKLOG + FRESH).await;
    }
    println!(
        "\nA backlog of {BACKLOG} is waiting, the members come back, and a new association sends {FRESH} CT\n"
    );
    let rows: Vec<Vec<String>> = sinks
        .iter()
        .map(|sink| {
            let order = sink.received();
            let last = objects
                .iter()
                .filter_map(|object| order.iter().position(|uid| *uid == object.sop_instance))
                .max();
            vec![
                sink.address.to_string(),
                format!("{:.1}", taken.ack_ms(0.99)),
                format!("{} of {}", last.map_or(0, |place| place + 1), order.len()),
            ]
        })
        .collect();
    table(&["member", "ack p99 ms of the new association", "its last object was delivered as number"], &rows);
    Ok(())
}

/// A member that takes everything and keeps nothing but the order.
struct Sink {
    address: SocketAddr,
    service: Arc<Nothing>,
    count: watch::Receiver<usize>,
    _guard: ShutdownGuard,
}

struct Nothing {
    order: Mutex<Vec<SopInstanceUid>>,
    count: watch::Sender<usize>,
}

impl Sink {
    async fn start(port: u16) -> Outcome<Self> {
        let (sender, count) = watch::channel(0);
        let service = Arc::new(Nothing { order: Mutex::default(), count: sender });
        let (guard, shutdown) = Shutdown::pair();
        let disk: Arc<RealDisk> = Arc::new(RealDisk);
        let quarantine = Quarantine {
            disk: disk.clone(),
            directory: std::env::temp_dir(),
            threads: Threads::System,
            bytes_max: 0,
            files_max: 0,
        };
        let front = DimseFront {
            service: service.clone(),
            peers: watch::channel(Arc::new(Peers::default())).1,
            net: Arc::new(Tcp),
            clock: Clock::System,
            threads: Threads::System,
            quarantine,
            refusals: Outbox::new("refusal").0,
            audit: Outbox::new("audit").0,
            associations: Arc::default(),
        };
        let options = DimseOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], port)),
            ae_title: AeTitle::new("M0")?,
            other_ae_titles: vec![AeTitle::new("M1")?],
            issuer: None,
            limits: Limits { associations: 100, associations_per_address: 100 },
            object_bytes_max: 1 << 32,
            settings: Settings::STANDARD,
            tls: None,
        };
        let listening = front.listen(options, shutdown).await?;
        Ok(Self { address: listening.address, service, count, _guard: guard })
    }

    fn received(&self) -> Vec<SopInstanceUid> {
        self.service.order.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn until(&self, count: usize) {
        let mut seen = self.count.clone();
        while *seen.borrow_and_update() < count {
            if seen.changed().await.is_err() {
                return;
            }
        }
    }
}

#[async_trait]
impl Service for Nothing {
    fn accepts(&self) -> Accepts {
        let preferred = vec![TransferSyntaxUid::known("1.2.840.10008.1.2.1")];
        Accepts { preferred, others: OtherSyntaxes::Keep, services: Vec::new() }
    }

    fn spool(&self) -> Spool {
        Spool {
            disk: Arc::new(RealDisk),
            directory: std::env::temp_dir(),
            threads: Threads::System,
            random: Random::System,
            memory_bytes_max: 1 << 30,
            object_bytes_max: 1 << 34,
        }
    }

    async fn accept(&self, arrival: Arrival) -> Result<Stored, StoreRefusal> {
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        order.push(arrival.header.sop_instance);
        self.count.send_replace(order.len());
        Ok(Stored::New)
    }

    async fn find(&self, _: Query) -> Result<mpsc::Receiver<Result<Answer, FindRefusal>>, FindRefusal> {
        Err(nothing())
    }

    async fn plan(&self, _: Selection) -> Result<Vec<Retrievable>, FindRefusal> {
        Err(nothing())
    }

    async fn open(&self, _: &Retrievable) -> Result<Arc<dyn BlockSource>, FindRefusal> {
        Err(nothing())
    }
}

fn nothing() -> FindRefusal {
    FindRefusal { status: Status::SOP_CLASS_NOT_SUPPORTED, text: "only stores".to_owned(), source: None }
}
