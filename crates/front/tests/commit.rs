//! Storage commitment: what is asked, what is told, and over which association.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outrigger_dataset::commitment::{InstanceRef, Report, Request};
use outrigger_dataset::form::Form;
use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_dimse::negotiate::{AcceptorPolicy, IdentityVerdict, Service};
use outrigger_dimse::{
    Association, Command, Incoming, Outcome, RoleSelection, Roles, Settings, Verdict, accept,
};
use outrigger_front::{Destination, Peer, Peers, Permission, RefusalKind, WhenIncomplete};
use outrigger_model::transfer_syntax::{EXPLICIT_VR_LE, IMPLICIT_VR_LE};
use outrigger_model::{SopClassUid, SopInstanceUid, Status, TransactionUid, TransferSyntaxUid, sop_class};
use outrigger_runtime::net::{Net, Tcp};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::destination::SOON;
use crate::station::{Station, ae, options, proposal, store_phantom};

const COMMIT: &str = sop_class::STORAGE_COMMITMENT_PUSH;
const WELL_KNOWN: &str = sop_class::STORAGE_COMMITMENT_PUSH_INSTANCE;
/// Long enough that what comes at once has come, short enough to wait for what must not come.
const AT_ONCE: Duration = Duration::from_secs(1);

fn reference(class: &str, instance: &str) -> InstanceRef {
    let (sop_class, sop_instance) =
        (SopClassUid::new(class).unwrap(), SopInstanceUid::new(instance).unwrap());
    InstanceRef { sop_class, sop_instance }
}

fn request(transaction: &str, instances: Vec<InstanceRef>) -> Request {
    Request { transaction: TransactionUid::new(transaction).unwrap(), instances }
}

/// Sends an N-ACTION-RQ over context 1.
async fn ask(
    association: &mut Association,
    instance: &str,
    action_type: u16,
    information: Option<Bytes>,
) -> u16 {
    let message_id = association.next_message_id();
    let (sop_class, sop_instance) = (SopClassUid::known(COMMIT), SopInstanceUid::new(instance).unwrap());
    let command = Command::NActionRq { message_id, sop_class, sop_instance, action_type };
    match information {
        Some(information) => association.send_with(1, &command, information).await.unwrap(),
        None => association.send(1, &command).await.unwrap(),
    }
    message_id
}

/// Its answer.
async fn answered(association: &mut Association, asked: u16) -> Outcome {
    match association.receive().await.unwrap() {
        Incoming::Message {
            command: Command::NActionRsp { message_id, action_type, outcome, sop_instance, .. },
            ..
        } => {
            assert_eq!((message_id, action_type.is_some(), sop_instance.is_some()), (asked, true, true));
            outcome
        }
        other => panic!("an N-ACTION-RSP expected: {other:?}"),
    }
}

async fn asked(association: &mut Association, request: &Request) -> Status {
    let information = request.write(Form::ExplicitLittle).into();
    let message_id = ask(association, WELL_KNOWN, 1, Some(information)).await;
    answered(association, message_id).await.status
}

/// A report, and its message as it came.
async fn report(association: &mut Association, form: Form) -> (u8, Command, Report) {
    let Incoming::Message { context, command, .. } = association.receive().await.unwrap() else {
        panic!("a report expected");
    };
    let bytes = association.data_set(1 << 20).await.unwrap();
    (context, command, Report::read(form, &bytes).unwrap())
}

async fn answer(association: &mut Association, context: u8, command: &Command, status: Status) {
    let Command::NEventReportRq { message_id, sop_class, sop_instance, event_type } = command.clone() else {
        panic!("an N-EVENT-REPORT-RQ expected: {command:?}");
    };
    let response = Command::NEventReportRsp {
        message_id,
        sop_class: Some(sop_class),
        sop_instance: Some(sop_instance),
        event_type: Some(event_type),
        outcome: Outcome::of(status),
    };
    association.send(context, &response).await.unwrap();
}

fn peers(commit: Option<SocketAddr>) -> Arc<Peers> {
    let to = |address: SocketAddr| Destination { address: address.to_string(), tls: None };
    Arc::new(Peers(vec![Peer {
        ae_title: ae("CT1"),
        hosts: Vec::new(),
        allow: vec![Permission::Store, Permission::Commit],
        issuer: None,
        member: None,
        incomplete: WhenIncomplete::Warn,
        destination: Some(to("127.0.0.1:1".parse().unwrap())),
        commit_destination: commit.map(to),
    }]))
}

/// A front with one object, and that object by reference.
async fn stocked() -> (Station, InstanceRef) {
    let station = Station::start(options()).await;
    let phantom = Phantom::new(1, Place::default(), Shape::SmallCt);
    let class = phantom.header.sop_class.as_str();
    let mut association = station.call(&[(class, &[phantom.transfer_syntax.as_str()])]).await.unwrap();
    assert_eq!(store_phantom(&mut association, &phantom).await.status, Status::SUCCESS);
    association.release().await.unwrap();
    let kept = reference(class, phantom.header.sop_instance.as_str());
    (station, kept)
}

