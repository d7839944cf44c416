//! A C-MOVE destination that does as it is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outrigger_dimse::negotiate::{
    AcceptorPolicy, IdentityVerdict, RequestorStores, StoragePolicy, TransferSyntaxPreference, Undeliverable,
    UnknownClasses,
};
use outrigger_dimse::{Association, Command, Incoming, Outcome, Settings, Verdict, accept};
use outrigger_front::{Destination, Peer, Peers, Permission, WhenIncomplete};
use outrigger_model::{AeTitle, SopInstanceUid, Status, TransferSyntaxUid};
use outrigger_runtime::net::{Net, Tcp};
use tokio::sync::{mpsc, watch};

use crate::station::ae;

/// What came for one instance.
pub(crate) struct Came {
    pub(crate) instance: SopInstanceUid,
    pub(crate) syntax: TransferSyntaxUid,
    pub(crate) originator: Option<(AeTitle, u16)>,
    pub(crate) bytes: Bytes,
}

/// A destination that takes objects in the encodings given and answers each by the rule given.
pub(crate) struct Workstation {
    pub(crate) address: SocketAddr,
    pub(crate) came: mpsc::UnboundedReceiver<Came>,
    /// Answers wait until this says so.
    pub(crate) gate: watch::Sender<Gate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    Shut,
}

/// Instead of a status: the association is aborted, and the object was not kept.
pub(crate) const ABORTS: u16 = 0xFFFF;
/// Instead of a status: the workstation is gone for good.
pub(crate) const DIES: u16 = 0xFFFE;

impl Workstation {
    pub(crate) async fn start(syntaxes: &[&str], status: fn(usize) -> u16) -> Self {
        let listener = Tcp.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        let policy = policy(syntaxes);
        let (told, came) = mpsc::unbounded_channel();
        let (gate, gate_opened) = watch::channel(Gate::Open);
        tokio::spawn(async move {
            let mut serving = Serving { told, opened: gate_opened, count: 0, status };
            while let Ok((stream, _)) = listener.accept().await {
                let verdict = Verdict::Accept(Box::new(policy.clone()));
                let association = accept(stream, &Settings::STANDARD, |_| verdict).await.unwrap();
                if serving.serve(association).await == Life::Over {
                    return;
                }
            }
        });
        Self { address, came, gate }
    }

    /// Peers that may do everything, with this destination as `WS1`.
    pub(crate) fn peers(&self) -> Arc<Peers> {
        let peer = |title, destination| Peer {
            ae_title: ae(title),
            hosts: Vec::new(),
            allow: vec![Permission::Store, Permission::Find, Permission::Move, Permission::Get],
            issuer: None,
            member: None,
            incomplete: WhenIncomplete::Warn,
            destination,
            commit_destination: None,
        };
        let here = Destination { address: self.address.to_string(), tls: None };
        let away = Destination { address: "127.0.0.1:1".into(), tls: None };
        Arc::new(Peers(vec![peer("CT1", None), peer("WS1", Some(here)), peer("AWAY", Some(away))]))
    }
}

/// What a workstation goes by from one association to the next.
struct Serving {
    told: mpsc::UnboundedSender<Came>,
    opened: watch::Receiver<Gate>,
    count: usize,
    status: fn(usize) -> u16,
}

#[derive(PartialEq, Eq)]
enum Life {
    Goes,
    Over,
}

impl Serving {
    async fn serve(&mut self, mut association: Association) -> Life {
        while let Ok(Incoming::Message { context, command, .. }) = association.receive().await {
            let Command::CStoreRq { message_id, sop_class, sop_instance, move_originator, .. } = command
            else {
                panic!("only stores are expected here");
            };
            let bytes = association.data_set(1 << 28).await.unwrap();
            let syntax = association.context(context).unwrap().transfer_syntax.clone();
            let instance = sop_instance.clone();
            self.told.send(Came { instance, syntax, originator: move_originator, bytes }).unwrap();
            self.opened.wait_for(|gate| *gate == Gate::Open).await.unwrap();
            self.count += 1;
            let outcome = match (self.status)(self.count) {
                DIES => return Life::Over,
                ABORTS => {
                    association.abort().await.unwrap();
                    return Life::Goes;
                }
                status => Outcome::of(Status(status)),
            };
            let (sop_class, sop_instance) = (Some(sop_class), Some(sop_instance));
            let response = Command::CStoreRsp { message_id, sop_class, sop_instance, outcome };
            association.send(context, &response).await.unwrap();
        }
        association.answer_release().await.unwrap();
        Life::Goes
    }
}

fn policy(syntaxes: &[&str]) -> AcceptorPolicy {
    AcceptorPolicy {
        storage: Some(StoragePolicy {
            syntaxes: TransferSyntaxPreference {
                native: syntaxes.iter().map(|uid| TransferSyntaxUid::new(uid).unwrap()).collect(),
                transcodable: Vec::new(),
                undeliverable: Undeliverable::Refuse,
            },
            unknown: UnknownClasses::Store,
            refused: Vec::new(),
            requestor_stores: RequestorStores::Refused,
        }),
        services: Vec::new(),
        service_syntaxes: Vec::new(),
        identity: IdentityVerdict::Ignored,
    }
}

/// Long enough for anything on loopback, short enough to wait for.
pub(crate) const SOON: Duration = Duration::from_secs(20);
