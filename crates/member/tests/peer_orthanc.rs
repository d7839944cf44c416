//! A member that is Orthanc, plain and behind TLS.

use std::sync::Arc;
use std::time::Duration;

use outrigger_member::dimse::CONNECT_TIMEOUT;
use outrigger_member::{CommitAnswer, CommitReport, DimseMember, DimseRoute, Member, ReadBack};
use outrigger_model::{SopInstanceUid, TransactionUid};
use outrigger_runtime::net::Tcp;
use outrigger_runtime::{IdentityFiles, RealDisk, TlsClient};
use outrigger_sim::certificates::Authority;
use outrigger_sim::peers::{Orthanc, OrthancSetup, OrthancTls};
use tokio::time::timeout;

use crate::archive::{Keeps, Ours, address, phantoms, shows_and_gives_back, store};
use crate::scripted::{ae, member, spool};

#[tokio::test]
async fn peer_orthanc_shows_what_it_has_and_gives_it_back() {
    let ours = Ours::listen("ORTHANC").await;
    let peer = Orthanc::start(&OrthancSetup::new(&ae("ORTHANC"), &[ours.station()])).await.unwrap();
    for read_back in [ReadBack::Get, ours.by_move.clone()] {
        let member = member(address(peer.station()), "ORTHANC", read_back, spool(&ours.directory));
        member.health().await.unwrap();
        store(&member).await;
        shows_and_gives_back(&member, Keeps::Content).await;
    }
}

#[tokio::test]
async fn peer_orthanc_commits_to_what_it_has_and_to_nothing_else() {
    let mut ours = Ours::listen("ORTHANC").await;
    let peer = Orthanc::start(&OrthancSetup::new(&ae("ORTHANC"), &[ours.station()])).await.unwrap();
    let member = member(address(peer.station()), "ORTHANC", ReadBack::Get, spool(&ours.directory));
    store(&member).await;
    let stored: Vec<_> = phantoms().into_iter().map(|phantom| phantom.header).collect();
    let mut instances: Vec<_> =
        stored.iter().map(|header| (header.sop_class.clone(), header.sop_instance.clone())).collect();
    let missing = SopInstanceUid::known("1.2.3");
    instances.push((instances[0].0.clone(), missing.clone()));
    let transaction = TransactionUid::known("2.25.7");
    let report: CommitReport = match member.commit(&transaction, &instances).await.unwrap() {
        CommitAnswer::Now(report) => report,
        CommitAnswer::Later => {
            timeout(Duration::from_secs(30), ours.answers.reports.recv()).await.unwrap().unwrap()
        }
    };
    assert_eq!(report.transaction, transaction);
    assert_eq!(report.committed, stored.iter().map(|header| header.sop_instance.clone()).collect::<Vec<_>>());
    assert_eq!(report.failed, [(missing, 0x0112)]);
}

#[tokio::test]
async fn peer_orthanc_behind_tls() {
    let ours = Ours::listen("ORTHANC").await;
    let authority = Authority::new().unwrap();
    let (theirs, mine) = (authority.issue("orthanc").unwrap(), authority.issue("outrigger").unwrap());
    let tls =
        OrthancTls { certificate: theirs.certificate, key: theirs.key, trusted: authority.certificate() };
    let setup = OrthancSetup { tls: Some(tls), ..OrthancSetup::new(&ae("ORTHANC"), &[ours.station()]) };
    let peer = Orthanc::start(&setup).await.unwrap();
    let identity = IdentityFiles { certificate: mine.certificate, key: mine.key };
    let known = TlsClient::load(&RealDisk, &authority.certificate(), Some(&identity)).unwrap();
    let nameless = TlsClient::load(&RealDisk, &authority.certificate(), None).unwrap();
    let over = |tls: Option<TlsClient>| {
        let plain = member(address(peer.station()), "ORTHANC", ReadBack::Get, spool(&ours.directory));
        let route = DimseRoute { tls, connect_timeout: CONNECT_TIMEOUT, ..plain.route().clone() };
        DimseMember::new(route, Arc::new(Tcp), spool(&ours.directory))
    };
    let member = over(Some(known));
    member.health().await.unwrap();
    store(&member).await;
    shows_and_gives_back(&member, Keeps::Content).await;
    for tls in [None, Some(nameless)] {
        over(tls).health().await.unwrap_err();
    }
}
