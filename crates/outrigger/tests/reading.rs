//! One archive to the outside: what was stored is found and given back by the front door, whoever has the bytes by then.

use std::time::Duration;

use outrigger_model::{AeTitle, Level, QueryRoot, Tag};
use outrigger_sim::peers::{FindScu, GetScu, MoveScu, Orthanc, OrthancSetup, Station, StoreScp, free_port};
use serde_json::Value;
use tempfile::TempDir;

use crate::archives::Archive;
use crate::door::{Behind, Door, ae, answers, configuration, head};
use crate::modality::{Object, objects, same_at, send};

const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes leave the journal as soon as every member has them verified.
pub(crate) const NO_RETENTION: &str = "[journal]\nretention = \"0s\"\n";

/// From the moment of the acknowledgement on, with every member away.
#[tokio::test]
async fn what_was_acknowledged_is_given_back_at_once_from_the_journal() {
    let away = Station { ae_title: ae("AWAY"), port: free_port().unwrap() };
    let door = Door::open(&[Behind::new("a", &away, "present")]).await;
    let sent = objects(41, 12);
    send(&door.station(), &sent).await;
    same_at(&door.station(), &sent).await;
}

/// Once the journal has let the bytes go, the members give them, and either of them does.
#[tokio::test]
async fn what_the_journal_has_let_go_comes_from_the_members_whichever_is_up() {
    let (a, b) = (Archive::start("A", "sqlite").await, Archive::start("B", "redb").await);
    let members = [Behind::new("a", &a.station(), "verified"), Behind::new("b", &b.station(), "verified")];
    let directory = TempDir::new().unwrap();
    let text = configuration(directory.path(), &members).replace("[journal]\n", NO_RETENTION);
    let door = Door::open_with(directory, &text).await;
    let sent = objects(42, 12);
    send(&door.station(), &sent).await;
    released(&door, &sent).await;
    same_at(&door.station(), &sent).await;
    drop(a);
    same_at(&door.station(), &sent).await;
}

pub(crate) async fn released(door: &Door, sent: &[Object]) {
    door.balance_exits(0, PATIENCE).await;
    for object in sent {
        let released = |why: &Value| why["studies"][0]["instances"][0]["journal"] == false;
        door.until(&["why", object.header.sop_instance.as_str()], PATIENCE, released).await;
    }
}

/// What DCMTK's clients see of a study at a front door, and where C-MOVE brings it.
async fn seen(door: &Station, of: &Object, receiver: &StoreScp) -> [usize; 3] {
    let calling = ae("VIEWER");
    let (root, level) = (QueryRoot::Study, Level::Study);
    let key = format!("0020,000d={}", of.header.study.as_ref().unwrap());
    let series = format!("0020,000e={}", of.header.series.as_ref().unwrap());
    let keys = [key.as_str()];
    let image = [key.as_str(), series.as_str(), "0008,0018"];
    let find = FindScu { calling: &calling, called: door, root, level: Level::Image, keys: &image };
    let found = find.run().await.unwrap();
    for answer in &found.answers {
        assert_eq!(answer[&Tag::RETRIEVE_AE_TITLE].trim_end(), "OUTRIGGER", "{}", found.run.said());
    }
    let into = TempDir::new().unwrap();
    let get = GetScu { calling: &calling, called: door, into: into.path(), root, level, keys: &keys };
    let (run, got) = get.run().await.unwrap();
    assert!(run.success(), "{}", run.said());
    let destination: &AeTitle = &receiver.station().ae_title;
    let move_ = MoveScu { calling: &calling, called: door, destination, root, level, keys: &keys };
    let run = move_.run().await.unwrap();
    assert!(run.success(), "{}", run.said());
    [found.answers.len(), got.len(), receiver.files().unwrap().len()]
}

/// Orthanc and an embedded archive behind the door, each down in turn, and clients that know nothing of them.
#[tokio::test]
async fn peer_orthanc_and_an_archive_are_one_archive_to_the_clients_of_dcmtk() {
    let ours = answers();
    let orthanc =
        Orthanc::start(&OrthancSetup::new(&ae("ORTHANC"), std::slice::from_ref(&ours))).await.unwrap();
    let archive = Archive::start("B", "redb").await;
    let receiver = StoreScp::start(&ae("WS1"), &["+B"]).await.unwrap();
    let members = [
        Behind::new("orthanc", orthanc.station(), "verified"),
        Behind::new("b", &archive.station(), "verified"),
    ];
    let directory = TempDir::new().unwrap();
    let peers = format!(
        "[[peer]]\nae_title = \"WS1\"\naddress = \"{}\"\n[[peer]]\nae_title = \"VIEWER\"\n[[peer]]\nae_title = \"CT1\"\n",
        receiver.station().address()
    );
    let text = head(directory.path(), ours.port, "").replace("[journal]\n", NO_RETENTION)
        + &members.iter().map(Behind::text).collect::<String>()
        + &peers;
    let door = Door::open_with(directory, &text).await;
    let sent = objects(43, 8);
    send(&door.station(), &sent).await;
    released(&door, &sent).await;
    let of_study = sent.iter().filter(|object| object.header.study == sent[0].header.study).count();
    assert_eq!(seen(&door.station(), &sent[0], &receiver).await, [of_study; 3]);
    drop(orthanc);
    assert_eq!(seen(&door.station(), &sent[0], &receiver).await, [of_study; 3]);
}
