//! pynetdicom's applications.

use outrigger_model::AeTitle;
use outrigger_sim::peers::{PynetdicomQrScp, PynetdicomStoreScp, PynetdicomStoreScu};

use crate::sending::{Study, caller, echo_and_store, find_study};

#[tokio::test]
async fn peer_pynetdicom_storescp_keeps_what_it_is_sent() {
    let scp = PynetdicomStoreScp::start(&AeTitle::new("PYSTORE").unwrap(), &[]).await.unwrap();
    let study = Study::new(41);
    echo_and_store(scp.station(), &study).await;
    assert_eq!(scp.files().unwrap().len(), 3);
}

#[tokio::test]
async fn peer_pynetdicom_qrscp_stores_and_finds() {
    let scp = PynetdicomQrScp::start(&AeTitle::new("PYQR").unwrap(), &[]).await.unwrap();
    let study = Study::new(42);
    echo_and_store(scp.station(), &study).await;
    assert_eq!(scp.files().unwrap().len(), 3);
    find_study(scp.station(), &study).await;
}

#[tokio::test]
async fn peer_pynetdicom_storescu_sends_a_directory() {
    let scp = PynetdicomStoreScp::start(&AeTitle::new("PYSTORE").unwrap(), &[]).await.unwrap();
    let study = Study::new(43);
    let calling = caller();
    let send = PynetdicomStoreScu { calling: &calling, called: scp.station(), path: study.directory.path() };
    let run = send.run().await.unwrap();
    assert!(run.success(), "{}", run.said());
    assert_eq!(scp.files().unwrap().len(), 3);
}
