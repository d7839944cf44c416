//! Orthanc.

use outrigger_model::AeTitle;
use outrigger_sim::certificates::Authority;
use outrigger_sim::peers::{EchoScu, Orthanc, OrthancSetup, OrthancTls, Station, StoreScp};

use crate::sending::{Study, caller, echo_and_store, find_study, get_study, move_study};

#[tokio::test]
async fn peer_orthanc_stores_finds_and_gives_back() {
    let destination = StoreScp::start(&AeTitle::new("DEST").unwrap(), &[]).await.unwrap();
    let mut stations = vec![destination.station().clone()];
    stations.push(Station { ae_title: caller(), port: 1 });
    let setup = OrthancSetup::new(&AeTitle::new("ORTHANC").unwrap(), &stations);
    let orthanc = Orthanc::start(&setup).await.unwrap();
    let study = Study::new(21);
    echo_and_store(orthanc.station(), &study).await;
    assert_eq!(orthanc.rest().count().await.unwrap(), 3);
    let held: Vec<_> = orthanc.rest().digests().await.unwrap().into_iter().map(|(uid, _)| uid).collect();
    assert_eq!(held, study.instances());
    find_study(orthanc.station(), &study).await;
    get_study(orthanc.station(), &study).await;
    move_study(orthanc.station(), &destination, &study).await;
}

#[tokio::test]
async fn peer_orthanc_keeps_its_objects_over_a_restart_and_loses_those_deleted() {
    let setup = OrthancSetup::new(&AeTitle::new("ORTHANC").unwrap(), &[]);
    let mut orthanc = Orthanc::start(&setup).await.unwrap();
    let study = Study::new(22);
    echo_and_store(orthanc.station(), &study).await;
    orthanc.process().restart().await.unwrap();
    let held = orthanc.rest().instances().await.unwrap();
    assert_eq!(held.len(), 3);
    orthanc.rest().delete(&held[0]).await.unwrap();
    assert_eq!(orthanc.rest().count().await.unwrap(), 2);
}

#[tokio::test]
async fn peer_orthanc_answers_dicomweb() {
    let setup = OrthancSetup::new(&AeTitle::new("ORTHANC").unwrap(), &[]);
    let orthanc = Orthanc::start(&setup).await.unwrap();
    let study = Study::new(23);
    echo_and_store(orthanc.station(), &study).await;
    let found = orthanc.rest().json("/dicom-web/studies").await.unwrap();
    assert_eq!(found[0]["0020000D"]["Value"][0], study.uid());
}

#[tokio::test]
async fn peer_orthanc_speaks_tls_and_nothing_else_when_told_to() {
    let authority = Authority::new().unwrap();
    let (server, client) = (authority.issue("server").unwrap(), authority.issue("client").unwrap());
    let mut setup = OrthancSetup::new(&AeTitle::new("ORTHANC").unwrap(), &[]);
    let trusted = authority.certificate();
    setup.tls =
        Some(OrthancTls { certificate: server.certificate, key: server.key, trusted: trusted.clone() });
    let orthanc = Orthanc::start(&setup).await.unwrap();

    let files = [&client.key, &client.certificate, &trusted].map(|path| path.to_str().unwrap());
    let secure = ["+tls", files[0], files[1], "+cf", files[2]];
    let echo = EchoScu::run_with(&caller(), orthanc.station(), &secure).await.unwrap();
    assert!(echo.success(), "{}", echo.said());
    let plain = EchoScu::run_with(&caller(), orthanc.station(), &["-ta", "3"]).await.unwrap();
    assert!(!plain.success(), "an answer without TLS");
}
