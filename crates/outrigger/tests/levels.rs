//! Real archives and receivers at each confirm level: the level a posting really closes at, and what is said where that is
//! less than was asked for.

use std::time::Duration;

use outrigger_sim::able::{Able, Can, Denies};
use outrigger_sim::peers::{
    DcmQrScp, Orthanc, OrthancSetup, PynetdicomQrScp, PynetdicomStoreScp, Station, StoreScp,
};
use serde_json::Value;

use crate::confirming::at_member;
use crate::door::{Behind, Door, ae, answers, line};
use crate::modality::{objects, send};

const PATIENCE: Duration = Duration::from_secs(90);
/// Objects at each level: more than one series would be, so that a query is asked for several at once.
const OBJECTS: u32 = 5;

/// dcmqrscp names a new file by the second: two connections that store in the same one may be given one name, and it then answers
/// success for an object that the next one overwrites.
const ONE_AT_A_TIME: &str = "connections = 1";

/// Asks a peer for each level and asserts the one reached: `reached` for accepted, present, committed and verified; `lines` and
/// `route` are added to its tables.
///
/// A companion that can do everything verifies each object, so that nobody has the peer verify it afterwards.
async fn reaches(ours: &Station, peer: &Station, lines: &str, route: &str, reached: [&str; 4]) {
    let wanted = ["accepted", "present", "committed", "verified"];
    for ((wanted, reached), seed) in wanted.into_iter().zip(reached).zip(1..) {
        let all = [Can::Query, Can::Commit, Can::GiveBack];
        let companion = Able::start(&ae("COMPANION"), &all, Denies::InNegotiation).await.unwrap();
        let members = [
            Behind::new("peer", peer, wanted).with(lines).by(route),
            Behind::new("companion", companion.station(), "verified"),
        ];
        let door = Door::open_at(ours, &members).await;
        let sent = objects(seed, OBJECTS);
        send(&door.station(), &sent).await;
        let balance = door.balance_exits(0, PATIENCE).await;
        assert_eq!(line(&balance, "peer")["confirmed"], sent.len(), "{wanted}: {balance:#}");
        for object in &sent {
            let found = at_member(&door, object, "peer").await;
            assert_eq!(found["level"], reached, "asked for {wanted}: {found:#}");
            assert_eq!(found["attempts"].as_array().unwrap().len(), 1, "{wanted}: {found:#}");
        }
        let status = door.json(&["status"]).await;
        let peer = &status["members"][0];
        assert_eq!(peer["state"], "up", "{status:#}");
        let is_less = wanted != reached;
        assert_eq!(peer["findings"].as_array().unwrap().is_empty(), !is_less, "{wanted}: {status:#}");
        assert_eq!(status["state"], if is_less { "degraded" } else { "healthy" }, "{wanted}: {status:#}");
        let probed = probe(&door).await;
        assert_eq!(probed["good"], !is_less, "{wanted}: {probed:#}");
    }
}

/// What `check --probe` says of the peer.
async fn probe(door: &Door) -> Value {
    let config = door.config.to_str().unwrap();
    let ran = crate::program::run(&["check", "--config", config, "--probe", "--json"]).await;
    let answer = ran.json();
    answer["probes"][0].clone()
}

#[tokio::test]
async fn peer_dcmtk_receiver_has_its_word_alone() {
    let peer = StoreScp::start(&ae("STORESCP"), &[]).await.unwrap();
    let reached = ["accepted"; 4];
    reaches(&answers(), peer.station(), "", "", reached).await;
}

#[tokio::test]
async fn peer_dcmtk_archive_is_queried_instead_of_committing() {
    let ours = answers();
    let peer = DcmQrScp::start(&ae("QRSCP"), std::slice::from_ref(&ours)).await.unwrap();
    let reached = ["accepted", "present", "present", "verified"];
    reaches(&ours, peer.station(), ONE_AT_A_TIME, "", reached).await;
    reaches(&ours, peer.station(), ONE_AT_A_TIME, "read_back = \"move\"", reached).await;
}

#[tokio::test]
async fn peer_pynetdicom_receiver_has_its_word_alone() {
    let peer = PynetdicomStoreScp::start(&ae("STORESCP"), &[]).await.unwrap();
    reaches(&answers(), peer.station(), "", "", ["accepted"; 4]).await;
}

#[tokio::test]
async fn peer_pynetdicom_archive_is_queried_instead_of_committing() {
    let ours = answers();
    let peer = PynetdicomQrScp::start(&ae("QRSCP"), std::slice::from_ref(&ours)).await.unwrap();
    let reached = ["accepted", "present", "present", "verified"];
    reaches(&ours, peer.station(), "", "read_back = \"move\"", reached).await;
}

#[tokio::test]
async fn peer_orthanc_reaches_every_level() {
    let ours = answers();
    let peer = Orthanc::start(&OrthancSetup::new(&ae("ORTHANC"), std::slice::from_ref(&ours))).await.unwrap();
    reaches(&ours, peer.station(), "", "", ["accepted", "present", "committed", "verified"]).await;
}
