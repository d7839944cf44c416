//! Acknowledgements while two members take everything, and while a backlog of 10,000 is waiting.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use outrigger_dataset::phantom::Shape;
use outrigger_dimse::negotiate::RequestorStores;
use outrigger_dimse::{Command, Incoming, Outcome as Response, Settings, Verdict, accept};
use outrigger_model::{SopInstanceUid, Status};
use outrigger_runtime::net::{BoxStream, Net, Tcp};
use outrigger_sim::taker::takes_uncompressed;
use tokio::sync::watch;
use tokio::task::JoinHandle;

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
                format!("{:.1}", taken.ack_ms(99)),
                format!("{} of {}", last.map_or(0, |place| place + 1), order.len()),
            ]
        })
        .collect();
    table(&["member", "ack p99 ms of the new association", "its last object was delivered as number"], &rows);
    Ok(())
}

/// A member that takes everything and keeps nothing but the order: it costs the cores it shares as little as a member can.
struct Sink {
    address: SocketAddr,
    kept: Arc<Kept>,
    count: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

struct Kept {
    order: Mutex<Vec<SopInstanceUid>>,
    count: watch::Sender<usize>,
}

impl Sink {
    async fn start(port: u16) -> Outcome<Self> {
        let (sender, count) = watch::channel(0);
        let kept = Arc::new(Kept { order: Mutex::default(), count: sender });
        let listener = Tcp.listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        let (address, keeping) = (listener.local_addr()?, kept.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = keeping.clone();
                // It ends in disorder when a round is over and the node is killed while it sends.
                tokio::spawn(async move { drop(take(stream, &kept).await) });
            }
        });
        Ok(Self { address, kept, count, task })
    }

    fn received(&self) -> Vec<SopInstanceUid> {
        self.kept.order.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn until(&self, count: usize) {
        let mut seen = self.count.clone();
        // The sender lives in `self`: the wait cannot fail.
        drop(seen.wait_for(|kept| *kept >= count).await);
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes object after object, dropping the bytes as they come.
async fn take(stream: BoxStream, kept: &Kept) -> Outcome<()> {
    let verdict = Verdict::Accept(Box::new(takes_uncompressed(Vec::new(), RequestorStores::Refused)));
    let mut association = accept(stream, &Settings::STANDARD, |_| verdict).await?;
    while let Incoming::Message { context, command, .. } = association.receive().await? {
        let Command::CStoreRq { message_id, sop_class, sop_instance, .. } = command else {
            return Err("only stores are expected".into());
        };
        while association.fragment().await?.is_some() {}
        {
            let mut order = kept.order.lock().unwrap_or_else(PoisonError::into_inner);
            order.push(sop_instance.clone());
            kept.count.send_replace(order.len());
        }
        let (sop_class, sop_instance) = (Some(sop_class), Some(sop_instance));
        let outcome = Response::of(Status::SUCCESS);
        let response = Command::CStoreRsp { message_id, sop_class, sop_instance, outcome };
        association.send(context, &response).await?;
    }
    Ok(association.answer_release().await?)
}
