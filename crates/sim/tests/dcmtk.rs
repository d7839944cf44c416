//! DCMTK's servers.

use outrigger_model::AeTitle;
use outrigger_sim::peers::{DcmQrScp, EchoScu, StoreScp};

use crate::sending::{Study, caller, echo_and_store, find_study, get_study, move_study};

#[tokio::test]
async fn peer_dcmtk_storescp_keeps_what_it_is_sent() {
    let scp = StoreScp::start(&AeTitle::new("STORE").unwrap(), &["--fork"]).await.unwrap();
    let study = Study::new(11);
    echo_and_store(scp.station(), &study).await;
    assert_eq!(scp.files().unwrap().len(), 3);
}

#[tokio::test]
async fn peer_dcmtk_dcmqrscp_stores_finds_and_gives_back() {
    let destination = StoreScp::start(&AeTitle::new("DEST").unwrap(), &[]).await.unwrap();
    let title = AeTitle::new("QR").unwrap();
    let scp = DcmQrScp::start(&title, std::slice::from_ref(destination.station())).await.unwrap();
    let study = Study::new(12);
    echo_and_store(scp.station(), &study).await;
    assert_eq!(scp.files().unwrap().len(), 3);
    find_study(scp.station(), &study).await;
    get_study(scp.station(), &study).await;
    move_study(scp.station(), &destination, &study).await;
}

#[tokio::test]
async fn peer_dcmtk_ends_with_its_process_and_starts_again() {
    let mut scp = StoreScp::start(&AeTitle::new("STORE").unwrap(), &[]).await.unwrap();
    scp.process().kill().unwrap();
    let refused = EchoScu::run(&caller(), scp.station()).await.unwrap();
    assert!(!refused.success(), "a killed peer answers");
    scp.process().restart().await.unwrap();
    let answered = EchoScu::run(&caller(), scp.station()).await.unwrap();
    assert!(answered.success(), "{}", answered.said());
}