async fn call(station: &Station) -> Association {
    station.call(&[(COMMIT, &[EXPLICIT_VR_LE])]).await.unwrap()
}

#[tokio::test]
async fn a_result_comes_over_the_association_that_asked_while_it_is_open() {
    let (station, kept) = stocked().await;
    let mut association = call(&station).await;
    let missing = reference("1.2.840.10008.5.1.4.1.1.4", "1.2.3.4");
    for (transaction, instances, event_type) in
        [("1.9.1", vec![kept.clone()], 1), ("1.9.2", vec![missing.clone(), kept.clone()], 2)]
    {
        let request = request(transaction, instances);
        assert_eq!(asked(&mut association, &request).await, Status::SUCCESS);
        let (context, command, report) = report(&mut association, Form::ExplicitLittle).await;
        assert!(matches!(&command, Command::NEventReportRq { event_type: came, .. } if *came == event_type));
        assert_eq!(report.transaction, request.transaction);
        assert_eq!(report.committed, std::slice::from_ref(&kept));
        let failed: Vec<_> = report.failed.iter().map(|failed| (&failed.instance, failed.reason)).collect();
        assert_eq!(failed, if event_type == 1 { vec![] } else { vec![(&missing, 0x0112)] });
        answer(&mut association, context, &command, Status::SUCCESS).await;
    }
    // The association is of use afterwards, and nothing is told twice.
    let again = timeout(AT_ONCE, association.receive()).await;
    assert!(again.is_err(), "{again:?}");
    association.release().await.unwrap();
}

/// A modality's own listener for results.
struct Listener {
    address: SocketAddr,
    came: mpsc::UnboundedReceiver<(Option<Roles>, String, Report)>,
}

impl Listener {
    /// Answers reports with these statuses, one after another, and with success after that.
    async fn start(statuses: Vec<Status>) -> Self {
        let listener = Tcp.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (told, came) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut statuses = statuses.into_iter();
            while let Ok((stream, _)) = listener.accept().await {
                let mut roles = None;
                let mut association = accept(stream, &Settings::STANDARD, |request| {
                    roles = request.user.roles.first().map(|asked: &RoleSelection| asked.roles);
                    Verdict::Accept(Box::new(takes_reports()))
                })
                .await
                .unwrap();
                let calling = association.peer().calling.to_string();
                let (context, command, report) = report(&mut association, Form::ImplicitLittle).await;
                let status = statuses.next().unwrap_or(Status::SUCCESS);
                answer(&mut association, context, &command, status).await;
                told.send((roles, calling, report)).unwrap();
                assert!(matches!(association.receive().await, Ok(Incoming::Release)));
                association.answer_release().await.unwrap();
            }
        });
        Self { address, came }
    }
}

fn takes_reports() -> AcceptorPolicy {
    let service = Service {
        abstract_syntax: SopClassUid::known(COMMIT),
        requestor: Roles { scu: false, scp: true },
        extended: Bytes::new(),
    };
    AcceptorPolicy {
        storage: None,
        services: vec![service],
        service_syntaxes: vec![TransferSyntaxUid::known(IMPLICIT_VR_LE)],
        identity: IdentityVerdict::Ignored,
    }
}

#[tokio::test]
async fn a_result_comes_over_an_association_of_ours_where_the_other_is_gone() {
    let (station, kept) = stocked().await;
    let mut listener = Listener::start(Vec::new()).await;
    station.peers.send_replace(peers(Some(listener.address)));
    let mut association = call(&station).await;
    let request = request("1.9.1", vec![kept.clone()]);
    // Released without a look at what comes.
    let information = request.write(Form::ExplicitLittle).into();
    let message_id = ask(&mut association, WELL_KNOWN, 1, Some(information)).await;
    assert_eq!(answered(&mut association, message_id).await.status, Status::SUCCESS);
    drop(association);
    let came = timeout(SOON, listener.came.recv()).await.unwrap().unwrap();
    assert_eq!(came.0, Some(Roles { scu: false, scp: true }), "we perform the service");
    assert_eq!(came.1, "OUTRIGGER");
    assert_eq!((came.2.transaction, came.2.committed), (request.transaction, vec![kept]));
    assert!(timeout(AT_ONCE, listener.came.recv()).await.is_err(), "told once");
}

