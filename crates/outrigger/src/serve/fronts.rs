//! The front doors, and what they share.

use std::sync::Arc;
use std::time::Duration;

use outrigger_dimse::{Settings, Timers};
use outrigger_front::{
    Destination, DimseFront as Front, DimseOptions, Limits, Outbox, Peer, Peers, Permission, Quarantine,
    RefusalEvent, RenewedTokens, Reporter, Service, WebFront,
};
use outrigger_runtime::Shutdown;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::World;
use super::ready::Doors;
use crate::audit::{self, AuditTrail, Collector, Leg, Sources};
use crate::config::{Allow, Base, DimseFront, PeerConfig, Undeliverable};
use crate::process::Failure;

/// Refused objects kept for diagnosis: enough for an afternoon of a modality gone wrong, little beside a journal.
const QUARANTINE_BYTES: u64 = 1 << 30;
const QUARANTINE_FILES: usize = 1000;

/// The front doors at work.
pub(crate) struct FrontParts {
    /// Where they are.
    pub(crate) doors: Doors,
    /// Replaces who may call.
    pub(crate) callers: Callers,
    /// What tells results of storage commitment.
    pub(crate) reporter: Reporter,
    /// Refused objects.
    pub(crate) refusals: mpsc::Receiver<RefusalEvent>,
    /// The audit trail's collector, if there is one.
    pub(crate) collector: Option<Collector>,
    /// Ends when the audit trail is written.
    pub(crate) audit_ended: AuditEnded,
}

/// How long a process that ends waits for the last of the audit trail: longer than its collector is waited for, shorter than a service
/// manager waits after the doors have drained.
const AUDIT_END_MAX: Duration = Duration::from_secs(10);

/// Replaces who may call while listeners are open.
#[derive(Debug)]
pub(crate) struct Callers {
    peers: watch::Sender<Arc<Peers>>,
    tokens: watch::Sender<RenewedTokens>,
}

impl Callers {
    /// Takes over what a configuration says of peers and tokens.
    pub(crate) fn renew(&self, base: &Base) {
        self.peers.send_replace(Arc::new(peers(&base.peers)));
        self.tokens.send_replace(super::webs::tokens(base));
    }
}

type AuditEnded = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Opens every listener of the configuration; `service` gives what stands behind each, and `legs` what passes between this node and its
/// members, none without members.
pub(crate) async fn open_fronts(
    world: &World,
    base: &Base,
    shutdown: &Shutdown,
    legs: mpsc::Receiver<Leg>,
    service: impl Fn(Undeliverable) -> Arc<dyn Service>,
) -> Result<FrontParts, Failure> {
    super::files::allow(base);
    let (peers_sender, peers_seen) = watch::channel(Arc::new(peers(&base.peers)));
    let (tokens_sender, renewed) = watch::channel(RenewedTokens::new());
    let (refusals_box, refusals) = Outbox::new("refusal");
    let (audit_box, events) = Outbox::new("audit");
    let quarantine = quarantine(world, base)?;
    let reporter = Reporter::new(world.net.clone(), peers_seen.clone());
    let associations = Arc::default();
    let mut dimse = Vec::new();
    for config in &base.fronts {
        let front = Front {
            service: service(config.undeliverable),
            peers: peers_seen.clone(),
            net: world.net.clone(),
            clock: world.clock.clone(),
            threads: world.threads,
            quarantine: quarantine.clone(),
            refusals: refusals_box.clone(),
            audit: audit_box.clone(),
            reporter: reporter.clone(),
            associations: Arc::clone(&associations),
        };
        let listening = front.listen(options(config)?, shutdown.clone()).await;
        let listening = listening.map_err(|error| {
            Failure::of(format!("the DICOM listener {} cannot be opened", config.listen), error)
        })?;
        dimse.push(listening.address);
    }
    let web = super::webs::open_webs(
        base,
        WebFront {
            service: service(Undeliverable::Accept),
            net: world.net.clone(),
            clock: world.clock.clone(),
            threads: world.threads,
            quarantine,
            refusals: refusals_box,
            audit: audit_box,
            connections: associations,
            viewer: base.viewer.clone(),
            renewed,
        },
        shutdown,
    )
    .await?;
    let (audit_ended, collector) = start_audit(world, base, Sources { events, legs })?;
    let doors = Doors { dimse, web };
    let callers = Callers { peers: peers_sender, tokens: tokens_sender };
    Ok(FrontParts { doors, callers, reporter, refusals, collector, audit_ended })
}

