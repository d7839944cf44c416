//! A requestor of storage commitment that is away, and back when it is told to be.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use outrigger_dataset::commitment::Report;
use outrigger_dataset::form::Form;
use outrigger_dimse::negotiate::{AcceptorPolicy, IdentityVerdict, Service};
use outrigger_dimse::{Command, Incoming, Outcome, Roles, Settings, Verdict, accept};
use outrigger_model::transfer_syntax::IMPLICIT_VR_LE;
use outrigger_model::{SopClassUid, Status, TransferSyntaxUid, sop_class};
use outrigger_runtime::net::{BoxStream, Listener, Net};
use tokio::time::Instant;

use crate::simulator::net::SimStream;

/// It, and what it saw; clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Modality(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    is_back: bool,
    calls: Vec<Instant>,
    told: Vec<Report>,
}

impl Modality {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// From now on it takes connections and reports.
    pub(crate) fn comes_back(&self) {
        self.state().is_back = true;
    }

    /// When it was called.
    pub(crate) fn calls(&self) -> Vec<Instant> {
        self.state().calls.clone()
    }

    /// The reports that it took.
    pub(crate) fn told(&self) -> Vec<Report> {
        self.state().told.clone()
    }

    async fn answer(self, stream: BoxStream) {
        let service = Service {
            abstract_syntax: SopClassUid::known(sop_class::STORAGE_COMMITMENT_PUSH),
            requestor: Roles { scu: false, scp: true },
            extended: Bytes::new(),
        };
        let policy = AcceptorPolicy {
            storage: None,
            services: vec![service],
            service_syntaxes: vec![TransferSyntaxUid::known(IMPLICIT_VR_LE)],
            identity: IdentityVerdict::Ignored,
        };
        let mut association =
            accept(stream, &Settings::STANDARD, |_| Verdict::Accept(Box::new(policy))).await.unwrap();
        let Incoming::Message { context, command, .. } = association.receive().await.unwrap() else {
            panic!("a report expected");
        };
        let Command::NEventReportRq { message_id, sop_class, sop_instance, event_type } = command else {
            panic!("an N-EVENT-REPORT-RQ expected: {command:?}");
        };
        let bytes = association.data_set(1 << 20).await.unwrap();
        self.state().told.push(Report::read(Form::ImplicitLittle, &bytes).unwrap());
        let response = Command::NEventReportRsp {
            message_id,
            sop_class: Some(sop_class),
            sop_instance: Some(sop_instance),
            event_type: Some(event_type),
            outcome: Outcome::of(Status::SUCCESS),
        };
        association.send(context, &response).await.unwrap();
        assert!(matches!(association.receive().await, Ok(Incoming::Release)));
        association.answer_release().await.unwrap();
    }
}

/// The network, on which there is nobody else.
#[async_trait]
impl Net for Modality {
    async fn listen(&self, _: SocketAddr) -> io::Result<Box<dyn Listener>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn connect(&self, _: &str) -> io::Result<BoxStream> {
        self.state().calls.push(Instant::now());
        if !self.state().is_back {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        tokio::spawn(self.clone().answer(Box::new(SimStream(theirs))));
        Ok(Box::new(SimStream(ours)))
    }
}
