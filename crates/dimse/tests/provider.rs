//! A small provider on real TCP: answers C-ECHO, keeps what C-STORE brings; and a client's first steps.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use outrigger_dimse::{
    AcceptError, AssociateRequest, Association, AssociationError, Command, DataSet, Incoming, Outcome,
    Priority, Proposal, ProposedContext, Settings, Verdict, accept, request,
};
use outrigger_model::{Status, TransferSyntaxUid};
use outrigger_runtime::net::{BoxStream, Net, Tcp};
use outrigger_sim::peers::Station;
use outrigger_sim::phantom::Phantom;
use tokio::task::JoinHandle;

use crate::script::ae;

/// Largest object a test sends.
const OBJECT_MAX: usize = 64 << 20;

/// An object as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) sop_instance: String,
    pub(crate) transfer_syntax: TransferSyntaxUid,
    pub(crate) bytes: Bytes,
}

/// A provider that runs until it is dropped.
pub(crate) struct Provider {
    pub(crate) station: Station,
    stored: Arc<Mutex<Vec<Stored>>>,
    task: JoinHandle<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Provider {
    pub(crate) async fn start(decide: fn(&AssociateRequest) -> Verdict) -> Self {
        let listener = Tcp.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stored: Arc<Mutex<Vec<Stored>>> = Arc::default();
        let kept = stored.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let kept = kept.clone();
                tokio::spawn(async move { serve(stream, decide, &kept).await });
            }
        });
        Self { station: Station { ae_title: ae("OUTRIGGER"), port }, stored, task }
    }

    pub(crate) fn stored(&self) -> Vec<Stored> {
        self.stored.lock().unwrap().clone()
    }
}

async fn serve(stream: BoxStream, decide: fn(&AssociateRequest) -> Verdict, kept: &Mutex<Vec<Stored>>) {
    let mut association = match accept(stream, &Settings::STANDARD, decide).await {
        Ok(association) => association,
        Err(AcceptError::Rejected { .. } | AcceptError::Association(_)) => return,
    };
    loop {
        match association.receive().await {
            Ok(Incoming::Message { context, command, .. }) => {
                answer(&mut association, context, command, kept).await.unwrap();
            }
            Ok(Incoming::Release) => return association.answer_release().await.unwrap(),
            Err(AssociationError::Aborted { .. } | AssociationError::Closed) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn answer(
    association: &mut Association,
    context: u8,
    command: Command,
    kept: &Mutex<Vec<Stored>>,
) -> Result<(), AssociationError> {
    let response = match command {
        Command::CEchoRq { message_id } => {
            Command::CEchoRsp { message_id, outcome: Outcome::of(Status::SUCCESS) }
        }
        Command::CStoreRq { message_id, sop_class, sop_instance, .. } => {
            let bytes = association.data_set(OBJECT_MAX).await?;
            let transfer_syntax = association.context(context).unwrap().transfer_syntax.clone();
            let sop_instance_text = sop_instance.as_str().to_owned();
            kept.lock().unwrap().push(Stored { sop_instance: sop_instance_text, transfer_syntax, bytes });
            Command::CStoreRsp {
                message_id,
                sop_class: Some(sop_class),
                sop_instance: Some(sop_instance),
                outcome: Outcome::of(Status::SUCCESS),
            }
        }
        other => other.refusal(Outcome::of(Status::UNRECOGNIZED_OPERATION)).unwrap(),
    };
    association.send(context, &response).await
}

/// Our requestor, established with a real peer.
pub(crate) async fn call(station: &Station, contexts: Vec<ProposedContext>) -> Association {
    let stream = Tcp.connect(&station.address().to_string()).await.unwrap();
    let proposal =
        Proposal { calling: ae("OUTRIGGER"), called: station.ae_title.clone(), contexts, roles: Vec::new() };
    request(stream, &Settings::STANDARD, proposal).await.unwrap()
}

/// Stores a phantom over a context and gives the status.
pub(crate) async fn store(association: &mut Association, context: u8, phantom: &Phantom) -> Status {
    let message_id = association.next_message_id();
    let command = Command::CStoreRq {
        message_id,
        sop_class: phantom.header.sop_class.clone(),
        sop_instance: phantom.header.sop_instance.clone(),
        priority: Priority::Medium,
        move_originator: None,
    };
    association.send_with(context, &command, phantom.data_set.clone()).await.unwrap();
    match association.receive().await.unwrap() {
        Incoming::Message { command, data_set: DataSet::Absent, .. } => {
            assert_eq!(command.message_id(), message_id);
            command.outcome().unwrap().status
        }
        other => panic!("{other:?}"),
    }
}

/// Phantoms as files in a directory of their own.
pub(crate) fn files(phantoms: &[Phantom]) -> (tempfile::TempDir, Vec<std::path::PathBuf>) {
    let directory = tempfile::tempdir().unwrap();
    let paths = phantoms.iter().enumerate().map(|(number, phantom)| {
        let path = directory.path().join(format!("{number:03}.dcm"));
        std::fs::write(&path, phantom.file()).unwrap();
        path
    });
    let paths = paths.collect();
    (directory, paths)
}

/// Asserts that the phantoms came, in order, byte for byte.
pub(crate) fn check_stored(provider: &Provider, phantoms: &[Phantom]) {
    let stored = provider.stored();
    assert_eq!(stored.len(), phantoms.len());
    for (stored, phantom) in stored.iter().zip(phantoms) {
        assert_eq!(stored.sop_instance, phantom.header.sop_instance.as_str());
        assert_eq!(stored.transfer_syntax, phantom.transfer_syntax);
        assert!(stored.bytes == phantom.data_set, "{} differs", stored.sop_instance);
    }
}