fn start_audit(
    world: &World,
    base: &Base,
    sources: Sources,
) -> Result<(AuditEnded, Option<Collector>), Failure> {
    let trail = AuditTrail {
        node: base.name.to_string(),
        file: base.audit.file.clone(),
        syslog: base.audit.syslog.clone(),
        disk: world.disk.clone(),
        net: world.net.clone(),
        clock: world.clock.clone(),
        threads: world.threads,
    };
    let shown = base.audit.file.display();
    let running = audit::start(trail, sources)
        .map_err(|error| Failure::of(format!("the audit file {shown} cannot be opened"), error))?;
    let ended = Box::pin(async move {
        match timeout(AUDIT_END_MAX, running.ended).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => tracing::error!("the audit trail ended badly"),
            Err(_) => {
                tracing::error!("the audit trail could not be written to its end: its disk does not answer");
            }
        }
    });
    Ok((ended, running.collector))
}

fn quarantine(world: &World, base: &Base) -> Result<Quarantine, Failure> {
    let directory = base.data.join("quarantine");
    let made = world.disk.create_directory(&directory);
    made.map_err(|error| {
        Failure::of(format!("the quarantine {} cannot be made", directory.display()), error)
    })?;
    Ok(Quarantine {
        disk: world.disk.clone(),
        directory,
        threads: world.threads,
        bytes_max: QUARANTINE_BYTES,
        files_max: QUARANTINE_FILES,
    })
}

fn options(config: &DimseFront) -> Result<DimseOptions, Failure> {
    let (first, others) = config.ae_titles.split_first().ok_or_else(|| Failure::Argument {
        what: format!("the listener {} has no AE title", config.listen),
        instead: "give it `ae_titles`".to_owned(),
    })?;
    let timers =
        Timers { artim: config.artim, inactivity: config.inactivity, idle: config.idle, ..Timers::STANDARD };
    Ok(DimseOptions {
        listen: config.listen,
        ae_title: first.clone(),
        other_ae_titles: others.to_vec(),
        issuer: config.issuer.clone(),
        limits: Limits {
            associations: config.max_associations,
            associations_per_address: config.max_associations_per_peer,
        },
        object_bytes_max: config.max_object,
        settings: Settings { max_pdu: config.max_pdu, timers },
        tls: config.tls.as_ref().map(|tls| tls.server.clone()),
    })
}

/// Who may call, as the front door asks it.
fn peers(config: &[PeerConfig]) -> Peers {
    Peers(config.iter().map(peer).collect())
}

fn peer(config: &PeerConfig) -> Peer {
    let permission = |allow: &Allow| match allow {
        Allow::Store => Some(Permission::Store),
        Allow::Find => Some(Permission::Find),
        Allow::Move => Some(Permission::Move),
        Allow::Get => Some(Permission::Get),
        Allow::Commit => Some(Permission::Commit),
        // Not served in this version: nothing that a peer could be let to do.
        Allow::Worklist | Allow::Mpps => None,
    };
    let to = |address| Destination { address, tls: None };
    Peer {
        ae_title: config.ae_title.clone(),
        hosts: config.hosts.clone(),
        allow: config.allow.iter().filter_map(permission).collect(),
        issuer: config.issuer.clone(),
        member: None,
        destination: config.address.clone().map(to),
        commit_destination: config.commit_address.clone().map(to),
        incomplete: config.incomplete,
    }
}