/// Goal: the result of one modality never goes to another that has its AE title.
#[tokio::test]
async fn of_modalities_with_one_ae_title_the_one_that_asked_is_told() {
    let (station, kept) = stocked().await;
    let (mut other, mut asker) = (Listener::start(Vec::new()).await, Listener::start(Vec::new()).await);
    let at = |host: &str, listener: &Listener| {
        let Peers(mut peers) = Peers::clone(&peers(Some(listener.address)));
        peers[0].hosts = vec![host.parse().unwrap()];
        peers
    };
    let both = [at("127.0.0.2/32", &other), at("127.0.0.1/32", &asker)].concat();
    station.peers.send_replace(Arc::new(Peers(both)));
    let mut association = call(&station).await;
    let information = request("1.9.1", vec![kept]).write(Form::ExplicitLittle).into();
    let message_id = ask(&mut association, WELL_KNOWN, 1, Some(information)).await;
    assert_eq!(answered(&mut association, message_id).await.status, Status::SUCCESS);
    drop(association);
    let came = timeout(SOON, asker.came.recv()).await.unwrap().unwrap();
    assert_eq!(came.2.transaction.as_str(), "1.9.1");
    assert!(other.came.try_recv().is_err());
}

#[tokio::test]
async fn a_result_that_is_not_taken_is_told_again() {
    let (station, kept) = stocked().await;
    let mut listener = Listener::start(vec![Status::PROCESSING_FAILURE]).await;
    station.peers.send_replace(peers(Some(listener.address)));
    let mut association = call(&station).await;
    assert_eq!(asked(&mut association, &request("1.9.1", vec![kept])).await, Status::SUCCESS);
    drop(association);
    for _ in 0..2 {
        let came = timeout(SOON, listener.came.recv()).await.unwrap().unwrap();
        assert_eq!(came.2.transaction.as_str(), "1.9.1");
    }
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_by_its_reason_and_the_association_goes_on() {
    let (station, kept) = stocked().await;
    let mut association = call(&station).await;
    let good: Bytes = request("1.9.1", vec![kept.clone()]).write(Form::ExplicitLittle).into();
    let empty = request("1.9.1", Vec::new()).write(Form::ExplicitLittle).into();
    let mut cut = good.clone();
    cut.truncate(good.len() - 3);
    let any = InstanceRef { sop_instance: SopInstanceUid::new("*").unwrap(), ..kept.clone() };
    let any = request("1.9.1", vec![kept.clone(), any]).write(Form::ExplicitLittle).into();
    let long = vec![0_u8; 3 << 20].into();
    for (instance, action_type, information, status) in [
        ("1.2.3", 1, Some(good.clone()), 0x0112),
        (WELL_KNOWN, 2, Some(good.clone()), 0x0123),
        (WELL_KNOWN, 1, None, 0x0115),
        (WELL_KNOWN, 1, Some(empty), 0x0115),
        (WELL_KNOWN, 1, Some(cut), 0x0115),
        (WELL_KNOWN, 1, Some(any), 0x0115),
        (WELL_KNOWN, 1, Some(long), 0x0213),
    ] {
        let message_id = ask(&mut association, instance, action_type, information).await;
        let outcome = answered(&mut association, message_id).await;
        assert_eq!(outcome.status, Status(status), "{:?}", outcome.error_comment);
        assert!(outcome.error_comment.is_some_and(|words| !words.is_empty()));
    }
    station.shelf.refuse(Some(RefusalKind::Failed));
    assert_eq!(asked(&mut association, &request("1.9.1", vec![kept.clone()])).await, Status(0x0131));
    station.shelf.refuse(None);
    assert_eq!(asked(&mut association, &request("1.9.1", vec![kept])).await, Status::SUCCESS);
    let (context, command, _) = report(&mut association, Form::ExplicitLittle).await;
    answer(&mut association, context, &command, Status::SUCCESS).await;
    association.release().await.unwrap();
}

/// A second request is answered while the report of the first is not, and its result waits for that.
#[tokio::test]
async fn results_come_one_after_another_and_requests_do_not_wait_for_them() {
    let (station, kept) = stocked().await;
    let mut association = call(&station).await;
    assert_eq!(asked(&mut association, &request("1.9.1", vec![kept.clone()])).await, Status::SUCCESS);
    let (context, first, one) = report(&mut association, Form::ExplicitLittle).await;
    assert_eq!(asked(&mut association, &request("1.9.2", vec![kept])).await, Status::SUCCESS);
    assert!(timeout(AT_ONCE, association.receive()).await.is_err(), "one at a time");
    answer(&mut association, context, &first, Status::SUCCESS).await;
    let (context, second, other) = report(&mut association, Form::ExplicitLittle).await;
    answer(&mut association, context, &second, Status::SUCCESS).await;
    assert_eq!((one.transaction.as_str(), other.transaction.as_str()), ("1.9.1", "1.9.2"));
    association.release().await.unwrap();
}

/// An answer to a report that nobody told is none of ours.
#[tokio::test]
async fn an_answer_to_nothing_ends_the_association() {
    let (station, _) = stocked().await;
    let mut association = station.call_as(proposal("CT1", &[(COMMIT, &[EXPLICIT_VR_LE])])).await.unwrap();
    let response = Command::NEventReportRsp {
        message_id: 7,
        sop_class: None,
        sop_instance: None,
        event_type: None,
        outcome: Outcome::of(Status::SUCCESS),
    };
    association.send(1, &response).await.unwrap();
    assert!(association.receive().await.is_err());
}
