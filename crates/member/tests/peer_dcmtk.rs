//! Members that are DCMTK's archive and receiver.

use outrigger_member::{Member, MemberError, ReadBack};
use outrigger_model::TransactionUid;
use outrigger_sim::peers::{DcmQrScp, StoreScp};

use crate::archive::{Keeps, Ours, address, phantoms, shows_and_gives_back, store};
use crate::scripted::{ae, member, spool};

#[tokio::test]
async fn peer_dcmtk_receiver_takes_every_byte() {
    let directory = tempfile::tempdir().unwrap();
    let peer = StoreScp::start(&ae("STORESCP"), &["+B"]).await.unwrap();
    let member = member(address(peer.station()), "STORESCP", ReadBack::Get, spool(&directory));
    member.health().await.unwrap();
    store(&member).await;
    let mut kept: Vec<_> = peer.files().unwrap().iter().map(|file| std::fs::read(file).unwrap()).collect();
    let mut sent: Vec<_> = phantoms().iter().map(|phantom| phantom.data_set.to_vec()).collect();
    for file in &mut kept {
        *file = outrigger_dataset::part10::parts(file).unwrap().data_set.to_vec();
    }
    kept.sort();
    sent.sort();
    assert!(kept == sent, "what storescp keeps is what was sent");
}

#[tokio::test]
async fn peer_dcmtk_archive_shows_what_it_has_and_gives_it_back() {
    let ours = Ours::listen("QRSCP").await;
    let peer = DcmQrScp::start(&ae("QRSCP"), &[ours.station()]).await.unwrap();
    for read_back in [ReadBack::Get, ours.by_move.clone()] {
        let member = member(address(peer.station()), "QRSCP", read_back, spool(&ours.directory));
        store(&member).await;
        shows_and_gives_back(&member, Keeps::Bytes).await;
    }
}

#[tokio::test]
async fn peer_dcmtk_archive_cannot_commit() {
    let directory = tempfile::tempdir().unwrap();
    let peer = DcmQrScp::start(&ae("QRSCP"), &[]).await.unwrap();
    let member = member(address(peer.station()), "QRSCP", ReadBack::Get, spool(&directory));
    let header = &phantoms()[0].header;
    let instances = [(header.sop_class.clone(), header.sop_instance.clone())];
    let error = member.commit(&TransactionUid::known("2.25.7"), &instances).await.unwrap_err();
    assert!(matches!(error, MemberError::Unable { .. }), "{error:?}");
}
