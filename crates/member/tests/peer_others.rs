//! Members of other lineages: pynetdicom on SQLite, PixelMed on Java and HSQLDB.

use outrigger_member::Member;
use outrigger_sim::peers::{PixelMed, PynetdicomQrScp, PynetdicomStoreScp};

use crate::archive::{Keeps, Ours, address, shows_and_gives_back, store};
use crate::scripted::{ae, member, spool};

#[tokio::test]
async fn peer_pynetdicom_receiver_takes_objects() {
    let ours = Ours::listen("PYNET").await;
    let peer = PynetdicomStoreScp::start(&ae("PYNET"), &[]).await.unwrap();
    let member = member(address(peer.station()), "PYNET", ours.by_move.clone(), spool(&ours.directory));
    member.health().await.unwrap();
    store(&member).await;
    assert_eq!(peer.files().unwrap().len(), 4);
}

#[tokio::test]
async fn peer_pynetdicom_archive_shows_what_it_has_and_gives_it_back() {
    let ours = Ours::listen("PYNET").await;
    let peer = PynetdicomQrScp::start(&ae("PYNET"), &[ours.station()]).await.unwrap();
    let member = member(address(peer.station()), "PYNET", ours.by_move.clone(), spool(&ours.directory));
    store(&member).await;
    shows_and_gives_back(&member, Keeps::Content).await;
}

#[tokio::test]
async fn peer_pixelmed_archive_shows_what_it_has_and_gives_it_back() {
    let ours = Ours::listen("PIXELMED").await;
    let peer = PixelMed::start(&ae("PIXELMED"), &[ours.station()]).await.unwrap();
    let member = member(address(peer.station()), "PIXELMED", ours.by_move.clone(), spool(&ours.directory));
    member.health().await.unwrap();
    store(&member).await;
    shows_and_gives_back(&member, Keeps::Content).await;
}
