//! A node, front to back: journal, ledger, members, delivery, front doors, admin API. Nothing else wires.

mod committing;
mod crosscheck;
mod delivering;
mod files;
mod fronts;
mod inventory;
mod lock;
mod members;
mod reading;
mod ready;
pub(crate) mod reload;
mod scrub;
mod signals;
mod storage;
mod webs;

pub(crate) use fronts::{Callers, open_fronts};
pub(crate) use lock::{holder, lock_archive, lock_node};
pub(crate) use members::{adapters, any_adapter};
pub(crate) use ready::Ready;
pub(crate) use scrub::{Ended, Scrubber, Seen};
pub(crate) use signals::{Signal, Signals};
pub(crate) use storage::{Storage, open_node_journal, open_storage, open_store};

use std::sync::Arc;

use outrigger_gateway::{Gateway, GatewayOptions, Undeliverable};
use outrigger_runtime::net::{ArcNet, Tcp};
use outrigger_runtime::{Clock, Random, Shutdown, Threads};

use crate::admin::server::{self, NodeAdmin, NodeParts};
use crate::config::NodeConfig;
use crate::process::Failure;

/// The outside world as a process sees it.
#[derive(Clone)]
pub(crate) struct World {
    /// Files.
    pub(crate) disk: outrigger_runtime::disk::ArcDisk,
    /// Connections.
    pub(crate) net: ArcNet,
    /// Time.
    pub(crate) clock: Clock,
    /// Randomness.
    pub(crate) random: Random,
    /// Where blocking work runs.
    pub(crate) threads: Threads,
}

impl World {
    /// The real one.
    pub(crate) fn real() -> Self {
        Self {
            disk: Arc::new(outrigger_runtime::RealDisk),
            net: Arc::new(Tcp),
            clock: Clock::System,
            random: Random::System,
            threads: Threads::System,
        }
    }
}

/// Runs a node until it is told to stop.
pub(crate) async fn run(config: NodeConfig, file: &str, accept_loss: Option<String>) -> Result<(), Failure> {
    let world = World::real();
    for warning in config.warnings(&*world.disk, world.clock.wall_us()) {
        tracing::warn!("{warning}");
    }
    server::install_metrics()?;
    let signals = Signals::listen()?;
    let _locks = lock_node(&world, &config)?;
    let storage = open_storage(&world, &config, accept_loss).await?;
    let served = serve(&world, &config, file, &storage, signals).await;
    // After a start that failed too: whoever writes must not be left without the runtime it waits by.
    let closed = storage.close().await;
    served.and(closed)
}

fn kept(undeliverable: crate::config::Undeliverable) -> Undeliverable {
    match undeliverable {
        crate::config::Undeliverable::Accept => Undeliverable::Accept,
        crate::config::Undeliverable::Refuse => Undeliverable::Refuse,
    }
}

/// Opens the doors over the storage, and drains them when told to stop.
async fn serve(
    world: &World,
    config: &NodeConfig,
    file: &str,
    storage: &Storage,
    mut signals: Signals,
) -> Result<(), Failure> {
    let (mut node, node_stops) = Shutdown::pair();
    let (mut doors, doors_stop) = Shutdown::pair();

    let (legs_box, legs) = outrigger_front::Outbox::new("audit of members");
    let members = adapters(world, config, storage, &legs_box, &node_stops).await?;
    drop(legs_box);
    let members_address = members.address;
    let reader = reading::reader(world, config, storage, &members.setups);
    let setups = members.setups.clone();
    inventory::start(world, config, storage, &members.setups, &node_stops);
    let lookup = inventory::lookup(world, config, storage, &members.setups);
    inventory::look_up_what_is_shown(lookup.clone(), reader.clone(), node_stops.clone());
    let crosscheck = crosscheck::start(world, config, storage, &members.setups, &reader, &node_stops);
    let delivery = delivering::start(world, config, storage, members, &node_stops);
    let gateway = |undeliverable: Undeliverable| {
        let (ledger, spool) = (storage.ledger.clone(), storage.spool.clone());
        let (reader, lookup) = (reader.clone(), lookup.clone());
        Arc::new(Gateway::new(GatewayOptions { ledger, spool, reader, lookup, undeliverable }))
    };
    let fronts = open_fronts(world, &config.base, &doors_stop, legs, |undeliverable| {
        gateway(kept(undeliverable)) as Arc<dyn outrigger_front::Service>
    })
    .await?;
    committing::start(world, config, storage, reader.clone(), fronts.reporter.clone(), &node_stops);
    let recording = storage::record_refusals(storage.ledger.clone(), fronts.refusals);
    let scrubber = Scrubber::start(storage.scrubbed(world, config), node_stops.clone());
    let admin = NodeAdmin::new(NodeParts {
        file: file.into(),
        config: config.clone(),
        ledger: storage.ledger.clone(),
        journal: storage.journal.clone(),
        delivery,
        members: setups,
        callers: fronts.callers,
        reader: reader.clone(),
        scrubber,
        crosscheck,
        collector: fronts.collector,
        clock: world.clock.clone(),
    });
    let admin_address = server::start(config.base.admin.listen, admin.clone(), node_stops.clone()).await?;

    Ready { doors: fronts.doors, members: Some(members_address), admin: admin_address }.announce()?;
    while signals.next().await == Signal::Reload {
        reload::told(&admin);
    }

    tracing::info!("draining: no new associations, those that are open may finish");
    admin.note_draining();
    doors.stop();
    drop(doors_stop);
    doors.all_gone().await;
    recording.await.map_err(|error| Failure::of("the recorder of refusals ended badly", error))?;
    node.stop();
    drop(node_stops);
    // Each holds the members, and the audit trail ends after the last word of theirs.
    drop((admin, reader, lookup));
    node.all_gone().await;
    fronts.audit_ended.await;
    Ok(())
}
