//! A front to call, and a native peer that calls it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outrigger_dataset::phantom::Phantom;
use outrigger_dimse::{
    Association, Command, Incoming, Outcome, Priority, Proposal, ProposedContext, RequestError,
    RoleSelection, Settings, Timers,
};
use outrigger_front::{
    AuditEvent, DimseFront, DimseOptions, Limits, Listening, Outbox, Peers, Quarantine, RefusalEvent,
    Reporter,
};
use outrigger_model::{AeTitle, AssociationId, Origin, SopClassUid, SopInstanceUid, TransferSyntaxUid};
use outrigger_runtime::net::{Net, Tcp};
use outrigger_runtime::{Clock, RealDisk, Shutdown, ShutdownGuard, Threads};
use tokio::sync::{mpsc, watch};

use crate::shelf::Shelf;

/// A front over a shelf, on a port of its own.
pub(crate) struct Station {
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) listening: Listening,
    pub(crate) guard: ShutdownGuard,
    pub(crate) refusals: mpsc::Receiver<RefusalEvent>,
    pub(crate) audit: mpsc::Receiver<AuditEvent>,
    pub(crate) peers: watch::Sender<Arc<Peers>>,
    pub(crate) directory: tempfile::TempDir,
}

pub(crate) fn ae(title: &str) -> AeTitle {
    AeTitle::new(title).unwrap()
}

pub(crate) fn options() -> DimseOptions {
    let timers =
        Timers { artim: Duration::from_secs(2), inactivity: Duration::from_secs(5), ..Timers::STANDARD };
    DimseOptions {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ae_title: ae("OUTRIGGER"),
        other_ae_titles: Vec::new(),
        issuer: Some("HOSP".into()),
        limits: Limits { associations: 100, associations_per_address: 100 },
        object_bytes_max: 1 << 30,
        settings: Settings { timers, ..Settings::STANDARD },
        tls: None,
    }
}

impl Station {
    pub(crate) async fn start(options: DimseOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let spool = directory.path().join("spool");
        let kept = directory.path().join("quarantine");
        for path in [&spool, &kept] {
            outrigger_runtime::Disk::create_directory(&RealDisk, path).unwrap();
        }
        let shelf = Shelf::new(&spool);
        let (peers, watched) = watch::channel(Arc::new(Peers::default()));
        let (refusal_box, refusals) = Outbox::new("refusal");
        let (audit_box, audit) = Outbox::new("audit");
        let quarantine = Quarantine {
            disk: Arc::new(RealDisk),
            directory: kept,
            threads: Threads::System,
            bytes_max: 1 << 24,
            files_max: 10,
        };
        let front = DimseFront {
            service: shelf.clone(),
            reporter: Reporter::new(Arc::new(Tcp), watched.clone()),
            peers: watched,
            net: Arc::new(Tcp),
            clock: Clock::System,
            threads: Threads::System,
            quarantine,
            refusals: refusal_box,
            audit: audit_box,
            associations: Arc::default(),
        };
        let (guard, shutdown) = Shutdown::pair();
        let listening = front.listen(options, shutdown).await.unwrap();
        Self { shelf, listening, guard, refusals, audit, peers, directory }
    }

    /// Some origin.
    pub(crate) fn origin(&self) -> Origin {
        Origin {
            calling_ae: ae("CT1"),
            called_ae: ae("OUTRIGGER"),
            peer: self.listening.address.ip(),
            association: AssociationId(0),
            implementation: String::new(),
            issuer: None,
            member: None,
        }
    }

    /// An association to the front.
    pub(crate) async fn call(&self, contexts: &[(&str, &[&str])]) -> Result<Association, RequestError> {
        self.call_as(proposal("CT1", contexts)).await
    }

    pub(crate) async fn call_as(&self, proposal: Proposal) -> Result<Association, RequestError> {
        let stream = Tcp.connect(&self.listening.address.to_string()).await.unwrap();
        outrigger_dimse::request(stream, &Settings::STANDARD, proposal).await
    }
}

pub(crate) fn proposal(calling: &str, contexts: &[(&str, &[&str])]) -> Proposal {
    let ids = (1..).step_by(2);
    let contexts = contexts.iter().zip(ids).map(|((class, syntaxes), id)| ProposedContext {
        id,
        abstract_syntax: SopClassUid::new(class).unwrap(),
        transfer_syntaxes: syntaxes.iter().map(|uid| TransferSyntaxUid::new(uid).unwrap()).collect(),
    });
    Proposal {
        calling: ae(calling),
        called: ae("OUTRIGGER"),
        contexts: contexts.collect(),
        roles: Vec::<RoleSelection>::new(),
    }
}

/// Stores bytes under the UIDs given and gives the answer.
pub(crate) async fn store(
    association: &mut Association,
    class: &SopClassUid,
    instance: &SopInstanceUid,
    bytes: Bytes,
) -> Outcome {
    let message_id = association.next_message_id();
    let command = Command::CStoreRq {
        message_id,
        sop_class: class.clone(),
        sop_instance: instance.clone(),
        priority: Priority::Medium,
        move_originator: None,
    };
    association.send_with(1, &command, bytes).await.unwrap();
    match association.receive().await.unwrap() {
        Incoming::Message { command: Command::CStoreRsp { message_id: answered, outcome, .. }, .. } => {
            assert_eq!(answered, message_id);
            outcome
        }
        other => panic!("a C-STORE-RSP expected: {other:?}"),
    }
}

pub(crate) async fn store_phantom(association: &mut Association, phantom: &Phantom) -> Outcome {
    let (class, instance) = (&phantom.header.sop_class, &phantom.header.sop_instance);
    store(association, class, instance, phantom.data_set.clone()).await
}
