//! A member that does as it is told, and what is needed to speak to it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use outrigger_dataset::phantom::Phantom;
use outrigger_dimse::negotiate::{
    AcceptorPolicy, IdentityVerdict, RequestorStores, Service, StoragePolicy, TransferSyntaxPreference,
    Undeliverable, UnknownClasses,
};
use outrigger_dimse::{Association, Command, Incoming, Outcome, Roles, Settings, Timers, Verdict, accept};
use outrigger_member::dimse::CONNECT_TIMEOUT;
use outrigger_member::{DimseMember, DimseRoute, Need, Outgoing, ReadBack};
use outrigger_model::transfer_syntax::{EXPLICIT_VR_LE, IMPLICIT_VR_LE};
use outrigger_model::{AeTitle, SopClassUid, Status, TransferSyntaxUid, sop_class};
use outrigger_runtime::net::{Net, Tcp};
use outrigger_runtime::{Random, RealDisk, Spool, Threads};
use tokio::sync::mpsc;

pub(crate) fn ae(title: &str) -> AeTitle {
    AeTitle::new(title).unwrap()
}

pub(crate) fn syntax(uid: &str) -> TransferSyntaxUid {
    TransferSyntaxUid::new(uid).unwrap()
}

pub(crate) fn spool(directory: &tempfile::TempDir) -> Spool {
    Spool {
        disk: Arc::new(RealDisk),
        directory: directory.path().into(),
        threads: Threads::System,
        random: Random::System,
        memory_bytes_max: 1 << 16,
        object_bytes_max: 1 << 28,
    }
}

/// A member at an address, with short timers.
pub(crate) fn member(address: SocketAddr, called: &str, read_back: ReadBack, spool: Spool) -> DimseMember {
    let timers =
        Timers { response: Duration::from_secs(3), artim: Duration::from_secs(1), ..Timers::STANDARD };
    let route = DimseRoute {
        address: address.to_string(),
        ae_title: ae(called),
        calling: ae("OUTRIGGER_M"),
        tls: None,
        connect_timeout: CONNECT_TIMEOUT,
        settings: Settings { timers, ..Settings::STANDARD },
        read_back,
    };
    DimseMember::new(route, Arc::new(Tcp), spool)
}

pub(crate) fn need(phantom: &Phantom) -> Need {
    Need {
        sop_class: phantom.header.sop_class.clone(),
        transfer_syntax: phantom.transfer_syntax.clone(),
        alternatives: vec![syntax(IMPLICIT_VR_LE)],
    }
}

pub(crate) fn outgoing(phantom: &Phantom) -> Outgoing {
    Outgoing {
        sop_class: phantom.header.sop_class.clone(),
        sop_instance: phantom.header.sop_instance.clone(),
        transfer_syntax: phantom.transfer_syntax.clone(),
        bytes: Arc::new(phantom.data_set.clone()),
    }
}

/// What a scripted member does with the next store.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Turn {
    /// Answers with a status.
    Answer(u16),
    /// Closes the connection when the object has come whole.
    Vanish,
    /// Says nothing.
    Hang,
}

/// A member whose every store follows a script; what it was sent is told.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    pub(crate) stored: mpsc::UnboundedReceiver<(TransferSyntaxUid, Bytes)>,
}

impl Scripted {
    /// Takes objects in the encodings given.
    pub(crate) async fn start(syntaxes: &[&str], script: &[Turn]) -> Self {
        let listener = Tcp.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(script.iter().copied().collect::<VecDeque<_>>()));
        let policy = policy(syntaxes);
        let (told, stored) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let verdict = Verdict::Accept(Box::new(policy.clone()));
                let (script, told) = (script.clone(), told.clone());
                tokio::spawn(async move {
                    let association = accept(stream, &Settings::STANDARD, |_| verdict).await.unwrap();
                    serve(association, &script, &told).await;
                });
            }
        });
        Self { address, stored }
    }
}

fn policy(syntaxes: &[&str]) -> AcceptorPolicy {
    AcceptorPolicy {
        storage: Some(StoragePolicy {
            syntaxes: TransferSyntaxPreference {
                native: syntaxes.iter().map(|uid| syntax(uid)).collect(),
                transcodable: Vec::new(),
                undeliverable: Undeliverable::Refuse,
            },
            unknown: UnknownClasses::Store,
            refused: Vec::new(),
            requestor_stores: RequestorStores::Refused,
        }),
        services: vec![Service {
            abstract_syntax: SopClassUid::known(sop_class::VERIFICATION),
            requestor: Roles::DEFAULT,
            extended: Bytes::new(),
        }],
        service_syntaxes: vec![syntax(EXPLICIT_VR_LE)],
        identity: IdentityVerdict::Ignored,
    }
}

/// The status to answer with, if it comes to that.
async fn status_of(turn: Turn) -> Option<u16> {
    match turn {
        Turn::Answer(status) => Some(status),
        Turn::Vanish => None,
        Turn::Hang => std::future::pending().await,
    }
}

async fn serve(
    mut association: Association,
    script: &Mutex<VecDeque<Turn>>,
    told: &mpsc::UnboundedSender<(TransferSyntaxUid, Bytes)>,
) {
    while let Ok(Incoming::Message { context, command, .. }) = association.receive().await {
        let response = match command {
            Command::CStoreRq { message_id, sop_class, sop_instance, .. } => {
                let bytes = association.data_set(1 << 28).await.unwrap();
                let taken = association.context(context).unwrap().transfer_syntax.clone();
                told.send((taken, bytes)).unwrap();
                let turn = script.lock().unwrap().pop_front().unwrap_or(Turn::Answer(0));
                let Some(status) = status_of(turn).await else { return };
                Command::CStoreRsp {
                    message_id,
                    sop_class: Some(sop_class),
                    sop_instance: Some(sop_instance),
                    outcome: Outcome::with_comment(Status(status), "as told"),
                }
            }
            Command::CEchoRq { message_id } => {
                Command::CEchoRsp { message_id, outcome: Outcome::of(Status::SUCCESS) }
            }
            other => other.refusal(Outcome::of(Status::UNRECOGNIZED_OPERATION)).unwrap(),
        };
        association.send(context, &response).await.unwrap();
    }
    association.answer_release().await.unwrap();
}
