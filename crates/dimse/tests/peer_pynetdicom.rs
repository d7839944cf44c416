//! pynetdicom's applications as peers, in both roles.

use outrigger_model::{Status, transfer_syntax};
use outrigger_sim::part10;
use outrigger_sim::peers::{PynetdicomStoreScp, PynetdicomStoreScu};
use outrigger_sim::phantom::{Phantom, Shape, corpus};

use crate::provider::{Provider, call, check_stored, files, store};
use crate::script::{CT, accept_all, ae, proposed};

#[tokio::test]
async fn peer_pynetdicom_storescu_arrives_byte_for_byte() {
    let phantoms: Vec<Phantom> = corpus(1, Shape::SmallCt, 3).collect();
    let (directory, _) = files(&phantoms);
    let provider = Provider::start(accept_all).await;
    let (calling, called) = (&ae("STORE"), &provider.station);
    let run = PynetdicomStoreScu { calling, called, path: directory.path() }.run().await.unwrap();
    assert!(run.status.success(), "{}", run.stderr);
    check_stored(&provider, &phantoms);
}

#[tokio::test]
async fn peer_pynetdicom_storescp_keeps_what_we_send() {
    let scp = PynetdicomStoreScp::start(&ae("SCP"), &[]).await.unwrap();
    let phantom = corpus(1, Shape::Ct, 1).next().unwrap();
    let contexts = vec![proposed(1, CT, &[transfer_syntax::EXPLICIT_VR_LE])];
    let mut association = call(scp.station(), contexts).await;
    assert_eq!(store(&mut association, 1, &phantom).await, Status::SUCCESS);
    association.release().await.unwrap();
    let files = scp.files().unwrap();
    assert_eq!(files.len(), 1);
    let file = std::fs::read(&files[0]).unwrap();
    assert!(part10::parts(&file).unwrap().data_set == phantom.data_set);
}
