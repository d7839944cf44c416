//! Storage commitment at a member of the simulation, beside its front door: asked for over the port where it takes objects, reported
//! over the same association or to where the node listens, and gone wrong with as the seed says.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use outrigger_dataset::commitment::{Report, Request};
use outrigger_dataset::form::Form;
use outrigger_dimse::associate::{ProposedContext, RoleSelection};
use outrigger_dimse::negotiate::{RequestorStores, Service};
use outrigger_dimse::{Association, Command, Incoming, Outcome, Proposal, Roles, Settings, Verdict};
use outrigger_model::transfer_syntax::{EXPLICIT_VR_LE, IMPLICIT_VR_LE};
use outrigger_model::{AeTitle, SopClassUid, Status, TransferSyntaxUid, sop_class};
use outrigger_runtime::net::{ArcNet, BoxStream, Listener, Net};
use outrigger_sim::taker::{send_report, takes_uncompressed};
use tokio::sync::mpsc;

use super::archive::Archive;
use super::dice::Dice;
use super::events::Events;
use super::node::{ANSWERS_PORT, NODE_AE};
use super::opened::Opened;

/// Longest action information taken.
const INFORMATION_BYTES_MAX: usize = 1 << 20;
/// Longest wait before a report that was not taken is sent again, in milliseconds.
const AGAIN_MS: u64 = 10_000;
/// Latest that a report comes, in milliseconds: some come when they are waited for no longer.
const LATE_MS: u64 = 900_000;
/// The same while nothing may go wrong.
const LATE_MS_HEALED: u64 = 60_000;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Whether commitment may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Faults {
    Any,
    /// Reports may be late and come twice, and none is lost.
    None,
}

/// When a report is sent, and by what way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// Over the association of the request, before the response.
    BeforeResponse,
    /// Over the association of the request.
    After,
    /// To where the node listens, at once.
    Elsewhere,
    /// The same, so many milliseconds later.
    Late(u64),
    Never,
}

/// Where a member commits; clones are the same one.
#[derive(Clone)]
pub(crate) struct Desk(Arc<Inner>);

struct Inner {
    archive: Archive,
    net: ArcNet,
    dice: Dice,
    events: Events,
    faults: Faults,
}

/// Connections that are none of the desk's.
struct Passed {
    at: SocketAddr,
    arrived: tokio::sync::Mutex<mpsc::UnboundedReceiver<(BoxStream, SocketAddr)>>,
}

impl Desk {
    /// Opens the desk, which goes on to send what the archive owes from before.
    pub(crate) fn open(archive: &Archive, net: &ArcNet, dice: Dice, events: &Events, faults: Faults) -> Self {
        let (archive, net, events) = (archive.clone(), net.clone(), events.clone());
        let desk = Self(Arc::new(Inner { archive, net, dice, events, faults }));
        for report in desk.0.archive.owed() {
            desk.bring_later(report, desk.0.dice.below(AGAIN_MS));
        }
        desk
    }

    /// Takes a connection if its request is for storage commitment, else passes it on.
    async fn sort(
        self,
        stream: BoxStream,
        from: SocketAddr,
        to: mpsc::UnboundedSender<(BoxStream, SocketAddr)>,
    ) {
        let stream = Opened::read(stream).await;
        if !stream.names(sop_class::STORAGE_COMMITMENT_PUSH) {
            // The front door is gone when the life is over.
            drop(to.send((Box::new(stream), from)));
            return;
        }
        if let Err(error) = self.serve(Box::new(stream)).await {
            self.0.events.put(&format!("{} at its desk: {error}", self.0.archive.name));
        }
    }

    async fn serve(&self, stream: BoxStream) -> Result<(), Failure> {
        let service = |uid| Service {
            abstract_syntax: SopClassUid::known(uid),
            requestor: Roles::DEFAULT,
            extended: bytes::Bytes::new(),
        };
        let services = [
            sop_class::VERIFICATION,
            sop_class::STUDY_ROOT_FIND,
            sop_class::STUDY_ROOT_GET,
            sop_class::STUDY_ROOT_MOVE,
            sop_class::STORAGE_COMMITMENT_PUSH,
        ];
        let policy = takes_uncompressed(services.map(service).into(), RequestorStores::Refused);
        let verdict = Verdict::Accept(Box::new(policy));
        let mut association = outrigger_dimse::accept(stream, &Settings::STANDARD, |_| verdict).await?;
        let mut unanswered = None;
        let ended = self.messages(&mut association, &mut unanswered).await;
        if let Some(report) = unanswered {
            self.bring_later(report, self.0.dice.below(AGAIN_MS));
        }
        ended?;
        Ok(association.answer_release().await?)
    }

