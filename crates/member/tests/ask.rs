//! Reports and objects that members send to our listener.

use std::net::SocketAddr;

use outrigger_dataset::commitment::{Failed, InstanceRef, Report};
use outrigger_dataset::form::Form;
use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_dimse::{
    Association, Command, Incoming, Priority, Proposal, ProposedContext, RequestError, RoleSelection, Roles,
    Settings,
};
use outrigger_member::answers::MoveOriginator;
use outrigger_member::{Answers, AnswersOptions, Arrived, Expectations};
use outrigger_model::transfer_syntax::EXPLICIT_VR_LE;
use outrigger_model::{SopClassUid, SopInstanceUid, Status, TransactionUid, sop_class};
use outrigger_runtime::net::{Net, Tcp};
use outrigger_runtime::{Content, Shutdown, ShutdownGuard};

use crate::scripted::{ae, spool, syntax};

struct Listener {
    answers: Answers,
    expectations: Expectations,
    guard: ShutdownGuard,
}

async fn listener(directory: &tempfile::TempDir) -> Listener {
    let options = AnswersOptions {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ae_title: ae("OUTRIGGER_M"),
        members: vec![ae("PACS")],
        settings: Settings::STANDARD,
    };
    let expectations = Expectations::default();
    let (guard, shutdown) = Shutdown::pair();
    let answers =
        Answers::listen(&Tcp, options, expectations.clone(), spool(directory), shutdown).await.unwrap();
    Listener { answers, expectations, guard }
}

impl Listener {
    async fn call(
        &self,
        calling: &str,
        class: &str,
        roles: Option<Roles>,
    ) -> Result<Association, RequestError> {
        let class = SopClassUid::new(class).unwrap();
        let stream = Tcp.connect(&self.answers.address.to_string()).await.unwrap();
        let proposal = Proposal {
            calling: ae(calling),
            called: ae("OUTRIGGER_M"),
            contexts: vec![ProposedContext {
                id: 1,
                abstract_syntax: class.clone(),
                transfer_syntaxes: vec![syntax(EXPLICIT_VR_LE)],
            }],
            roles: roles.map(|roles| RoleSelection { sop_class: class, roles }).into_iter().collect(),
        };
        outrigger_dimse::request(stream, &Settings::STANDARD, proposal).await
    }
}

async fn answer(association: &mut Association) -> Status {
    match association.receive().await.unwrap() {
        Incoming::Message { command, .. } => command.outcome().unwrap().status,
        Incoming::Release => panic!("an answer expected"),
    }
}

#[tokio::test]
async fn a_report_is_handed_on_whatever_role_is_proposed() {
    let directory = tempfile::tempdir().unwrap();
    let mut listener = listener(&directory).await;
    let instance = |uid| InstanceRef {
        sop_class: SopClassUid::known("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance: SopInstanceUid::known(uid),
    };
    let report = Report {
        transaction: TransactionUid::known("2.25.1"),
        committed: vec![instance("1.2.3")],
        failed: vec![Failed { instance: instance("1.2.4"), reason: 0x0112 }],
    };
    for roles in [None, Some(Roles { scu: false, scp: true })] {
        let class = sop_class::STORAGE_COMMITMENT_PUSH;
        let mut association = listener.call("PACS", class, roles).await.unwrap();
        let command = Command::NEventReportRq {
            message_id: 1,
            sop_class: SopClassUid::known(class),
            sop_instance: SopInstanceUid::known(sop_class::STORAGE_COMMITMENT_PUSH_INSTANCE),
            event_type: report.event_type(),
        };
        association.send_with(1, &command, report.write(Form::ExplicitLittle).into()).await.unwrap();
        assert_eq!(answer(&mut association).await, Status::SUCCESS);
        association.release().await.unwrap();
        let got = listener.answers.reports.recv().await.unwrap();
        assert_eq!(got.transaction, report.transaction);
        assert_eq!(got.committed, [SopInstanceUid::known("1.2.3")]);
        assert_eq!(got.failed, [(SopInstanceUid::known("1.2.4"), 0x0112)]);
    }
}

#[tokio::test]
async fn a_report_that_nobody_takes_is_not_answered_with_success() {
    let directory = tempfile::tempdir().unwrap();
    let mut listener = listener(&directory).await;
    listener.answers.reports.close();
    let class = sop_class::STORAGE_COMMITMENT_PUSH;
    let mut association = listener.call("PACS", class, None).await.unwrap();
    let report =
        Report { transaction: TransactionUid::known("2.25.1"), committed: Vec::new(), failed: Vec::new() };
    for bytes in [report.write(Form::ExplicitLittle), vec![1, 2, 3]] {
        let command = Command::NEventReportRq {
            message_id: 1,
            sop_class: SopClassUid::known(class),
            sop_instance: SopInstanceUid::known(sop_class::STORAGE_COMMITMENT_PUSH_INSTANCE),
            event_type: 1,
        };
        association.send_with(1, &command, bytes.into()).await.unwrap();
        assert_eq!(answer(&mut association).await, Status::PROCESSING_FAILURE);
    }
}

#[tokio::test]
async fn only_what_was_asked_for_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let listener = listener(&directory).await;
    let phantom = Phantom::new(1, Place::default(), Shape::SmallCt);
    let (class, instance) = (phantom.header.sop_class.clone(), phantom.header.sop_instance.clone());
    let mut association = listener.call("PACS", class.as_str(), None).await.unwrap();
    let command = Command::CStoreRq {
        message_id: 1,
        sop_class: class,
        sop_instance: instance.clone(),
        priority: Priority::Medium,
        move_originator: Some((ae("OUTRIGGER_M"), 7)),
    };
    association.send_with(1, &command, phantom.data_set.clone()).await.unwrap();
    assert_eq!(answer(&mut association).await, Status::NOT_AUTHORIZED);

    let originator = MoveOriginator { ae_title: ae("OUTRIGGER_M"), message_id: 7 };
    let arrived = Arrived::default();
    let mut expected = listener.expectations.expect(&instance, originator, arrived.clone());
    association.send_with(1, &command, phantom.data_set.clone()).await.unwrap();
    assert_eq!(answer(&mut association).await, Status::SUCCESS);
    let (taken_in, body) = expected.arrival().await.unwrap();
    let length = phantom.data_set.len() as u64;
    assert_eq!((taken_in, body.length, arrived.bytes()), (syntax(EXPLICIT_VR_LE), length, length));
    let Content::Memory(pieces) = body.content else { panic!("small objects stay in memory") };
    assert_eq!(pieces.concat(), phantom.data_set);

    association.send_with(1, &command, phantom.data_set.clone()).await.unwrap();
    assert_eq!(answer(&mut association).await, Status::NOT_AUTHORIZED, "once is enough");
    association.release().await.unwrap();
}

#[tokio::test]
async fn strangers_are_rejected_and_stopping_ends_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut listener = listener(&directory).await;
    let stranger = listener.call("WHOEVER", sop_class::VERIFICATION, None).await;
    let Err(RequestError::Rejected(rejection)) = stranger else { panic!("a rejection expected") };
    assert_eq!(rejection, outrigger_dimse::Rejection::CALLING_AE);

    let mut association = listener.call("PACS", sop_class::VERIFICATION, None).await.unwrap();
    association.send(1, &Command::CEchoRq { message_id: 1 }).await.unwrap();
    assert_eq!(answer(&mut association).await, Status::SUCCESS);
    listener.guard.stop();
    association.receive().await.unwrap_err();
    drop(association);
    listener.guard.all_gone().await;
    listener.answers.ended.await.unwrap();
}