    async fn messages(
        &self,
        association: &mut Association,
        unanswered: &mut Option<Report>,
    ) -> Result<(), Failure> {
        while let Incoming::Message { context, command, .. } = association.receive().await? {
            let outcome = Outcome::of(Status::SUCCESS);
            match command {
                Command::CEchoRq { message_id } => {
                    association.send(context, &Command::CEchoRsp { message_id, outcome }).await?;
                }
                Command::NActionRq { message_id, .. } => {
                    self.requested(association, context, message_id, unanswered).await?;
                }
                Command::NEventReportRsp { outcome, .. } if outcome.status == Status::SUCCESS => {
                    if let Some(report) = unanswered.take() {
                        self.taken(&report, "reports over the association of the request");
                    }
                }
                other => {
                    if let Some(refusal) = other.refusal(Outcome::of(Status::UNRECOGNIZED_OPERATION)) {
                        association.send(context, &refusal).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn requested(
        &self,
        association: &mut Association,
        context: u8,
        message_id: u16,
        unanswered: &mut Option<Report>,
    ) -> Result<(), Failure> {
        let information = association.data_set(INFORMATION_BYTES_MAX).await?;
        let form = association.context(context).and_then(|of| Form::of(&of.transfer_syntax));
        let form = form.ok_or("a context without a form")?;
        let request = Request::read(form, &information)?;
        if self.0.faults == Faults::Any && self.0.dice.percent(20) {
            self.0.archive.loses_unaffirmed();
        }
        let report = self.0.archive.committed(request);
        let (sent, twice) = self.decide();
        let (of, failed) = (report.committed.len(), report.failed.len());
        let (name, transaction) = (self.0.archive.name, &report.transaction);
        self.0.events.put(&format!("{name} has {of} and not {failed} of {transaction}: {sent:?}, {twice:?}"));
        self.0.events.count("reports with a failed list", u64::from(failed > 0));
        if sent != Sent::Never {
            self.0.archive.owe(report.clone());
        }
        if sent == Sent::BeforeResponse {
            self.0.events.count("reports before the response", 1);
            *unanswered = Some(report.clone());
            send_report(association, context, form, &report).await?;
        }
        let response = Command::NActionRsp {
            message_id,
            sop_class: None,
            sop_instance: None,
            action_type: None,
            outcome: Outcome::of(Status::SUCCESS),
        };
        association.send(context, &response).await?;
        if let (Some(ms), true) = (twice, sent != Sent::Never) {
            self.0.events.count("reports twice", 1);
            self.bring_later(report.clone(), ms);
        }
        match sent {
            Sent::BeforeResponse => {}
            Sent::After => {
                *unanswered = Some(report.clone());
                send_report(association, context, form, &report).await?;
            }
            Sent::Elsewhere => self.bring_later(report, 0),
            Sent::Late(ms) => {
                self.0.events.count("reports late", 1);
                self.bring_later(report, ms);
            }
            Sent::Never => self.0.events.count("reports lost", 1),
        }
        Ok(())
    }

    /// When the report is sent, and when once more.
    fn decide(&self) -> (Sent, Option<u64>) {
        let dice = &self.0.dice;
        let late = dice.below(if self.0.faults == Faults::Any { LATE_MS } else { LATE_MS_HEALED });
        let sent =
            dice.pick(&[Sent::BeforeResponse, Sent::After, Sent::Elsewhere, Sent::Late(late), Sent::Never]);
        let twice = dice.percent(25).then(|| dice.below(AGAIN_MS));
        match (sent, self.0.faults) {
            (Sent::Never, Faults::None) => (Sent::Elsewhere, twice),
            _ => (sent, twice),
        }
    }

    /// Brings a report to where the node listens, again until it is taken.
    fn bring_later(&self, report: Report, ms: u64) {
        let desk = self.clone();
        drop(tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            while desk.bring(&report).await.is_err() {
                tokio::time::sleep(Duration::from_millis(1 + desk.0.dice.below(AGAIN_MS))).await;
            }
            desk.taken(&report, "reports to the listener");
        }));
    }

    async fn bring(&self, report: &Report) -> Result<(), Failure> {
        let stream = self.0.net.connect(&format!("127.0.0.1:{ANSWERS_PORT}")).await?;
        let class = SopClassUid::known(sop_class::STORAGE_COMMITMENT_PUSH);
        let proposal = Proposal {
            calling: AeTitle::new(self.0.archive.name)?,
            called: AeTitle::new(NODE_AE)?,
            contexts: vec![ProposedContext {
                id: 1,
                abstract_syntax: class.clone(),
                transfer_syntaxes: [EXPLICIT_VR_LE, IMPLICIT_VR_LE].map(TransferSyntaxUid::known).into(),
            }],
            roles: vec![RoleSelection { sop_class: class, roles: Roles { scu: false, scp: true } }],
        };
        let mut association = outrigger_dimse::request(stream, &Settings::STANDARD, proposal).await?;
        let context = association.contexts().first().ok_or("the node takes no reports")?;
        let (id, form) = (context.id, Form::of(&context.transfer_syntax).ok_or("a context without a form")?);
        send_report(&mut association, id, form, report).await?;
        match association.receive().await? {
            Incoming::Message { command: Command::NEventReportRsp { outcome, .. }, .. }
                if outcome.status == Status::SUCCESS => {}
            other => return Err(format!("the report was not taken: {other:?}").into()),
        }
        // It was taken, whatever becomes of the connection.
        drop(association.release().await);
        Ok(())
    }

    fn taken(&self, report: &Report, how: &'static str) {
        self.0.archive.paid(report);
        self.0.events.put(&format!("{} {how}: {}", self.0.archive.name, report.transaction));
        self.0.events.count(how, 1);
    }
}

#[async_trait]
impl Net for Desk {
    async fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listener>> {
        let listener = self.0.net.listen(address).await?;
        let (to, arrived) = mpsc::unbounded_channel();
        let (at, desk) = (listener.local_addr()?, self.clone());
        drop(tokio::spawn(async move {
            while let Ok((stream, from)) = listener.accept().await {
                drop(tokio::spawn(desk.clone().sort(stream, from, to.clone())));
            }
        }));
        Ok(Box::new(Passed { at, arrived: tokio::sync::Mutex::new(arrived) }))
    }

    async fn connect(&self, address: &str) -> io::Result<BoxStream> {
        self.0.net.connect(address).await
    }
}

#[async_trait]
impl Listener for Passed {
    async fn accept(&self) -> io::Result<(BoxStream, SocketAddr)> {
        let arrived = self.arrived.lock().await.recv().await;
        arrived.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.at)
    }
}
